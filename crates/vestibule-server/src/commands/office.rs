use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use vestibule::Accounts;
use vestibule::models::{EmailAddress, Role, User};
use vestibule::services::Administrator;
use vestibule_sql::Database;

use crate::app::App;
use crate::breached_passwords::Sources;
use crate::failure::Failure;
use crate::house::{open_accounts, open_database, prepare_schema};
use crate::settings::Settings;

/// Where an operator works: the accounts of the settings' database, beside servers that may run.
pub(super) struct Office {
    pub accounts: Arc<Accounts>,
    database: Database,
}

impl Office {
    pub(super) async fn open(app: &App, settings: &Settings) -> Result<Self, Failure> {
        Self::open_with(app, settings, Sources::default()).await
    }

    /// The same where a new password is set: those that were leaked are asked for. Elsewhere a file of leaked passwords,
    /// which may be large or damaged, stands in nobody's way.
    pub(super) async fn open_for_passwords(app: &App, settings: &Settings) -> Result<Self, Failure> {
        Self::open_with(app, settings, Sources::open(settings)?).await
    }

    async fn open_with(app: &App, settings: &Settings, leaks: Sources) -> Result<Self, Failure> {
        let database = open_database(settings).await?;
        prepare_schema(app, settings, &database).await?;
        let accounts = open_accounts(app, settings, &database, leaks.ports()).await?;
        Ok(Self { accounts, database })
    }

    pub(super) async fn close(self) {
        self.database.close().await;
    }

    /// The user of an address that somebody typed.
    pub(super) async fn user(&self, email: &str) -> Result<User, Failure> {
        let email = parse_email(email)?;
        let user = self.accounts.find_user_by_email(&email).await.map_err(Failure::because)?;
        user.ok_or_else(|| {
            Failure::with_way_out(
                format!("there is no user with the address {email}"),
                "Look at the spelling; `user list` finds users by a few letters.",
            )
        })
    }

    /// Who it is that has the command line.
    pub(super) fn operator() -> Administrator {
        Administrator::at_the_command_line()
    }
}

pub(super) fn parse_email(typed: &str) -> Result<EmailAddress, Failure> {
    EmailAddress::parse(typed).map_err(|error| {
        Failure::with_way_out(format!("{typed:?} is no address: {error}"), "Give the address of a user.")
    })
}

pub(super) fn parse_role(typed: &str) -> Result<Role, Failure> {
    typed.parse().map_err(|error| {
        Failure::with_way_out(
            format!("{error}"),
            "The roles are user, admin, and those that VESTIBULE_ROLES names.",
        )
    })
}

/// Asks on the terminal whether to do what cannot be undone. Where nobody can be asked, it is not done.
pub(super) fn confirm(question: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::with_way_out(
            format!("not done without being asked: {question}"),
            "Add --yes where nobody can be asked.",
        ));
    }
    if ask(question)? {
        return Ok(());
    }
    Err(Failure::with_way_out("nothing was changed", "Answer with y to go on."))
}

/// The same for what can be made good: where nobody can be asked, it is done.
pub(super) fn confirm_on_terminal(question: &str) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() { confirm(question) } else { Ok(()) }
}

#[expect(clippy::print_stderr, reason = "a question beside the answer of a command")]
fn ask(question: &str) -> Result<bool, Failure> {
    eprint!("{question} [y/N] ");
    std::io::stderr().flush().map_err(Failure::because)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::because)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
