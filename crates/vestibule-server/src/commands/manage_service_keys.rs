use std::process::ExitCode;

use serde_json::{Value, json};
use time::Duration;
use uuid::Uuid;
use vestibule::models::ServiceKey;
use vestibule::services::{MakeServiceKey, MakeServiceKeyError};
use vestibule_web::moments::{iso, minute};

use super::office::{Office, confirm};
use super::output::{faint, print_json, print_line, print_table};
use crate::app::App;
use crate::command_line::ServiceKeyAction;
use crate::failure::{Failure, note, with_causes};
use crate::settings::Settings;

/// How many are listed.
const LISTED: u32 = 1_000;

/// Does something with the keys of programs beside the site.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    action: ServiceKeyAction,
    json: bool,
) -> Result<ExitCode, Failure> {
    let office = match action {
        ServiceKeyAction::List => Office::open_to_read(app, settings).await?,
        ServiceKeyAction::Add { .. } | ServiceKeyAction::Revoke { .. } => Office::open(app, settings).await?,
    };
    let done = match action {
        ServiceKeyAction::Add { name, scopes, expires } => add(&office, &name, &scopes, expires, json).await,
        ServiceKeyAction::List => list(&office, json).await,
        ServiceKeyAction::Revoke { id, yes } => revoke(&office, id, yes, json).await,
    };
    office.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn add(
    office: &Office,
    name: &str,
    scopes: &[String],
    lifetime: Option<Duration>,
    json: bool,
) -> Result<(), Failure> {
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let new = MakeServiceKey { name, scopes: &scopes, lifetime };
    let (key, text) = office.accounts.make_service_key(new, &Office::operator()).await.map_err(refusal)?;
    if json {
        let mut told = key_json(&key);
        told["key"] = Value::from(text.as_str());
        return print_json(&json!({ "service_key": told }));
    }
    print_line(&text)?;
    let until = key.expires_at.map_or_else(|| "it is revoked".to_owned(), minute);
    note(&format!(
        "It is shown only now, and lets {} in for {} until {until}.",
        crate::terminal::harmless(key.name.as_str()),
        key.scope_words(),
    ));
    Ok(())
}

async fn list(office: &Office, json: bool) -> Result<(), Failure> {
    let page = office.accounts.list_service_keys(None, LISTED).await.map_err(Failure::because)?;
    if json {
        let keys: Vec<_> = page.items.iter().map(key_json).collect();
        return print_json(&json!({ "service_keys": keys, "has_more": page.has_more }));
    }
    if page.items.is_empty() {
        return print_line("No service keys.");
    }
    let now = office.accounts.now();
    let row = |key: &ServiceKey| {
        let until = match key.expires_at {
            None => "revoked".to_owned(),
            Some(end) if key.is_over(now) => format!("{} (over)", minute(end)),
            Some(end) => minute(end),
        };
        let used = key.last_used_at.map_or_else(|| "never".to_owned(), minute);
        vec![key.id.to_string(), key.name.to_string(), key.scope_words(), minute(key.created_at), used, until]
    };
    let rows: Vec<Vec<String>> = page.items.iter().map(row).collect();
    print_table(&["ID", "NAME", "MAY", "MADE", "LAST USED", "GOOD UNTIL"], &rows)?;
    if page.has_more {
        print_line(&faint("There are more, which are older: these are the newest."))?;
    }
    Ok(())
}

async fn revoke(office: &Office, id: Uuid, yes: bool, json: bool) -> Result<(), Failure> {
    if !yes {
        confirm(&format!("Revoke the service key {id}? The program that has it is let in no more."))?;
    }
    office.accounts.revoke_service_key(id.into(), &Office::operator()).await.map_err(|error| {
        Failure::with_way_out(with_causes(&error), "`service-key list` shows those that there are.")
    })?;
    if json {
        return print_json(&json!({ "revoked": id.to_string() }));
    }
    print_line("The key is revoked. The next request with it is refused.")
}

/// A key without what opens anything.
fn key_json(key: &ServiceKey) -> Value {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    json!({
        "id": key.id.to_string(),
        "name": key.name.as_str(),
        "scopes": scopes,
        "created_at": iso(key.created_at),
        "expires_at": key.expires_at.map(iso),
        "last_used_at": key.last_used_at.map(iso),
    })
}

fn refusal(error: MakeServiceKeyError) -> Failure {
    match error {
        MakeServiceKeyError::Invalid(input) => {
            let told: Vec<_> = input.fields.iter().map(|invalid| invalid.message.as_str()).collect();
            Failure::with_way_out(told.join(" "), "`service-key add --help` shows examples.")
        }
        error @ MakeServiceKeyError::Store(_) => Failure::because(error),
    }
}
