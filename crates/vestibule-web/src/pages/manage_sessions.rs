//! `POST /account/sessions/…`.

use ::vestibule::models::PublicSessionId;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use uuid::Uuid;

use super::account::{Part, Refused, done, refused};
use crate::api::answers::farewell;
use crate::{ClientOf, CurrentUser, PageVisit, Path, Problem, Vestibule};

/// Ends one session. Where that is the asking one, it is a log-out.
pub async fn end(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let id = PublicSessionId::from(id);
    vestibule.accounts().end_session(current.current(), id, &client).await?;
    if current.session().public_id == id {
        return Ok((farewell(&vestibule), Redirect::to("/")).into_response());
    }
    Ok(done("session-ended", "sessions").into_response())
}

/// Ends all sessions but the asking one.
pub async fn end_others(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
) -> Result<Response, Problem> {
    match vestibule.accounts().end_other_sessions(current.current(), &client).await.map_err(Problem::from) {
        Ok(_) => Ok(done("others-ended", "sessions").into_response()),
        Err(problem) => {
            let form = Refused { part: Part::Sessions, typed: "", problem: &problem };
            refused(&vestibule, &visit, &current, form).await
        }
    }
}
