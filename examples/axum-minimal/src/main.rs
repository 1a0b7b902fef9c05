//! A page for everybody, a page for who is logged in, and accounts. `cargo run -p axum-minimal`, then <http://localhost:3000>.

#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use vestibule_axum::{BuildError, CurrentUser, Markup, PageVisit, Vestibule};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Says where it serves, and what it warns of.
    tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::INFO).init();
    let vestibule = open().await?;
    vestibule.serve("127.0.0.1:3000", app(&vestibule)).await?;
    Ok(())
}

/// Accounts in a file `data/accounts.db`, with a development mailbox at `/dev/mailbox`.
async fn open() -> Result<Vestibule, BuildError> {
    Vestibule::builder().site_name("Minimal").open().await
}

fn app(vestibule: &Vestibule) -> Router {
    let members = Router::new().route("/members", get(members)).route_layer(vestibule.require_log_in());
    let everybody = Router::new().route("/", get(home)).route_layer(vestibule.optional_user());
    everybody
        .merge(members)
        .merge(vestibule.router())
        .fallback(vestibule.not_found())
        .with_state(vestibule.clone())
}

async fn home(State(vestibule): State<Vestibule>, visit: PageVisit) -> Response {
    let content = Markup("<h1>Hello</h1><p><a href=\"/members\">For members</a></p>".to_owned());
    vestibule.page(&visit, "Home", &content)
}

async fn members(State(vestibule): State<Vestibule>, visit: PageVisit, current: CurrentUser) -> Response {
    // An address has no `<`. For names and whatever people type take a template, which escapes: examples/axum-existing-app.
    let content = Markup(format!("<h1>For members</h1><p>You are {}.</p>", current.user().email));
    vestibule.page(&visit, "Members", &content)
}
