use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::id;
use super::invalid_input::FieldError;
use super::person_name::{breaks_or_turns_the_line, is_invisible};
use crate::ports::Random;

/// What every key begins with, so that a scanner finds one that was written into a repository or a log.
const PREFIX: &str = "vestibule_sk_";
const SECRET_BYTES: usize = 32;
/// Tells a typo from a key that is not good any more.
const CHECKSUM_BYTES: usize = 4;
/// Both in base64url without padding.
const ENCODED_BYTES: usize = 48;
const HASH_LABEL: &[u8] = b"vestibule/service-key/v1";
const CHECKSUM_LABEL: &[u8] = b"vestibule/service-key-checksum/v1";
const MAX_CHARACTERS: usize = 100;

id! {
    /// Names a service key.
    ServiceKeyId
}

/// What the program that has a key is called: 1 to 100 characters on one line. For people alone; two keys may have one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceName(String);

/// Why a text is not taken for the name of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServiceNameError {
    /// Nothing but white space.
    #[error("Name the program that the key is for.")]
    Empty,
    /// Over 100 characters.
    #[error("This name is too long: at most {MAX_CHARACTERS} characters.")]
    TooLong,
    /// Line breaks, control characters, direction marks.
    #[error("A name is one line of plain text.")]
    Unprintable,
}

/// What a key may do. It can do nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceScope {
    /// Follow which sessions ended or changed: `GET /api/auth/revocations`.
    RevocationsRead,
    /// Read any user by their id: `GET /api/users/{id}`.
    UsersRead,
}

/// No scope of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("There is no such scope: it is `revocations:read` or `users:read`.")]
pub struct ServiceScopeError;

/// What a program shows to be let in: 256 random bits, told once to whom it is made for, and stored as a hash alone.
pub struct ServiceKeySecret(Zeroizing<[u8; SECRET_BYTES]>);

/// What is stored of a key's secret.
#[derive(Clone, Copy)]
pub struct ServiceKeyHash([u8; 32]);

/// Why a text is not taken for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServiceKeyTextError {
    /// It does not begin as one.
    #[error("this is no service key: one begins with {PREFIX}")]
    NoKey,
    /// It begins as one, and its checksum is not right.
    #[error("this service key was cut off or mistyped")]
    Mistyped,
}

/// A key that lets a program beside the site do one thing or another, until it is revoked.
#[derive(Debug, Clone)]
pub struct ServiceKey {
    /// Ordered by time.
    pub id: ServiceKeyId,
    /// The program that has it.
    pub name: ServiceName,
    /// What it may do: at least one, each once, in the order of [`ServiceScope::ALL`].
    pub scopes: Vec<ServiceScope>,
    /// Its secret, hashed.
    pub hash: ServiceKeyHash,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when it is no good, where it has an end.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute; none while it never was.
    pub last_used_at: Option<OffsetDateTime>,
}

impl ServiceName {
    /// Reads what somebody typed.
    pub fn parse(typed: &str) -> Result<Self, ServiceNameError> {
        let name: String = typed.trim().nfc().collect();
        if name.chars().all(is_invisible) {
            return Err(ServiceNameError::Empty);
        }
        if name.chars().count() > MAX_CHARACTERS {
            return Err(ServiceNameError::TooLong);
        }
        if name.chars().any(|c| c.is_control() || breaks_or_turns_the_line(c)) {
            return Err(ServiceNameError::Unprintable);
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FieldError for ServiceNameError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::Unprintable => "malformed",
        }
    }
}

impl ServiceScope {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::RevocationsRead, Self::UsersRead];

    /// The stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RevocationsRead => "revocations:read",
            Self::UsersRead => "users:read",
        }
    }

    /// What it allows, for people.
    pub const fn about(self) -> &'static str {
        match self {
            Self::RevocationsRead => "see which sessions ended, to refuse their access tokens",
            Self::UsersRead => "read any user's name, address and role by their id",
        }
    }
}

impl FromStr for ServiceScope {
    type Err = ServiceScopeError;

    fn from_str(word: &str) -> Result<Self, ServiceScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or(ServiceScopeError)
    }
}

impl fmt::Display for ServiceScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FieldError for ServiceScopeError {
    fn code(&self) -> &'static str {
        "unknown_scope"
    }
}

