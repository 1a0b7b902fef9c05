//! What a line of the log looks like.

use std::cell::Cell;
use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};
use uuid::Uuid;
use vestibule::ports::{Clock as _, SystemClock};
use vestibule_web::moments::Written;
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
        let Some(id) = request_to_name(event) else {
            return self.0.format_event(context, writer, event);
        };
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
        // Whoever tells something while this is told has a line of their own.
        let mut line = Line(LINE.take());
        line.0.push_str("{\"timestamp\":\"");
        let written = Written::new(SystemClock.now());
        line.0.push_str(written.as_ref().map_or("", Written::as_str));
        line.0.push_str("\",\"level\":\"");
        line.0.push_str(metadata.level().as_str());
        line.0.push('"');
        event.record(&mut line);
        if let Some(id) = request_to_name(event) {
            line.member("request_id", format_args!("\"{id}\""));
        }
        line.name("target");
        line.text(metadata.target());
        // At the levels at which there are any.
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            line.name(span.name());
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map(|fields| fields.fields.as_str());
            line.0.push_str(fields.filter(|fields| !fields.is_empty()).unwrap_or("{}"));
        }
        line.0.push_str("}\n");
        let told = writer.write_str(&line.0);
        line.0.clear();
        line.0.shrink_to(LONG);
        LINE.set(line.0);
        told
    }
}

thread_local! {
    /// The room for a line, kept from one to the next.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// More room is not kept.
const LONG: usize = 4096;

/// The request that an event happened in, unless the event names one itself: two members of a name are one too many.
fn request_to_name(event: &Event<'_>) -> Option<Uuid> {
    let says_itself = event.metadata().fields().field("request_id").is_some();
    request_id().filter(|_| !says_itself)
}

/// An object of JSON that is being written.
struct Line(String);

impl Line {
    /// The name of another member.
    fn name(&mut self, name: &str) {
        self.0.push(',');
        self.text(name.strip_prefix("r#").unwrap_or(name));
        self.0.push(':');
    }

    /// Another member, whose value needs nothing escaped.
    fn member(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.name(name);
        // A string takes whatever is written.
        let _ = self.0.write_fmt(value);
    }

    /// A string. Most need nothing escaped.
    fn text(&mut self, text: &str) {
        self.0.push('"');
        let from = self.0.len();
        self.0.push_str(text);
        self.end_text(from);
    }

    /// Ends a string that began at a place, and escapes what must be (RFC 8259, 7).
    fn end_text(&mut self, from: usize) {
        let must_be_escaped = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
        // All of them are looked at, also after one that must: so the compiler has many compared at once.
        if self.0.as_bytes()[from..].iter().fold(false, |any, byte| any | must_be_escaped(byte)) {
            let text = self.0.split_off(from);
            for letter in text.chars() {
                match letter {
                    '"' => self.0.push_str("\\\""),
                    '\\' => self.0.push_str("\\\\"),
                    '\n' => self.0.push_str("\\n"),
                    letter if letter < ' ' => {
                        let _ = write!(self.0, "\\u{:04x}", u32::from(letter));
                    }
                    letter => self.0.push(letter),
                }
            }
        }
        self.0.push('"');
    }
}

/// A number of whole thousandths, as durations are: to find out how few digits tell any other one takes longer than the rest of a line.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "it is compared with what it was made of"
)]
fn in_thousandths(value: f64) -> Option<(u64, u64)> {
    const MOST: f64 = 1e12;
    let thousandths = (0.0..MOST).contains(&value).then(|| (value * 1000.0).round() as u64)?;
    (thousandths as f64 / 1000.0 == value).then_some((thousandths / 1000, thousandths % 1000))
}

/// The place of what came by the crate `log` is told as for all others.
fn is_told(field: &Field) -> bool {
    !field.name().starts_with("log.")
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if is_told(field) {
            self.name(field.name());
            self.text(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if is_told(field) {
            self.name(field.name());
            self.0.push('"');
            let from = self.0.len();
            let _ = write!(self.0, "{value:?}");
            self.end_text(from);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field.name(), format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field.name(), format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_told(field) {
            self.member(field.name(), format_args!("{value}"));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if let Some((whole, thousandths)) = in_thousandths(value) {
            self.member(field.name(), format_args!("{whole}.{thousandths:03}"));
        } else if value.is_finite() {
            self.member(field.name(), format_args!("{value}"));
        } else {
            // JSON has no infinity.
            self.member(field.name(), format_args!("null"));
        }
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
            tracing::warn!(
                user.id = "-",
                status = 500_u16,
                took = 1.25,
                off = -3,
                is = true,
                cause,
                "what a {}",
                "day\t"
            );
            tracing::info!(infinite = f64::INFINITY, r#type = ?Some(1), "x");
            tracing::info!(none = 0.0, third = 1.0 / 3.0, below = -0.5, much = 1e300, exact = 12.005);
        });
        assert_eq!(lines.len(), 3);
        let line = &lines[0];
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "what a day\t");
        assert_eq!(line["cause"], "line\nbreak \"quoted\" back\\slash \u{1} é 🦀");
        assert_eq!(line["target"], module_path!());
        let values = [&line["user.id"], &line["status"], &line["took"], &line["off"], &line["is"]];
        assert_eq!(values, [&json!("-"), &json!(500), &json!(1.25), &json!(-3), &json!(true)]);
        assert_eq!((&lines[1]["infinite"], &lines[1]["type"]), (&Value::Null, &json!("Some(1)")));
        let [none, third, below, much, exact] =
            ["none", "third", "below", "much", "exact"].map(|name| &lines[2][name]);
        assert_eq!([none, third, below], [&json!(0.0), &json!(1.0 / 3.0), &json!(-0.5)]);
        assert_eq!([much, exact], [&json!(1e300), &json!(12.005)]);
        let moment = line["timestamp"].as_str().unwrap();
        let read =
            time::OffsetDateTime::parse(moment, &time::format_description::well_known::Rfc3339).unwrap();
        assert!((SystemClock.now() - read).whole_minutes() == 0, "{moment}");
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
