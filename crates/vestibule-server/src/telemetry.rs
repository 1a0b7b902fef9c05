use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::fmt::Layer as Lines;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::failure::Failure;
use crate::settings::LogFormat;
use crate::traces::{Traces, TracesSetting};

/// What is logged unless `RUST_LOG` says otherwise. The database driver tells each statement at a finer level.
const DEFAULT_FILTER: &str = "info,sqlx=warn";
/// The same for commands, whose answer is what matters.
const COMMAND_FILTER: &str = "warn";
/// Under this name requests and statements are traced.
const TRACED: &str = "vestibule_trace";

/// Starts the log, on standard error: lines for people, or one JSON object a line for machines. Where traces are wanted, what is
/// given back sends them as long as it lives.
pub(crate) fn start(
    format: LogFormat,
    is_serving: bool,
    traces: Option<(&TracesSetting, &'static str)>,
) -> Result<Option<Traces>, Failure> {
    let default = if is_serving { DEFAULT_FILTER } else { COMMAND_FILTER };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let lines = Lines::<Registry>::new().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Pretty => {
            lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let traces = traces.map(|(setting, name)| Traces::start(setting, name)).transpose()?;
    let layer = traces.as_ref().map(|traces| {
        let only = Targets::new().with_target(TRACED, tracing::Level::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer())
            .with_location(false)
            .with_threads(false)
            .with_filter(only)
    });
    tracing_subscriber::registry().with(lines).with(layer).init();
    Ok(traces)
}
