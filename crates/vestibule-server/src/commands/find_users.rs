use serde_json::json;
use vestibule::models::User;
use vestibule::repository::UserFilter;
use vestibule_web::moments::{day, minute};

use super::office::{Office, parse_role};
use super::output::{bold, faint, print_json, print_line, print_table, user_json};
use crate::failure::Failure;
use crate::terminal::harmless;

/// Lists users.
pub(super) async fn list(
    office: &Office,
    words: Option<&str>,
    role: Option<&str>,
    limit: u32,
    json: bool,
) -> Result<(), Failure> {
    let role = role.map(parse_role).transpose()?;
    let filter = UserFilter { words: words.unwrap_or_default().to_owned(), role, below: None };
    let page = office.accounts.list_users(&filter, limit).await.map_err(Failure::because)?;
    if json {
        let users: Vec<_> = page.items.iter().map(user_json).collect();
        print_json(&json!({ "users": users, "has_more": page.has_more }))?;
        return Ok(());
    }
    if page.items.is_empty() {
        print_line("No users.")?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = page.items.iter().map(row).collect();
    print_table(&["EMAIL", "NAME", "ROLE", "SINCE", "STATE"], &rows)?;
    if page.has_more {
        print_line(&faint("There are more: give some letters to look for, or a higher --limit."))?;
    }
    Ok(())
}

/// Shows one user.
pub(super) async fn show(office: &Office, email: &str, json: bool) -> Result<(), Failure> {
    let user = office.user(email).await?;
    let sessions = office.accounts.count_sessions_of(user.id).await.map_err(Failure::because)?;
    if json {
        return print_json(&json!({ "user": user_json(&user), "sessions": sessions }));
    }
    for (name, value) in [
        ("id", user.id.to_string()),
        ("email", user.email.to_string()),
        ("name", user.name.to_string()),
        ("role", user.role.to_string()),
        ("state", state(&user)),
        ("since", minute(user.created_at)),
        ("sessions", sessions.to_string()),
    ] {
        print_line(&format!("{}  {}", bold(&format!("{name:<9}")), harmless(&value)))?;
    }
    Ok(())
}

fn row(user: &User) -> Vec<String> {
    vec![
        user.email.to_string(),
        user.name.to_string(),
        user.role.to_string(),
        day(user.created_at),
        state(user),
    ]
}

fn state(user: &User) -> String {
    let confirmed = if user.is_email_verified { "confirmed" } else { "not confirmed" };
    if user.is_disabled { format!("disabled, {confirmed}") } else { confirmed.to_owned() }
}
