use time::OffsetDateTime;

use super::Administrator;
use crate::models::{AuditEvent, AuditEventId, AuditEventKind};
use crate::ports::Random;
use crate::repository::{Store, StoreError};

/// Writes down that a backup took the place of all that was in the store. `detail` says which. No accounts are needed for that: a
/// restored store may belong to a secret key that is not at hand.
pub async fn note_restore(
    store: &dyn Store,
    random: &dyn Random,
    by: &Administrator,
    detail: impl Into<String>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let event = AuditEvent {
        id: AuditEventId::new(now, random),
        kind: AuditEventKind::BackupRestored,
        user_id: None,
        actor: by.actor(),
        detail: detail.into(),
        created_at: now,
        client: by.client().clone(),
    };
    store.alone().insert_audit_event(&event).await
}
