//! How moments are shown to people and to programs that read pages.

use serde::Serializer;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:long] [year]");
const SHORT_DAY: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:short]");
const MINUTE: &[BorrowedFormatItem<'_>] =
    format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");

/// `1 May 2026`.
pub fn day(moment: OffsetDateTime) -> String {
    moment.to_offset(UtcOffset::UTC).format(DAY).expect("a moment has a day")
}

/// `1 May`.
pub fn short_day(day: Date) -> String {
    day.format(SHORT_DAY).expect("a day has a day and a month")
}

/// `1 May 2026, 12:00 UTC`.
pub fn minute(moment: OffsetDateTime) -> String {
    moment.to_offset(UtcOffset::UTC).format(MINUTE).expect("a moment has a minute")
}

/// `2026-05-01T12:00:00Z`, for `<time datetime>`.
pub fn iso(moment: OffsetDateTime) -> String {
    moment.to_offset(UtcOffset::UTC).format(&Rfc3339).expect("a moment can be written by RFC 3339")
}

/// Writes a moment into JSON, by RFC 3339. There are four in the answer to the check of a session, and `time` takes longer for them
/// than the check does.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(moment: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    match Written::new(*moment) {
        Some(written) => serializer.serialize_str(written.as_str()),
        None => time::serde::rfc3339::serialize(moment, serializer),
    }
}

/// A moment as RFC 3339 has it, in UTC: `2026-05-01T12:00:00.25Z`.
pub struct Written {
    text: [u8; 30],
    length: usize,
}

impl Written {
    /// Writes a moment; nothing of a year that has not four digits.
    pub fn new(moment: OffsetDateTime) -> Option<Self> {
        let moment = moment.to_offset(UtcOffset::UTC);
        let year = u32::try_from(moment.year()).ok().filter(|year| *year <= 9999)?;
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let mut put = |from: usize, to: usize, mut number: u32| {
            for digit in text[from..to].iter_mut().rev() {
                *digit += u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
        };
        put(0, 4, year);
        put(5, 7, u8::from(moment.month()).into());
        put(8, 10, moment.day().into());
        put(11, 13, moment.hour().into());
        put(14, 16, moment.minute().into());
        put(17, 19, moment.second().into());
        put(20, 29, moment.nanosecond());
        // As many digits as there are, and no point without any.
        let digits = text[20..29].iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        let end = if digits == 0 { 19 } else { 20 + digits };
        text[end] = b'Z';
        Some(Self { text, length: end + 1 })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).expect("digits are ASCII")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Ours(#[serde(serialize_with = "serialize")] OffsetDateTime);

    fn written(moment: OffsetDateTime) -> String {
        serde_json::to_string(&Ours(moment)).unwrap()
    }

    proptest! {
        #[test]
        fn a_moment_is_written_as_time_writes_it(
            seconds in -62_167_219_200_i64..=253_402_300_799,
            fraction in 0..1_000_000_000_i128,
            factor in prop_oneof![Just(1), Just(1000), Just(1_000_000), Just(1_000_000_000)],
        ) {
            let nanoseconds = i128::from(seconds) * 1_000_000_000 + fraction / factor * factor;
            let moment = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap();
            prop_assert_eq!(written(moment), format!("\"{}\"", moment.format(&Rfc3339).unwrap()));
            let elsewhere = moment.to_offset(UtcOffset::from_hms(5, 30, 0).unwrap());
            prop_assert_eq!(written(elsewhere), written(moment));
        }
    }
}
