//! `GET /api/auth/revocations`: which sessions ended or changed, for programs that verify access tokens by themselves.

use ::vestibule::models::{Revocation, RevocationPage};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::problem::ProblemBody;
use crate::{Problem, Query, Vestibule};

/// How far one has followed.
#[derive(Deserialize)]
pub struct RevocationsQuery {
    since: Option<String>,
}

/// What was revoked since.
#[derive(Serialize, ToSchema)]
#[schema(as = RevocationFeed)]
pub struct RevocationsBody {
    /// In the order in which they were written. One may be told again.
    revocations: Vec<RevocationBody>,
    /// For so many seconds after its `at` one matters: then all tokens that it is about are over.
    keep_for: i64,
    /// Tokens whose `iat` is not after this are not good, whosever they are: the database was restored.
    #[serde(with = "time::serde::rfc3339::option")]
    all_at: Option<OffsetDateTime>,
    /// What to send as `since` the next time.
    next: String,
    /// Whether there are more: ask again at once.
    more: bool,
    /// What was sent as `since` is of another database, or of this one before it was restored. All that is kept is told from its
    /// beginning; keep what you know beside it.
    reset: bool,
}

/// A session that ended, or whose user has another role or was disabled.
#[derive(Serialize, ToSchema)]
#[schema(as = Revocation)]
pub struct RevocationBody {
    /// The `sid` of its tokens.
    sid: String,
    /// Those whose `iat` is not after this are not good.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl RevocationsBody {
    fn new(page: &RevocationPage, kept_for: Duration) -> Self {
        Self {
            revocations: page.revocations.iter().map(RevocationBody::from).collect(),
            keep_for: kept_for.whole_seconds(),
            all_at: page.all_until.map(second),
            next: page.next.to_string(),
            more: page.has_more,
            reset: page.is_reset,
        }
    }
}

impl From<&Revocation> for RevocationBody {
    fn from(revocation: &Revocation) -> Self {
        Self { sid: revocation.session.to_base64(), at: second(revocation.issued_until) }
    }
}

/// The second that a moment is in. `iat` is cut to seconds too, so a token that was issued before the moment has no later one; one that
/// was issued in the rest of that second is refused with them.
fn second(moment: OffsetDateTime) -> OffsetDateTime {
    moment.replace_nanosecond(0).unwrap_or(moment)
}

/// Which sessions ended or changed.
///
/// For a program that verifies access tokens by itself and shall honour a log-out before they are over. It asks every few seconds, and
/// refuses a token of a `sid` that was told whose `iat` is not after the `at` of it. Each is kept for as long as a token can live.
#[utoipa::path(
    get,
    path = "/api/auth/revocations",
    operation_id = "follow_revocations",
    tag = "Other programs",
    params(("since" = Option<String>, Query, description = "The `next` of the last answer; without it all that is kept is told")),
    responses(
        (status = 200, description = "What was revoked since", body = RevocationsBody),
        (status = 401, description = "No service key, or one that is not good", body = ProblemBody),
        (status = 403, description = "The key has not the scope `revocations:read`", body = ProblemBody),
        (status = 422, description = "`invalid_input`: `since` is no cursor", body = ProblemBody),
    ),
    security(("service_key" = [])),
)]
pub async fn follow_revocations(
    State(vestibule): State<Vestibule>,
    Query(query): Query<RevocationsQuery>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let page = accounts.follow_revocations(query.since.as_deref()).await?;
    Ok(Json(RevocationsBody::new(&page, accounts.revocations_kept_for())).into_response())
}
