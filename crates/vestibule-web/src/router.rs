use axum::http::Method;

use crate::guard::Who::{Anyone, LoggedIn, Stranger};
use crate::routes::Routes;
use crate::vestibule::Vestibule;
use crate::{api, assets, pages};

/// Every route of the library: the table of contents.
pub fn routes<S: Clone + Send + Sync + 'static>(vestibule: &Vestibule) -> Routes<S> {
    Routes::new(vestibule.clone())
        // A person, in a browser. Works without JavaScript.
        .page(Stranger, Method::GET, "/sign-up", pages::sign_up::form)
        .page(Stranger, Method::POST, "/sign-up", pages::sign_up::sign_up)
        .page(Stranger, Method::GET, "/log-in", pages::log_in::form)
        .page(Stranger, Method::POST, "/log-in", pages::log_in::log_in)
        .page(LoggedIn, Method::POST, "/log-out", pages::log_out::log_out)
        // Checks and rotates by itself: a check before it would ask for what is to be renewed.
        .page(Anyone, Method::GET, "/refresh", pages::refresh::refresh)
        // Looks at no cookies: an answer that anyone's cache may keep must not refresh a session.
        .api(Anyone, Method::GET, "/assets/{*file}", assets::library)
        // The site's own scripts, and other programs.
        .api(Stranger, Method::POST, "/api/auth/sign-up", api::sign_up::sign_up)
        .api(Stranger, Method::POST, "/api/auth/log-in", api::log_in::log_in)
        .api(LoggedIn, Method::POST, "/api/auth/log-out", api::log_out::log_out)
        .api(Anyone, Method::GET, "/api/auth/refresh", api::refresh::refresh)
        .api(Anyone, Method::POST, "/api/auth/refresh", api::refresh::refresh)
        .api(LoggedIn, Method::GET, "/api/auth/session", api::current_session::current_session)
        // Who verifies access tokens without asking us.
        .api(Anyone, Method::GET, "/.well-known/jwks.json", api::jwks::jwks)
        // Who keeps the server running.
        .api(Anyone, Method::GET, "/healthz", api::health::healthz)
        .api(Anyone, Method::GET, "/readyz", api::health::readyz)
        .with_state(vestibule.clone())
}
