//! `GET /api/account/export`.

use ::vestibule::models::{
    AuditEvent, Client, EmailAddress, KnownDevice, MailKind, Session, SessionEnded, StandingLink,
    TrackedMail, User,
};
use ::vestibule::services::Export;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::answers::{SessionBody, UserBody};
use crate::problem::ProblemBody;
use crate::{ClientOf, CurrentUser, Problem, Vestibule};

/// Browsers save it as a file of this name.
const AS_A_FILE: &str = "attachment; filename=\"account.json\"";

#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
struct Body<'a> {
    user: ExportedUser<'a>,
    sessions: Vec<ExportedSession<'a>>,
    devices: Vec<DeviceBody>,
    links: Vec<LinkBody<'a>>,
    mails: Vec<MailBody<'a>>,
    events: Vec<EventBody<'a>>,
    /// What an admin did to others. Whose accounts these are is theirs.
    deeds: Vec<EventBody<'a>>,
    /// What the application keeps, under its own names.
    #[serde(flatten)]
    application: serde_json::Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
struct ExportedUser<'a> {
    #[serde(flatten)]
    user: UserBody<'a>,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    /// The address that shall take the place of the present one.
    #[schema(required)]
    pending_email: Option<&'a str>,
}

#[derive(Serialize, ToSchema)]
struct ExportedSession<'a> {
    #[serde(flatten)]
    session: SessionBody<'a>,
    state: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    absolute_expires_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    password_given_at: OffsetDateTime,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExportedDevice)]
struct DeviceBody {
    #[serde(with = "time::serde::rfc3339")]
    first_seen_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExportedLink)]
struct LinkBody<'a> {
    kind: &'static str,
    #[schema(required)]
    email: Option<&'a str>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExportedMail)]
struct MailBody<'a> {
    kind: &'static str,
    recipient: &'a str,
    #[serde(flatten)]
    client: ClientBody<'a>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(flatten)]
    #[schema(value_type = DeliveryBody)]
    delivery: Option<DeliveryBody>,
}

/// What became of a mail. Not told of one to an address that is not confirmed, so nothing of it is required.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedDelivery)]
struct DeliveryBody {
    #[schema(required = false)]
    state: &'static str,
    #[schema(required = false)]
    attempts: u32,
    #[schema(required = false)]
    #[serde(with = "time::serde::rfc3339")]
    next_attempt_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExportedEvent)]
struct EventBody<'a> {
    kind: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(flatten)]
    client: ClientBody<'a>,
    /// In what part somebody did it. Which admin is theirs.
    actor: &'static str,
    detail: &'a str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExportedClient)]
struct ClientBody<'a> {
    #[schema(required)]
    ip: Option<String>,
    #[schema(required)]
    user_agent: Option<&'a str>,
}

impl<'a> ExportedUser<'a> {
    fn new(user: &'a User, pending_email: Option<&'a str>) -> Self {
        Self { user: UserBody::from(user), updated_at: user.updated_at, pending_email }
    }
}

impl<'a> ExportedSession<'a> {
    fn new(session: &'a Session, current: bool, now: OffsetDateTime) -> Self {
        Self {
            session: SessionBody::new(session, current),
            state: match session.check_usable(now) {
                Ok(()) => "alive",
                Err(SessionEnded::Expired) => "expired",
                Err(SessionEnded::Revoked) => "revoked",
            },
            absolute_expires_at: session.absolute_expires_at,
            password_given_at: session.password_given_at,
        }
    }
}

impl From<&KnownDevice> for DeviceBody {
    fn from(device: &KnownDevice) -> Self {
        Self { first_seen_at: device.created_at, last_seen_at: device.last_seen_at }
    }
}

impl<'a> From<&'a StandingLink> for LinkBody<'a> {
    fn from(link: &'a StandingLink) -> Self {
        Self {
            kind: link.kind.as_str(),
            email: link.email.as_ref().map(EmailAddress::as_str),
            created_at: link.created_at,
            expires_at: link.expires_at,
        }
    }
}

impl<'a> From<&'a TrackedMail> for MailBody<'a> {
    fn from(tracked: &'a TrackedMail) -> Self {
        let mail = &tracked.mail;
        Self {
            kind: mail.kind.as_str(),
            recipient: mail.recipient.as_str(),
            client: ClientBody::from(&mail.client),
            created_at: mail.created_at,
            // None goes to an address that somebody has, and who merely typed it must not read that here.
            delivery: (mail.kind != MailKind::ConfirmNewEmail).then(|| DeliveryBody::from(tracked)),
        }
    }
}

impl From<&TrackedMail> for DeliveryBody {
    fn from(tracked: &TrackedMail) -> Self {
        Self {
            state: tracked.state.as_str(),
            attempts: tracked.attempts,
            next_attempt_at: tracked.next_attempt_at,
            finished_at: tracked.finished_at,
        }
    }
}

impl<'a> From<&'a AuditEvent> for EventBody<'a> {
    fn from(event: &'a AuditEvent) -> Self {
        Self {
            kind: event.kind.as_str(),
            created_at: event.created_at,
            client: ClientBody::from(&event.client),
            actor: event.actor.as_str(),
            detail: &event.detail,
        }
    }
}

impl<'a> From<&'a Client> for ClientBody<'a> {
    fn from(client: &'a Client) -> Self {
        Self { ip: client.ip().map(|ip| ip.to_string()), user_agent: client.user_agent() }
    }
}

/// All that is held about who asks.
#[utoipa::path(
    get,
    path = "/api/account/export",
    operation_id = "export_account",
    tag = "Account",
    responses(
        (status = 200, description = "All that is held about who asks, as a file", body = Body),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 429, description = "`too_many_requests`", body = ProblemBody),
    ),
    security(("session" = []), ("bearer" = [])),
)]
pub async fn export(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<Response, Problem> {
    let export: Export = vestibule.accounts().export(current.current(), &client).await?;
    let pending_email = export.pending_email.as_ref().map(EmailAddress::as_str);
    let asking = current.session().public_id;
    let body = Body {
        user: ExportedUser::new(&export.user, pending_email),
        sessions: export
            .sessions
            .iter()
            .map(|session| ExportedSession::new(session, session.public_id == asking, export.made_at))
            .collect(),
        devices: export.devices.iter().map(DeviceBody::from).collect(),
        links: export.links.iter().map(LinkBody::from).collect(),
        mails: export.mails.iter().map(MailBody::from).collect(),
        events: export.events.iter().map(EventBody::from).collect(),
        deeds: export.deeds.iter().map(EventBody::from).collect(),
        application: export.application.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    Ok(([(header::CONTENT_DISPOSITION, AS_A_FILE)], Json(body)).into_response())
}
