use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
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
        if is_typed_by_hand(text, &bytes) {
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

    /// The keys that are used where this is the only secret.
    pub fn derive(&self) -> ServerKeys {
        ServerKeys { newest: self.derive_all(), older: Vec::new() }
    }

    /// One key for each purpose (HKDF, RFC 5869).
    fn derive_all(&self) -> DerivedKeys {
        DerivedKeys {
            refresh_cookie: self.derive_for(b"vestibule/refresh-cookie/v1"),
            refresh_successor: self.derive_for(b"vestibule/refresh-successor/v1"),
            signing_key_seal: self.derive_for(b"vestibule/signing-key-seal/v1"),
            device_cookie: self.derive_for(b"vestibule/device-cookie/v1"),
            sign_up_cookie: self.derive_for(b"vestibule/sign-up-cookie/v1"),
            mail_quota: self.derive_for(b"vestibule/mail-quota/v1"),
            certificate_seal: self.derive_for(b"vestibule/certificate-seal/v1"),
            backup_proof: self.derive_for(b"vestibule/backup-proof/v1"),
        }
    }

    fn derive_for(&self, purpose: &[u8]) -> DerivedKey {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(purpose, key.as_mut())
            .expect("32 bytes is a length that HKDF-SHA-256 can expand to");
        key
    }

    fn is_same(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

/// The secrets of a server, newest first. The newest makes what is new; what any of them made is taken. With a second one a
/// secret can be given a successor without logging anybody out.
#[derive(Clone)]
pub struct SecretKeys {
    newest: SecretKey,
    older: Vec<SecretKey>,
}

/// Each costs work for every cookie that is none of ours, and nobody is between more than a few.
const MAX_SECRETS: usize = 8;

/// Why a text is not taken for a list of secret keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeysError {
    /// The only key is wrong.
    #[error(transparent)]
    Only(SecretKeyError),
    /// One of several is wrong.
    #[error("key {number} of {count}: {error}")]
    OneOf {
        /// Which, counted from 1.
        number: usize,
        /// Of how many.
        count: usize,
        /// What is wrong with it.
        error: SecretKeyError,
    },
    /// The same key twice.
    #[error("keys {0} and {1} are the same")]
    Repeated(usize, usize),
    /// Too many.
    #[error("there are more than {MAX_SECRETS} keys")]
    TooMany,
}

impl SecretKeys {
    /// Reads a list: separated by commas, or one a line.
    ///
    /// Between two commas there must be a key: `$NEW,$OLD` with a variable that is not set would log everybody out.
    pub fn parse(text: &str) -> Result<Self, SecretKeysError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut texts: Vec<&str> =
            lines.flat_map(|line| line.strip_suffix(',').unwrap_or(line).split(',')).collect();
        // Where a line break follows the comma the entry ends with it; where nothing does, one was meant.
        if text.trim_end_matches([' ', '\t', '\r', '\n']).ends_with(',') || texts.is_empty() {
            texts.push("");
        }
        let count = texts.len();
        if count > MAX_SECRETS {
            return Err(SecretKeysError::TooMany);
        }
        let mut keys: Vec<SecretKey> = Vec::with_capacity(count);
        for (index, text) in texts.into_iter().enumerate() {
            let key = SecretKey::parse(text).map_err(|error| match count {
                1 => SecretKeysError::Only(error),
                _ => SecretKeysError::OneOf { number: index + 1, count, error },
            })?;
            if let Some(twin) = keys.iter().position(|other| other.is_same(&key)) {
                return Err(SecretKeysError::Repeated(twin + 1, index + 1));
            }
            keys.push(key);
        }
        let newest = keys.remove(0);
        Ok(Self { newest, older: keys })
    }

    /// The keys that are used.
    pub fn derive(&self) -> ServerKeys {
        let older = self.older.iter().map(SecretKey::derive_all).collect();
        ServerKeys { newest: self.newest.derive_all(), older }
    }
}

impl From<SecretKey> for SecretKeys {
    fn from(newest: SecretKey) -> Self {
        Self { newest, older: Vec::new() }
    }
}

impl<const N: usize> TryFrom<[SecretKey; N]> for SecretKeys {
    type Error = SecretKeysError;

