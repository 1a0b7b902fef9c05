//! What a line of the log looks like.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Full, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;
use vestibule_web::request_id;

/// For people.
pub(crate) struct ForPeople(Format<Full>);

/// For machines: one JSON object a line. Of our own, because there is one for each request, and the one that comes with
/// `tracing-subscriber` takes as long as the check of a session.
pub(crate) struct ForMachines;

impl ForPeople {
    pub(crate) fn new(has_colours: bool) -> Self {
        Self(Format::default().with_target(false).with_ansi(has_colours))
    }
}

impl<S, N> FormatEvent<S, N> for ForPeople
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(id) = request_id() else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writeln!(writer, "{} request_id={id}", line.trim_end())
    }
}

impl<S, N> FormatEvent<S, N> for ForMachines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // What other crates tell by the crate `log` has its own level and place.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", metadata.level())?;
        let mut fields = Fields { writer: &mut writer, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        if let Some(id) = request_id() {
            write!(writer, ",\"request_id\":\"{id}\"")?;
        }
        writer.write_str(",\"target\":")?;
        text(&mut writer, metadata.target())?;
        // At the levels at which there are any.
        for span in context.event_scope().into_iter().flat_map(|spans| spans.from_root()) {
            writer.write_str(",")?;
            text(&mut writer, span.name())?;
            writer.write_str(":")?;
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map(|fields| fields.fields.as_str());
            writer.write_str(fields.filter(|fields| !fields.is_empty()).unwrap_or("{}"))?;
        }
        writer.write_str("}\n")
    }
}

/// Writes fields as members of an object.
struct Fields<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        // The place of what came by the crate `log` is told as for all others.
        if self.result.is_err() || field.name().starts_with("log.") {
            return;
        }
        let name = field.name().strip_prefix("r#").unwrap_or(field.name());
        self.result = self
            .writer
            .write_str(",")
            .and_then(|()| text(self.writer, name))
            .and_then(|()| self.writer.write_str(":"))
            .and_then(|()| value(self.writer));
    }
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| text(writer, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |writer| text(writer, &format!("{value:?}")));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        self.member(field, |writer| {
            if value.is_finite() { write!(writer, "{value}") } else { writer.write_str("null") }
        });
    }
}

/// A string of JSON. Most need nothing escaped.
fn text(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        writer.write_str("\"")?;
        writer.write_str(text)?;
        writer.write_str("\"")
    } else {
        writer.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, some: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(some);
            Ok(some.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(telling: impl FnOnce()) -> Vec<Value> {
        let page = Page::default();
        let written = page.clone();
        let lines = tracing_subscriber::fmt::layer()
            .event_format(ForMachines)
            .fmt_fields(JsonFields::new())
            .with_writer(move || written.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), telling);
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_one_json_object_whatever_is_told() {
        let lines = told(|| {
            let cause = "line\nbreak \"quoted\" back\\slash \u{1} é 🦀";
            tracing::warn!(user.id = "-", status = 500_u16, took = 1.25, off = -3, is = true, cause, "what a {}", "day\t");
            tracing::info!(infinite = f64::INFINITY, r#type = ?Some(1), "x");
        });
        assert_eq!(lines.len(), 2);
        let line = &lines[0];
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "what a day\t");
        assert_eq!(line["cause"], "line\nbreak \"quoted\" back\\slash \u{1} é 🦀");
        assert_eq!(line["target"], module_path!());
        let values = [&line["user.id"], &line["status"], &line["took"], &line["off"], &line["is"]];
        assert_eq!(values, [&json!("-"), &json!(500), &json!(1.25), &json!(-3), &json!(true)]);
        assert_eq!((&lines[1]["infinite"], &lines[1]["type"]), (&Value::Null, &json!("Some(1)")));
        let moment = line["timestamp"].as_str().unwrap();
        assert!(moment.len() == 27 && moment.ends_with('Z') && moment.contains('T'), "{moment}");
    }

    #[test]
    fn spans_are_members_of_their_name() {
        let lines = told(|| {
            let span = tracing::info_span!("request", id = "a\"b", number = 7);
            let _entered = span.enter();
            tracing::info_span!("bare").in_scope(|| tracing::info!("within"));
        });
        assert_eq!(lines[0]["request"], json!({ "id": "a\"b", "number": 7 }));
        assert_eq!(lines[0]["bare"], json!({}));
    }
}
