//! All that the library does for accounts: how they are opened, what is done when somebody comes or goes, what is in an export, and
//! the layout around every page.

use askama::Template;
use sqlx::SqlitePool;
use vestibule_axum::models::{Role, User, UserId};
use vestibule_axum::ports::PersonalData;
use vestibule_axum::repository::StoreError;
use vestibule_axum::{
    AccountHooks, BuildError, Connection, HookError, Id, Layout, Page, SessionMeta, Vestibule, assets,
    async_trait,
};

/// How many books somebody new may have at home.
const LOANS_LIMIT: i64 = 2;

/// Opens the accounts in the application's database.
pub async fn open(database_url: &str, public_url: &str, pool: &SqlitePool) -> Result<Vestibule, BuildError> {
    Vestibule::builder()
        .site_name("Plum Street Library")
        .public_url(public_url)
        .database_url(database_url)
        .roles(["librarian"])
        .layout(LibraryLayout)
        .hooks(Membership)
        .personal_data(LoansInExport(pool.clone()))
        .open()
        .await
}

/// The role of who may add books.
pub fn librarian() -> Role {
    "librarian".parse().expect("it is a name of a role")
}

/// Everybody with an account is a member, and nobody leaves with a book.
pub struct Membership;

#[async_trait]
impl AccountHooks for Membership {
    async fn created(&self, user: &User, connection: &mut Connection) -> Result<(), HookError> {
        const SQL: &str = "INSERT INTO members (user_id, loans_limit) VALUES ($1, $2)";
        connection.write(SQL).bind(Id(user.id.as_uuid())).bind(LOANS_LIMIT).execute().await?;
        Ok(())
    }

    async fn deleted(&self, user: &User, connection: &mut Connection) -> Result<(), HookError> {
        const SQL: &str = "SELECT book_id FROM loans WHERE user_id = $1";
        let loans: Vec<Loan> = connection.read(SQL).bind(Id(user.id.as_uuid())).all().await?;
        match loans.len() {
            0 => Ok(()),
            _ => Err(HookError::refuse("Bring back your books first.")),
        }
    }
}

#[derive(sqlx::FromRow)]
struct Loan {
    #[expect(dead_code, reason = "a row has to have a column")]
    book_id: i64,
}

/// The books that somebody has at home.
struct LoansInExport(SqlitePool);

#[async_trait]
impl PersonalData for LoansInExport {
    fn name(&self) -> &'static str {
        "loans"
    }

    async fn of(&self, user: UserId) -> Result<serde_json::Value, StoreError> {
        let sql = "SELECT title FROM books JOIN loans ON book_id = id WHERE user_id = $1 ORDER BY title";
        let titles = sqlx::query_scalar(sql).bind(user.to_string()).fetch_all(&self.0).await;
        let titles: Vec<String> =
            titles.map_err(|error| StoreError::new("the loans cannot be read", error))?;
        Ok(titles.into())
    }
}

/// The library's own header and footer around every page, those of accounts included.
struct LibraryLayout;

#[derive(Template)]
#[template(path = "layout.html")]
struct LayoutTemplate<'a> {
    title: &'a str,
    site_name: &'a str,
    content: &'a str,
    visitor: Option<&'a str>,
    csrf_token: &'a str,
    session: Option<SessionMeta>,
    stylesheet: String,
    script: String,
}

impl Layout for LibraryLayout {
    fn render(&self, page: &Page<'_>) -> Result<String, askama::Error> {
        let current = page.visit.current_user();
        let template = LayoutTemplate {
            title: page.title,
            site_name: page.site_name,
            content: page.content,
            visitor: current.map(|current| current.user().name.as_str()),
            csrf_token: page.visit.csrf_token(),
            session: SessionMeta::of(page.visit),
            stylesheet: assets::stylesheet(),
            script: assets::script(),
        };
        template.render()
    }
}
