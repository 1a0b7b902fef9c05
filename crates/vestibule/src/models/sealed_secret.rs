use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::ServerKeys;
use crate::ports::Random;

const NONCE_BYTES: usize = 24;

/// A secret of the server's own as it is stored: encrypted with a key derived from `VESTIBULE_SECRET_KEY`, so that someone who
/// can read the database does not have it.
///
/// It is bound to a text that says what it is of. A row that somebody copied to another place does not open there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret(Vec<u8>);

/// A secret that was opened.
pub struct OpenedSecret {
    /// The secret.
    pub secret: Zeroizing<Vec<u8>>,
    /// Whether it lies under the newest of the server's keys. Else it is to be sealed anew, so that the older key can go.
    pub is_under_newest: bool,
}

impl SealedSecret {
    /// Encrypts a secret. `of` is what it is of, such as the names of a certificate.
    pub fn seal(secret: &[u8], of: &str, keys: &ServerKeys, random: &dyn Random) -> Self {
        let nonce: [u8; NONCE_BYTES] = random.bytes();
        let cipher = XChaCha20Poly1305::new(&Key::from(*keys.newest().certificate_seal));
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: of.as_bytes() })
            .expect("a key of some KiB is far below the cipher's limit");
        Self([nonce.as_slice(), &sealed].concat())
    }

    /// Opens it under whichever of the server's keys it was made; nothing where it was made under none of them, of something
    /// else, or is damaged.
    pub fn open(&self, of: &str, keys: &ServerKeys) -> Option<OpenedSecret> {
        let (nonce, sealed) = self.0.split_first_chunk::<NONCE_BYTES>()?;
        keys.all().enumerate().find_map(|(age, keys)| {
            let cipher = XChaCha20Poly1305::new(&Key::from(*keys.certificate_seal));
            let payload = Payload { msg: sealed, aad: of.as_bytes() };
            let secret = Zeroizing::new(cipher.decrypt(&XNonce::from(*nonce), payload).ok()?);
            Some(OpenedSecret { secret, is_under_newest: age == 0 })
        })
    }

    /// What a store keeps.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SealedSecret {
    /// What a store kept.
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{SecretKey, SecretKeys};
    use crate::ports::OsRandom;

    #[test]
    fn a_secret_opens_with_its_key_and_as_what_it_is_of_alone() {
        let keys = SecretKey::generate(&OsRandom).derive();
        let sealed = SealedSecret::seal(b"a private key", "example.com", &keys, &OsRandom);
        let opened = sealed.open("example.com", &keys).unwrap();
        assert!(opened.secret.as_slice() == b"a private key" && opened.is_under_newest);
        assert!(!sealed.as_bytes().windows(7).any(|window| window == b"private"));
        assert!(sealed.open("example.org", &keys).is_none());
        assert!(sealed.open("example.com", &SecretKey::generate(&OsRandom).derive()).is_none());
        let mut damaged = sealed.as_bytes().to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        for bytes in [damaged, Vec::new(), vec![0; 24], vec![0; 60]] {
            assert!(SealedSecret::from(bytes).open("example.com", &keys).is_none());
        }
    }

    #[test]
    fn a_secret_under_an_older_key_opens_and_says_so() {
        let [old, new] = [(); 2].map(|()| SecretKey::generate(&OsRandom));
        let sealed = SealedSecret::seal(b"a private key", "example.com", &old.derive(), &OsRandom);
        let keys = SecretKeys::try_from([new, old]).unwrap().derive();
        assert!(!sealed.open("example.com", &keys).unwrap().is_under_newest);
    }
}
