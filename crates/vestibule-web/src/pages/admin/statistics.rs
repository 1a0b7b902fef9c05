//! `/admin`: how the site is doing.

use ::vestibule::services::Statistics;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::chart::Chart;
use super::{Section, Tab, tabs};
use crate::{PageVisit, Problem, Vestibule};

#[derive(Template)]
#[template(path = "admin/statistics.html")]
struct StatisticsTemplate {
    tabs: [Tab; 4],
    statistics: Statistics,
    charts: [Chart; 3],
}

/// The page.
pub async fn statistics(State(vestibule): State<Vestibule>, visit: PageVisit) -> Result<Response, Problem> {
    let statistics = vestibule.accounts().statistics().await?;
    let days = &statistics.days;
    let charts = [
        Chart::of("Sign-ups", days, |day| day.sign_ups),
        Chart::of("Log-ins", days, |day| day.log_ins),
        Chart::of("Failed log-ins", days, |day| day.failures),
    ];
    let content = StatisticsTemplate { tabs: tabs(Section::Overview), statistics, charts };
    Ok(vestibule.page(&visit, "Admin", &content))
}
