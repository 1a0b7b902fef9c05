//! What servers tell of a letter, made fit for the log and the outbox, which more people read than the letter.

use std::collections::HashSet;

use vestibule_web::mails::Letter;

/// What stands for what was taken out.
const GAP: char = '…';
/// More than an operator needs to see what is wrong.
const MAX_CHARACTERS: usize = 300;
/// As much of the letter in one piece is none of our words and none of the server's.
const PIECE: usize = 16;
/// Lines of the letter that are shorter than a piece are taken out too, but not every `the`.
const SHORTEST_LINE: usize = 6;
/// What a link opens an account with has 43 letters.
const SUSPICIOUS_RUN: usize = 40;

/// What a server told, without the recipient, without any piece of the letter and without whatever looks like the
/// secret of a link: spam filters quote the address that they dislike, and that one opens an account.
///
/// It is one line without control characters, so that it cannot pass for another line of the log, and not long.
pub(super) fn fit_to_tell(letter: &Letter, told: &str) -> String {
    // Quoted-printable breaks lines within a link, and writes `=` as `=3D`.
    let told = on_one_line(told).replace("= ", "").replace("=3D", "=").replace("=3d", "=");
    let told: Vec<char> = without(&told, letter.to.as_str()).chars().collect();
    let mut is_taken_out = vec![false; told.len()];
    let texts = [&letter.subject, &letter.text, &letter.html];
    for text in texts {
        take_out_pieces(&told, text, &mut is_taken_out);
    }
    take_out_tokens(&told, &mut is_taken_out);
    take_out_long_runs(&told, &mut is_taken_out);

    let mut clean = String::with_capacity(told.len());
    let mut length = 0;
    for (letter, is_out) in told.into_iter().zip(is_taken_out) {
        let letter = if is_out { GAP } else { letter };
        if letter == GAP && clean.ends_with(GAP) {
            continue;
        }
        if length == MAX_CHARACTERS {
            clean.push_str(" (…)");
            break;
        }
        clean.push(letter);
        length += 1;
    }
    clean
}

