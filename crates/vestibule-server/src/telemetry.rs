use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::fmt::Layer as Lines;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
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
    let traces = traces.map(|(setting, name)| Traces::start(setting, name)).transpose()?;
    let (has_colours, is_beside_traces) = (std::io::stderr().is_terminal(), traces.is_some());
    let lines = match output {
        Some(output) => lines(format, has_colours, output, filter, is_beside_traces),
        None => lines(format, has_colours, std::io::stderr, filter, is_beside_traces),
    };
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

/// What writes the lines that a filter lets through. What is for traces alone is left out at every level: a span of theirs would
/// stand beside one of the same name.
fn lines(
    format: LogFormat,
    has_colours: bool,
    output: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    filter: EnvFilter,
    is_beside_traces: bool,
) -> Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync> {
    let no_traces = format!("{TRACED}=off").parse().expect("a target and a level are a directive");
    let filter = filter.add_directive(no_traces);
    let lines = Lines::<Registry>::new().with_writer(output);
    let lines = match format {
        LogFormat::Pretty => lines.with_ansi(has_colours).event_format(ForPeople::new(has_colours)).boxed(),
        LogFormat::Json => lines.event_format(ForMachines).fmt_fields(JsonFields::new()).boxed(),
    };
    // A filter for the lines alone is asked again for each of them. Where there is nothing else, it is one for everything.
    if is_beside_traces { lines.with_filter(filter).boxed() } else { lines.and_then(filter).boxed() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::http::{Method, StatusCode};
    use axum::routing::get;
    use rstest::rstest;
    use tracing::Subscriber;
    use tracing::level_filters::LevelFilter;
    use vestibule_sql::Database;
    use vestibule_testkit::DatabaseKind::Sqlite;
    use vestibule_testkit::{ServerOptions, TestDatabase, TestServer};
    use vestibule_web::{CurrentUser, Routes, Vestibule, Who};

    use super::*;

    #[rstest]
    fn what_is_not_told_is_not_even_asked_about(
        #[values(LogFormat::Pretty, LogFormat::Json)] format: LogFormat,
        #[values(false, true)] is_beside_traces: bool,
    ) {
        let lines = lines(format, false, std::io::sink, EnvFilter::new(DEFAULT_FILTER), is_beside_traces);
        let no_traces = None::<LevelFilter>;
        let all = tracing_subscriber::registry().with(lines).with(no_traces);
        assert_eq!(Subscriber::max_level_hint(&all), Some(LevelFilter::INFO));
    }

    async fn greet(_: CurrentUser) -> &'static str {
        tracing::info!("greeted");
        "hello"
    }

    /// Routes of an application's own behind three layers, and one of the library's behind two of them.
    fn nested(vestibule: &Vestibule, _: &Database) -> Routes {
        let route = Routes::new(vestibule.clone()).page(Who::LoggedIn, Method::GET, "/route", greet);
        let members = Router::new()
            .route("/greet", get(greet).post(greet))
            .route_layer(vestibule.require_log_in())
            .merge(route.into_part())
            .layer(vestibule.optional_user());
        let all = Router::new().nest("/nested", members).layer(vestibule.optional_user());
        Routes::new(vestibule.clone()).merge_router(all)
    }

    #[rstest]
    #[case::for_people(LogFormat::Pretty, "request{")]
    #[case::for_machines(LogFormat::Json, "\"request\":{")]
    #[tokio::test]
    async fn a_line_within_nested_layers_names_its_request_once(
        #[case] format: LogFormat,
        #[case] span: &str,
        #[values(DEFAULT_FILTER, "debug,sqlx=warn")] filter: &str,
        #[values(false, true)] is_beside_traces: bool,
    ) {
        let log = tempfile::NamedTempFile::new().unwrap();
        let output = Arc::new(log.reopen().unwrap());
        let lines = lines(format, false, output, EnvFilter::new(filter), is_beside_traces);
        // For this thread, which is the server's too.
        let _written = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
        let options = ServerOptions { routes: nested, ..ServerOptions::default() };
        let server = TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await;
        let mut ann = server.browser();
        ann.sign_up("ann").await;
        let csrf_failed = [("sec-fetch-site", "cross-site")];
        for (method, path, headers, status, told) in [
            (Method::GET, "/nested/greet", &[][..], StatusCode::OK, "greeted"),
            (Method::GET, "/nested/route", &[], StatusCode::OK, "greeted"),
            (Method::POST, "/nested/greet", &csrf_failed, StatusCode::FORBIDDEN, "refused request"),
        ] {
            let answer = ann.send(method, path, headers, "").await;
            assert_eq!(answer.status, status, "{answer:?}");
            let id = answer.header("x-request-id").unwrap();
            let text = std::fs::read_to_string(log.path()).unwrap();
            let lines: Vec<_> = text.lines().filter(|line| line.contains(id)).collect();
            assert!(lines.iter().any(|line| line.contains(told)), "{path} {text}");
            let of_request = |line: &&&str| line.contains("duration_ms");
            assert_eq!(lines.iter().filter(of_request).count(), 1, "{path} {lines:#?}");
            for line in lines {
                assert_eq!(line.matches("request_id").count(), 1, "{line}");
                // Where somebody looks closer, once more: in the span.
                let spans = line.matches(span).count();
                assert!(spans <= 1 && line.matches(id).count() == 1 + spans, "{line}");
            }
        }
    }
}
