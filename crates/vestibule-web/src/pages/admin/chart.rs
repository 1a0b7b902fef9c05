//! Small charts, drawn on the server.

use ::vestibule::services::DayCounts;

use crate::moments::short_day;

/// The size of the drawing, in its own units.
const WIDTH: u64 = 600;
const HEIGHT: u64 = 120;
/// The space between two bars.
const GAP: u64 = 4;

/// A small chart of one number a day, drawn as SVG.
pub struct Chart {
    /// What is counted.
    pub title: &'static str,
    /// What the bars say, in a sentence.
    pub summary: String,
    /// A bar for each day, oldest first.
    pub bars: Vec<Bar>,
    /// The day of the first bar.
    pub first_day: String,
    /// The day of the last bar.
    pub last_day: String,
}

/// A day of a chart. Lengths are in units of a drawing that is 600 wide and 120 high, from its upper left corner.
pub struct Bar {
    /// The day.
    pub day: String,
    /// The number.
    pub count: u64,
    /// The left edge.
    pub x: u64,
    /// The upper edge.
    pub y: u64,
    /// How wide.
    pub width: u64,
    /// How high.
    pub height: u64,
}

impl Chart {
    /// A chart of what happens and is over, so that its days can be added up.
    pub(super) fn of(title: &'static str, days: &[DayCounts], count: impl Fn(&DayCounts) -> u64) -> Self {
        Self::drawn(title, days, count, |bars, highest| {
            let total: u64 = bars.iter().map(|bar| bar.count).sum();
            format!("{total} in the last thirty days, {highest} on the busiest.")
        })
    }

    /// A chart of what lasts: the same session is there today and tomorrow.
    pub(super) fn of_what_lasts(
        title: &'static str,
        days: &[DayCounts],
        count: impl Fn(&DayCounts) -> u64,
    ) -> Self {
        Self::drawn(title, days, count, |bars, highest| {
            let today = bars.last().map_or(0, |bar| bar.count);
            format!("{today} today, {highest} on the busiest day. What was ended since is not counted.")
        })
    }

    /// Bars from the first day to the last. The highest fills the chart, and what is not nothing can be seen.
    fn drawn(
        title: &'static str,
        days: &[DayCounts],
        count: impl Fn(&DayCounts) -> u64,
        summary: impl Fn(&[Bar], u64) -> String,
    ) -> Self {
        let highest = days.iter().map(&count).max().unwrap_or(0);
        let step = WIDTH / u64::try_from(days.len()).unwrap_or(u64::MAX).max(1);
        let bars: Vec<Bar> = days
            .iter()
            .zip(0_u64..)
            .map(|(day, number)| {
                let count = count(day);
                let height = if count == 0 { 0 } else { (count * HEIGHT / highest).max(3) };
                Bar {
                    day: short_day(day.day),
                    count,
                    x: number * step,
                    y: HEIGHT - height,
                    width: step.saturating_sub(GAP),
                    height,
                }
            })
            .collect();
        let day_of = |bar: Option<&Bar>| bar.map(|bar| bar.day.clone()).unwrap_or_default();
        Self {
            title,
            summary: summary(&bars, highest),
            first_day: day_of(bars.first()),
            last_day: day_of(bars.last()),
            bars,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn the_highest_bar_fills_the_chart_and_the_lowest_can_be_seen() {
        let day = |sign_ups| DayCounts {
            day: date!(2026 - 05 - 01),
            sign_ups,
            log_ins: 0,
            failures: 0,
            sessions: 0,
        };
        let chart = Chart::of("Sign-ups", &[day(0), day(1), day(1000)], |day| day.sign_ups);
        let heights: Vec<u64> = chart.bars.iter().map(|bar| bar.height).collect();
        assert_eq!(heights, [0, 3, HEIGHT]);
        assert_eq!(chart.summary, "1001 in the last thirty days, 1000 on the busiest.");
        assert_eq!(chart.first_day, "1 May");
        let lasting = Chart::of_what_lasts("Sessions", &[day(2), day(3), day(1)], |day| day.sign_ups);
        assert!(lasting.summary.starts_with("1 today, 3 on the busiest day."), "{}", lasting.summary);
        assert!(chart.bars.iter().all(|bar| bar.x + bar.width <= WIDTH && bar.y + bar.height == HEIGHT));
    }

    #[test]
    fn days_without_anything_are_an_empty_chart() {
        let day = DayCounts { day: date!(2026 - 05 - 01), sign_ups: 0, log_ins: 0, failures: 0, sessions: 0 };
        let chart = Chart::of("Sign-ups", &[day; 2], |day| day.sign_ups);
        assert!(chart.bars.iter().all(|bar| bar.height == 0));
    }
}
