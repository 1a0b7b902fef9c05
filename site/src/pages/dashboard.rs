//! `/dashboard`.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use vestibule_web::{CurrentUser, PageVisit, Vestibule};

use vestibule_web::moments::{day, iso, minute};

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardTemplate<'a> {
    user: UserView<'a>,
    session: SessionView<'a>,
}

struct UserView<'a> {
    name: &'a str,
    email: &'a str,
    is_email_verified: bool,
    role: &'a str,
    member_since: String,
    member_since_iso: String,
}

struct SessionView<'a> {
    started: String,
    started_iso: String,
    last_seen: String,
    last_seen_iso: String,
    expires: String,
    expires_iso: String,
    ip: String,
    device: &'a str,
}

/// What one sees after logging in: who one is, and this session.
pub async fn dashboard(
    State(vestibule): State<Vestibule>,
    current: CurrentUser,
    visit: PageVisit,
) -> Response {
    let (user, session) = (current.user(), current.session());
    let content = DashboardTemplate {
        user: UserView {
            name: user.name.as_str(),
            email: user.email.as_str(),
            is_email_verified: user.is_email_verified,
            role: user.role.as_str(),
            member_since: day(user.created_at),
            member_since_iso: iso(user.created_at),
        },
        session: SessionView {
            started: minute(session.created_at),
            started_iso: iso(session.created_at),
            last_seen: minute(session.last_seen_at),
            last_seen_iso: iso(session.last_seen_at),
            expires: minute(session.expires_at),
            expires_iso: iso(session.expires_at),
            ip: session.client.ip().map_or_else(|| "unknown".to_owned(), |ip| ip.to_string()),
            device: session.client.user_agent().unwrap_or("unknown"),
        },
    };
    vestibule.page(&visit, "Dashboard", &content)
}
