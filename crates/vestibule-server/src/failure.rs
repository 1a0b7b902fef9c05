use std::error::Error;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

pub(crate) use vestibule_house::with_causes;

use crate::settings::SettingError;
use crate::terminal::{harmless_lines, wants_colours};

/// `EX_CONFIG` of `sysexits.h`: something is wrong with the configuration.
const EXIT_CONFIGURATION: u8 = 78;
/// `EX_DATAERR` of `sysexits.h`: a backup that a later release made. `deploy/` then tries one that is kept, and after no other failure.
const EXIT_OF_A_LATER_RELEASE: u8 = 65;

/// Why a command was not carried out, in words for whoever gave it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A wrong setting.
    Setting(SettingError),
    /// Anything else: what, why, and the way out where one is known.
    Other { what: String, way_out: Option<String> },
    /// What was given is of a later release, which could do it: what, and the way out.
    OfALaterRelease { what: String, way_out: String },
    /// Nobody reads the answer any more, as behind `| head`. What was asked is done, so this is told to nobody.
    NobodyReads,
    /// A signal, by its number, before the work was done.
    Stopped(u8),
}

impl Failure {
    /// A failure with a way out.
    pub(crate) fn with_way_out(what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::Other { what: what.into(), way_out: Some(way_out.into()) }
    }

    /// A failure told with all its causes.
    pub(crate) fn because(error: impl Error) -> Self {
        Self::Other { what: with_causes(&error), way_out: None }
    }

    /// An answer that could not be written.
    pub(crate) fn of_answer(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Other { what: format!("the answer could not be written: {error}"), way_out: None },
        }
    }

    /// It in one line, with the way out.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Setting(error) => format!("{error}. {}", error.way_out),
            Self::Other { what, way_out: Some(way_out) } | Self::OfALaterRelease { what, way_out } => {
                format!("{what}. {way_out}")
            }
            Self::Other { what, way_out: None } => what.clone(),
            Self::NobodyReads => "nobody reads the answer".to_owned(),
            Self::Stopped(_) => "it was stopped".to_owned(),
        }
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        let has_colours = wants_colours(std::io::stderr().is_terminal());
        let (red, bold, plain) = if has_colours { ("\x1b[31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        match self {
            Self::Setting(error) => {
                note(&format!("{red}{bold}wrong setting:{plain} {}", harmless_lines(&error.to_string())));
                note(&format!("  {}", harmless_lines(&error.way_out)));
                ExitCode::from(EXIT_CONFIGURATION)
            }
            Self::Other { what, way_out } => {
                note(&format!("{red}{bold}error:{plain} {}", harmless_lines(what)));
                if let Some(way_out) = way_out {
                    note(&format!("  {}", harmless_lines(way_out)));
                }
                ExitCode::FAILURE
            }
            Self::OfALaterRelease { what, way_out } => {
                note(&format!("{red}{bold}error:{plain} {}", harmless_lines(what)));
                note(&format!("  {}", harmless_lines(way_out)));
                ExitCode::from(EXIT_OF_A_LATER_RELEASE)
            }
            Self::NobodyReads => ExitCode::SUCCESS,
            Self::Stopped(signal) => {
                note("stopped before it was done; what was begun is removed");
                ExitCode::from(128 + signal)
            }
        }
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        Self::Setting(error)
    }
}

/// Says something on standard error, beside the answer. Where nobody reads that, there is nobody to tell that to.
pub(crate) fn note(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
