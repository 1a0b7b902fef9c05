use async_trait::async_trait;

use super::StoreError;
use crate::models::AuditEvent;

/// The trail of what happened.
#[async_trait]
pub trait AuditEvents {
    /// Adds an event.
    async fn insert_audit_event(&mut self, event: &AuditEvent) -> Result<(), StoreError>;

    /// The newest events first, at most `limit`.
    async fn list_audit_events(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError>;
}
