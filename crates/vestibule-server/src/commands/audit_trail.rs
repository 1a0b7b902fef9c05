use std::process::ExitCode;
use std::time::Duration;

use vestibule::models::{AuditEvent, AuditEventId, AuditEventKind};
use vestibule::repository::AuditFilter;

use super::office::Office;
use super::output::{event_json, event_line, print_json, print_line};
use crate::app::App;
use crate::command_line::AuditAction;
use crate::failure::Failure;
use crate::settings::Settings;

/// How often it is looked for what is new.
const PAUSE: Duration = Duration::from_secs(1);
/// Of what is new, at most so much is printed each time.
const STEP: u32 = 1000;

/// Prints the newest events and, where that is wanted, what comes.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    action: AuditAction,
    json: bool,
) -> Result<ExitCode, Failure> {
    let AuditAction::Tail { lines, follow, user, kind } = action;
    let office = Office::open(app, settings).await?;
    let user = match user {
        None => None,
        Some(email) => Some(office.user(&email).await?.id),
    };
    let kind = kind.as_deref().and_then(AuditEventKind::from_word);
    let filter = AuditFilter { kind, user, ..AuditFilter::default() };

    let events = list(&office, filter, lines).await?;
    tell(&events, json);
    if follow {
        let newest = list(&office, filter, 1).await?;
        let mut seen = events.last().or(newest.last()).map(|event| event.id);
        loop {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = tokio::signal::ctrl_c() => break,
            }
            let new = newer_than(list(&office, filter, STEP).await?, seen);
            seen = new.last().map(|event| event.id).or(seen);
            tell(&new, json);
        }
    }
    office.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The newest events, the newest last.
async fn list(office: &Office, filter: AuditFilter, limit: u32) -> Result<Vec<AuditEvent>, Failure> {
    let mut events = office.accounts.list_audit_events(filter, limit).await.map_err(Failure::because)?.items;
    events.reverse();
    Ok(events)
}

fn newer_than(events: Vec<AuditEvent>, seen: Option<AuditEventId>) -> Vec<AuditEvent> {
    events.into_iter().filter(|event| seen.is_none_or(|seen| event.id > seen)).collect()
}

fn tell(events: &[AuditEvent], json: bool) {
    for event in events {
        if json {
            print_json(&event_json(event));
        } else {
            print_line(&event_line(event));
        }
    }
}
