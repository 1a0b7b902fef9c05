use serde_json::{Value, json};
use time::Duration;
use vestibule::models::{Invitation, SignUpMode};
use vestibule::services::{Invite, InviteError};
use vestibule_web::moments::{iso, minute};

use super::office::{Office, parse_role};
use super::output::{faint, print_json, print_line, print_table};
use crate::failure::{Failure, note};

/// How many are listed.
const LISTED: u32 = 1_000;

/// Prints a link by which one person may sign up.
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
        let until = minute(invitation.expires_at);
        note(&format!("It lets {whom} sign up, once, until {until}. Hand it over in private."));
    }
    let mode = office.accounts.policy().sign_up;
    if mode != SignUpMode::Invite {
        note(&format!(
            "VESTIBULE_SIGN_UP is `{mode}`: invitations count only while it is `invite`. Set that where the site runs."
        ));
    }
    Ok(())
}

/// Lists the invitations that can be used.
pub(super) async fn list(office: &Office, json: bool) -> Result<(), Failure> {
    let page = office.accounts.list_invitations(None, LISTED).await.map_err(Failure::because)?;
    let invitations = page.items;
    if json {
        let invitations: Vec<_> = invitations.iter().map(invitation_json).collect();
        print_json(&json!({ "invitations": invitations, "has_more": page.has_more }))?;
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
    if page.has_more {
        print_line(&faint("There are more, which are older: these are the newest."))?;
    }
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
