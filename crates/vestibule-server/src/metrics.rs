use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Registry, TextEncoder};

pub(crate) use self::mails::MailMetrics;
use self::momentary::Momentary;
pub(crate) use self::requests::RequestMetrics;
use crate::certificates::Served;

mod mails;
mod momentary;
mod requests;

/// Prometheus' text format, version 0.0.4.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What this server counts while it runs.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    pub mails: MailMetrics,
    pub requests: RequestMetrics,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let (mails, requests) = (MailMetrics::new(&registry), RequestMetrics::new(&registry));
        Self { registry, mails, requests }
    }
}

/// `/metrics`, for an address of its own.
pub(crate) fn router(metrics: Metrics, momentary: Momentary) -> Router {
    Router::new().route("/metrics", get(tell)).with_state((metrics.registry, Arc::new(momentary)))
}

/// What there is at this moment, for [`router`].
pub(crate) fn momentary(
    accounts: Arc<vestibule::Accounts>,
    database: vestibule_sql::Database,
    served: Option<Arc<Served>>,
) -> Momentary {
    Momentary::new(accounts, database, served)
}

async fn tell(State((counted, momentary)): State<(Registry, Arc<Momentary>)>) -> Response {
    let read = match momentary.read().await {
        Ok(read) => read,
        Err(error) => {
            let cause = crate::failure::with_causes(&error);
            tracing::warn!(cause, "the database does not answer what the metrics ask");
            return (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response();
        }
    };
    let mut families = read.gather();
    families.extend(counted.gather());
    match TextEncoder::new().encode_to_string(&families) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
