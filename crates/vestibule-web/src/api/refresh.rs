//! `GET` or `POST /api/auth/refresh`.

use crate::problem::ProblemBody;
use ::vestibule::models::CsrfProof;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::answers;
use super::answers::UserAndSession;
use crate::cookies::CookieValues;
use crate::guard::{clearing_duplicates, header_token};
use crate::{ClientOf, Problem, Vestibule};

/// Renews the session. The CSRF token must come in the header whatever the method: a refresh changes something.
#[utoipa::path(
    post,
    path = "/api/auth/refresh",
    operation_id = "refresh",
    tag = "Sessions",
    responses(
        (status = 200, description = "Renewed; sets the access and the refresh cookie", body = UserAndSession),
        (status = 401, description = "`session_expired`, `session_revoked`, `refresh_reused` or `unauthenticated`", body = ProblemBody),
        (status = 403, description = "`csrf_failed`", body = ProblemBody),
    ),
    security(("refresh" = [], "csrf" = [])),
)]
pub async fn refresh(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let presented = cookies.presented(CsrfProof::Sent(header_token(&headers)));
    let refreshed = vestibule.accounts().refresh(&presented, &client).await;
    let refreshed = refreshed.map_err(|error| clearing_duplicates(&presented, error.into()))?;
    Ok(answers::of_refreshed_session(&vestibule, &refreshed))
}

/// The same by GET, described apart: one description has one method.
#[utoipa::path(
    get,
    path = "/api/auth/refresh",
    operation_id = "refresh_by_get",
    summary = "Renews the session, by GET. The CSRF token must come in the header here too.",
    tag = "Sessions",
    responses(
        (status = 200, description = "Renewed; sets the access and the refresh cookie", body = UserAndSession),
        (status = 401, description = "`session_expired`, `session_revoked`, `refresh_reused` or `unauthenticated`", body = ProblemBody),
        (status = 403, description = "`csrf_failed`", body = ProblemBody),
    ),
    security(("refresh" = [], "csrf" = [])),
)]
#[expect(dead_code, reason = "it carries a description and is never called: `refresh` answers both methods")]
pub(crate) fn described_for_get() {}
