use async_trait::async_trait;

use super::StoreError;
use crate::models::{AuditEvent, AuditEventId, UserId};

/// The trail of what happened.
#[async_trait]
pub trait AuditEvents {
    /// Adds an event, in the same work whether or not it is known whom it concerns. The event of a user who is gone is
    /// nobody's.
    async fn insert_audit_event(&mut self, event: &AuditEvent) -> Result<(), StoreError>;

    /// The newest events first, at most `limit`.
    async fn list_audit_events(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError>;

    /// A user's events, newest first, at most `limit`.
    async fn list_audit_events_of(&mut self, user: UserId, limit: u32)
    -> Result<Vec<AuditEvent>, StoreError>;

    /// Removes events whose ids are below one, the oldest first and at most `limit`, and counts them.
    async fn delete_old_audit_events(&mut self, below: AuditEventId, limit: u32) -> Result<u64, StoreError>;
}
