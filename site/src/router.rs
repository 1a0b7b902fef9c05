use std::sync::Arc;

use axum::extract::FromRef;
use axum::http::Method;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use vestibule::ports::{OsRandom, PersonalData, SystemClock};
use vestibule_sql::Database;
use vestibule_web::Who::{Anyone, LoggedIn};
use vestibule_web::{Routes, Vestibule};

use crate::api::export::NotesInExport;
use crate::services::Notes;
use crate::{api, pages, public};

/// What the site's handlers share.
#[derive(Clone, FromRef)]
pub(crate) struct Site {
    vestibule: Vestibule,
    notes: Notes,
}

/// What the site keeps of a user, for their export.
pub fn personal_data(database: &Database) -> Vec<Arc<dyn PersonalData>> {
    let notes = Notes::new(database.clone(), Arc::new(SystemClock), Arc::new(OsRandom));
    vec![Arc::new(NotesInExport(notes))]
}

/// What the site's own API looks like.
pub fn openapi() -> OpenApi {
    api::notes::Described::openapi()
}

/// Every route of the site besides those of accounts: the table of contents.
pub fn routes(vestibule: &Vestibule, database: &Database) -> Routes {
    let accounts = vestibule.accounts();
    let notes = Notes::new(database.clone(), accounts.clock(), accounts.random());
    Routes::new(vestibule.clone())
        // Everybody.
        .page(Anyone, Method::GET, "/", pages::home::home)
        // Files are no pages: nobody's session is looked at for them.
        .api(Anyone, Method::GET, "/public/{*file}", public::public)
        // Who is logged in.
        .page(LoggedIn, Method::GET, "/dashboard", pages::dashboard::dashboard)
        .page(LoggedIn, Method::GET, "/notes", pages::notes::list)
        .page(LoggedIn, Method::POST, "/notes", pages::notes::create)
        .page(LoggedIn, Method::GET, "/notes/new", pages::notes::new)
        .page(LoggedIn, Method::GET, "/notes/{id}", pages::notes::show)
        .page(LoggedIn, Method::POST, "/notes/{id}", pages::notes::update)
        .page(LoggedIn, Method::GET, "/notes/{id}/edit", pages::notes::edit)
        .page(LoggedIn, Method::POST, "/notes/{id}/delete", pages::notes::delete)
        // The same for programs.
        .api(LoggedIn, Method::GET, "/api/notes", api::notes::list)
        .api(LoggedIn, Method::POST, "/api/notes", api::notes::create)
        .api(LoggedIn, Method::GET, "/api/notes/{id}", api::notes::show)
        .api(LoggedIn, Method::PUT, "/api/notes/{id}", api::notes::update)
        .api(LoggedIn, Method::DELETE, "/api/notes/{id}", api::notes::delete)
        .with_state(Site { vestibule: vestibule.clone(), notes })
}
