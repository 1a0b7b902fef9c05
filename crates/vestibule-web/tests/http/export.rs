//! The export is all that is held about a user: every column of every table that has a `user_id`, or a reason why not.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use time::Duration;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{PASSWORD, TestServer};

use crate::signed_up;

const ANN: &str = "ann@example.com";

/// The columns that are exported: table, column, list and field of the export.
const EXPORTED: [(&str, &str, &str, &str); 38] = [
    ("audit_events", "actor", "events", "actor"),
    ("audit_events", "created_at", "events", "created_at"),
    ("audit_events", "detail", "events", "detail"),
    ("audit_events", "ip", "events", "ip"),
    ("audit_events", "kind", "events", "kind"),
    ("audit_events", "user_agent", "events", "user_agent"),
    ("devices", "created_at", "devices", "first_seen_at"),
    ("devices", "last_seen_at", "devices", "last_seen_at"),
    ("email_verification_tokens", "created_at", "links", "created_at"),
    ("email_verification_tokens", "email", "links", "email"),
    ("email_verification_tokens", "expires_at", "links", "expires_at"),
    ("email_verification_tokens", "replaces_email", "links", "kind"),
    ("outgoing_mails", "attempts", "mails", "attempts"),
    ("outgoing_mails", "created_at", "mails", "created_at"),
    ("outgoing_mails", "finished_at", "mails", "finished_at"),
    ("outgoing_mails", "ip", "mails", "ip"),
    ("outgoing_mails", "kind", "mails", "kind"),
    ("outgoing_mails", "next_attempt_at", "mails", "next_attempt_at"),
    ("outgoing_mails", "outcome", "mails", "state"),
    ("outgoing_mails", "recipient", "mails", "recipient"),
    ("outgoing_mails", "user_agent", "mails", "user_agent"),
    ("password_reset_tokens", "created_at", "links", "created_at"),
    ("password_reset_tokens", "email", "links", "email"),
    ("password_reset_tokens", "expires_at", "links", "expires_at"),
    ("sessions", "absolute_expires_at", "sessions", "absolute_expires_at"),
    ("sessions", "created_at", "sessions", "created_at"),
    ("sessions", "expires_at", "sessions", "expires_at"),
    ("sessions", "ip", "sessions", "ip"),
    ("sessions", "is_revoked", "sessions", "state"),
    ("sessions", "last_seen_at", "sessions", "last_seen_at"),
    ("sessions", "password_given_at", "sessions", "password_given_at"),
    ("sessions", "public_id", "sessions", "id"),
    ("sessions", "user_agent", "sessions", "user_agent"),
    // The columns of the users' own table, which has no `user_id`.
    ("users", "created_at", "user", "created_at"),
    ("users", "email", "user", "email"),
    ("users", "is_email_verified", "user", "is_email_verified"),
    ("users", "name", "user", "name"),
    ("users", "updated_at", "user", "updated_at"),
];

/// Those that are not, and why.
const KEPT_BACK: [(&str, &str, &str); 18] = [
    ("audit_events", "actor_id", "which admin it was is the admin's; what one did oneself is in `deeds`"),
    ("audit_events", "id", "a number of ours"),
    ("devices", "device_hash", "a secret"),
    ("email_verification_tokens", "token_hash", "a secret"),
    ("outgoing_mails", "id", "a number of ours"),
    ("outgoing_mails", "reason", "what another mail server said to ours, with names of machines"),
    ("outgoing_mails", "uncounted_attempts", "taken off `attempts`, which tells those that count"),
    ("outgoing_mails", "urgency", "follows from the kind"),
    ("password_reset_tokens", "token_hash", "a secret"),
    ("sessions", "csrf_token", "a secret"),
    ("sessions", "id_hash", "a secret"),
    ("sessions", "previous_secret_hash", "a secret"),
    (
        "sessions",
        "secret_first_used_at",
        "how refreshes are told apart; `last_seen_at` tells a person the same",
    ),
    ("sessions", "secret_hash", "a secret"),
    ("sessions", "secret_rotated_at", "how refreshes are told apart; `last_seen_at` tells a person the same"),
    ("users", "id", "exported as `id`, compared below"),
    ("users", "is_disabled", "who is disabled cannot ask"),
    ("users", "password_hash", "a secret"),
];

/// What is kept back of a mail to an address that somebody wants: it tells whether another has it.
const KEPT_BACK_OF_NEW_ADDRESSES: [&str; 4] = ["state", "attempts", "next_attempt_at", "finished_at"];

