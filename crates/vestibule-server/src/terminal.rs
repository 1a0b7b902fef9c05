//! What a terminal may be given.

use std::borrow::Cow;

/// Whether a terminal wants colours (<https://no-color.org>).
#[expect(clippy::disallowed_methods, reason = "a convention of terminals, no setting of ours")]
pub(crate) fn wants_colours(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text that somebody else wrote, such as a mail server's reason, without what a terminal would obey: with control
/// characters it could move the cursor and write over what stands there, and with marks of direction show another text than
/// it is.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if text.contains(is_obeyed) {
        Cow::Owned(text.replace(is_obeyed, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The same for a text of several lines, which stay.
pub(crate) fn harmless_lines(text: &str) -> String {
    text.lines().map(harmless).collect::<Vec<_>>().join("\n")
}

fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_has_nothing_to_obey() {
        assert_eq!(
            harmless("550 No such mailbox, sorry: caf\u{e9}"),
            "550 No such mailbox, sorry: caf\u{e9}"
        );
        assert_eq!(
            harmless("\u{1b}[2J550\r\nok\u{9b}31m\u{202e}x\u{7f}"),
            "\u{fffd}[2J550\u{fffd}\u{fffd}ok\u{fffd}31m\u{fffd}x\u{fffd}"
        );
    }
}
