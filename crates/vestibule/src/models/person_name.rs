use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::invalid_input::FieldError;

const MAX_CHARACTERS: usize = 100;

/// How a person wants to be called: 1 to 100 characters of any script, on one line.
///
/// Kept in Unicode's composed form (NFC). Control characters and the marks that turn the direction of text
/// are refused: they break lines in mails and logs, or make a name read as another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonName(String);

/// Why a text is not taken for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PersonNameError {
    /// Nothing but white space.
    #[error("Enter your name.")]
    Empty,
    /// Over 100 characters.
    #[error("This name is too long: at most {MAX_CHARACTERS} characters.")]
    TooLong,
    /// Line breaks, control characters, direction marks.
    #[error("A name is one line of plain text.")]
    Unprintable,
}

impl PersonName {
    /// Reads what a person typed.
    pub fn parse(typed: &str) -> Result<Self, PersonNameError> {
        let name: String = typed.trim().nfc().collect();
        if name.chars().all(is_invisible) {
            return Err(PersonNameError::Empty);
        }
        if name.chars().count() > MAX_CHARACTERS {
            return Err(PersonNameError::TooLong);
        }
        if name.chars().any(|c| c.is_control() || breaks_or_turns_the_line(c)) {
            return Err(PersonNameError::Unprintable);
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What leaves nothing to see when it stands alone: joiners, fillers, blanks.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{00AD}' | '\u{115F}' | '\u{1160}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{2800}' | '\u{3164}' | '\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}')
}

/// Line and paragraph separators, and the marks, bidirectional overrides, embeddings and isolates of Unicode (UAX #9).
pub(super) fn breaks_or_turns_the_line(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FieldError for PersonNameError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::Unprintable => "malformed",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_any_script_are_taken() {
        for typed in ["Ann", "Núria Ferrer i Guàrdia", "山田太郎", "O'Brien-Smith", "علي", "🦊"] {
            assert_eq!(PersonName::parse(typed).unwrap().as_str(), typed);
        }
    }

    #[test]
    fn two_ways_of_typing_a_name_are_one_name() {
        assert_eq!(PersonName::parse("Andre\u{301}"), PersonName::parse(" Andr\u{E9} "));
    }

    #[test]
    fn empty_long_and_unprintable_names_are_refused() {
        for typed in [" ", "\u{200B}", "\u{3164}", "\u{FEFF} \u{2060}", ""] {
            assert_eq!(PersonName::parse(typed), Err(PersonNameError::Empty), "{typed:?}");
        }
        assert_eq!(PersonName::parse(&"a".repeat(101)), Err(PersonNameError::TooLong));
        assert!(PersonName::parse(&"é".repeat(100)).is_ok());
        for typed in ["Ann\nBcc: eve@example.com", "Ann\u{0}", "\u{202E}nnA", "Ann\u{2028}Eve"] {
            assert_eq!(PersonName::parse(typed), Err(PersonNameError::Unprintable), "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_is_stable(typed in any::<String>()) {
            if let Ok(name) = PersonName::parse(&typed) {
                prop_assert_eq!(PersonName::parse(name.as_str()), Ok(name.clone()));
            }
        }
    }
}
