use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::invalid_input::FieldError;
use super::{EmailAddress, LeakFingerprint, PersonName, User, common_passwords};

/// NIST SP 800-63B-4 asks for 15 where a password is the only factor and takes 8 as the floor; 12 with a check
/// of strength stands between what people accept and what an offline attacker can try.
const MIN_CHARACTERS: usize = 12;
/// Over 64, which the standards ask to accept, and short enough that nobody makes us hash a novel.
const MAX_CHARACTERS: usize = 256;
/// zxcvbn's scale is 0 to 4; 3 is "safely unguessable" against 10^8 offline guesses.
const MIN_STRENGTH: zxcvbn::Score = zxcvbn::Score::Three;
/// The estimator's time grows steeply with length (measured: 0.13 s for the worst 32 characters, 1.7 s for 100), and
/// what is strong in its first characters stays strong.
const CHARACTERS_JUDGED: usize = 32;

/// A password as somebody typed it: in Unicode's composed form (NFC), so that the same keys on another machine
/// give the same password, and of at most 256 characters. It is wiped from memory when dropped and cannot be
/// printed, serialised or compared.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// A password that somebody wants to have, of a good length and not yet judged.
#[derive(Clone)]
pub struct CandidatePassword {
    password: Password,
    known_words: Vec<String>,
}

/// A password that is hard to guess. It may have been leaked yet, and then it is not to be taken.
#[derive(Clone)]
pub struct StrongPassword(Password);

/// A password that is good enough to be set: hard to guess, and in no leak that is known here.
#[derive(Clone)]
pub struct NewPassword(Password);

/// Why a password is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing typed.
    #[error("Enter a password.")]
    Empty,
    /// Under 12 characters.
    #[error("Use 12 characters or more. A few unrelated words make a good one.")]
    TooShort,
    /// Over 256 characters.
    #[error("Use 256 characters or fewer.")]
    TooLong,
    /// Among the first that an attacker would try.
    #[error("This password is easy to guess. {0}")]
    TooWeak(String),
    /// Among those that were found in a leak. However long it is, an attacker has it on a list.
    #[error("This password has appeared in a leak. Attackers try those first, so choose another one.")]
    Breached,
}

impl Password {
    /// Reads a password to be compared with the stored one. It is refused only where it can't be any account's.
    pub fn parse(typed: &str) -> Result<Self, PasswordError> {
        if typed.is_empty() {
            return Err(PasswordError::Empty);
        }
        // Bytes first: normalising a megabyte is work for an attacker to order. A character is at most 4 bytes,
        // and composing never makes more than three characters of one.
        if typed.len() > MAX_CHARACTERS * 4 * 3 {
            return Err(PasswordError::TooLong);
        }
        let normalised: Zeroizing<String> = Zeroizing::new(typed.nfc().collect());
        if normalised.chars().count() > MAX_CHARACTERS {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(normalised))
    }

    /// What is hashed.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl CandidatePassword {
    /// Reads a password that somebody wants to have. Their address and name and the site's name count as
    /// guessable words.
    ///
    /// There are no rules of composition: they make passwords worse (NIST SP 800-63B-4, section 3.1.1.2).
    pub fn parse(
        typed: &str,
        email: Option<&EmailAddress>,
        name: Option<&PersonName>,
        site_name: &str,
    ) -> Result<Self, PasswordError> {
        let password = Password::parse(typed)?;
        if password.0.chars().count() < MIN_CHARACTERS {
            return Err(PasswordError::TooShort);
        }
        let known_words = email
            .into_iter()
            .flat_map(EmailAddress::words)
            .chain(name.map(PersonName::as_str))
            .chain([site_name])
            .flat_map(with_its_parts)
            .collect();
        Ok(Self { password, known_words })
    }

