//! `GET /healthz` and `GET /readyz`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::Vestibule;

/// 200 while the process serves.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 while the database answers and has the schema that this program was made for, else 503 saying which.
pub async fn readyz(State(vestibule): State<Vestibule>) -> Response {
    match vestibule.readiness().check().await {
        Ok(()) => "ready\n".into_response(),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n")).into_response(),
    }
}
