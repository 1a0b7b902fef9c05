use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::ports::Random;

/// 256 bits, the strength of everything derived from it.
const MIN_BYTES: usize = 32;
/// A key of chance has far more: 32 random bytes have fewer than 16 different values about once in 10^20 keys.
const MIN_DIFFERENT_BYTES: usize = 16;

/// The one secret of a server (`VESTIBULE_SECRET_KEY`): at least 32 random bytes. All other keys are derived
/// from it. Who has it can forge sessions; who only reads the database cannot.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<Vec<u8>>);

/// Why a text is not taken for a secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyError {
    /// Not base64.
    #[error("it is not base64")]
    NotBase64,
    /// Under 32 bytes.
    #[error("it has fewer than {MIN_BYTES} bytes")]
    TooShort,
    /// Repeated bytes or an example.
    #[error("it is not random: it looks like an example or a repeated pattern")]
    NotRandom,
}

impl SecretKey {
    /// Reads base64 of either alphabet, padded or not.
    pub fn parse(text: &str) -> Result<Self, SecretKeyError> {
        let text = text.trim();
        let bytes = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|alphabet| alphabet.decode(text).ok())
            .map(Zeroizing::new)
            .ok_or(SecretKeyError::NotBase64)?;
        if bytes.len() < MIN_BYTES {
            return Err(SecretKeyError::TooShort);
        }
        // Words, zeros and `0123…` patterns typed by hand: a key of chance is never all printable.
        let different = bytes.iter().collect::<std::collections::BTreeSet<_>>().len();
        if different < MIN_DIFFERENT_BYTES || bytes.iter().all(u8::is_ascii_graphic) {
            return Err(SecretKeyError::NotRandom);
        }
        Ok(Self(bytes))
    }

    /// A new key of 32 random bytes.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Zeroizing::new(random.bytes::<MIN_BYTES>().to_vec()))
    }

    /// The key as text, to be kept where only the server can read it.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&*self.0))
    }

    /// The keys that are used, one for each purpose (HKDF, RFC 5869).
    pub fn derive(&self) -> ServerKeys {
        ServerKeys {
            refresh_cookie: self.derive_for(b"vestibule/refresh-cookie/v1"),
            refresh_successor: self.derive_for(b"vestibule/refresh-successor/v1"),
            signing_key_seal: self.derive_for(b"vestibule/signing-key-seal/v1"),
            device_cookie: self.derive_for(b"vestibule/device-cookie/v1"),
            sign_up_cookie: self.derive_for(b"vestibule/sign-up-cookie/v1"),
            mail_quota: self.derive_for(b"vestibule/mail-quota/v1"),
        }
    }

    fn derive_for(&self, purpose: &[u8]) -> DerivedKey {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(purpose, key.as_mut())
            .expect("32 bytes is a length that HKDF-SHA-256 can expand to");
        key
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

pub(crate) type DerivedKey = Zeroizing<[u8; 32]>;

/// The derived keys. Each is used for one thing, so that no value made for one purpose is good for another.
#[derive(Clone)]
pub struct ServerKeys {
    /// Authenticates refresh cookies.
    pub(crate) refresh_cookie: DerivedKey,
    /// Derives the next refresh secret from the one before it.
    pub(crate) refresh_successor: DerivedKey,
    /// Encrypts the private keys in `signing_keys`.
    pub(crate) signing_key_seal: DerivedKey,
    /// Authenticates device cookies.
    pub(crate) device_cookie: DerivedKey,
    /// Authenticates the cookies of browsers that began a sign-up.
    pub(crate) sign_up_cookie: DerivedKey,
    /// Names a mailbox in the table of quotas without telling whose it is.
    pub(crate) mail_quota: DerivedKey,
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKeys(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::OsRandom;

    #[test]
    fn a_generated_key_can_be_read_again() {
        let key = SecretKey::generate(&OsRandom);
        let read = SecretKey::parse(&key.to_base64()).unwrap();
        assert_eq!(*key.derive().refresh_cookie, *read.derive().refresh_cookie);
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let keys = SecretKey::generate(&OsRandom).derive();
        assert_ne!(*keys.refresh_cookie, *keys.refresh_successor);
        assert_ne!(*keys.refresh_cookie, *keys.signing_key_seal);
    }

    #[test]
    fn short_repeated_and_example_keys_are_refused() {
        let zeros = STANDARD.encode([0; 32]);
        let pattern = STANDARD.encode([1, 2, 3, 4].repeat(8));
        let words = STANDARD.encode("please-change-this-secret-key-now-please");
        for (text, expected) in [
            ("not base64!", SecretKeyError::NotBase64),
            ("", SecretKeyError::TooShort),
            ("c2hvcnQ=", SecretKeyError::TooShort),
            (zeros.as_str(), SecretKeyError::NotRandom),
            (pattern.as_str(), SecretKeyError::NotRandom),
            (words.as_str(), SecretKeyError::NotRandom),
        ] {
            assert_eq!(SecretKey::parse(text).unwrap_err(), expected, "{text:?}");
        }
    }
}
