use std::process::ExitCode;

use serde_json::{Value, json};
use time::OffsetDateTime;
use vestibule::models::{KeyStanding, ListedKey};
use vestibule::services::{RotateKeysError, TakeOver};
use vestibule_web::moments::{iso, minute};

use super::office::{Office, confirm};
use super::output::{print_json, print_line, print_table};
use crate::app::App;
use crate::command_line::KeysAction;
use crate::failure::Failure;
use crate::settings::Settings;

/// Does something with the keys that sign access tokens.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    action: KeysAction,
    json: bool,
) -> Result<ExitCode, Failure> {
    if let KeysAction::Rotate { now: true, yes: false } = action {
        confirm("All keys before the new one are thrown away, and browsers have to refresh. Go on?")?;
    }
    let office = Office::open(app, settings).await?;
    let done = match action {
        KeysAction::List => list(&office, json),
        KeysAction::Rotate { now, .. } => rotate(&office, now, json).await,
    };
    office.close().await;
    done
}

fn list(office: &Office, json: bool) -> Result<ExitCode, Failure> {
    let keys = office.accounts.list_keys();
    if json {
        print_json(&json!({ "keys": keys.iter().map(key_json).collect::<Vec<_>>() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let moment = |at: Option<OffsetDateTime>| at.map_or_else(|| "-".to_owned(), minute);
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            vec![
                key.kid.clone(),
                key.standing.as_str().to_owned(),
                minute(key.created_at),
                minute(key.activates_at),
                moment(key.verifies_until),
            ]
        })
        .collect();
    print_table(&["KEY", "STATE", "MADE", "SIGNS FROM", "VERIFIES UNTIL"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

async fn rotate(office: &Office, now: bool, json: bool) -> Result<ExitCode, Failure> {
    let take_over = if now { TakeOver::AtOnce } else { TakeOver::WhenKnown };
    let key = office.accounts.rotate_keys(take_over, &Office::operator()).await.map_err(refusal)?;
    if json {
        print_json(&json!({ "key": key_json(&key) }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_line(&match key.standing {
        KeyStanding::Waiting => format!(
            "Key {} is published and signs from {} on. The ones before it go by themselves when their tokens are over.",
            key.kid,
            minute(key.activates_at)
        ),
        _ => format!(
            "Key {} signs from now on, and the ones before it are gone. Servers that run follow within 30 seconds. Browsers \
             refresh by themselves; programs that hold a token need a new one.",
            key.kid
        ),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn refusal(error: RotateKeysError) -> Failure {
    match error {
        RotateKeysError::OneWaits { .. } => Failure::with_way_out(
            error.to_string(),
            "Rotate again after that. If the keys may be in foreign hands, `keys rotate --now` does not wait.",
        ),
        RotateKeysError::Overtaken => {
            Failure::with_way_out(error.to_string(), "`keys list` shows what there is now.")
        }
        RotateKeysError::Open(error) => Failure::because(error),
    }
}

fn key_json(key: &ListedKey) -> Value {
    json!({
        "kid": key.kid,
        "generation": key.generation,
        "state": key.standing.as_str(),
        "created_at": iso(key.created_at),
        "activates_at": iso(key.activates_at),
        "verifies_until": key.verifies_until.map(iso),
    })
}
