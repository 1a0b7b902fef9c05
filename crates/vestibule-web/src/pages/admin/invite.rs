//! `/admin/invitations`: links by which people may sign up.

use ::vestibule::models::{Invitation, Role, SignUpMode};
use ::vestibule::services::Invite;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use time::Duration;
use uuid::Uuid;

use super::{Section, Tab, administrator, tabs};
use crate::moments::{iso, minute};
use crate::{ClientOf, CurrentUser, FieldErrors, Form, PageVisit, Path, Problem, Query, Vestibule};

/// How long an invitation of this page is good.
const LIFETIME: Duration = Duration::days(7);

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    email: String,
    role: String,
}

/// What was just done.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct InvitationsQuery {
    done: String,
}

/// What the page shows.
pub struct InvitationsPage<'a> {
    /// The menu of this part of the site.
    pub tabs: [Tab; 4],
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
    let notice = (query.done == "revoked").then_some("The invitation is taken back.");
    page(&vestibule, &visit, &Fields::default(), Shown { notice, ..Shown::default() }).await
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
    // What is no name of a role is none of the site's either.
    let role = fields.role.parse().unwrap_or(Role::User);
    let new = Invite { email: Some(&fields.email), role: &role, lifetime: LIFETIME };
    match vestibule.accounts().invite(new, &by).await.map_err(Problem::from) {
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
}

async fn page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    fields: &Fields,
    shown: Shown<'_>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let invitations = accounts.list_invitations().await?;
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
                invitations: invitations.iter().map(InvitationView::from).collect(),
            }
        });
    Ok(response.into_response())
}
