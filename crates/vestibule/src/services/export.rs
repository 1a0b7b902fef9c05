use super::CurrentSession;
use crate::Accounts;
use crate::models::{AuditEvent, AuditEventKind, Client, Session, User};
use crate::repository::StoreError;

/// More than a year of anybody's doings, and not so many that an export could fill the memory.
const MAX_EVENTS: u32 = 10_000;
const MAX_SESSIONS: u32 = 1_000;

/// All that is held about a user. The password's hash is not in it, nor anything that opens the account.
#[derive(Debug, Clone)]
pub struct Export {
    /// Who.
    pub user: User,
    /// Where they are logged in.
    pub sessions: Vec<Session>,
    /// What happened, newest first.
    pub events: Vec<AuditEvent>,
    /// What the application keeps, by name.
    pub application: Vec<(&'static str, serde_json::Value)>,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Gathers all that is held about who is asking.
    pub async fn export(&self, current: &CurrentSession, client: &Client) -> Result<Export, ExportError> {
        let user = current.user.id;
        self.record(AuditEventKind::AccountExported, Some(user), client).await?;
        let sessions = self.store.alone().list_sessions(user, self.clock.now(), MAX_SESSIONS).await?;
        let events = self.store.alone().list_audit_events_of(user, MAX_EVENTS).await?;
        let mut application = Vec::new();
        for part in &self.personal_data {
            application.push((part.name(), part.of(user).await?));
        }
        Ok(Export { user: current.user.clone(), sessions, events, application })
    }
}