impl ServiceKeySecret {
    /// A new secret.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Zeroizing::new(random.bytes()))
    }

    /// Reads what a program showed.
    pub fn parse(text: &str) -> Result<Self, ServiceKeyTextError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(ServiceKeyTextError::NoKey)?;
        if encoded.len() != ENCODED_BYTES {
            return Err(ServiceKeyTextError::Mistyped);
        }
        let mut bytes = Zeroizing::new([0; SECRET_BYTES + CHECKSUM_BYTES]);
        URL_SAFE_NO_PAD.decode_slice(encoded, bytes.as_mut()).map_err(|_| ServiceKeyTextError::Mistyped)?;
        let (secret, checksum) = bytes.split_at(SECRET_BYTES);
        // Not in constant time: who knows the secret can work it out.
        if checksum != checksum_of(secret) {
            return Err(ServiceKeyTextError::Mistyped);
        }
        let mut own = Zeroizing::new([0; SECRET_BYTES]);
        own.copy_from_slice(secret);
        Ok(Self(own))
    }

    /// The text that is told once.
    pub fn encode(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES + CHECKSUM_BYTES]);
        bytes[..SECRET_BYTES].copy_from_slice(self.0.as_slice());
        bytes[SECRET_BYTES..].copy_from_slice(&checksum_of(self.0.as_slice()));
        Zeroizing::new(format!("{PREFIX}{}", *Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// What is stored of it. It is looked up by this, so there is no comparison whose time could tell anything.
    pub fn hash(&self) -> ServiceKeyHash {
        let digest = Sha256::new().chain_update(HASH_LABEL).chain_update(self.0.as_slice()).finalize();
        ServiceKeyHash(digest.into())
    }
}

fn checksum_of(secret: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest: [u8; 32] = Sha256::new().chain_update(CHECKSUM_LABEL).chain_update(secret).finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl ServiceKeyHash {
    /// The bytes for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for ServiceKeyHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl ServiceKey {
    /// Whether it may do something.
    pub fn allows(&self, scope: ServiceScope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// The words of its scopes, separated by blanks.
    pub fn scope_words(&self) -> String {
        self.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for ServiceKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceKeySecret(…)")
    }
}

impl fmt::Debug for ServiceKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceKeyHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ports::OsRandom;

    #[test]
    fn a_key_can_be_read_from_its_text_and_looks_like_one() {
        let secret = ServiceKeySecret::generate(&OsRandom);
        let text = secret.encode();
        assert!(text.starts_with("vestibule_sk_") && text.len() == 61, "{}", text.len());
        let read = ServiceKeySecret::parse(&format!(" {}\n", *text)).unwrap();
        assert_eq!(read.hash().as_bytes(), secret.hash().as_bytes());
    }

    #[test]
    fn a_typo_is_told_from_what_is_no_key() {
        let text = ServiceKeySecret::generate(&OsRandom).encode();
        let other = if text.as_bytes()[20] == b'A' { "B" } else { "A" };
        let mistyped = format!("{}{other}{}", &text[..20], &text[21..]);
        for text in [&mistyped, &text[..60], &format!("{}A", *text), "vestibule_sk_"] {
            assert_eq!(ServiceKeySecret::parse(text).unwrap_err(), ServiceKeyTextError::Mistyped, "{text}");
        }
        for text in ["", " ", "sk_live_1", &text[1..], &text.to_uppercase()] {
            assert_eq!(ServiceKeySecret::parse(text).unwrap_err(), ServiceKeyTextError::NoKey, "{text}");
        }
    }

    #[test]
    fn nothing_prints_a_key() {
        let secret = ServiceKeySecret::generate(&OsRandom);
        assert_eq!(format!("{secret:?} {:?}", secret.hash()), "ServiceKeySecret(…) ServiceKeyHash(…)");
    }

    #[test]
    fn a_name_is_one_line_of_at_most_a_hundred_characters() {
        assert_eq!(ServiceName::parse(" wiki ").unwrap().as_str(), "wiki");
        assert_eq!(ServiceName::parse(&"ß".repeat(100)).unwrap().as_str().chars().count(), 100);
        for (text, expected) in [
            ("", ServiceNameError::Empty),
            (" \u{200B}", ServiceNameError::Empty),
            (&"x".repeat(101), ServiceNameError::TooLong),
            ("a\nb", ServiceNameError::Unprintable),
            ("a\u{202E}b", ServiceNameError::Unprintable),
        ] {
            assert_eq!(ServiceName::parse(text).unwrap_err(), expected, "{text:?}");
        }
    }

    #[test]
    fn every_scope_is_known_by_its_word() {
        for scope in ServiceScope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert!(ServiceScopeError.to_string().contains(scope.as_str()));
        }
        assert_eq!("users:write".parse::<ServiceScope>(), Err(ServiceScopeError));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = ServiceKeySecret::parse(&text);
            let _ = ServiceKeySecret::parse(&format!("{PREFIX}{text}"));
        }
    }
}
