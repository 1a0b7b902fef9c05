use time::OffsetDateTime;

use crate::Accounts;
use crate::models::{
    AuditEvent, AuditEventId, AuditEventKind, Client, MailKind, OutgoingMail, OutgoingMailId, User, UserId,
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
        AuditEvent { id, kind, user_id, created_at: now, client: client.clone() }
    }

    /// A mail to be written in the transaction of what it tells.
    pub(super) fn mail_about(
        &self,
        user: &User,
        kind: MailKind,
        client: &Client,
        now: OffsetDateTime,
    ) -> OutgoingMail {
        OutgoingMail {
            id: OutgoingMailId::new(now, &*self.random),
            kind,
            user_id: user.id,
            recipient: user.email.clone(),
            created_at: now,
            client: client.clone(),
        }
    }
}
