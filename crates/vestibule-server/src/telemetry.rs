use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;

/// What is logged unless `RUST_LOG` says otherwise. The database driver tells each statement at a finer level.
const DEFAULT_FILTER: &str = "info,sqlx=warn";
/// The same for commands, whose answer is what matters.
const COMMAND_FILTER: &str = "warn";

/// Starts the log, on standard error: lines for people, or one JSON object a line for machines.
pub(crate) fn start(format: LogFormat, is_serving: bool) {
    let default = if is_serving { DEFAULT_FILTER } else { COMMAND_FILTER };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Pretty => {
            subscriber.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
        }
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}
