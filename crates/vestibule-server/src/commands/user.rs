use std::process::ExitCode;

use vestibule::models::EmailAddress;
use vestibule::services::{HandOutLinkError, LinkPurpose};

use crate::app::App;
use crate::command_line::UserAction;
use crate::failure::Failure;
use crate::house::{open_accounts, open_database, prepare_schema};
use crate::settings::Settings;

/// Does something with one user.
pub(crate) async fn run(app: &App, settings: &Settings, action: UserAction) -> Result<ExitCode, Failure> {
    match action {
        UserAction::Link { email, confirm, reset: _, json } => {
            let purpose = if confirm { LinkPurpose::Confirm } else { LinkPurpose::Reset };
            link(app, settings, &email, purpose, json).await
        }
    }
}

/// Prints a link that confirms the address or resets the password, for an operator to hand to a person.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
async fn link(
    app: &App,
    settings: &Settings,
    email: &str,
    purpose: LinkPurpose,
    json: bool,
) -> Result<ExitCode, Failure> {
    let email = EmailAddress::parse(email).map_err(|error| {
        Failure::with_way_out(format!("{email:?} is no address: {error}"), "Give the address of a user.")
    })?;
    let database = open_database(settings).await?;
    prepare_schema(app, settings, &database).await?;
    let accounts = open_accounts(app, settings, &database).await?;
    let link = accounts.hand_out_link(&email, purpose).await.map_err(|error| refusal(&error, &email))?;
    database.close().await;

    let minutes = link.lifetime.whole_minutes();
    if json {
        println!(
            "{}",
            serde_json::json!({ "link": link.url(), "expires_in_seconds": link.lifetime.whole_seconds() })
        );
    } else {
        println!("{}", link.url());
        let does = match purpose {
            LinkPurpose::Confirm => "confirms the address; the password or a session is asked for with it",
            LinkPurpose::Reset => "lets whoever has it choose a new password",
        };
        eprintln_note(&format!(
            "It {does}. It is good once, for {minutes} minutes, and ends the links before it. Hand it over in private."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Beside the answer, so that a script gets the link alone.
#[expect(clippy::print_stderr, reason = "a note beside the answer of a command")]
fn eprintln_note(note: &str) {
    eprintln!("{note}");
}

fn refusal(error: &HandOutLinkError, email: &EmailAddress) -> Failure {
    let way_out = match error {
        HandOutLinkError::NoUser => {
            "Look at the spelling. An address that is not confirmed yet is a user's too."
        }
        HandOutLinkError::AlreadyConfirmed => {
            "There is nothing to do. To get back in, hand out a link with --reset."
        }
        HandOutLinkError::Disabled => "Enable the user first.",
        HandOutLinkError::Store(_) => "Check that the database runs and can be reached from here.",
    };
    Failure::with_way_out(format!("no link for {email}: {}", crate::failure::with_causes(error)), way_out)
}
