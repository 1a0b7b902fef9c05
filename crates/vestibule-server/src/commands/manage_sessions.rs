use std::process::ExitCode;

use serde_json::json;
use uuid::Uuid;
use vestibule::models::PublicSessionId;
use vestibule::services::ManageSessionsError;
use vestibule_web::moments::minute;

use super::office::{Office, confirm};
use super::output::{print_json, print_line, print_table, session_json};
use crate::app::App;
use crate::command_line::SessionAction;
use crate::failure::Failure;
use crate::settings::Settings;

/// Does something with a user's sessions.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    action: SessionAction,
    json: bool,
) -> Result<ExitCode, Failure> {
    let office = match action {
        SessionAction::List { .. } => Office::open_to_read(app, settings).await?,
        SessionAction::Revoke { .. } => Office::open(app, settings).await?,
    };
    let done = match action {
        SessionAction::List { email } => list(&office, &email, json).await,
        SessionAction::Revoke { email, id, yes } => revoke(&office, &email, id, yes, json).await,
    };
    office.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn list(office: &Office, email: &str, json: bool) -> Result<(), Failure> {
    let user = office.user(email).await?;
    let sessions = office.accounts.list_sessions_of(user.id).await.map_err(Failure::because)?;
    if json {
        let sessions: Vec<_> = sessions.iter().map(session_json).collect();
        print_json(&json!({ "sessions": sessions }))?;
        return Ok(());
    }
    if sessions.is_empty() {
        print_line(&format!("{} is not logged in anywhere.", user.email))?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = sessions
        .iter()
        .map(|session| {
            vec![
                session.public_id.to_string(),
                session.client.device_in_words(),
                session.client.place_in_words(),
                minute(session.last_seen_at),
                minute(session.expires_at),
            ]
        })
        .collect();
    print_table(&["ID", "DEVICE", "FROM", "LAST SEEN", "ENDS"], &rows)?;
    Ok(())
}

async fn revoke(
    office: &Office,
    email: &str,
    id: Option<Uuid>,
    yes: bool,
    json: bool,
) -> Result<(), Failure> {
    let user = office.user(email).await?;
    let ended = if let Some(id) = id {
        let ended =
            office.accounts.end_session_of(user.id, PublicSessionId::from(id), &Office::operator()).await;
        ended.map(|()| 1).map_err(|error| match error {
            ManageSessionsError::NotFound => Failure::with_way_out(
                format!("{} has no session {id}", user.email),
                "`session list` lists those that they have.",
            ),
            error @ (ManageSessionsError::NoUser
            | ManageSessionsError::TooMany(_)
            | ManageSessionsError::Store(_)) => Failure::because(error),
        })?
    } else {
        if !yes {
            confirm(&format!("End every session of {}?", user.email))?;
        }
        office.accounts.end_sessions_of(user.id, &Office::operator()).await.map_err(Failure::because)?
    };
    if json {
        print_json(&json!({ "ended": ended }))?;
    } else {
        print_line(&format!("Sessions of {} that were ended: {ended}.", user.email))?;
    }
    Ok(())
}
