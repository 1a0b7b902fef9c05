use time::OffsetDateTime;

use super::Administrator;
use crate::Accounts;
use crate::models::{
    Actor, AuditEvent, AuditEventId, AuditEventKind, Client, EmailAddress, MailKind, OutgoingMail,
    OutgoingMailId, User, UserId,
};
use crate::repository::{StoreError, UnitOfWork};

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

    /// The event that tells of a stranger's request for a link to reset a password. Its id and its moment are those of the
    /// request, so that however often it is written it is there once.
    pub(super) fn event_of_request(mail: &OutgoingMail, user: Option<UserId>) -> AuditEvent {
        let (kind, actor) = (AuditEventKind::PasswordResetRequested, Actor::Visitor);
        AuditEvent {
            id: AuditEventId::from(mail.id.as_uuid()),
            kind,
            user_id: user,
            actor,
            detail: String::new(),
            created_at: mail.created_at,
            client: mail.client.clone(),
        }
    }

    /// Ends the mails with links to a user that still wait, of one kind or of all, in the transaction that ends their links: one
    /// that was asked for before must not be sent after. A stranger's request among them is audited here, for nobody else will.
    pub(super) async fn end_waiting_links(
        &self,
        work: &mut dyn UnitOfWork,
        user: &User,
        only: Option<MailKind>,
        why: &str,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        for mail in work.end_link_mails(user.id, &user.email, only, why, now).await? {
            if mail.is_strangers_request() {
                work.insert_audit_event_once(&Self::event_of_request(&mail, Some(user.id))).await?;
            }
        }
        Ok(())
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
