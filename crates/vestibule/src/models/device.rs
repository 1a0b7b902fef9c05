use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{DerivedKeys, ServerKeys};
use crate::ports::Random;

/// 16 and 32 bytes in base64url without padding.
const ENCODED_ID_BYTES: usize = 22;
const ENCODED_TAG_BYTES: usize = 43;

/// A browser that somebody has logged in with: a random id that stays over a log-out. It opens nothing. It only tells
/// a browser that an account was used with before from one that it was not.
#[derive(Clone)]
pub struct Device(Zeroizing<[u8; 16]>);

/// What is stored of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceHash([u8; 32]);

/// A browser that an account was used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownDevice {
    /// Which.
    pub hash: DeviceHash,
    /// When it was first used.
    pub created_at: OffsetDateTime,
    /// When it was last noted.
    pub last_seen_at: OffsetDateTime,
}

impl From<[u8; 32]> for DeviceHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Device {
    /// A new browser.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Zeroizing::new(random.bytes()))
    }

    /// The cookie's text: `id . MAC`. Authenticated, so that nobody can make up devices.
    pub fn to_cookie(&self, keys: &ServerKeys) -> String {
        let tag = self.authenticate(keys.newest()).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(self.0.as_slice()), URL_SAFE_NO_PAD.encode(tag))
    }

    /// Reads a cookie's text; nothing where it is not one that this server made, under any of its keys.
    pub fn from_cookie(text: &str, keys: &ServerKeys) -> Option<Self> {
        let (id, tag) = text.split_once('.')?;
        if id.len() != ENCODED_ID_BYTES || tag.len() != ENCODED_TAG_BYTES {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 16]);
        URL_SAFE_NO_PAD.decode_slice(id, bytes.as_mut()).ok()?;
        let device = Self(bytes);
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let is_authentic = keys.all().any(|keys| device.authenticate(keys).verify_slice(&tag).is_ok());
        is_authentic.then_some(device)
    }

    /// The device's name in the store.
    pub fn hash(&self) -> DeviceHash {
        DeviceHash(Sha256::digest(self.0.as_slice()).into())
    }

    fn authenticate(&self, keys: &DerivedKeys) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(keys.device_cookie.as_slice())
            .expect("HMAC takes a key of any length");
        mac.update(&*self.0);
        mac
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(…)")
    }
}

impl DeviceHash {
    /// The bytes for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::SecretKey;
    use crate::ports::OsRandom;

    #[test]
    fn a_device_is_known_by_its_cookie_and_only_on_its_server() {
        let (keys, others) =
            (SecretKey::generate(&OsRandom).derive(), SecretKey::generate(&OsRandom).derive());
        let device = Device::generate(&OsRandom);
        let cookie = device.to_cookie(&keys);
        assert_eq!(Device::from_cookie(&cookie, &keys).unwrap().hash(), device.hash());
        assert!(Device::from_cookie(&cookie, &others).is_none());
        for text in ["", ".", &cookie[1..], &cookie[..cookie.len() - 1], &format!("{cookie}A")] {
            assert!(Device::from_cookie(text, &keys).is_none(), "{text:?}");
        }
    }
}
