use std::process::ExitCode;

use serde_json::json;
use vestibule::models::EmailAddress;
use vestibule::services::{Administrator, HandOutLinkError, LinkPurpose};

use super::office::{Office, parse_email};
use super::output::{print_json, print_line};
use crate::app::App;
use crate::failure::{Failure, note};
use crate::settings::Settings;

/// Prints a link that confirms the address or resets the password, for an operator to hand to a person.
pub(super) async fn hand_out_link(
    app: &App,
    settings: &Settings,
    email: &str,
    purpose: LinkPurpose,
    json: bool,
) -> Result<ExitCode, Failure> {
    let email = parse_email(email)?;
    let office = Office::open(app, settings).await?;
    let link = office
        .accounts
        .hand_out_link(&email, purpose, &Administrator::at_the_command_line())
        .await
        .map_err(|error| refusal(&error, &email))?;
    office.close().await;

    let minutes = link.lifetime.whole_minutes();
    if json {
        print_json(&json!({ "link": link.url(), "expires_in_seconds": link.lifetime.whole_seconds() }))?;
    } else {
        print_line(link.url())?;
        let does = match purpose {
            LinkPurpose::Confirm => "confirms the address; the password or a session is asked for with it",
            LinkPurpose::Reset => "lets whoever has it choose a new password",
        };
        // Beside the answer, so that a script gets the link alone.
        note(&format!(
            "It {does}. It is good once, for {minutes} minutes, and ends the links before it. Hand it over in private."
        ));
    }
    Ok(ExitCode::SUCCESS)
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
        HandOutLinkError::TooMany(_) => "Wait, or print a link with `user link`.",
        HandOutLinkError::Store(_) => "Check that the database runs and can be reached from here.",
    };
    Failure::with_way_out(format!("no link for {email}: {}", crate::failure::with_causes(error)), way_out)
}
