use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::models::{Invitation, InvitationId, InvitesToSignUp, OneTimeTokenHash};

/// Links by which one person each may sign up.
#[async_trait]
pub trait Invitations {
    /// Adds one.
    async fn insert_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError>;

    /// One that is still good. It stays good.
    async fn find_invitation(
        &mut self,
        hash: OneTimeTokenHash<InvitesToSignUp>,
        now: OffsetDateTime,
    ) -> Result<Option<Invitation>, StoreError>;

    /// Takes one that is still good away. Of several who ask, one gets `true`.
    async fn redeem_invitation(
        &mut self,
        hash: OneTimeTokenHash<InvitesToSignUp>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Those that are still good, newest first, at most `limit`, and only those made before one where it is named: the next page.
    async fn list_invitations(
        &mut self,
        now: OffsetDateTime,
        below: Option<InvitationId>,
        limit: u32,
    ) -> Result<Vec<Invitation>, StoreError>;

    /// Removes one. `false` where it was gone.
    async fn delete_invitation(&mut self, id: InvitationId) -> Result<bool, StoreError>;

    /// Removes those whose time is over, at most `limit`, and counts them.
    async fn delete_expired_invitations(
        &mut self,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
