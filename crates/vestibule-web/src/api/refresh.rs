//! `GET` or `POST /api/auth/refresh`.

use ::vestibule::models::CsrfProof;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::answers;
use crate::cookies::CookieValues;
use crate::guard::{clearing_duplicates, header_token};
use crate::{ClientOf, Problem, Vestibule};

/// Renews the session. The CSRF token must come in the header whatever the method: a refresh changes something.
pub async fn refresh(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let presented = cookies.presented(CsrfProof::Sent(header_token(&headers)));
    let refreshed = vestibule.accounts().refresh(&presented, &client).await;
    let refreshed = refreshed.map_err(|error| clearing_duplicates(&cookies, error.into()))?;
    Ok(answers::of_refreshed_session(&vestibule, &refreshed))
}
