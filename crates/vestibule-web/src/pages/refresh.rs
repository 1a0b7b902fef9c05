//! `GET /refresh?next=`.

use ::vestibule::models::CsrfProof;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::{DEFAULT_NEXT, FormQuery};
use crate::api::answers::{of, set};
use crate::cookies::CookieValues;
use crate::guard::clearing_duplicates;
use crate::{ClientOf, Problem, Query, Vestibule};

/// Renews the session and goes on; to the log-in page where there is none to renew.
pub async fn refresh(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    Query(query): Query<FormQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let names = vestibule.cookie_names();
    let cookies = CookieValues::read(&headers, names);
    let presented = cookies.presented(CsrfProof::NotNeeded);
    match vestibule.accounts().refresh(&presented, &client).await.map_err(Problem::from) {
        Ok(refreshed) => {
            let mut renewed = names.of_refreshed_session(&refreshed, vestibule.accounts().now());
            renewed.push(names.csrf_cookie(&refreshed.tokens.csrf));
            Ok((set(renewed), of(&refreshed), Redirect::to(query.next.or(DEFAULT_NEXT))).into_response())
        }
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => {
            let problem = clearing_duplicates(&presented, problem);
            let mut response = Redirect::to(&query.next.link("/log-in")).into_response();
            // Its cookies are removed where the session is certainly over.
            response.extensions_mut().insert(problem);
            Ok(response)
        }
        Err(problem) => Err(problem),
    }
}
