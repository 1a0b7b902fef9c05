use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use vestibule::models::{EmailAddress, Role, User};
use vestibule::services::Administrator;
use vestibule::{Accounts, SessionCache};
use vestibule_sql::{Database, MIGRATIONS, SchemaState};

use crate::app::App;
use crate::breached_passwords::Sources;
use crate::failure::Failure;
use crate::house::{difference, is_embedded_missing, open_accounts, open_database, prepare_schema};
use crate::settings::Settings;
use crate::terminal::harmless;

/// Where an operator works: the accounts of the settings' database, beside servers that may run.
pub(super) struct Office {
    pub accounts: Arc<Accounts>,
    database: Database,
}

impl Office {
    /// For a command that changes something in a database that is there.
    pub(super) async fn open(app: &App, settings: &Settings) -> Result<Self, Failure> {
        let database = existing_database(app, settings).await?;
        prepare_schema(app, settings, &database).await?;
        Self::over(app, settings, database).await
    }

    /// For a command that only reads: it does not even bring the schema up to date.
    pub(super) async fn open_to_read(app: &App, settings: &Settings) -> Result<Self, Failure> {
        let database = existing_database(app, settings).await?;
        for migrations in app.all_migrations() {
            let state = database.schema_state(&migrations).await.map_err(Failure::because)?;
            if let Some(difference) = difference(&state) {
                return Err(Failure::with_way_out(
                    format!("the database's schema is not the expected one: {difference}"),
                    format!("This command only reads. `{} migrate` brings the schema up to date.", app.name),
                ));
            }
        }
        Self::over(app, settings, database).await
    }

    /// For the first command on a fresh machine, which makes what is missing as the server does, and sets a password: those
    /// that were leaked are asked for. Elsewhere a file of leaked passwords, which may be large or damaged, stands in nobody's
    /// way.
    pub(super) async fn open_or_make(app: &App, settings: &Settings) -> Result<Self, Failure> {
        let leaks = Sources::open(settings)?;
        let database = open_database(settings).await?;
        prepare_schema(app, settings, &database).await?;
        Self::over_with(app, settings, database, leaks).await
    }

    async fn over(app: &App, settings: &Settings, database: Database) -> Result<Self, Failure> {
        Self::over_with(app, settings, database, Sources::default()).await
    }

    async fn over_with(
        app: &App,
        settings: &Settings,
        database: Database,
        leaks: Sources,
    ) -> Result<Self, Failure> {
        let accounts =
            open_accounts(app, settings, &database, leaks.ports(), Arc::new(SessionCache::off())).await?;
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

/// The database, unless there is none of a site: a command that is run in a wrong folder must not make a new one, in which it
/// then finds nobody.
pub(super) async fn existing_database(app: &App, settings: &Settings) -> Result<Database, Failure> {
    let none = |what: String| {
        let way_out = format!(
            "Run it in the folder of the site, or set VESTIBULE_DATABASE_URL. `{} migrate` makes a new one.",
            app.name
        );
        Failure::with_way_out(what, way_out)
    };
    if is_embedded_missing(settings) {
        return Err(none(format!("there is no database {}", settings.database_url)));
    }
    let database = open_database(settings).await?;
    let state = database.schema_state(&MIGRATIONS).await.map_err(Failure::because)?;
    if matches!(&state, SchemaState::Missing(missing) if *missing == MIGRATIONS.names()) {
        return Err(none(format!("the database {} is empty", settings.database_url)));
    }
    Ok(database)
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

fn ask(question: &str) -> Result<bool, Failure> {
    let mut terminal = std::io::stderr().lock();
    write!(terminal, "{} [y/N] ", harmless(question)).map_err(Failure::because)?;
    terminal.flush().map_err(Failure::because)?;
    drop(terminal);
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::because)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
