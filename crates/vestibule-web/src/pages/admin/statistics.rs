//! `/admin`: how the site is doing.

use ::vestibule::services::Statistics;
use axum::extract::State;
use axum::response::Response;

use super::chart::Chart;
use super::{Section, Tab, tabs};
use crate::{PageVisit, Problem, Vestibule};

/// What the page shows.
pub struct StatisticsPage {
    /// The menu of this part of the site.
    pub tabs: [Tab; 5],
    /// The numbers.
    pub statistics: Statistics,
    /// The same day by day, as drawings.
    pub charts: [Chart; 4],
}

/// The page.
pub async fn statistics(State(vestibule): State<Vestibule>, visit: PageVisit) -> Result<Response, Problem> {
    let statistics = vestibule.accounts().statistics().await?;
    let days = &statistics.days;
    let charts = [
        Chart::of("Sign-ups", days, |day| day.sign_ups),
        Chart::of("Log-ins", days, |day| day.log_ins),
        Chart::of("Failed log-ins", days, |day| day.failures),
        Chart::of_what_lasts("Active sessions", days, |day| day.sessions),
    ];
    let content = StatisticsPage { tabs: tabs(Section::Overview), statistics, charts };
    Ok(vestibule.page(&visit, "Admin", &content))
}
