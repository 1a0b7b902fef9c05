use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{DerivedKeys, ServerKeys};
use crate::ports::Random;

type HmacSha256 = Hmac<Sha256>;

/// 32 bytes in base64url without padding.
const ENCODED_BYTES: usize = 43;

/// What the refresh cookie holds: which session, and that session's secret. On its way through the browser it
/// is authenticated, so that a guessed or damaged cookie never reaches the database, let alone ends a session.
#[derive(Clone)]
pub struct RefreshToken {
    /// Which session.
    pub session: SessionId,
    /// The secret that it is shown with.
    pub secret: RefreshSecret,
}

/// Names a session to its holder: 256 random bits, stored only as their hash, so that someone who can read
/// the database cannot name a session.
#[derive(Clone)]
pub struct SessionId(Zeroizing<[u8; 32]>);

/// SHA-256 of a session id: the session's key in the store, and `sid` in the access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionIdHash([u8; 32]);

/// The changing half of a refresh cookie: 256 bits, first random, then each derived from the one before it.
#[derive(Clone)]
pub struct RefreshSecret(Zeroizing<[u8; 32]>);

/// SHA-256 of a refresh secret: what is stored. Nothing that can be shown by a browser can be made of it.
#[derive(Clone, Copy)]
pub struct RefreshSecretHash([u8; 32]);

impl RefreshToken {
    /// A new session's id and first secret.
    pub fn generate(random: &dyn Random) -> Self {
        Self {
            session: SessionId(Zeroizing::new(random.bytes())),
            secret: RefreshSecret(Zeroizing::new(random.bytes())),
        }
    }

    /// The token after this one: the same session, and as its secret HMAC-SHA-256 of id and secret under a key
    /// that only the server has.
    ///
    /// Because it is derived and not drawn, two tabs that refresh at once, or one that asks again after a lost
    /// answer, get the same successor. Who steals a cookie cannot compute the ones to come.
    ///
    /// This is the one under the newest of the server's secrets.
    #[must_use]
    pub fn successor(&self, keys: &ServerKeys) -> Self {
        self.successor_under(keys.newest())
    }

    /// The successor that is in place already, made under whichever of the server's secrets: while a secret is given a
    /// successor, servers of one installation may have them in another order. Nothing where it is not one of ours.
    pub fn successor_with(&self, stored: &RefreshSecretHash, keys: &ServerKeys) -> Option<Self> {
        keys.all().map(|keys| self.successor_under(keys)).find(|next| next.secret.hash().matches(stored))
    }

    fn successor_under(&self, keys: &DerivedKeys) -> Self {
        let mut mac = mac(&keys.refresh_successor);
        mac.update(&*self.session.0);
        mac.update(&*self.secret.0);
        let secret = RefreshSecret(Zeroizing::new(mac.finalize().into_bytes().into()));
        Self { session: self.session.clone(), secret }
    }

    /// The cookie's text: `session id . secret . MAC`, each in base64url.
    pub fn to_cookie(&self, keys: &ServerKeys) -> Zeroizing<String> {
        let tag = self.authenticate(keys.newest()).finalize().into_bytes();
        Zeroizing::new(format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(self.session.0.as_slice()),
            URL_SAFE_NO_PAD.encode(self.secret.0.as_slice()),
            URL_SAFE_NO_PAD.encode(tag)
        ))
    }

    /// Reads a cookie's text; nothing where it is not one that this server made, under any of its keys.
    pub fn from_cookie(text: &str, keys: &ServerKeys) -> Option<Self> {
        let mut parts = text.split('.').map(decode);
        let (session, secret, tag) = (parts.next()??, parts.next()??, parts.next()??);
        if parts.next().is_some() {
            return None;
        }
        let token = Self { session: SessionId(session), secret: RefreshSecret(secret) };
        let is_authentic = keys.all().any(|keys| token.authenticate(keys).verify_slice(&*tag).is_ok());
        is_authentic.then_some(token)
    }

    fn authenticate(&self, keys: &DerivedKeys) -> HmacSha256 {
        let mut mac = mac(&keys.refresh_cookie);
        mac.update(&*self.session.0);
        mac.update(&*self.secret.0);
        mac
    }
}

fn mac(key: &[u8; 32]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn decode(part: &str) -> Option<Zeroizing<[u8; 32]>> {
    if part.len() != ENCODED_BYTES {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    URL_SAFE_NO_PAD.decode_slice(part, bytes.as_mut()).ok()?;
    Some(bytes)
}

impl SessionId {
    /// The session's key in the store.
    pub fn hash(&self) -> SessionIdHash {
        SessionIdHash(Sha256::digest(self.0.as_slice()).into())
    }
}

impl SessionIdHash {
    /// The bytes for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// In base64url without padding, as the `sid` of an access token.
    pub fn to_base64(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads the `sid` of an access token.
    pub fn from_base64(text: &str) -> Option<Self> {
        decode(text).map(|bytes| Self(*bytes))
    }
}

impl From<[u8; 32]> for SessionIdHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl RefreshSecret {
    /// What is stored of it.
    pub fn hash(&self) -> RefreshSecretHash {
        RefreshSecretHash(Sha256::digest(self.0.as_slice()).into())
    }
}

impl RefreshSecretHash {
    /// The bytes for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are of one secret, compared in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl From<[u8; 32]> for RefreshSecretHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Writes `Name(…)`: what these values hold is nobody's to read in a log.
macro_rules! hide {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
hide!(RefreshToken, SessionId, RefreshSecret, RefreshSecretHash);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::SecretKey;
    use crate::ports::OsRandom;

    fn keys() -> ServerKeys {
        SecretKey::generate(&OsRandom).derive()
    }

    #[test]
    fn a_cookie_is_read_as_it_was_written() {
        let keys = keys();
        let token = RefreshToken::generate(&OsRandom);
        let read = RefreshToken::from_cookie(&token.to_cookie(&keys), &keys).unwrap();
        assert_eq!(read.session.hash(), token.session.hash());
        assert!(read.secret.hash().matches(&token.secret.hash()));
    }

    #[test]
    fn a_cookie_of_another_server_is_refused() {
        let cookie = RefreshToken::generate(&OsRandom).to_cookie(&keys());
        assert!(RefreshToken::from_cookie(&cookie, &keys()).is_none());
    }

    #[test]
    fn every_changed_character_makes_a_cookie_unauthentic() {
        let keys = keys();
        let cookie = RefreshToken::generate(&OsRandom).to_cookie(&keys);
        for position in 0..cookie.len() {
            let mut changed = cookie.as_bytes().to_vec();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(RefreshToken::from_cookie(&changed, &keys).is_none(), "position {position}");
        }
    }

    #[test]
    fn the_successor_is_the_same_each_time_and_another_secret() {
        let keys = keys();
        let token = RefreshToken::generate(&OsRandom);
        let (one, two) = (token.successor(&keys), token.successor(&keys));
        assert!(one.secret.hash().matches(&two.secret.hash()));
        assert!(!one.secret.hash().matches(&token.secret.hash()));
        assert!(!one.successor(&keys).secret.hash().matches(&one.secret.hash()));
        assert_eq!(one.session.hash(), token.session.hash());
    }

    #[test]
    fn nothing_prints_a_secret() {
        let token = RefreshToken::generate(&OsRandom);
        let printed = format!("{token:?} {:?} {:?} {:?}", token.session, token.secret, token.secret.hash());
        assert_eq!(printed, "RefreshToken(…) SessionId(…) RefreshSecret(…) RefreshSecretHash(…)");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            prop_assert!(RefreshToken::from_cookie(&text, &keys()).is_none());
        }
    }
}
