//! The site for people.

pub mod dashboard;
pub mod home;
pub mod notes;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:long] [year]");
const MINUTE: &[BorrowedFormatItem<'_>] =
    format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");

/// A day, for people.
fn day(moment: OffsetDateTime) -> String {
    moment.format(DAY).unwrap_or_default()
}

/// A moment, for people.
fn minute(moment: OffsetDateTime) -> String {
    moment.format(MINUTE).unwrap_or_default()
}

/// A moment, for `<time datetime>`.
fn iso(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).unwrap_or_default()
}
