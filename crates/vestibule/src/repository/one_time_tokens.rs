use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Credentials, StoreError};
use crate::models::{ConfirmsEmail, EmailToken, OneTimeTokenHash, ResetToken, ResetsPassword, UserId};

/// A token that confirms an address, and its user with what their password is compared with.
#[derive(Debug, Clone)]
pub struct EmailTokenAndOwner {
    /// The token.
    pub token: EmailToken,
    /// Whose it is.
    pub owner: Credentials,
}

/// Tokens that are good once. A user has at most one that confirms their address, one that replaces it and one that
/// resets their password: a new one ends the one before it.
#[async_trait]
pub trait OneTimeTokens {
    /// Puts a token in the place of the user's last one, in one statement with the check that it makes sense: the
    /// user has the address and has not confirmed it or, where it shall replace theirs, nobody has it. `false` where
    /// that is not so.
    async fn put_email_token(&mut self, token: &EmailToken) -> Result<bool, StoreError>;

    /// A token that is still good, with its owner. It stays good.
    async fn find_email_token(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsEmail>,
        now: OffsetDateTime,
    ) -> Result<Option<EmailTokenAndOwner>, StoreError>;

    /// Takes a token that is still good away and says what it was good for. Of several who ask, one gets it.
    async fn redeem_email_token(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsEmail>,
        now: OffsetDateTime,
    ) -> Result<Option<EmailToken>, StoreError>;

    /// Ends all tokens of a user that confirm an address.
    async fn end_email_tokens(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Puts a token in the place of the user's last one. `false` where the user is gone or disabled.
    async fn put_reset_token(&mut self, token: &ResetToken) -> Result<bool, StoreError>;

    /// The user of a token that is still good. It stays good.
    async fn find_reset_token(
        &mut self,
        hash: OneTimeTokenHash<ResetsPassword>,
        now: OffsetDateTime,
    ) -> Result<Option<Credentials>, StoreError>;

    /// Takes a token that is still good away and says whose it was. Of several who ask, one gets it.
    async fn redeem_reset_token(
        &mut self,
        hash: OneTimeTokenHash<ResetsPassword>,
        now: OffsetDateTime,
    ) -> Result<Option<UserId>, StoreError>;

    /// Ends the token of a user that resets their password.
    async fn end_reset_tokens(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Removes tokens whose time is over, at most `limit` of each kind, and counts them.
    async fn delete_expired_tokens(&mut self, now: OffsetDateTime, limit: u32) -> Result<u64, StoreError>;
}
