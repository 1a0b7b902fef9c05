use std::io::IsTerminal;

use crate::environment;

/// A heading, so that one finds one's way in a long output.
pub fn heading(text: &str) {
    let (bold, plain) = styles("\x1b[1;36m");
    println!("\n{bold}== {text}{plain}");
}

/// A line about what is being done.
pub fn note(text: &str) {
    println!("   {text}");
}

/// Something that must not be overlooked.
pub fn warning(text: &str) {
    let (yellow, plain) = styles("\x1b[1;33m");
    let rule = "!".repeat(78);
    println!("{yellow}{rule}\n!! {}\n{rule}{plain}", text.trim().replace('\n', "\n!! "));
}

/// Why a task ended.
#[expect(clippy::print_stderr, reason = "errors go to standard error")]
pub fn failure(error: &anyhow::Error) {
    let (red, plain) = styles("\x1b[1;31m");
    eprintln!("\n{red}failed:{plain} {error:#}");
}

/// Colours on a terminal only, and not where `NO_COLOR` asks for none (no-color.org).
fn styles(style: &'static str) -> (&'static str, &'static str) {
    let wants_colour = std::io::stdout().is_terminal() && environment::variable("NO_COLOR").is_none();
    if wants_colour { (style, "\x1b[0m") } else { ("", "") }
}