/// Every column of a table with a `user_id`, and of the users' own.
async fn columns(server: &TestServer) -> Vec<(String, String)> {
    let all = server.house.test_database().columns().await;
    let is_theirs = |table: &str| table == "users" || all.contains(&(table.to_owned(), "user_id".to_owned()));
    all.iter().filter(|(table, _)| is_theirs(table)).cloned().collect()
}

#[rstest]
#[tokio::test]
async fn every_column_of_every_table_about_a_user_is_exported_or_has_a_reason(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    // A row in each table: a session that is over, a reset link, a change of the address, a mail that waits.
    server.browser().log_in("ann").await;
    // While the link of the sign-up is not yet too old to be sent.
    server.house.deliver().await;
    server.clock.advance(Duration::days(8));
    browser.log_in("ann").await;
    browser.call(Method::POST, "/api/auth/forgot-password", Some(&json!({ "email": ANN }))).await;
    let body = json!({ "email": "new@example.com", "current_password": PASSWORD });
    assert_eq!(browser.call(Method::POST, "/api/account/email", Some(&body)).await.status, 202);
    server.house.deliver().await;
    assert_eq!(browser.call(Method::POST, "/api/auth/confirm-email/resend", None).await.status, 202);
    let answer = browser.call(Method::GET, "/api/account/export", None).await;
    let export = answer.json();
    assert_eq!(export["user"]["pending_email"], "new@example.com");
    let ann = server.house.user(ANN).await.unwrap();
    assert_eq!(export["user"]["id"], ann.id.to_string());
    let sessions = export["sessions"].as_array().unwrap();
    assert_eq!(sessions.iter().filter(|session| session["state"] == "expired").count(), 2);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);

    let found = columns(&server).await;
    assert!(found.len() > 50, "{found:?}");
    for (table, column) in &found {
        if column == "user_id" || KEPT_BACK.iter().any(|(t, c, _)| t == table && c == column) {
            continue;
        }
        if (table.as_str(), column.as_str()) == ("users", "role") {
            assert_eq!(export["user"]["role"], "user");
            continue;
        }
        let exported = EXPORTED.iter().find(|(t, c, ..)| t == table && c == column);
        let (_, _, list, field) = exported.unwrap_or_else(|| panic!("{table}.{column} is not in the export"));
        let items = match &export[list] {
            Value::Array(items) => items.clone(),
            item => vec![item.clone()],
        };
        assert!(!items.is_empty(), "{list}");
        for item in items {
            if item["kind"] == "confirm_new_email" && KEPT_BACK_OF_NEW_ADDRESSES.contains(field) {
                assert_eq!(item.get(field), None, "{item}");
                continue;
            }
            assert!(item.get(field).is_some(), "{list}.{field} of {table}.{column}: {item}");
        }
    }
    for (table, column, ..) in EXPORTED {
        assert!(found.contains(&(table.to_owned(), column.to_owned())), "{table}.{column} is no column");
    }

    let mut links = 0;
    for (sql, list) in [
        ("SELECT COUNT(*) AS count FROM audit_events WHERE user_id IS NOT NULL", "events"),
        ("SELECT COUNT(*) AS count FROM devices", "devices"),
        ("SELECT COUNT(*) AS count FROM sessions", "sessions"),
        ("SELECT COUNT(*) AS count FROM outgoing_mails WHERE user_id IS NOT NULL", "mails"),
        ("SELECT COUNT(*) AS count FROM email_verification_tokens", "links"),
        ("SELECT COUNT(*) AS count FROM password_reset_tokens", "links"),
    ] {
        let count = server.house.count(sql).await;
        assert!(count > 0, "{sql} finds nothing to export");
        if list == "links" {
            links += count;
        } else {
            assert_eq!(export[list].as_array().unwrap().len(), count, "{list}");
        }
    }
    assert_eq!(export["links"].as_array().unwrap().len(), links);
}

