use std::process::ExitCode;

use serde_json::json;
use uuid::Uuid;
use vestibule::models::{MailOutcome, MailState, OutgoingMailId, TrackedMail};
use vestibule::repository::MailFilter;
use vestibule_web::moments::minute;

use super::office::Office;
use super::output::{faint, mail_json, print_json, print_line, print_table};
use crate::app::App;
use crate::command_line::MailAction;
use crate::failure::Failure;
use crate::settings::Settings;

/// How many mails are looked at in one step.
const STEP: u32 = 500;

/// Does something with the mails that are to be sent.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    action: MailAction,
    json: bool,
) -> Result<ExitCode, Failure> {
    let office = match action {
        MailAction::List { .. } => Office::open_to_read(app, settings).await?,
        MailAction::Retry { .. } => Office::open(app, settings).await?,
    };
    let done = match action {
        MailAction::List { state, limit } => list(&office, state.as_deref(), limit, json).await,
        MailAction::Retry { ids } => retry(&office, &ids, json).await,
    };
    office.close().await;
    done
}

async fn list(office: &Office, state: Option<&str>, limit: u32, json: bool) -> Result<ExitCode, Failure> {
    let filter = MailFilter { state: state.and_then(MailState::from_word), below: None };
    let page = office.accounts.list_mails(filter, limit).await.map_err(Failure::because)?;
    if json {
        let mails: Vec<_> = page.items.iter().map(mail_json).collect();
        print_json(&json!({ "mails": mails, "has_more": page.has_more }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if page.items.is_empty() {
        print_line("No mails.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = page.items.iter().map(row).collect();
    print_table(&["ID", "WRITTEN", "KIND", "TO", "STATE", "TRIED", "REASON"], &rows)?;
    if page.has_more {
        print_line(&faint("There are more: give a --state or a higher --limit."))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(tracked: &TrackedMail) -> Vec<String> {
    vec![
        tracked.mail.id.to_string(),
        minute(tracked.mail.created_at),
        tracked.mail.kind.as_str().to_owned(),
        tracked.mail.recipient.to_string(),
        tracked.state.as_str().to_owned(),
        tracked.attempts.to_string(),
        tracked.reason.clone(),
    ]
}

/// Exits with 1 where a mail that was named is not tried again.
async fn retry(office: &Office, named: &[Uuid], json: bool) -> Result<ExitCode, Failure> {
    let ids = if named.is_empty() {
        stuck_mails(office).await?
    } else {
        named.iter().copied().map(OutgoingMailId::from).collect()
    };
    let mut retried = Vec::new();
    let mut left = Vec::new();
    for id in ids {
        let is_retried =
            office.accounts.retry_mail(id, &Office::operator()).await.map_err(Failure::because)?;
        if is_retried { &mut retried } else { &mut left }.push(id.to_string());
    }
    if json {
        print_json(&json!({ "retried": retried, "left": left }))?;
    } else {
        print_line(&format!("Mails that are tried again at once: {}.", retried.len()))?;
        for id in left.iter().filter(|_| !named.is_empty()) {
            print_line(&format!(
                "Left alone: {id}. There is no such mail, it is over, or its turn comes within two minutes."
            ))?;
        }
    }
    let is_incomplete = !named.is_empty() && !left.is_empty();
    Ok(if is_incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All that were given up, and all that wait.
async fn stuck_mails(office: &Office) -> Result<Vec<OutgoingMailId>, Failure> {
    let mut ids = Vec::new();
    for state in [MailState::Finished(MailOutcome::Dead), MailState::Waiting] {
        let mut below = None;
        loop {
            let filter = MailFilter { state: Some(state), below };
            let page = office.accounts.list_mails(filter, STEP).await.map_err(Failure::because)?;
            ids.extend(page.items.iter().map(|tracked| tracked.mail.id));
            if !page.has_more {
                break;
            }
            below = ids.last().copied();
        }
    }
    Ok(ids)
}
