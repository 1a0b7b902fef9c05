use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;

use super::SessionIdHash;

/// Of a session that ended, or whose user has another role now or was disabled: which of its access tokens are not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// The session.
    pub session: SessionIdHash,
    /// Those that were issued until then.
    pub issued_until: OffsetDateTime,
}

/// How far somebody has followed the revocations of a database.
///
/// Positions are given by the database as it writes, and what has the lower one may come to light later. So a cursor tells from where
/// on is read next: below that nothing can come any more. Above it something may be told twice, and nothing is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationCursor {
    /// Of which database, since it was last made or restored.
    pub epoch: String,
    /// From here on all is read next, once the pages of this time are.
    pub floor: i64,
    /// The last that was told, where there are more pages.
    pub after: Option<(i64, SessionIdHash)>,
}

/// A page of what was revoked, and how to go on.
#[derive(Debug, Clone)]
pub struct RevocationPage {
    /// In the order in which they were written.
    pub revocations: Vec<Revocation>,
    /// Tokens that were issued until then are not good, whosever they are.
    pub all_until: Option<OffsetDateTime>,
    /// Where to go on.
    pub next: RevocationCursor,
    /// Whether there are more at once.
    pub has_more: bool,
    /// The cursor was of another database, or of this one before it was restored: all that is kept was told from its beginning.
    pub is_reset: bool,
}

/// This is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This is no cursor: send what `next` of the last answer said, or nothing.")]
pub struct RevocationCursorError;

impl fmt::Display for RevocationCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.floor)?;
        if let Some((position, session)) = self.after {
            write!(f, ".{position}.{}", session.to_base64())?;
        }
        Ok(())
    }
}

impl FromStr for RevocationCursor {
    type Err = RevocationCursorError;

    fn from_str(text: &str) -> Result<Self, RevocationCursorError> {
        let parts: Vec<&str> = text.split('.').collect();
        let number = |part: &str| {
            let is_plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| part.parse().ok()).flatten().ok_or(RevocationCursorError)
        };
        let (epoch, floor, after) = match parts[..] {
            [epoch, floor] => (epoch, floor, None),
            [epoch, floor, position, session] => {
                let session = SessionIdHash::from_base64(session).ok_or(RevocationCursorError)?;
                (epoch, floor, Some((number(position)?, session)))
            }
            _ => return Err(RevocationCursorError),
        };
        let is_epoch = epoch.len() == 32 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_epoch {
            return Err(RevocationCursorError);
        }
        Ok(Self { epoch: epoch.to_owned(), floor: number(floor)?, after })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_can_be_read_from_its_text() {
        for after in [None, Some((9, SessionIdHash::from([7; 32])))] {
            let cursor = RevocationCursor { epoch: "0123456789abcdef".repeat(2), floor: 12, after };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let epoch = "0".repeat(32);
        for text in [
            "",
            "7",
            &epoch,
            &format!("{epoch}."),
            &format!("{epoch}.-1"),
            &format!("{epoch}.+1"),
            &format!("{epoch}.1.2"),
            &format!("{epoch}.1.2.x"),
            &format!("{epoch}.99999999999999999999"),
            &format!("{}.1", "z".repeat(32)),
            "0.1",
        ] {
            assert_eq!(text.parse::<RevocationCursor>(), Err(RevocationCursorError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = text.parse::<RevocationCursor>();
        }
    }
}
