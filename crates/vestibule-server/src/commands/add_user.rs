use std::io::{BufRead, IsTerminal};

use serde_json::json;
use vestibule::services::{AddUser, AddUserError};

use super::office::{Office, parse_role};
use super::output::{print_json, print_line, user_json};
use crate::failure::Failure;

/// Makes an account. The password comes from standard input: an argument would stand in the list of processes and in
/// the shell's history.
pub(super) async fn add_user(
    office: &Office,
    email: &str,
    name: &str,
    role: &str,
    is_email_verified: bool,
    json: bool,
) -> Result<(), Failure> {
    let role = parse_role(role)?;
    let password = read_password()?;
    let new = AddUser { name, email, password: &password, role: &role, is_email_verified };
    let user = office.accounts.add_user(new, &Office::operator()).await.map_err(|error| refusal(&error))?;
    if json {
        print_json(&json!({ "user": user_json(&user) }))?;
    } else {
        print_line(&format!("{} has an account now, with the role {}.", user.email, user.role))?;
    }
    Ok(())
}

/// The first line of standard input. On a terminal it is asked for twice and not shown.
pub(super) fn read_password() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ").map_err(Failure::because)?;
        let again = rpassword::prompt_password("Once more: ").map_err(Failure::because)?;
        if password != again {
            return Err(Failure::with_way_out("the two passwords are not the same", "Try again."));
        }
        return Ok(password);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::because)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn refusal(error: &AddUserError) -> Failure {
    match error {
        AddUserError::Invalid(invalid) => {
            let fields: Vec<String> = invalid
                .fields
                .iter()
                .map(|invalid| format!("{}: {}", invalid.field, invalid.message))
                .collect();
            Failure::with_way_out(
                format!("no account was made. {}", fields.join(" ")),
                "Give an address, --name, and the password as the first line of standard input.",
            )
        }
        AddUserError::EmailTaken => Failure::with_way_out(
            error.to_string(),
            "`user show` shows it; `user set-role` changes its role.",
        ),
        AddUserError::Role(_) => {
            Failure::with_way_out(error.to_string(), "Add it to VESTIBULE_ROLES, or give another.")
        }
        AddUserError::Hasher(_) | AddUserError::Store(_) => Failure::because(error),
    }
}
