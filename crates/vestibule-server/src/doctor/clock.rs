use async_trait::async_trait;
use time::format_description::well_known::Rfc2822;
use time::{Duration, OffsetDateTime};

use super::check::{Check, Finding};
use super::deployment::{Deployment, unreadable};

/// Tokens, codes of apps and lifetimes are compared between machines.
const TOLERANCE: Duration = Duration::seconds(5);

/// Whether this machine's clock agrees with others'.
pub(super) struct ClockCheck;

#[async_trait]
impl Check for ClockCheck {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn about(&self) -> &'static str {
        "The clock agrees within 5 s with that of PostgreSQL, and with the `Date` of what the public URL answers"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if deployment.settings.database_url.file().is_none()
            && let Ok(database) = deployment.database()
        {
            const SQL: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)";
            let before = deployment.now();
            let row: Option<(f64,)> = match database.alone().read(SQL).optional().await {
                Ok(row) => row,
                Err(error) => return unreadable(error),
            };
            let theirs = row.map(|(seconds,)| OffsetDateTime::UNIX_EPOCH + Duration::seconds_f64(seconds));
            findings.extend(theirs.map(|theirs| judge("PostgreSQL", theirs, before, deployment.now())));
        }
        let before = deployment.now();
        if let Ok(answer) = deployment.site.get("/healthz", &[]).await {
            let theirs = OffsetDateTime::parse(answer.header("date"), &Rfc2822).ok();
            findings.extend(
                theirs.map(|theirs| judge("what answers the public URL", theirs, before, deployment.now())),
            );
        }
        if findings.is_empty() {
            findings.push(Finding::skipped("there is no other clock to compare it with"));
        }
        findings
    }
}

/// Their clock was read at some moment between two of ours.
fn judge(whose: &str, theirs: OffsetDateTime, before: OffsetDateTime, after: OffsetDateTime) -> Finding {
    // A `Date` leaves fractions of a second out.
    let behind = (theirs + Duration::SECOND) - before;
    let ahead = theirs - after;
    let off = if ahead.is_positive() {
        ahead
    } else if behind.is_negative() {
        behind
    } else {
        Duration::ZERO
    };
    if off.abs() <= TOLERANCE {
        return Finding::good(format!("it agrees with that of {whose}"));
    }
    let direction = if off.is_positive() { "behind" } else { "ahead of" };
    Finding::warning(
        format!("this machine's clock is {} s {direction} that of {whose}", off.abs().whole_seconds()),
        "Let both machines follow time servers: `timedatectl set-ntp true`, or chrony.",
    )
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_with_its_direction() {
        let now = datetime!(2026-05-01 12:00:00.9 UTC);
        let after = now + Duration::milliseconds(300);
        for (off, outcome, word) in [
            (0, Outcome::Good, "agrees"),
            (4, Outcome::Good, "agrees"),
            (-4, Outcome::Good, "agrees"),
            (60, Outcome::Warning, "behind"),
            (-60, Outcome::Warning, "ahead of"),
        ] {
            let finding = judge("another", now + Duration::seconds(off), now, after);
            assert!(finding.outcome == outcome && finding.what.contains(word), "{off}: {}", finding.what);
        }
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let date = OffsetDateTime::parse("Fri, 01 May 2026 12:00:00 GMT", &Rfc2822).unwrap();
        assert_eq!(date, datetime!(2026-05-01 12:00 UTC));
    }
}
