use time::OffsetDateTime;

use super::Administrator;
use crate::Accounts;
use crate::models::{
    Actor, AuditEvent, AuditEventId, AuditEventKind, Client, EmailAddress, MailKind, OutgoingMail,
    OutgoingMailId, User, UserId,
};
use crate::repository::StoreError;

impl Accounts {
    /// Writes down by itself what just happened.
    pub(super) async fn record(
        &self,
        kind: AuditEventKind,
        user: Option<UserId>,
        client: &Client,
    ) -> Result<(), StoreError> {
        let event = self.event(kind, user, client, self.clock.now());
        self.store.alone().insert_audit_event(&event).await
    }

    /// An event to be written in the transaction of what it tells.
    pub(super) fn event(
        &self,
        kind: AuditEventKind,
        user_id: Option<UserId>,
        client: &Client,
        now: OffsetDateTime,
    ) -> AuditEvent {
        let id = AuditEventId::new(now, &*self.random);
        let (actor, detail) = (Actor::Visitor, String::new());
        AuditEvent { id, kind, user_id, actor, detail, created_at: now, client: client.clone() }
    }

    /// The same, for what somebody does who looks after the site. `detail` says what the kind does not.
    pub(super) fn event_by(
        &self,
        by: &Administrator,
        kind: AuditEventKind,
        user_id: Option<UserId>,
        detail: impl Into<String>,
        now: OffsetDateTime,
    ) -> AuditEvent {
        let event = self.event(kind, user_id, by.client(), now);
        AuditEvent { actor: by.actor(), detail: detail.into(), ..event }
    }

    /// A mail to a user, to be written in the transaction of what it tells.
    pub(super) fn mail_about(
        &self,
        user: &User,
        kind: MailKind,
        client: &Client,
        now: OffsetDateTime,
    ) -> OutgoingMail {
        self.mail_to(user.email.clone(), Some(user.id), kind, client, now)
    }

    /// A mail to any address.
    pub(super) fn mail_to(
        &self,
        recipient: EmailAddress,
        user_id: Option<UserId>,
        kind: MailKind,
        client: &Client,
        now: OffsetDateTime,
    ) -> OutgoingMail {
        let id = OutgoingMailId::new(now, &*self.random);
        OutgoingMail { id, kind, user_id, recipient, created_at: now, client: client.clone() }
    }
}
