//! Bodies of requests, as forms and as JSON: read or refused, and never repeated in the refusal.
#![no_main]

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::FromRequest;
use axum::http::{Request, header};
use axum::response::IntoResponse;
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use vestibule_web::{Form, Json, nullable_text};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    email: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    password: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    token: String,
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime without anything can be built")
});

fuzz_target!(|bytes: &[u8]| {
    let request = |kind: &str| {
        Request::post("/")
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(bytes.to_vec()))
            .expect("a request can be put together")
    };
    RUNTIME.block_on(async {
        if let Err(problem) =
            Form::<Fields>::from_request(request("application/x-www-form-urlencoded"), &()).await
        {
            assert!(problem.status.is_client_error());
        }
        if let Err(problem) = Json::<Fields>::from_request(request("application/json"), &()).await {
            assert!(problem.status.is_client_error());
            let told =
                problem.into_response().into_body().collect().await.expect("an answer has a body").to_bytes();
            let told: Result<String, _> = String::from_utf8(told.to_vec());
            assert!(told.is_ok());
        }
    });
});
