use std::fmt;
use std::str::FromStr;

/// How people come by accounts (`VESTIBULE_SIGN_UP`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SignUpMode {
    /// Whoever signs up has an account at once and confirms the address later. The form says when an address is taken.
    #[default]
    Open,
    /// The account is made when the address is confirmed, so that nothing tells a stranger who has one.
    ConfirmFirst,
    /// Who was given a link by an operator or an admin.
    Invite,
    /// Nobody but by an operator.
    Closed,
}

/// No mode of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be `open`, `confirm_first`, `invite` or `closed`")]
pub struct SignUpModeError;

impl SignUpMode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::ConfirmFirst, Self::Invite, Self::Closed];

    /// The word for it in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::ConfirmFirst => "confirm_first",
            Self::Invite => "invite",
            Self::Closed => "closed",
        }
    }

    /// Whether a stranger may begin one, so that it makes sense to show them the way.
    pub fn is_for_everybody(self) -> bool {
        matches!(self, Self::Open | Self::ConfirmFirst)
    }
}

impl FromStr for SignUpMode {
    type Err = SignUpModeError;

    fn from_str(word: &str) -> Result<Self, SignUpModeError> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word).ok_or(SignUpModeError)
    }
}

impl fmt::Display for SignUpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_known_by_its_word() {
        for mode in SignUpMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        for word in ["", "Open", "on", "invite "] {
            assert_eq!(word.parse::<SignUpMode>(), Err(SignUpModeError), "{word:?}");
        }
    }
}
