//! `/admin/invitations`: links by which people may sign up.

use ::vestibule::models::{InvalidInput, Invitation, InvitationId, Role, SignUpMode};
use ::vestibule::services::Invite;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use time::Duration;
use uuid::Uuid;

use super::{ROWS, Section, Tab, administrator, next_page, tabs};
use crate::moments::{iso, minute};
use crate::pages::NOT_YET;
use crate::{ClientOf, CurrentUser, FieldErrors, Form, PageVisit, Path, Problem, Query, Vestibule};

const ADDRESS: &str = "/admin/invitations";
/// How long an invitation of this page is good.
const LIFETIME: Duration = Duration::days(7);

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    email: String,
    role: String,
}

/// Which part of the list, and what was just done.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct InvitationsQuery {
    below: Option<Uuid>,
    done: String,
}

/// What the page shows.
pub struct InvitationsPage<'a> {
    /// The menu of this part of the site.
    pub tabs: [Tab; 5],
    /// What every form of this page has to send as `csrf_token`.
    pub csrf_token: &'a str,
    /// Whether anybody is asked for an invitation.
    pub are_needed: bool,
    /// What was just done.
    pub notice: Option<&'a str>,
    /// The link that was just made. It is shown this once.
    pub link: Option<&'a str>,
    /// The address that was typed.
    pub email: &'a str,
    /// The role that was chosen.
    pub role: &'a str,
    /// All roles.
    pub roles: Vec<Role>,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
    /// Those that can be used.
    pub invitations: Vec<InvitationView>,
    /// Whether this is the first page of them.
    pub is_first_page: bool,
    /// Where the first page is.
    pub first_page: &'a str,
    /// Where the next one is, if there is one.
    pub next_page: Option<String>,
}

/// An invitation as a person reads it.
pub struct InvitationView {
    /// The one address that may use it; empty where any may.
    pub email: String,
    /// The role that comes with it.
    pub role: String,
    /// Until when it is good.
    pub expires: String,
    /// The same in the form of RFC 3339.
    pub expires_iso: String,
    /// Where the form that ends it is sent.
    pub revoke_action: String,
}

impl From<&Invitation> for InvitationView {
    fn from(invitation: &Invitation) -> Self {
        Self {
            email: invitation.email.as_ref().map(ToString::to_string).unwrap_or_default(),
            role: invitation.role.to_string(),
            expires: minute(invitation.expires_at),
            expires_iso: iso(invitation.expires_at),
            revoke_action: format!("/admin/invitations/{}/revoke", invitation.id),
        }
    }
}

/// The list, and the form.
pub async fn list(
    State(vestibule): State<Vestibule>,
    Query(query): Query<InvitationsQuery>,
    visit: PageVisit,
) -> Result<Response, Problem> {
    let notice = match query.done.as_str() {
        "revoked" => Some("The invitation is taken back."),
        "not-yet" => Some(NOT_YET),
        _ => None,
    };
    let below = query.below.map(InvitationId::from);
    page(&vestibule, &visit, &Fields::default(), Shown { notice, below, ..Shown::default() }).await
}

/// Makes a link and shows it. Not by a redirect: a link in an address would stay in the browser's history.
pub async fn invite(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    let made = match fields.role.parse::<Role>() {
        Ok(role) => {
            let new = Invite { email: Some(&fields.email), role: &role, lifetime: LIFETIME };
            vestibule.accounts().invite(new, &by).await.map_err(Problem::from)
        }
        Err(error) => Err(Problem::invalid(InvalidInput::one("role", "unknown_role", error.to_string()))),
    };
    match made {
        Ok((_, link)) => {
            let shown = Shown { link: Some(link.url()), ..Shown::default() };
            page(&vestibule, &visit, &Fields::default(), shown).await
        }
        Err(problem) if problem.keeps_the_form() => {
            page(&vestibule, &visit, &fields, Shown { problem: Some(&problem), ..Shown::default() }).await
        }
        Err(problem) => Err(problem),
    }
}

/// Ends an invitation before it is used.
pub async fn revoke(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Redirect, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    vestibule.accounts().revoke_invitation(id.into(), &by).await?;
    Ok(Redirect::to("/admin/invitations?done=revoked"))
}

#[derive(Clone, Copy, Default)]
struct Shown<'a> {
    notice: Option<&'a str>,
    link: Option<&'a str>,
    problem: Option<&'a Problem>,
    below: Option<InvitationId>,
}

async fn page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    fields: &Fields,
    shown: Shown<'_>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let invitations = accounts.list_invitations(shown.below, ROWS).await?;
    let response =
        crate::pages::form_page(vestibule, visit, "Invitations", shown.problem, |errors, summary| {
            InvitationsPage {
                tabs: tabs(Section::Users),
                csrf_token: visit.csrf_token(),
                are_needed: accounts.policy().sign_up == SignUpMode::Invite,
                notice: shown.notice,
                link: shown.link,
                email: &fields.email,
                role: &fields.role,
                roles: accounts.roles(),
                errors,
                summary,
                invitations: invitations.items.iter().map(InvitationView::from).collect(),
                is_first_page: shown.below.is_none(),
                first_page: ADDRESS,
                next_page: next_page(&invitations, ADDRESS, &[], |invitation| invitation.id.to_string()),
            }
        });
    Ok(response.into_response())
}
