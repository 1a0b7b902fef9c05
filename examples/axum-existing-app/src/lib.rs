//! The library: its state, its routes, its pages. All that it does for accounts is in [`accounts`].

#![forbid(unsafe_code)]

pub mod accounts;

use std::str::FromStr;
use std::time::Duration;

use askama::Template;
use axum::extract::{Form, FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use vestibule_axum::{CurrentUser, PageVisit, Session, Vestibule};

/// What the handlers share. Those of before accounts ask for their pool as they did.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The application's own connections.
    pub pool: SqlitePool,
    /// The accounts.
    pub vestibule: Vestibule,
}

/// The application's own connections. The first statement opens one: the accounts, which are opened before that, make the file where it
/// is missing, for its owner alone.
pub fn open_pool(url: &str) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(5));
    Ok(SqlitePool::connect_lazy_with(options))
}

/// All routes.
pub fn app(state: AppState) -> Router {
    let vestibule = &state.vestibule;
    let everybody = Router::new().route("/", get(books)).route_layer(vestibule.optional_user());
    let members = Router::new()
        .route("/loans", get(loans).post(borrow))
        .route("/loans/return", post(bring_back))
        .route("/api/loans", get(loans_as_json))
        .route_layer(vestibule.require_log_in());
    let librarians =
        Router::new().route("/books", post(add_book)).route_layer(vestibule.require_role("librarian"));
    Router::new()
        .merge(everybody)
        .merge(members)
        .merge(librarians)
        .merge(vestibule.router())
        .fallback(vestibule.not_found())
        .with_state(state)
}

/// A database that failed. The cause is for the log.
pub struct Failed(sqlx::Error);

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        vestibule_axum::Problem::internal(self.0).into_response()
    }
}

#[derive(sqlx::FromRow, Serialize)]
struct Book {
    id: i64,
    title: String,
}

#[derive(Template)]
#[template(path = "books.html")]
struct Books<'a> {
    shelf: Vec<Book>,
    csrf_token: &'a str,
    is_member: bool,
    is_librarian: bool,
}

async fn books(
    State(pool): State<SqlitePool>,
    State(vestibule): State<Vestibule>,
    visit: PageVisit,
) -> Result<Response, Failed> {
    let sql = "SELECT id, title FROM books WHERE id NOT IN (SELECT book_id FROM loans) ORDER BY title";
    let current = visit.current_user();
    let content = Books {
        shelf: sqlx::query_as(sql).fetch_all(&pool).await?,
        csrf_token: visit.csrf_token(),
        is_member: current.is_some(),
        is_librarian: current.is_some_and(|current| current.user().role.includes(&accounts::librarian())),
    };
    Ok(vestibule.page(&visit, "Books", &content))
}

#[derive(Template)]
#[template(path = "loans.html")]
struct Loans<'a> {
    loans: Vec<Book>,
    csrf_token: &'a str,
}

async fn loans(
    State(pool): State<SqlitePool>,
    State(vestibule): State<Vestibule>,
    visit: PageVisit,
    current: CurrentUser,
    session: Session,
) -> Result<Response, Failed> {
    let loans = loans_of(&pool, &current.user().id.to_string()).await?;
    Ok(vestibule.page(&visit, "My books", &Loans { loans, csrf_token: session.csrf_token() }))
}

async fn loans_as_json(
    State(pool): State<SqlitePool>,
    current: CurrentUser,
) -> Result<Json<Vec<Book>>, Failed> {
    Ok(Json(loans_of(&pool, &current.user().id.to_string()).await?))
}

async fn loans_of(pool: &SqlitePool, user: &str) -> Result<Vec<Book>, sqlx::Error> {
    let sql = "SELECT id, title FROM books JOIN loans ON book_id = id WHERE user_id = $1 ORDER BY title";
    sqlx::query_as(sql).bind(user).fetch_all(pool).await
}

#[derive(Deserialize)]
struct Lent {
    book: i64,
}

async fn borrow(
    State(pool): State<SqlitePool>,
    current: CurrentUser,
    Form(lent): Form<Lent>,
) -> Result<Response, Failed> {
    let sql = "
        INSERT INTO loans (book_id, user_id)
        SELECT $1, user_id
        FROM members
        WHERE user_id = $2 AND loans_limit > (SELECT COUNT(*) FROM loans WHERE user_id = $2)
        ON CONFLICT DO NOTHING";
    let lending = sqlx::query(sql).bind(lent.book).bind(current.user().id.to_string());
    Ok(match lending.execute(&pool).await?.rows_affected() {
        0 => (StatusCode::CONFLICT, "Somebody else has it, or you have enough.").into_response(),
        _ => Redirect::to("/loans").into_response(),
    })
}

async fn bring_back(
    State(pool): State<SqlitePool>,
    current: CurrentUser,
    Form(lent): Form<Lent>,
) -> Result<Redirect, Failed> {
    let sql = "DELETE FROM loans WHERE book_id = $1 AND user_id = $2";
    sqlx::query(sql).bind(lent.book).bind(current.user().id.to_string()).execute(&pool).await?;
    Ok(Redirect::to("/loans"))
}

#[derive(Deserialize)]
struct NewBook {
    title: String,
}

async fn add_book(State(pool): State<SqlitePool>, Form(new): Form<NewBook>) -> Result<Redirect, Failed> {
    sqlx::query("INSERT INTO books (title) VALUES ($1)").bind(new.title.trim()).execute(&pool).await?;
    Ok(Redirect::to("/"))
}
