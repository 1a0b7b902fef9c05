use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{DerivedKeys, ServerKeys};

type HmacSha256 = Hmac<Sha256>;

/// Proves that a backup was made by who has a site's secret key: HMAC-SHA-256 of its manifest, which tells the digest of all else
/// that is in it. As text it is 64 hexadecimal digits. It is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupProof([u8; 32]);

impl BackupProof {
    /// The proof of a manifest, by the newest key.
    pub fn make(manifest: &[u8], keys: &ServerKeys) -> Self {
        Self(mac(manifest, keys.newest()).finalize().into_bytes().into())
    }

    /// Reads the text. `None` for one that is no proof, whoever may have made it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether it is that of a manifest by any of the keys.
    pub fn is_of(&self, manifest: &[u8], keys: &ServerKeys) -> bool {
        keys.all().any(|keys| mac(manifest, keys).verify_slice(&self.0).is_ok())
    }
}

impl fmt::Display for BackupProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn mac(manifest: &[u8], keys: &DerivedKeys) -> HmacSha256 {
    let mut mac = HmacSha256::new_from_slice(&*keys.backup_proof).expect("HMAC takes a key of any length");
    mac.update(manifest);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{SecretKey, SecretKeys};
    use crate::ports::OsRandom;

    #[test]
    fn a_proof_is_good_for_its_manifest_and_the_keys_of_the_site() {
        let [old, new, other] = [(); 3].map(|()| SecretKey::generate(&OsRandom));
        let proof = BackupProof::make(b"manifest", &old.derive());
        let read = BackupProof::parse(&proof.to_string()).unwrap();
        assert_eq!(read, proof);
        assert!(read.is_of(b"manifest", &old.derive()));
        let both = SecretKeys::try_from([new, old.clone()]).unwrap().derive();
        assert!(read.is_of(b"manifest", &both), "a key that was given a successor");
        assert!(!read.is_of(b"manifesto", &old.derive()));
        assert!(!read.is_of(b"manifest", &other.derive()));
    }

    #[test]
    fn what_is_no_proof_is_not_read_as_one() {
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(BackupProof::parse(text), None, "{text}");
        }
        assert!(BackupProof::parse(&"0".repeat(64)).is_some());
    }
}
