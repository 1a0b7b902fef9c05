use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::{DerivedKeys, ServerKeys};
use crate::ports::Random;

const NONCE_BYTES: usize = 24;

/// How long a new key is published before it signs. A verifier may have fetched the keys just before: it keeps them for
/// five minutes, and five more where the site does not answer (`api/jwks.rs`); a server of ours reads them again each half
/// minute; and what verifiers of others keep by themselves is rarely more than ten minutes.
pub const KEY_LEARNING_TIME: Duration = Duration::minutes(15);

/// An Ed25519 key pair (RFC 8032) that signs access tokens.
pub struct SigningKey {
    pair: ed25519_dalek::SigningKey,
    kid: String,
    generation: i64,
    created_at: OffsetDateTime,
    activates_at: OffsetDateTime,
    token_ttl: Duration,
}

/// A signing key as it is stored: the private half encrypted with a key derived from the server's secret, so
/// that someone who can read the database cannot sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSigningKey {
    /// The key's name in tokens and in the JWKS: its thumbprint (RFC 7638).
    pub kid: String,
    /// Counts the keys of an installation from 1. Of those whose time has come the highest one signs.
    pub generation: i64,
    /// 32 bytes.
    pub public_key: Vec<u8>,
    /// Nonce and XChaCha20-Poly1305 ciphertext of the 32 private bytes, bound to the `kid`.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when it signs.
    pub activates_at: OffsetDateTime,
    /// The longest life of a token that was signed with it.
    pub token_ttl: Duration,
}

/// Why a stored key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// Made under another secret, or damaged.
    #[error("a signing key in the database cannot be opened with this secret key")]
    CannotOpen,
}

impl SigningKey {
    /// A new key.
    pub fn generate(generation: i64, now: OffsetDateTime, random: &dyn Random) -> Self {
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random.bytes());
        Self::from_seed(&seed, generation, now)
    }

    pub(crate) fn from_seed(seed: &[u8; 32], generation: i64, created_at: OffsetDateTime) -> Self {
        let pair = ed25519_dalek::SigningKey::from_bytes(seed);
        let kid = thumbprint(&pair.verifying_key());
        Self { pair, kid, generation, created_at, activates_at: created_at, token_ttl: Duration::ZERO }
    }

    /// The same key, which signs from a later moment on.
    #[must_use]
    pub fn activating_at(self, activates_at: OffsetDateTime) -> Self {
        Self { activates_at, ..self }
    }

    /// The same key, for tokens that live so long.
    #[must_use]
    pub fn for_tokens_of(self, token_ttl: Duration) -> Self {
        Self { token_ttl, ..self }
    }

    /// The key's name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn generation(&self) -> i64 {
        self.generation
    }

    pub(crate) fn created_at(&self) -> OffsetDateTime {
        self.created_at
    }

    pub(crate) fn activates_at(&self) -> OffsetDateTime {
        self.activates_at
    }

    pub(crate) fn token_ttl(&self) -> Duration {
        self.token_ttl
    }

    pub(crate) fn pair(&self) -> &ed25519_dalek::SigningKey {
        &self.pair
    }

    /// The form in which it is stored.
    pub fn seal(&self, keys: &ServerKeys, random: &dyn Random) -> SealedSigningKey {
        let nonce: [u8; NONCE_BYTES] = random.bytes();
        let private = Payload { msg: self.pair.as_bytes(), aad: self.kid.as_bytes() };
        let ciphertext = cipher(keys.newest())
            .encrypt(&XNonce::from(nonce), private)
            .expect("32 bytes are far below the cipher's limit");
        SealedSigningKey {
            kid: self.kid.clone(),
            generation: self.generation,
            public_key: self.pair.verifying_key().as_bytes().to_vec(),
            sealed_private_key: [nonce.as_slice(), &ciphertext].concat(),
            created_at: self.created_at,
            activates_at: self.activates_at,
            token_ttl: self.token_ttl,
        }
    }
}