    /// Judges its strength, and whether it is among the most common ones. That can take a tenth of a second, which a stranger may bring about, so it is done where
    /// passwords are hashed and never on a thread that serves requests.
    pub(crate) fn judge(self) -> Result<StrongPassword, PasswordError> {
        if common_passwords::contain(&self.password.0) {
            return Err(PasswordError::Breached);
        }
        let judged: Zeroizing<String> =
            Zeroizing::new(self.password.0.chars().take(CHARACTERS_JUDGED).collect());
        let known_words: Vec<&str> = self.known_words.iter().map(String::as_str).collect();
        let estimate = zxcvbn::zxcvbn(&judged, &known_words);
        if estimate.score() < MIN_STRENGTH {
            return Err(PasswordError::TooWeak(advice(&estimate)));
        }
        Ok(StrongPassword(self.password))
    }
}

impl StrongPassword {
    /// What it is looked up by in lists of leaked passwords.
    pub fn fingerprint(&self) -> LeakFingerprint {
        LeakFingerprint::of(&self.0.0)
    }

    /// The last of the checks on a new password: nothing else makes one.
    pub(crate) fn unless_breached(self, is_breached: bool) -> Result<NewPassword, PasswordError> {
        if is_breached { Err(PasswordError::Breached) } else { Ok(NewPassword(self.0)) }
    }
}

impl NewPassword {
    /// Gives up the proof and keeps the password.
    pub fn into_password(self) -> Password {
        self.0
    }
}

/// `Rosalind Franklin` is also guessed as `RosalindFranklin`, `Rosalind` and `Franklin`.
fn with_its_parts(text: &str) -> impl Iterator<Item = String> {
    let run_together: String = text.split_whitespace().collect();
    [text.to_owned(), run_together]
        .into_iter()
        .chain(text.split_whitespace().map(str::to_owned))
        .filter(|word| word.chars().count() > 2)
}

fn advice(estimate: &zxcvbn::Entropy) -> String {
    let warning = estimate.feedback().and_then(zxcvbn::feedback::Feedback::warning);
    warning.map_or_else(
        || "Add another word or two: uncommon ones are better.".to_owned(),
        |warning| format!("{warning} Add another word or two: uncommon ones are better."),
    )
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl fmt::Debug for CandidatePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CandidatePassword(…)")
    }
}

impl fmt::Debug for StrongPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StrongPassword(…)")
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

impl FieldError for PasswordError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::TooWeak(_) => "too_weak",
            Self::Breached => "breached",
        }
    }
}

/// What is kept of a password: a PHC string (`$argon2id$v=19$m=…,t=…,p=…$salt$hash`). It is never blank: an
/// account without a password has no hash at all, so an empty text never matches one.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Reads a stored hash.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text, without the text.
    pub fn parse(text: String) -> Result<Self, String> {
        match phc::PasswordHash::new(&text) {
            Ok(parsed) if parsed.salt.is_some() && parsed.hash.is_some() => Ok(Self(text)),
            Ok(_) => Err("a password hash without salt or output".into()),
            Err(error) => Err(format!("not a password hash in PHC form: {error}")),
        }
    }

    /// The text for the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parsed(&self) -> Result<phc::PasswordHash, phc::Error> {
        phc::PasswordHash::new(&self.0)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// The answer to a password check. There is no `Result` and no `bool` to misread: what a right password allows
/// asks for the [`VerifiedPassword`], which only a right one makes.
#[must_use]
#[derive(Debug)]
pub enum PasswordCheck {
    /// It is that user's password.
    Right(VerifiedPassword),
    /// It is not, or there is no such user, or the user has none or is disabled.
    Wrong,
}

/// Proof that somebody gave the password of this user, and of the hash that it was checked against.
#[derive(Debug)]
pub struct VerifiedPassword {
    user: User,
    hash: PasswordHash,
}

impl VerifiedPassword {
    /// Only `services/verify_password.rs` may call this, after the hasher said yes.
    pub(crate) fn proven(user: User, hash: PasswordHash) -> Self {
        Self { user, hash }
    }

