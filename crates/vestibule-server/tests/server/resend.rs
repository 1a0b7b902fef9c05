use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use rstest::rstest;
use serde_json::{Value, json};
use time::macros::datetime;
use vestibule::models::EmailAddress;
use vestibule::ports::MailError;
use vestibule_server::transports::{MailUrl, Patience, Sender};
use vestibule_web::mails::Letter;

const TOKEN: &str = "q7Zk_0vXJx1c-N2bY5sTgHw8RmLpAeDfUiOoKzVyBnE";

/// What it was sent, and what it answers: a status and a text, in which `{body}` is what it was sent.
#[derive(Clone)]
struct Provider(Arc<Mutex<Vec<(HeaderMap, Value)>>>, u16, &'static str);

async fn take(
    State(Provider(seen, status, answer)): State<Provider>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    seen.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
    (StatusCode::from_u16(status).unwrap(), answer.replace("{body}", &body))
}

async fn deliver(status: u16, answer: &'static str) -> (Result<(), MailError>, Provider) {
    let provider = Provider(Arc::default(), status, answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/emails", post(take)).with_state(provider.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let letter = Letter {
        id: "0198-letter.2".into(),
        to: EmailAddress::parse("ann@example.org").unwrap(),
        subject: "Confirm".into(),
        text: format!("Hello Ann,\nhttps://example.com/confirm-email?token={TOKEN}\n"),
        html: format!(
            "<p>Hello Ann,</p><a href=\"https://example.com/confirm-email?token={TOKEN}\">Confirm</a>"
        ),
        created_at: datetime!(2026-05-01 12:00 UTC),
    };
    let url: MailUrl = format!("resend+http://re_secret@127.0.0.1:{port}").parse().unwrap();
    let from: Sender = "Example <no-reply@example.com>".parse().unwrap();
    (url.transport(&from, Patience::default()).unwrap().deliver(&letter).await, provider)
}

#[tokio::test]
async fn a_letter_goes_as_the_provider_wants_it() {
    let (outcome, Provider(seen, ..)) = deliver(200, "{}").await;
    outcome.unwrap();
    let (headers, body) = seen.lock().unwrap()[0].clone();
    assert_eq!(headers["authorization"], "Bearer re_secret");
    assert_eq!(headers["idempotency-key"], "0198-letter.2");
    let expected = json!({
        "from": "Example <no-reply@example.com>", "to": ["ann@example.org"], "subject": "Confirm",
        "text": format!("Hello Ann,\nhttps://example.com/confirm-email?token={TOKEN}\n"),
        "html": format!("<p>Hello Ann,</p><a href=\"https://example.com/confirm-email?token={TOKEN}\">Confirm</a>"),
        "headers": { "Auto-Submitted": "auto-generated" }
    });
    assert_eq!(body, expected);
}

const NO_ADDRESS: &str = r#"{"statusCode":422,"name":"validation_error","message":"Invalid `to` field: ann@example.org is no address."}"#;
const NO_SENDER: &str =
    r#"{"statusCode":422,"name":"validation_error","message":"Invalid `from` field, for ann@example.org."}"#;

/// Final is what is surely about the recipient.
#[rstest]
#[case(400, NO_ADDRESS, true)]
#[case(422, NO_ADDRESS, true)]
#[case(400, NO_SENDER, false)]
#[case(422, NO_SENDER, false)]
#[case(422, "no JSON about `to` and ann@example.org", false)]
#[case(401, NO_ADDRESS, false)]
#[case(403, NO_ADDRESS, false)]
#[case(429, NO_ADDRESS, false)]
#[case(500, NO_ADDRESS, false)]
#[case(302, NO_ADDRESS, false)]
#[tokio::test]
async fn what_the_provider_refuses_for_good_is_told_from_what_may_go_later(
    #[case] status: u16,
    #[case] answer: &'static str,
    #[case] is_refused: bool,
) {
    let error = deliver(status, answer).await.0.unwrap_err();
    assert_eq!(matches!(error, MailError::Refused(_)), is_refused, "{error:?}");
    let told = error.to_string();
    assert!(told.contains(&status.to_string()), "{told}");
    assert!(!told.contains("ann@example.org") && !told.contains("re_secret"), "{told}");
}

#[tokio::test]
async fn a_provider_that_quotes_the_whole_letter_is_told_of_without_any_of_it() {
    let quoting = r#"{"message":"we do not like it","request":{body}}"#;
    let told = deliver(422, quoting).await.0.unwrap_err().to_string();
    assert!(told.contains("answered 422") && told.contains("we do not like it"), "{told}");
    assert!(told.chars().count() < 400 && !told.contains(char::is_control), "{told}");
    for secret in ["ann@example.org", "Hello Ann", "confirm-email"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    for piece in TOKEN.as_bytes().windows(8) {
        assert!(!told.contains(std::str::from_utf8(piece).unwrap()), "{told}");
    }
}
