use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;

use crate::settings::SettingError;

/// `EX_CONFIG` of `sysexits.h`: something is wrong with the configuration.
const EXIT_CONFIGURATION: u8 = 78;

/// Why a command was not carried out, in words for whoever gave it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A wrong setting.
    Setting(SettingError),
    /// Anything else: what, why, and the way out where one is known.
    Other { what: String, way_out: Option<String> },
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

    /// Says it on standard error and gives the exit code.
    #[expect(clippy::print_stderr, reason = "this is where the command line speaks")]
    pub(crate) fn tell(&self) -> ExitCode {
        let (red, bold, plain) =
            if std::io::stderr().is_terminal() { ("\x1b[31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        match self {
            Self::Setting(error) => {
                eprintln!("{red}{bold}wrong setting:{plain} {error}\n  {}", error.way_out);
                ExitCode::from(EXIT_CONFIGURATION)
            }
            Self::Other { what, way_out } => {
                eprintln!("{red}{bold}error:{plain} {what}");
                if let Some(way_out) = way_out {
                    eprintln!("  {way_out}");
                }
                ExitCode::FAILURE
            }
        }
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        Self::Setting(error)
    }
}

/// An error and its causes, outermost first.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