    fn try_from(keys: [SecretKey; N]) -> Result<Self, SecretKeysError> {
        let texts: Vec<_> = keys.iter().map(SecretKey::to_base64).collect();
        let texts: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
        Self::parse(&Zeroizing::new(texts.join(",")))
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKeys(…)")
    }
}

/// Whether a key looks like what people type, or copy from a page: words, zeros, patterns. Of keys of chance this refuses
/// fewer than one in a million, and then another one is soon made.
fn is_typed_by_hand(text: &str, bytes: &[u8]) -> bool {
    let different = bytes.iter().collect::<std::collections::BTreeSet<_>>().len();
    if different < MIN_DIFFERENT_BYTES || bytes.iter().all(u8::is_ascii_graphic) || has_pattern(bytes) {
        return true;
    }
    // A text whose bytes were not made by chance and then written, but which was typed: `openssl rand -hex` is taken, though
    // the bytes meant are others than those read.
    if let Some(meant) = from_hex(text) {
        return has_pattern(&meant);
    }
    let lower = text.to_ascii_lowercase();
    let has_both_cases = text.contains(|c: char| c.is_ascii_lowercase()) && lower != text;
    !has_both_cases || EXAMPLE_WORDS.iter().any(|word| lower.contains(word)) || EXAMPLES.contains(&text)
}

/// What examples say of themselves. Each is long enough to be in no key by chance.
const EXAMPLE_WORDS: [&str; 9] =
    ["change", "example", "secret", "password", "vestibule", "insecure", "default", "replace", "qwerty"];

/// Keys that were printed, in our own tests or elsewhere, and so are no secrets.
const EXAMPLES: [&str; 1] = ["hkS5p3rlYVn7kcLxOmBIcBlX4DVlOYEgVGbe1bWZ1s0="];

/// The same bytes again and again, or bytes in equal steps.
fn has_pattern(bytes: &[u8]) -> bool {
    let is_repeated = (1..=bytes.len() / 2)
        .any(|period| bytes.iter().zip(bytes.iter().skip(period)).all(|(one, next)| one == next));
    let mut steps = bytes.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let first = steps.next();
    is_repeated || steps.all(|step| Some(step) == first)
}

fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits: Option<Zeroizing<Vec<u8>>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect::<Option<Vec<u8>>>()
        .map(Zeroizing::new);
    digits.map(|digits| {
        Zeroizing::new(
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect(),
        )
    })
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

pub(crate) type DerivedKey = Zeroizing<[u8; 32]>;

/// The derived keys of all secrets of a server.
#[derive(Clone)]
pub struct ServerKeys {
    newest: DerivedKeys,
    older: Vec<DerivedKeys>,
}

/// The derived keys of one secret. Each is used for one thing, so that no value made for one purpose is good for another.
#[derive(Clone)]
pub(crate) struct DerivedKeys {
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
    /// Encrypts the private keys of certificates and of accounts at certificate authorities.
    pub(crate) certificate_seal: DerivedKey,
    /// Authenticates backups.
    pub(crate) backup_proof: DerivedKey,
}

impl ServerKeys {
    /// Those that make what is new.
    pub(crate) fn newest(&self) -> &DerivedKeys {
        &self.newest
    }

