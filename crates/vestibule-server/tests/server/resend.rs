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
use vestibule_server::transports::{MailUrl, Sender};
use vestibule_web::mails::Letter;

#[derive(Clone, Default)]
struct Provider(Arc<Mutex<Vec<(HeaderMap, Value)>>>, u16);

async fn take(
    State(Provider(seen, status)): State<Provider>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    seen.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
    (StatusCode::from_u16(status).unwrap(), "{\"message\":\"about ann@example.org\"}".to_owned())
}

async fn deliver(status: u16) -> (Result<(), MailError>, Provider) {
    let provider = Provider(Arc::default(), status);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/emails", post(take)).with_state(provider.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let letter = Letter {
        id: "0198-letter.2".into(),
        to: EmailAddress::parse("ann@example.org").unwrap(),
        subject: "Confirm".into(),
        text: "text".into(),
        html: "<p>html</p>".into(),
        created_at: datetime!(2026-05-01 12:00 UTC),
    };
    let url: MailUrl = format!("resend+http://re_secret@127.0.0.1:{port}").parse().unwrap();
    let from: Sender = "Example <no-reply@example.com>".parse().unwrap();
    (url.transport(&from).unwrap().deliver(&letter).await, provider)
}

#[tokio::test]
async fn a_letter_goes_as_the_provider_wants_it() {
    let (outcome, Provider(seen, _)) = deliver(200).await;
    outcome.unwrap();
    let (headers, body) = seen.lock().unwrap()[0].clone();
    assert_eq!(headers["authorization"], "Bearer re_secret");
    assert_eq!(headers["idempotency-key"], "0198-letter.2");
    let expected = json!({
        "from": "Example <no-reply@example.com>", "to": ["ann@example.org"], "subject": "Confirm",
        "text": "text", "html": "<p>html</p>", "headers": { "Auto-Submitted": "auto-generated" }
    });
    assert_eq!(body, expected);
}

#[rstest]
#[case(400, true)]
#[case(422, true)]
#[case(401, false)]
#[case(403, false)]
#[case(429, false)]
#[case(500, false)]
#[case(302, false)]
#[tokio::test]
async fn what_the_provider_refuses_for_good_is_told_from_what_may_go_later(
    #[case] status: u16,
    #[case] is_refused: bool,
) {
    let error = deliver(status).await.0.unwrap_err();
    assert_eq!(matches!(error, MailError::Refused(_)), is_refused, "{error:?}");
    let told = error.to_string();
    assert!(told.contains(&status.to_string()), "{told}");
    assert!(!told.contains("ann@example.org") && !told.contains("re_secret"), "{told}");
}
