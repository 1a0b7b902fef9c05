//! How moments are shown to people and to programs that read pages.

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
