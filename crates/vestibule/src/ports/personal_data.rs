use async_trait::async_trait;

use crate::models::UserId;
use crate::repository::StoreError;

/// What an application keeps of a user beside their account, so that an export holds everything.
///
/// The application's tables should refer to `users` with `ON DELETE CASCADE`: then a deleted account takes along what
/// an export would have shown.
#[async_trait]
pub trait PersonalData: Send + Sync + 'static {
    /// Its name in the export, such as `notes`.
    fn name(&self) -> &'static str;

    /// All that is kept of the user.
    async fn of(&self, user: UserId) -> Result<serde_json::Value, StoreError>;
}
