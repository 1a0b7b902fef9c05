//! `/`.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use vestibule_web::{PageVisit, Vestibule};

use crate::public;

#[derive(Template)]
#[template(path = "home.html")]
struct HomeTemplate<'a> {
    site_name: &'a str,
    visitor: Option<&'a str>,
    offers_sign_up: bool,
    picture: String,
}

/// The first page that anybody sees.
pub async fn home(State(vestibule): State<Vestibule>, visit: PageVisit) -> Response {
    let content = HomeTemplate {
        site_name: vestibule.site_name(),
        visitor: visit.current_user().map(|current| current.user().name.as_str()),
        offers_sign_up: vestibule.offers_sign_up(),
        picture: public::address("doorway.svg"),
    };
    vestibule.page(&visit, "Home", &content)
}
