use super::PageOf;
use crate::Accounts;
use crate::models::AuditEvent;
use crate::repository::{AuditFilter, StoreError};

impl Accounts {
    /// What happened, newest first.
    pub async fn list_audit_events(
        &self,
        filter: AuditFilter<'_>,
        limit: u32,
    ) -> Result<PageOf<AuditEvent>, StoreError> {
        let events = self.store.alone().find_audit_events(filter, limit.saturating_add(1)).await?;
        Ok(PageOf::cut(events, limit))
    }
}
