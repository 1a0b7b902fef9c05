use serde_json::json;

use super::disable_user::refusal;
use super::office::{Office, confirm};
use super::output::{print_json, print_line};
use crate::failure::Failure;

/// Removes a user and everything that refers to them.
pub(super) async fn delete_user(office: &Office, email: &str, yes: bool, json: bool) -> Result<(), Failure> {
    let user = office.user(email).await?;
    if !yes {
        confirm(&format!("Delete {} and everything that belongs to them, for ever?", user.email))?;
    }
    office.accounts.delete_user(user.id, &Office::operator()).await.map_err(refusal)?;
    if json {
        print_json(&json!({ "deleted": user.id.to_string() }))?;
    } else {
        print_line(&format!("{} and everything that belonged to them is deleted.", user.email))?;
    }
    Ok(())
}