/// Everything of an export but moments and what was typed.
fn without_moments(mut export: Value, typed: &str) -> Value {
    fn blank(value: &mut Value, typed: &str) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    if name.ends_with("_at") && field.is_string() {
                        *field = json!("a moment");
                    }
                    blank(field, typed);
                }
            }
            Value::Array(items) => {
                for item in items.iter_mut() {
                    blank(item, typed);
                }
                // Rows of one millisecond have no order among themselves.
                items.sort_by_key(Value::to_string);
            }
            Value::String(text) => *text = text.replace(typed, "the address"),
            _ => {}
        }
    }
    blank(&mut export, typed);
    // Names and numbers are those of who asks.
    export["user"] = export["user"]["pending_email"].take();
    export["sessions"] = json!(export["sessions"].as_array().expect("sessions are a list").len());
    export
}

/// Whoever has an account could otherwise ask for any address and read in their export whether another has it.
#[rstest]
#[tokio::test]
async fn the_export_does_not_tell_whether_a_wanted_address_is_taken(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "victim").await;
    let mut exports = Vec::new();
    for (name, wanted) in [("ann", "victim@example.com"), ("bob", "nobody@example.com")] {
        let mut browser = signed_up(&server, name).await;
        let body = json!({ "email": wanted, "current_password": PASSWORD });
        assert_eq!(browser.call(Method::POST, "/api/account/email", Some(&body)).await.status, 202);
        let waiting = browser.call(Method::GET, "/api/account/export", None).await.json();
        server.house.deliver().await;
        let delivered = browser.call(Method::GET, "/api/account/export", None).await.json();
        assert!(delivered["mails"].as_array().unwrap().iter().any(|mail| mail["recipient"] == wanted));
        let own = format!("{name}@example.com");
        exports.push([waiting, delivered].map(|export| {
            let export = serde_json::from_str(&export.to_string().replace(&own, "own")).unwrap();
            without_moments(export, wanted)
        }));
    }
    assert_eq!(exports[0], exports[1]);
    assert_eq!(server.house.post.kinds_for("victim@example.com").len(), 1, "the difference there is to tell");
}

#[rstest]
#[tokio::test]
async fn from_where_strangers_asked_is_told_to_who_has_confirmed_the_address(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let resets = |export: Value| {
        let mails = export["mails"].as_array().unwrap();
        mails.iter().filter(|mail| mail["kind"] == "reset_password").count()
    };
    browser.call(Method::POST, "/api/auth/forgot-password", Some(&json!({ "email": ANN }))).await;
    let path = "/api/account/export";
    assert_eq!(resets(browser.call(Method::GET, path, None).await.json()), 0);
    // The event of it is written as the mail is sent, and a log-in of whose address it is leaves one too.
    server.house.deliver().await;
    let wrong = json!({ "email": ANN, "password": "wrong window thursday" });
    browser.call(Method::POST, "/api/auth/log-in", Some(&wrong)).await;
    let told = |export: &Value| {
        let events = export["events"].as_array().unwrap().iter();
        let strangers = events.filter(|event| {
            ["password_reset_requested", "log_in_failed"].map(Some).contains(&event["kind"].as_str())
        });
        strangers
            .map(|event| event["ip"].is_string() || event["client"]["ip"].is_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&browser.call(Method::GET, path, None).await.json()), [false, false]);
    let token = server.house.post.token_of(vestibule::models::MailKind::ConfirmEmail, ANN);
    browser.call(Method::POST, "/api/auth/confirm-email", Some(&json!({ "token": token }))).await;
    let export = browser.call(Method::GET, path, None).await.json();
    assert_eq!(told(&export), [true, true]);
    assert_eq!(resets(export), 1);
}

#[rstest]
#[tokio::test]
async fn more_events_than_one_question_brings_are_all_exported(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let ann = server.house.user(ANN).await.unwrap();
    let mut work = server.house.database.begin().await.unwrap();
    for _ in 0..2_000 {
        let event = vestibule::models::AuditEvent {
            id: vestibule::models::AuditEventId::new(ann.created_at, &vestibule::ports::OsRandom),
            kind: vestibule::models::AuditEventKind::LoggedIn,
            user_id: Some(ann.id),
            actor: vestibule::models::Actor::Operator,
            detail: "by hand".into(),
            created_at: ann.created_at,
            client: vestibule::models::Client::default(),
        };
        vestibule::repository::AuditEvents::insert_audit_event(&mut work, &event).await.unwrap();
    }
    work.commit().await.unwrap();
    let export = browser.call(Method::GET, "/api/account/export", None).await.json();
    let by_hand = export["events"].as_array().unwrap().iter().filter(|event| event["detail"] == "by hand");
    assert_eq!(by_hand.filter(|event| event["actor"] == "operator").count(), 2_000);
}