    /// Those whose work is taken, newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &DerivedKeys> {
        std::iter::once(&self.newest).chain(&self.older)
    }
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
        assert_eq!(*key.derive().newest.refresh_cookie, *read.derive().newest.refresh_cookie);
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let keys = SecretKey::generate(&OsRandom).derive();
        let keys = keys.newest();
        let all = [
            &keys.refresh_cookie,
            &keys.refresh_successor,
            &keys.signing_key_seal,
            &keys.device_cookie,
            &keys.mail_quota,
            &keys.certificate_seal,
            &keys.backup_proof,
        ];
        assert_eq!(
            all.map(|key| **key).into_iter().collect::<std::collections::BTreeSet<_>>().len(),
            all.len()
        );
    }

    #[test]
    fn short_repeated_and_example_keys_are_refused() {
        let zeros = STANDARD.encode([0; 32]);
        let pattern = STANDARD.encode([1, 2, 3, 4].repeat(8));
        let words = STANDARD.encode("please-change-this-secret-key-now-please");
        let half: [u8; 16] = (&OsRandom as &dyn Random).bytes();
        let twice = STANDARD.encode(half.repeat(2));
        let counted = STANDARD.encode((0..32).collect::<Vec<u8>>());
        let down = STANDARD.encode((0..64).map(|step| 200_u8.wrapping_sub(step * 3)).collect::<Vec<u8>>());
        let hex = "0123456789abcdef".repeat(4);
        let hex_of_counted = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        for (text, expected) in [
            ("not base64!", SecretKeyError::NotBase64),
            ("", SecretKeyError::TooShort),
            ("c2hvcnQ=", SecretKeyError::TooShort),
            (zeros.as_str(), SecretKeyError::NotRandom),
            (pattern.as_str(), SecretKeyError::NotRandom),
            (words.as_str(), SecretKeyError::NotRandom),
            (twice.as_str(), SecretKeyError::NotRandom),
            (counted.as_str(), SecretKeyError::NotRandom),
            (down.as_str(), SecretKeyError::NotRandom),
            (hex.as_str(), SecretKeyError::NotRandom),
            (hex_of_counted, SecretKeyError::NotRandom),
            ("thequickbrownfoxjumpsoverthelazydogandrunsaway12", SecretKeyError::NotRandom),
            ("ThisIsMySuperSecretKeyThatNobodyElseKnows4me", SecretKeyError::NotRandom),
            ("changeMe0changeMe1changeMe2changeMe3changeMe", SecretKeyError::NotRandom),
            (EXAMPLES[0], SecretKeyError::NotRandom),
        ] {
            assert_eq!(SecretKey::parse(text).unwrap_err(), expected, "{text:?}");
        }
    }

    #[test]
    fn keys_of_chance_are_taken_in_base64_and_in_hex() {
        for _ in 0..2000 {
            let bytes: [u8; 32] = (&OsRandom as &dyn Random).bytes();
            let hex: String = bytes
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
                .collect();
            for text in [STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes), hex] {
                assert!(SecretKey::parse(&text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn a_list_is_read_from_commas_and_from_lines() {
        let [one, two, three] = [(); 3].map(|()| SecretKey::generate(&OsRandom).to_base64());
        let (one, two, three) = (one.as_str(), two.as_str(), three.as_str());
        for text in [
            format!("{one},{two},{three}"),
            format!(" {one} , {two},{three}\n"),
            format!("{one}\n{two}\n\n{three}\n"),
            format!("{one},\r\n{two},\r\n{three}"),
        ] {
            let keys = SecretKeys::parse(&text).unwrap().derive();
            let all: Vec<_> = keys.all().map(|keys| *keys.device_cookie).collect();
            let expected =
                [one, two, three].map(|key| *SecretKey::parse(key).unwrap().derive().newest.device_cookie);
            assert_eq!(all, expected, "{text:?}");
        }
        assert_eq!(SecretKeys::parse(one).unwrap().derive().all().count(), 1);
    }

    #[test]
    fn a_list_with_a_gap_a_twin_or_a_wrong_key_is_refused_and_says_which() {
        let [one, two] = [(); 2].map(|()| SecretKey::generate(&OsRandom).to_base64());
        let (one, two) = (one.as_str(), two.as_str());
        let error = |text: &str| SecretKeys::parse(text).unwrap_err();
        let gap = |number, count| SecretKeysError::OneOf { number, count, error: SecretKeyError::TooShort };
        assert_eq!(error(""), SecretKeysError::Only(SecretKeyError::TooShort));
        assert_eq!(error(","), gap(1, 2));
        assert_eq!(error(&format!("{one},")), gap(2, 2), "a variable that was not set");
        assert_eq!(error(&format!(",{one}")), gap(1, 2));
        assert_eq!(error(&format!("{one},,{two}")), gap(2, 3));
        assert_eq!(error(&format!("{one},{two},{one}")), SecretKeysError::Repeated(1, 3));
        let same_in_another_alphabet = one.replace('+', "-").replace('/', "_").replace('=', "");
        assert_eq!(error(&format!("{one}\n{same_in_another_alphabet}")), SecretKeysError::Repeated(1, 2));
        assert!(error(&format!("{one},short")).to_string().contains("key 2 of 2"));
        let many: Vec<_> = (0..9).map(|_| SecretKey::generate(&OsRandom).to_base64().to_string()).collect();
        assert_eq!(error(&many.join(",")), SecretKeysError::TooMany);
    }
}
