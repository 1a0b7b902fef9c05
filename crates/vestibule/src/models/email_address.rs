use std::fmt;

use super::invalid_input::FieldError;

/// RFC 5321, section 4.5.3.1: a path is at most 256 octets including its angle brackets.
const MAX_LENGTH: usize = 254;
/// RFC 5321, section 4.5.3.1.1.
const MAX_LOCAL_LENGTH: usize = 64;
/// RFC 1035, section 2.3.4.
const MAX_LABEL_LENGTH: usize = 63;

/// An email address in its one canonical form: trimmed, ASCII, lower case.
///
/// Two spellings that a mail server would deliver to the same mailbox are the same account, and none of them
/// has a rate-limit bucket of its own. Quoted local parts, comments, address literals and everything outside
/// ASCII are refused: those are the forms with which one account was taken for another (the Kelvin sign for a
/// `k`, a full-width `@`) or one mail got two recipients. An international domain is written in its `xn--` form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(String);

/// Why a text is not taken for an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailAddressError {
    /// Nothing but white space.
    #[error("Enter your email address.")]
    Empty,
    /// Over 254 characters.
    #[error("This address is too long: at most {MAX_LENGTH} characters.")]
    TooLong,
    /// Characters outside ASCII.
    #[error("Use plain letters and digits only. An international domain is written in its xn-- form.")]
    NotAscii,
    /// Not of the form `name@example.com`.
    #[error("This does not look like an email address, such as name@example.com.")]
    Malformed,
}

impl EmailAddress {
    /// Reads what a person typed.
    pub fn parse(typed: &str) -> Result<Self, EmailAddressError> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(EmailAddressError::Empty);
        }
        if typed.len() > MAX_LENGTH {
            return Err(EmailAddressError::TooLong);
        }
        if !typed.is_ascii() {
            return Err(EmailAddressError::NotAscii);
        }
        let (local, domain) = typed.split_once('@').ok_or(EmailAddressError::Malformed)?;
        if !is_local_part(local) || !is_domain(domain) {
            return Err(EmailAddressError::Malformed);
        }
        Ok(Self(typed.to_ascii_lowercase()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The words of the address: what an attacker who knows it would try first as a password.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.as_str())
            .chain(self.0.split('@'))
            .chain(self.0.split(['@', '.', '+', '-', '_']))
            .filter(|word| word.len() > 2)
    }
}

/// A dot-atom (RFC 5322, section 3.2.3).
fn is_local_part(local: &str) -> bool {
    let is_atom_character = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.len() <= MAX_LOCAL_LENGTH
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_character))
}

/// A host name (RFC 1123, section 2.1) of two labels or more, the last of which is not a number.
fn is_domain(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    let is_label = |label: &&str| {
        (1..=MAX_LABEL_LENGTH).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    labels.len() >= 2
        && labels.iter().all(is_label)
        && labels.last().is_some_and(|top| !top.chars().all(|c| c.is_ascii_digit()))
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FieldError for EmailAddressError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::NotAscii | Self::Malformed => "malformed",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_mailbox_are_one_address() {
        for typed in ["ann@example.com", "  Ann@Example.COM\n", "ANN@EXAMPLE.com"] {
            assert_eq!(EmailAddress::parse(typed).unwrap().as_str(), "ann@example.com");
        }
    }

    #[test]
    fn ordinary_addresses_are_taken() {
        for typed in
            ["a@b.co", "first.last+tag@sub.example.org", "o'brien@example.ie", "x_1-2@xn--bcher-kva.example"]
        {
            assert!(EmailAddress::parse(typed).is_ok(), "{typed}");
        }
    }

    #[test]
    fn what_could_reach_another_mailbox_is_refused() {
        use EmailAddressError::{Empty, Malformed, NotAscii, TooLong};
        let long = format!("{}@example.com", "a".repeat(250));
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_label = format!("a@{}.com", "b".repeat(64));
        for (typed, expected) in [
            ("", Empty),
            (" \t ", Empty),
            (long.as_str(), TooLong),
            (long_local.as_str(), Malformed),
            (long_label.as_str(), Malformed),
            ("ann", Malformed),
            ("@example.com", Malformed),
            ("ann@", Malformed),
            ("ann@localhost", Malformed),
            ("ann@example..com", Malformed),
            ("ann@.example.com", Malformed),
            ("ann@example.com.", Malformed),
            ("ann@-example.com", Malformed),
            ("ann@192.168.0.1", Malformed),
            ("ann@[127.0.0.1]", Malformed),
            (".ann@example.com", Malformed),
            ("ann..b@example.com", Malformed),
            ("\"ann b\"@example.com", Malformed),
            ("ann(comment)@example.com", Malformed),
            ("ann@example.com,eve@example.com", Malformed),
            ("ann@example.com eve@example.com", Malformed),
            ("Ann <ann@example.com>", Malformed),
            ("ann@eve@example.com", Malformed),
            ("ann@example.com\r\nBcc: eve@example.com", Malformed),
            ("ann\u{0}@example.com", Malformed),
            ("ann\u{FF20}example.com", NotAscii),
            ("mi\u{212A}e@example.com", NotAscii),
            ("stra\u{DF}e@example.com", NotAscii),
            ("\u{131}nfo@example.com", NotAscii),
            ("ann@ex\u{E4}mple.com", NotAscii),
        ] {
            assert_eq!(EmailAddress::parse(typed), Err(expected), "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_stable(typed in any::<String>()) {
            if let Ok(address) = EmailAddress::parse(&typed) {
                prop_assert_eq!(EmailAddress::parse(address.as_str()), Ok(address.clone()));
                prop_assert!(address.as_str().bytes().all(|b| b.is_ascii_graphic() && b != b','));
                prop_assert_eq!(address.as_str().matches('@').count(), 1);
            }
        }

        #[test]
        fn case_never_makes_another_account(typed in "[a-zA-Z0-9]{1,20}@[a-zA-Z]{1,20}\\.[a-zA-Z]{2,5}") {
            prop_assert_eq!(EmailAddress::parse(&typed), EmailAddress::parse(&typed.to_uppercase()));
        }
    }
}