impl SealedSigningKey {
    /// Opens the stored form, under whichever of the server's secrets it was made.
    pub fn open(&self, keys: &ServerKeys) -> Result<SigningKey, SigningKeyError> {
        let opened = keys.all().find_map(|keys| self.open_under(keys));
        opened.ok_or(SigningKeyError::CannotOpen)
    }

    /// The same key sealed under the newest of the server's secrets; nothing where it is already.
    pub fn sealed_anew(
        &self,
        keys: &ServerKeys,
        random: &dyn Random,
    ) -> Result<Option<Self>, SigningKeyError> {
        if self.open_under(keys.newest()).is_some() {
            return Ok(None);
        }
        Ok(Some(self.open(keys)?.seal(keys, random)))
    }

    fn open_under(&self, keys: &DerivedKeys) -> Option<SigningKey> {
        let (nonce, ciphertext) = self.sealed_private_key.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: ciphertext, aad: self.kid.as_bytes() };
        let opened = Zeroizing::new(cipher(keys).decrypt(&XNonce::from(*nonce), payload).ok()?);
        let seed: &[u8; 32] = opened.as_slice().try_into().ok()?;
        let key = SigningKey::from_seed(seed, self.generation, self.created_at)
            .activating_at(self.activates_at)
            .for_tokens_of(self.token_ttl);
        let is_same_pair =
            key.pair.verifying_key().as_bytes().as_slice() == self.public_key && key.kid == self.kid;
        is_same_pair.then_some(key)
    }
}

fn cipher(keys: &DerivedKeys) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*keys.signing_key_seal))
}

/// RFC 7638, over the members that RFC 8037 requires of an Ed25519 key.
fn thumbprint(key: &ed25519_dalek::VerifyingKey) -> String {
    let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::models::SecretKey;
    use crate::ports::OsRandom;

    const NOON: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);

    #[test]
    fn a_sealed_key_opens_with_the_same_secret_only() {
        let keys = SecretKey::generate(&OsRandom).derive();
        let sealed = SigningKey::generate(1, NOON, &OsRandom).seal(&keys, &OsRandom);
        assert_eq!(sealed.open(&keys).unwrap().kid(), sealed.kid);

        let others = SecretKey::generate(&OsRandom).derive();
        assert_eq!(sealed.open(&others).unwrap_err(), SigningKeyError::CannotOpen);
    }

    #[test]
    fn a_changed_row_does_not_open() {
        let keys = SecretKey::generate(&OsRandom).derive();
        let sealed = SigningKey::generate(1, NOON, &OsRandom).seal(&keys, &OsRandom);
        let other = SigningKey::generate(1, NOON, &OsRandom).seal(&keys, &OsRandom);
        let cases = [
            SealedSigningKey { kid: other.kid.clone(), ..sealed.clone() },
            SealedSigningKey { public_key: other.public_key, ..sealed.clone() },
            SealedSigningKey { sealed_private_key: other.sealed_private_key, ..sealed.clone() },
            SealedSigningKey { sealed_private_key: vec![0; 10], ..sealed.clone() },
        ];
        for changed in cases {
            assert_eq!(changed.open(&keys).unwrap_err(), SigningKeyError::CannotOpen);
        }
    }

    #[test]
    fn the_private_half_is_not_in_the_row() {
        let keys = SecretKey::generate(&OsRandom).derive();
        let key = SigningKey::generate(1, NOON, &OsRandom);
        let sealed = key.seal(&keys, &OsRandom);
        assert!(!sealed.sealed_private_key.windows(32).any(|window| window == key.pair.as_bytes()));
    }

    #[test]
    fn the_kid_is_the_thumbprint_of_rfc_8037_appendix_a_3() {
        let seed: [u8; 32] = URL_SAFE_NO_PAD
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap()
            .try_into()
            .unwrap();
        let key = SigningKey::from_seed(&seed, 1, NOON);
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
