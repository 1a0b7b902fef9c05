use async_trait::async_trait;
use time::Date;

use super::StoreError;
use crate::models::{AuditEvent, AuditEventId, AuditEventKind, UserId};

/// Which events are looked for. Nothing set is all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditFilter<'a> {
    /// What happened.
    pub kind: Option<AuditEventKind>,
    /// Whom it concerns.
    pub user: Option<UserId>,
    /// Letters of the address or the name of whom it concerns.
    pub user_named: Option<&'a str>,
    /// Who did it, as an admin.
    pub admin: Option<UserId>,
    /// Letters of the address or the name of the admin who did it.
    pub admin_named: Option<&'a str>,
    /// Only this one and what was after it.
    pub from: Option<AuditEventId>,
    /// Only what was before this one: the next page.
    pub below: Option<AuditEventId>,
}

/// How often something happened on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCount {
    /// The day, in UTC.
    pub day: Date,
    /// What happened.
    pub kind: AuditEventKind,
    /// How often.
    pub count: u64,
}

/// The trail of what happened.
#[async_trait]
pub trait AuditEvents {
    /// Adds an event, in the same work whether or not it is known whom it concerns. The event of a user who is gone is
    /// nobody's.
    async fn insert_audit_event(&mut self, event: &AuditEvent) -> Result<(), StoreError>;

    /// The same for an event that may be there already, by its id: then nothing is done.
    async fn insert_audit_event_once(&mut self, event: &AuditEvent) -> Result<(), StoreError>;

    /// The newest events first, at most `limit`.
    async fn list_audit_events(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError>;

    /// Those that a filter lets through, newest first, at most `limit`.
    async fn find_audit_events(
        &mut self,
        filter: AuditFilter<'_>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError>;

    /// How often each of some kinds of things happened on each day from a moment on. Days on which it did not are left
    /// out.
    async fn count_audit_events(
        &mut self,
        kinds: [AuditEventKind; 3],
        from: AuditEventId,
    ) -> Result<Vec<EventCount>, StoreError>;

    /// Removes events whose ids are below one, the oldest first and at most `limit`, and counts them.
    async fn delete_old_audit_events(&mut self, below: AuditEventId, limit: u32) -> Result<u64, StoreError>;
}
