use serde_json::{Value, json};
use time::Duration;
use vestibule::models::{Invitation, SignUpMode};
use vestibule::services::{Invite, InviteError};
use vestibule_web::moments::{iso, minute};

use super::office::{Office, parse_role};
use super::output::{print_json, print_line, print_table};
use crate::failure::Failure;

/// Prints a link by which one person may sign up.
#[expect(clippy::print_stderr, reason = "a note beside the answer of a command")]
pub(super) async fn invite(
    office: &Office,
    email: Option<&str>,
    lifetime: Duration,
    role: &str,
    json: bool,
) -> Result<(), Failure> {
    let role = parse_role(role)?;
    let new = Invite { email, role: &role, lifetime };
    let (invitation, link) = office.accounts.invite(new, &Office::operator()).await.map_err(refusal)?;
    if json {
        let mut told = invitation_json(&invitation);
        told["link"] = Value::from(link.url());
        print_json(&json!({ "invitation": told }))?;
    } else {
        print_line(link.url())?;
        let whom = invitation
            .email
            .as_ref()
            .map_or_else(|| "one person".to_owned(), |email| format!("{email} alone"));
        eprintln!(
            "It lets {whom} sign up, once, until {}. Hand it over in private.",
            minute(invitation.expires_at)
        );
    }
    let mode = office.accounts.policy().sign_up;
    if mode != SignUpMode::Invite {
        eprintln!(
            "VESTIBULE_SIGN_UP is `{mode}`: invitations count only while it is `invite`. Set that where the site runs."
        );
    }
    Ok(())
}

/// Lists the invitations that can be used.
pub(super) async fn list(office: &Office, json: bool) -> Result<(), Failure> {
    let invitations = office.accounts.list_invitations().await.map_err(Failure::because)?;
    if json {
        let invitations: Vec<_> = invitations.iter().map(invitation_json).collect();
        print_json(&json!({ "invitations": invitations }))?;
        return Ok(());
    }
    if invitations.is_empty() {
        print_line("No invitations.")?;
        return Ok(());
    }
    let row = |invitation: &Invitation| {
        let email = invitation.email.as_ref().map_or_else(|| "anybody".to_owned(), ToString::to_string);
        let (role, until) = (invitation.role.to_string(), minute(invitation.expires_at));
        vec![invitation.id.to_string(), email, role, until]
    };
    print_table(&["ID", "FOR", "ROLE", "GOOD UNTIL"], &invitations.iter().map(row).collect::<Vec<_>>())?;
    Ok(())
}

/// Ends an invitation before it is used.
pub(super) async fn revoke(office: &Office, id: uuid::Uuid, json: bool) -> Result<(), Failure> {
    office.accounts.revoke_invitation(id.into(), &Office::operator()).await.map_err(|error| {
        Failure::with_way_out(
            crate::failure::with_causes(&error),
            "`user invitations` lists those that can still be used.",
        )
    })?;
    if json {
        print_json(&json!({ "revoked": id.to_string() }))?;
    } else {
        print_line("The invitation is taken back.")?;
    }
    Ok(())
}

fn invitation_json(invitation: &Invitation) -> Value {
    json!({
        "id": invitation.id.to_string(),
        "email": invitation.email.as_ref().map(ToString::to_string),
        "role": invitation.role.as_str(),
        "created_at": iso(invitation.created_at),
        "expires_at": iso(invitation.expires_at),
    })
}

fn refusal(error: InviteError) -> Failure {
    match error {
        InviteError::Invalid(input) => {
            let told: Vec<_> = input.fields.iter().map(|invalid| invalid.message.as_str()).collect();
            Failure::with_way_out(told.join(" "), "Give an address or none, and --expires such as 7d.")
        }
        InviteError::Role(error) => {
            Failure::with_way_out(error.to_string(), "Add it to VESTIBULE_ROLES, or give another.")
        }
        error @ InviteError::Store(_) => Failure::because(error),
    }
}
