use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::fmt::Layer as Lines;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::failure::Failure;
use crate::log_lines::{ForMachines, ForPeople};
use crate::log_output::{Gatherer, LogOutput};
use crate::settings::LogFormat;
use crate::traces::{Traces, TracesSetting};

/// What is logged unless `RUST_LOG` says otherwise. The database driver tells each statement at a finer level.
const DEFAULT_FILTER: &str = "info,sqlx=warn";
/// The same for commands, whose answer is what matters.
const COMMAND_FILTER: &str = "warn";
/// Under this name requests and statements are traced.
const TRACED: &str = "vestibule_trace";

/// What writes the log and sends traces, for as long as it lives.
pub(crate) struct Telemetry {
    _traces: Option<Traces>,
    // Last, so that what the others tell at their end is written.
    _gatherer: Option<Gatherer>,
}

/// Starts the log, on standard error: lines for people, or one JSON object a line for machines. Traces are sent where that is wanted.
pub(crate) fn start(
    format: LogFormat,
    is_serving: bool,
    traces: Option<(&TracesSetting, &'static str)>,
) -> Result<Telemetry, Failure> {
    let default = if is_serving { DEFAULT_FILTER } else { COMMAND_FILTER };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // What a command says is also on standard error, line by line.
    let gathering =
        is_serving.then(|| LogOutput::gather(std::io::stderr())).transpose().map_err(Failure::because)?;
    let (output, gatherer) = gathering.unzip();
    let output = output.map_or_else(|| BoxMakeWriter::new(std::io::stderr), BoxMakeWriter::new);
    let lines = Lines::<Registry>::new().with_writer(output);
    let lines = match format {
        LogFormat::Pretty => {
            let has_colours = std::io::stderr().is_terminal();
            lines.with_ansi(has_colours).event_format(ForPeople::new(has_colours)).with_filter(filter).boxed()
        }
        LogFormat::Json => {
            lines.event_format(ForMachines).fmt_fields(JsonFields::new()).with_filter(filter).boxed()
        }
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
    Ok(Telemetry { _traces: traces, _gatherer: gatherer })
}
