use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{EmailAddress, MailKind, UserId};
use crate::ports::Random;

/// 32 bytes in base64url without padding.
const ENCODED_BYTES: usize = 43;

/// What a one-time token is good for. The purpose is part of the token's type and of its hash: a token that resets
/// passwords can confirm nothing, whatever row somebody compares it with.
pub trait TokenPurpose: Send + Sync + 'static {
    /// Goes into the hash before the token.
    const LABEL: &'static str;
}

/// Confirms that mail to an address arrives.
#[derive(Debug, Clone, Copy)]
pub enum ConfirmsEmail {}

/// Makes the account of a sign-up that waited for its address to be confirmed.
#[derive(Debug, Clone, Copy)]
pub enum ConfirmsSignUp {}

/// Lets somebody sign up where that is by invitation.
#[derive(Debug, Clone, Copy)]
pub enum InvitesToSignUp {}

/// Allows to choose a new password.
#[derive(Debug, Clone, Copy)]
pub enum ResetsPassword {}

impl TokenPurpose for ConfirmsEmail {
    const LABEL: &'static str = "vestibule/confirms-email/v1";
}

impl TokenPurpose for ConfirmsSignUp {
    const LABEL: &'static str = "vestibule/confirms-sign-up/v1";
}

impl TokenPurpose for InvitesToSignUp {
    const LABEL: &'static str = "vestibule/invites-to-sign-up/v1";
}

impl TokenPurpose for ResetsPassword {
    const LABEL: &'static str = "vestibule/resets-password/v1";
}

/// What a link in a mail carries: 256 random bits, good once, for one purpose. Made as the mail is sent, and stored
/// only as a hash: who reads the database or the outbox can open nothing.
pub struct OneTimeToken<P> {
    bytes: Zeroizing<[u8; 32]>,
    purpose: PhantomData<P>,
}

/// What is stored of a token.
pub struct OneTimeTokenHash<P> {
    bytes: [u8; 32],
    purpose: PhantomData<P>,
}

/// A token that confirms an address, as it is stored: it is good for this user and this address and no other, so that
/// two requests for a change that overlap cannot confirm an address to which no mail went.
#[derive(Debug, Clone)]
pub struct EmailToken {
    /// What the link carries, hashed.
    pub hash: OneTimeTokenHash<ConfirmsEmail>,
    /// Whose.
    pub user_id: UserId,
    /// The address that the mail went to.
    pub email: EmailAddress,
    /// Whether the address shall take the place of the user's, or is theirs already.
    pub replaces_email: bool,
    /// From when it is no good.
    pub expires_at: OffsetDateTime,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A token that resets a password, as it is stored: it is good while the user has this address and no longer, so that a
/// link in a mailbox which is theirs no more opens nothing.
#[derive(Debug, Clone)]
pub struct ResetToken {
    /// What the link carries, hashed.
    pub hash: OneTimeTokenHash<ResetsPassword>,
    /// Whose.
    pub user_id: UserId,
    /// The address that the mail went to.
    pub email: EmailAddress,
    /// From when it is no good.
    pub expires_at: OffsetDateTime,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A link that is under way or stored, over or not, without what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingLink {
    /// The kind of mail that it went with.
    pub kind: MailKind,
    /// The address that it went to. None for a link of a server of the release before.
    pub email: Option<EmailAddress>,
    /// From when it is no good.
    pub expires_at: OffsetDateTime,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl<P: TokenPurpose> OneTimeToken<P> {
    /// A new token.
    pub fn generate(random: &dyn Random) -> Self {
        Self { bytes: Zeroizing::new(random.bytes()), purpose: PhantomData }
    }

    /// Reads what a link carried; nothing where it can't be a token.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != ENCODED_BYTES {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut()).ok()?;
        Some(Self { bytes, purpose: PhantomData })
    }

    /// The text for the link.
    pub fn encode(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.bytes.as_slice()))
    }

    /// What is stored of it. It is looked up by this, so there is no comparison whose time could tell anything: who
    /// can find a token with a wanted hash can break SHA-256.
    pub fn hash(&self) -> OneTimeTokenHash<P> {
        let digest = Sha256::new().chain_update(P::LABEL).chain_update(self.bytes.as_slice()).finalize();
        OneTimeTokenHash { bytes: digest.into(), purpose: PhantomData }
    }
}

impl<P> OneTimeTokenHash<P> {
    /// The bytes for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl<P> From<[u8; 32]> for OneTimeTokenHash<P> {
    fn from(bytes: [u8; 32]) -> Self {
        Self { bytes, purpose: PhantomData }
    }
}

impl<P> Clone for OneTimeTokenHash<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for OneTimeTokenHash<P> {}

impl<P> fmt::Debug for OneTimeToken<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeToken(…)")
    }
}

impl<P> fmt::Debug for OneTimeTokenHash<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeTokenHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ports::OsRandom;

    #[test]
    fn a_token_can_be_read_from_its_link() {
        let token = OneTimeToken::<ResetsPassword>::generate(&OsRandom);
        let read = OneTimeToken::<ResetsPassword>::parse(&format!(" {}\n", *token.encode())).unwrap();
        assert_eq!(read.hash().as_bytes(), token.hash().as_bytes());
    }

    #[test]
    fn the_same_bytes_for_another_purpose_are_another_token() {
        let reset = OneTimeToken::<ResetsPassword>::generate(&OsRandom);
        let confirm = OneTimeToken::<ConfirmsEmail>::parse(&reset.encode()).unwrap();
        assert_ne!(reset.hash().as_bytes(), confirm.hash().as_bytes());
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let token = OneTimeToken::<ResetsPassword>::generate(&OsRandom).encode();
        for text in ["", " ", "null", &token[1..], &format!("{}A", *token), &format!("{}=", &token[1..])] {
            assert!(OneTimeToken::<ResetsPassword>::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn nothing_prints_a_token() {
        let token = OneTimeToken::<ConfirmsEmail>::generate(&OsRandom);
        assert_eq!(format!("{token:?} {:?}", token.hash()), "OneTimeToken(…) OneTimeTokenHash(…)");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = OneTimeToken::<ConfirmsEmail>::parse(&text);
        }
    }
}
