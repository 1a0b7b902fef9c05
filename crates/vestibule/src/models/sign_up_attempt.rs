use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::{Client, DerivedKeys, EmailAddress, OutgoingMailId, PasswordHash, PersonName, ServerKeys, id};
use crate::ports::Random;

/// 32 bytes in base64url without padding.
const ENCODED_BYTES: usize = 43;
/// Goes before the secret into what is stored of it, so that it is the hash of nothing else.
const LABEL: &str = "vestibule/sign-up-browser/v1";

id! {
    /// Names a sign-up that waits for its address to be confirmed.
    SignUpAttemptId
}

/// A sign-up that waits for its address to be confirmed. There is no account yet: nobody can log in with it.
#[derive(Debug, Clone)]
pub struct SignUpAttempt {
    /// Ordered by time.
    pub id: SignUpAttemptId,
    /// How they want to be called.
    pub name: PersonName,
    /// The address that they typed. It may be anybody's.
    pub email: EmailAddress,
    /// The password that they chose, hashed.
    pub password_hash: PasswordHash,
    /// The browser that began it.
    pub browser: SignUpBrowserHash,
    /// The last mail that was written for it. An earlier one has nothing to tell any more.
    pub mail_id: OutgoingMailId,
    /// How many mails were written for it.
    pub mails: u32,
    /// Whether the owner of the address said that it was not them. Nothing more is sent there then.
    pub is_declined: bool,
    /// When it was begun.
    pub created_at: OffsetDateTime,
    /// When it is over, unless it is confirmed.
    pub expires_at: OffsetDateTime,
    /// From where.
    pub client: Client,
}

impl SignUpAttempt {
    /// How many mails one attempt can bring about, corrections of the address included: whoever mistypes has room, and
    /// nobody writes to a thousand strangers from one form.
    pub const MAX_MAILS: u32 = 10;

    /// Whether one more mail may be written for it.
    pub fn may_send_another(&self) -> bool {
        self.mails < Self::MAX_MAILS
    }

    /// How long a link that is made now is good.
    pub fn time_left(&self, now: OffsetDateTime) -> Duration {
        self.expires_at - now
    }
}

/// What a browser that began a sign-up shows to prove it: 256 random bits in a cookie of their own kind. With it the
/// link of the mail makes the account. Who has the mailbox alone cannot confirm what a stranger began, and the stranger,
/// who has the cookie alone, cannot get an account with an address that is not theirs.
pub struct SignUpBrowser(Zeroizing<[u8; 32]>);

/// What is stored of it.
#[derive(Clone, Copy)]
pub struct SignUpBrowserHash([u8; 32]);

impl SignUpBrowser {
    /// A new one. Every sign-up has its own: one that a stranger planted in the browser before is worth nothing.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Zeroizing::new(random.bytes()))
    }

    /// The cookie's text: `secret . MAC`, with a key that no other cookie has.
    pub fn to_cookie(&self, keys: &ServerKeys) -> Zeroizing<String> {
        let tag = self.authenticate(keys.newest()).finalize().into_bytes();
        let secret = URL_SAFE_NO_PAD.encode(self.0.as_slice());
        Zeroizing::new(format!("{secret}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// Reads a cookie's text; nothing where it is not one that this server made, under any of its keys.
    pub fn from_cookie(text: &str, keys: &ServerKeys) -> Option<Self> {
        let (secret, tag) = text.split_once('.')?;
        if secret.len() != ENCODED_BYTES || tag.len() != ENCODED_BYTES {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        URL_SAFE_NO_PAD.decode_slice(secret, bytes.as_mut()).ok()?;
        let browser = Self(bytes);
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let is_authentic = keys.all().any(|keys| browser.authenticate(keys).verify_slice(&tag).is_ok());
        is_authentic.then_some(browser)
    }

    /// Its name in the store.
    pub fn hash(&self) -> SignUpBrowserHash {
        SignUpBrowserHash(Sha256::new().chain_update(LABEL).chain_update(self.0.as_slice()).finalize().into())
    }

    fn authenticate(&self, keys: &DerivedKeys) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(keys.sign_up_cookie.as_slice())
            .expect("HMAC takes a key of any length");
        mac.update(self.0.as_slice());
        mac
    }
}

impl fmt::Debug for SignUpBrowser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignUpBrowser(…)")
    }
}

impl SignUpBrowserHash {
    /// The bytes for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are of one browser, compared in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl From<[u8; 32]> for SignUpBrowserHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SignUpBrowserHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignUpBrowserHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Device, SecretKey};
    use crate::ports::OsRandom;

    #[test]
    fn a_browser_is_known_by_its_cookie_and_only_on_its_server() {
        let (keys, others) =
            (SecretKey::generate(&OsRandom).derive(), SecretKey::generate(&OsRandom).derive());
        let browser = SignUpBrowser::generate(&OsRandom);
        let cookie = browser.to_cookie(&keys);
        assert!(SignUpBrowser::from_cookie(&cookie, &keys).unwrap().hash().matches(&browser.hash()));
        assert!(SignUpBrowser::from_cookie(&cookie, &others).is_none());
        for text in ["", ".", &cookie[1..], &cookie[..cookie.len() - 1], &format!("{}A", *cookie)] {
            assert!(SignUpBrowser::from_cookie(text, &keys).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_cookie_of_another_kind_is_not_taken_for_one() {
        let keys = SecretKey::generate(&OsRandom).derive();
        let device = Device::generate(&OsRandom).to_cookie(&keys);
        assert!(SignUpBrowser::from_cookie(&device, &keys).is_none());
        let browser = SignUpBrowser::generate(&OsRandom).to_cookie(&keys);
        assert!(Device::from_cookie(&browser, &keys).is_none());
    }

    #[test]
    fn nothing_prints_a_browser() {
        let browser = SignUpBrowser::generate(&OsRandom);
        assert_eq!(format!("{browser:?} {:?}", browser.hash()), "SignUpBrowser(…) SignUpBrowserHash(…)");
    }
}
