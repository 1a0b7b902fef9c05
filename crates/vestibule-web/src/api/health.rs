//! `GET /healthz` and `GET /readyz`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::Vestibule;

/// Seconds after which to ask a server again that was not ready.
const ASK_AGAIN_AFTER: &str = "5";

/// 200 while the process serves.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 while the database answers and has the schema that this program was made for, else 503 saying which.
pub async fn readyz(State(vestibule): State<Vestibule>) -> Response {
    match vestibule.readiness().check().await {
        Ok(()) => "ready\n".into_response(),
        Err(missing) => {
            let retry = [(header::RETRY_AFTER, ASK_AGAIN_AFTER)];
            (StatusCode::SERVICE_UNAVAILABLE, retry, format!("not ready: {missing}\n")).into_response()
        }
    }
}
