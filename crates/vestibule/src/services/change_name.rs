use super::CurrentSession;
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{AuditEventKind, Client, InvalidInput, PersonName, SessionEnded, TooManyAttempts, User};
use crate::repository::StoreError;

/// Why the name is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeNameError {
    /// It has to be typed again.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// It was changed too often.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// The account was removed meanwhile, and the session with it.
    #[error(transparent)]
    SessionEnded(#[from] SessionEnded),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Changes how somebody wants to be called.
    pub async fn change_name(
        &self,
        current: &CurrentSession,
        name: &str,
        client: &Client,
    ) -> Result<User, ChangeNameError> {
        let mut invalid = Vec::new();
        let Some(name) = take("name", PersonName::parse(name), &mut invalid) else {
            return Err(InvalidInput { fields: invalid }.into());
        };
        let _ = self.take::<ChangeNameError>(|limits| limits.for_change(current.user.id)).await?;
        let now = self.clock.now();
        let event = self.event(AuditEventKind::NameChanged, Some(current.user.id), client, now);

        let mut work = self.store.begin().await?;
        let user = work.change_name(current.user.id, &name, now).await?.ok_or(SessionEnded::Revoked)?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(user)
    }
}
