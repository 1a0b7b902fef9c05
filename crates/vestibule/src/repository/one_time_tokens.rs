use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Credentials, StoreError};
use crate::models::{
    ClaimedMail, ConfirmsEmail, EmailAddress, EmailToken, OneTimeTokenHash, ResetToken, ResetsPassword,
    StandingLink, UserId,
};

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
///
/// A token that is made for a mail is put only while that mail is still to be sent and no other worker has it. So who ends
/// the mails that wait ends their links too, also those that are being made in this moment; and a worker that comes late
/// does not end the link which the next one sent.
#[async_trait]
pub trait OneTimeTokens {
    /// Puts a token in the place of the user's last one, in one statement with the check that it makes sense: the
    /// user has the address and has not confirmed it or, where it shall replace theirs, has another. `false` where that is
    /// not so, or `mail` is over. Whether somebody else has the address is not asked: see `find_pending_email`.
    async fn put_email_token(
        &mut self,
        token: &EmailToken,
        mail: Option<&ClaimedMail>,
    ) -> Result<bool, StoreError>;

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

    /// Ends the token of a user that puts another address in the place of theirs. `false` where there is none.
    async fn end_new_email_token(&mut self, user: UserId) -> Result<bool, StoreError>;

    /// The address that shall take the place of a user's: that of the mail which waits to be sent there, or of the token
    /// that could be used. It is the same whether or not somebody has the address, of which its user must not learn.
    async fn find_pending_email(
        &mut self,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<Option<EmailAddress>, StoreError>;

    /// The tokens of a user, used up or not by time, without their hashes.
    async fn list_links(&mut self, user: UserId) -> Result<Vec<StandingLink>, StoreError>;

    /// Puts a token in the place of the user's last one. `false` where the user is gone or disabled or has another
    /// address by now, or `mail` is over.
    async fn put_reset_token(
        &mut self,
        token: &ResetToken,
        mail: Option<&ClaimedMail>,
    ) -> Result<bool, StoreError>;

    /// The user of a token that is still good and was mailed to the address that they have. It stays good.
    async fn find_reset_token(
        &mut self,
        hash: OneTimeTokenHash<ResetsPassword>,
        now: OffsetDateTime,
    ) -> Result<Option<Credentials>, StoreError>;

    /// Takes a token that is still good, and was mailed to the address that its user has, away and says whose it was. Of
    /// several who ask, one gets it.
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
