use serde_json::json;
use vestibule::models::User;
use vestibule::services::DisableUserError;

use super::office::Office;
use super::output::{print_json, print_line, user_json};
use crate::failure::Failure;

/// Shuts a user out.
pub(super) async fn disable(office: &Office, email: &str, json: bool) -> Result<(), Failure> {
    let user = office.user(email).await?;
    let user = office.accounts.disable_user(user.id, &Office::operator()).await.map_err(refusal)?;
    tell(&user, "is disabled, and their sessions are ended", json)
}

/// Lets a user in again.
pub(super) async fn enable(office: &Office, email: &str, json: bool) -> Result<(), Failure> {
    let user = office.user(email).await?;
    let user = office.accounts.enable_user(user.id, &Office::operator()).await.map_err(refusal)?;
    tell(&user, "may log in", json)
}

fn tell(user: &User, what: &str, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&json!({ "user": user_json(user) }));
    }
    print_line(&format!("{} {what}.", user.email))
}

pub(super) fn refusal(error: DisableUserError) -> Failure {
    match error {
        DisableUserError::LastAdmin(error) => {
            Failure::with_way_out(error.to_string(), "`user set-role EMAIL admin` makes one.")
        }
        error @ (DisableUserError::NoUser | DisableUserError::Store(_)) => Failure::because(error),
    }
}
