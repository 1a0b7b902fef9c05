use serde_json::json;
use vestibule::services::ChangeRoleError;

use super::office::{Office, parse_role};
use super::output::{print_json, print_line, user_json};
use crate::failure::Failure;

/// Gives a user another role.
pub(super) async fn change_role(office: &Office, email: &str, role: &str, json: bool) -> Result<(), Failure> {
    let role = parse_role(role)?;
    let user = office.user(email).await?;
    let user = office.accounts.change_role(user.id, &role, &Office::operator()).await.map_err(refusal)?;
    if json {
        print_json(&json!({ "user": user_json(&user) }))?;
    } else {
        print_line(&format!("{} has the role {} now.", user.email, user.role))?;
    }
    Ok(())
}

fn refusal(error: ChangeRoleError) -> Failure {
    match error {
        ChangeRoleError::Role(error) => {
            Failure::with_way_out(error.to_string(), "Add it to VESTIBULE_ROLES, or give another.")
        }
        ChangeRoleError::LastAdmin(error) => {
            Failure::with_way_out(error.to_string(), "`user set-role EMAIL admin` makes one.")
        }
        error @ (ChangeRoleError::NoUser | ChangeRoleError::Store(_)) => Failure::because(error),
    }
}