    /// Whose password it is.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The hash it matched. A change that rests on this proof also asks that the hash is still stored, so that
    /// a password changed in the meantime is not overtaken.
    pub fn hash(&self) -> &PasswordHash {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(typed: &str) -> Result<StrongPassword, PasswordError> {
        let email = EmailAddress::parse("rosalind.franklin@example.com").unwrap();
        let name = PersonName::parse("Rosalind Franklin").unwrap();
        CandidatePassword::parse(typed, Some(&email), Some(&name), "Lighthouse Cooperative")?.judge()
    }

    #[test]
    fn unrelated_words_of_any_script_make_a_password() {
        for typed in ["copper window thursday", "płyń łódką do gdańska", "虎は死して皮を留め人は名を残す"]
        {
            assert!(judge(typed).is_ok(), "{typed}");
        }
        assert!(judge(&"correct horse battery staple ".repeat(8)).is_ok());
    }

    #[test]
    fn short_long_and_empty_ones_are_refused() {
        assert_eq!(judge("").unwrap_err(), PasswordError::Empty);
        assert_eq!(judge("xK9#mQ2$vL7").unwrap_err(), PasswordError::TooShort);
        assert_eq!(judge(&"é".repeat(257)).unwrap_err(), PasswordError::TooLong);
        assert_eq!(judge(&"a".repeat(1_000_000)).unwrap_err(), PasswordError::TooLong);
    }

    #[test]
    fn length_is_counted_in_characters_not_bytes() {
        assert_eq!(judge("ééééééééééé").unwrap_err(), PasswordError::TooShort);
        assert!(!matches!(judge("żółw ćma łoś"), Err(PasswordError::TooShort)));
    }

    #[test]
    fn what_an_attacker_tries_first_is_refused() {
        for typed in [
            "password1234",
            "qwertyuiop12",
            "aaaaaaaaaaaaaaaa",
            "rosalind.franklin",
            "RosalindFranklin1",
            "lighthouse cooperative",
            "123456789012",
        ] {
            assert!(matches!(judge(typed), Err(PasswordError::TooWeak(_))), "{typed}");
        }
    }

    #[test]
    fn what_the_estimator_takes_and_leaks_are_full_of_is_refused() {
        for typed in ["stairwaytoheaven", "StairwayToHeaven", "weihnachtsmarkt"] {
            assert_eq!(judge(typed).unwrap_err(), PasswordError::Breached, "{typed}");
        }
    }

    #[test]
    fn a_strong_password_that_was_leaked_never_becomes_a_new_one() {
        let strong = judge("copper window thursday").unwrap();
        assert!(strong.clone().unless_breached(false).is_ok());
        assert_eq!(strong.unless_breached(true).unwrap_err(), PasswordError::Breached);
    }

    #[test]
    fn two_ways_of_typing_a_password_are_one_password() {
        let composed = Password::parse("caf\u{E9} au lait noir").unwrap();
        let decomposed = Password::parse("cafe\u{301} au lait noir").unwrap();
        assert_eq!(composed.as_bytes(), decomposed.as_bytes());
    }

    #[test]
    fn nothing_prints_a_password_or_its_hash() {
        let password = judge("copper window thursday").unwrap();
        let new = password.clone().unless_breached(false).unwrap();
        assert!(!format!("{password:?} {new:?} {:?}", new.clone().into_password()).contains("copper"));
        assert_eq!(format!("{:?}", password.fingerprint()), "LeakFingerprint(…)");
        let hash = PasswordHash::parse(
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA".into(),
        );
        assert_eq!(format!("{:?}", hash.unwrap()), "PasswordHash(…)");
    }

    #[test]
    fn blank_and_foreign_texts_are_no_hashes() {
        for text in ["", " ", "plain", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1"] {
            assert!(PasswordHash::parse(text.to_owned()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(typed in any::<String>()) {
            let _ = judge(&typed);
        }
    }
}