/// The same words with one space between them. What is not shown, or turns the direction of what is shown, is a space.
fn on_one_line(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let text: String = text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Servers repeat the recipient in what they answer, in letters of their own size.
fn without(told: &str, address: &str) -> String {
    let lower = told.to_ascii_lowercase();
    let mut clean = String::with_capacity(told.len());
    let mut rest = 0;
    while let Some(found) = lower[rest..].find(address) {
        clean.push_str(&told[rest..rest + found]);
        clean.push(GAP);
        rest += found + address.len();
    }
    clean.push_str(&told[rest..]);
    clean
}

fn take_out_pieces(told: &[char], text: &str, is_taken_out: &mut [bool]) {
    let whole: Vec<char> = on_one_line(text).chars().collect();
    let pieces: HashSet<&[char]> = whole.windows(PIECE).collect();
    let lines: Vec<Vec<char>> = text.lines().map(|line| on_one_line(line).chars().collect()).collect();
    let short = lines.iter().map(Vec::as_slice).filter(|line| (SHORTEST_LINE..PIECE).contains(&line.len()));
    let short: HashSet<&[char]> = short.collect();
    for length in SHORTEST_LINE..=PIECE {
        for (at, window) in told.windows(length).enumerate() {
            if pieces.contains(window) || short.contains(window) {
                is_taken_out[at..at + length].fill(true);
            }
        }
    }
}

/// What stands after `token=`, `token:` and the like, whoever wrote it.
fn take_out_tokens(told: &[char], is_taken_out: &mut [bool]) {
    const NAME: [char; 5] = ['t', 'o', 'k', 'e', 'n'];
    for (at, window) in told.windows(NAME.len()).enumerate() {
        if window.iter().zip(NAME).all(|(letter, name)| letter.eq_ignore_ascii_case(&name)) {
            let after = at + NAME.len();
            let is_sign = |letter: &char| matches!(letter, '=' | ':' | '%' | '"' | '\'');
            if told.get(after).is_none_or(|letter| !is_sign(letter)) {
                continue;
            }
            let skipped = told[after..].iter().take_while(|letter| is_sign(letter) || letter.is_whitespace());
            let value = after + skipped.count();
            let is_of_it = |letter: &&char| !letter.is_whitespace() && !matches!(letter, '>' | '"' | '\'');
            let length = told[value..].iter().take_while(is_of_it).count();
            is_taken_out[value..value + length].fill(true);
        }
    }
}

/// Runs of letters as base64, its form for URLs and percent-encoding have them.
fn take_out_long_runs(told: &[char], is_taken_out: &mut [bool]) {
    let is_of_a_run = |letter: &char| letter.is_ascii_alphanumeric() || "-_+/=%".contains(*letter);
    let mut at = 0;
    for run in told.chunk_by(|one, other| is_of_a_run(one) == is_of_a_run(other)) {
        if run.len() >= SUSPICIOUS_RUN && run.first().is_some_and(is_of_a_run) {
            is_taken_out[at..at + run.len()].fill(true);
        }
        at += run.len();
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use vestibule::models::EmailAddress;

    use super::*;

    const TOKEN: &str = "q7Zk_0vXJx1c-N2bY5sTgHw8RmLpAeDfUiOoKzVyBnE";

    fn letter() -> Letter {
        let link = format!("https://example.com/reset-password?token={TOKEN}");
        Letter {
            id: "0198-letter.1".into(),
            to: EmailAddress::parse("ann@example.org").unwrap(),
            subject: "Choose a new password".into(),
            text: format!("Hello Ann,\n\nsomebody asked for a new password.\n\n{link}\n"),
            html: format!("<p>Hello Ann,</p>\n<a href=\"{link}\">Choose</a>\n"),
            created_at: datetime!(2026-05-01 12:00 UTC),
        }
    }

    fn fit(told: &str) -> String {
        fit_to_tell(&letter(), told)
    }

    #[test]
    fn the_words_of_a_server_stay() {
        for told in [
            "550 5.1.1 no such mailbox",
            "451 4.7.1 greylisted, come back in 300 seconds (queue 4XkLmN0pQr)",
            "{\"name\":\"validation_error\",\"message\":\"the token bucket is empty\"}",
        ] {
            assert_eq!(fit(told), told);
        }
    }

    #[test]
    fn neither_recipient_nor_link_nor_line_is_told_however_it_is_quoted() {
        let wire = letter().text.replace("token=", "token=3D").replace("Zk_0vXJx", "Zk_0v=\r\nXJx");
        for told in [
            format!("554 blocked: https://example.com/reset-password?token={TOKEN}"),
            format!("554 blocked: {TOKEN}"),
            format!("554 blocked: HTTPS%3A%2F%2Fexample.com%2Freset-password%3Ftoken%3D{TOKEN}"),
            format!("554 blocked: {}", &TOKEN[..30]),
            format!("554 for ANN@example.org: {}", letter().html),
            format!("554 blocked: {wire}"),
            "554 blocked: token=abc and 'TOKEN': \"abc\"".to_owned(),
        ] {
            let clean = fit(&told);
            assert!(clean.starts_with("554 "), "{clean}");
            let lower = clean.to_lowercase();
            for secret in ["ann@example.org", "hello ann", "somebody asked", "abc"] {
                assert!(!lower.contains(secret), "{secret}: {clean}");
            }
            for piece in TOKEN.as_bytes().windows(8) {
                assert!(!clean.contains(std::str::from_utf8(piece).unwrap()), "{clean}");
            }
        }
    }

    #[test]
    fn what_is_told_is_one_short_line() {
        let clean =
            fit(&format!("550\r\nforged \u{1b}[31m\u{0}\u{2028}\u{202e}line {}", "word ".repeat(500)));
        assert!(clean.starts_with("550 forged [31m line word"), "{clean}");
        assert!(clean.chars().count() < 310 && clean.ends_with("(…)"), "{clean}");
        assert_eq!(fit("ä\u{7f}\t\tö"), "ä ö");
    }
}
