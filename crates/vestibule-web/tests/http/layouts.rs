//! An application's own templates in the places of the library's.

use std::sync::Arc;

use askama::Template;
use rstest::rstest;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{PASSWORD, ServerOptions, TestDatabase, TestServer};
use vestibule_web::pages::account::AccountPage;
use vestibule_web::pages::log_in::LogInPage;
use vestibule_web::{DefaultLayout, ErrorPage, Layout, Page, PageVisit, View};

#[derive(Template)]
#[template(
    ext = "html",
    source = "own log-in of {{ page.email }} {{ page.errors.of(\"email\").unwrap_or_default() }}"
)]
struct LogIn<'a> {
    page: &'a LogInPage<'a>,
}

#[derive(Template)]
#[template(ext = "html", source = "own account of {{ page.name }} at {{ path }}")]
struct Account<'a> {
    page: &'a AccountPage<'a>,
    path: &'a str,
}

#[derive(Template)]
#[template(ext = "html", source = "own error {{ page.status }}")]
struct Error<'a> {
    page: &'a ErrorPage<'a>,
}

/// Three pages of its own, the house and the others of the library.
struct OwnTemplates;

impl Layout for OwnTemplates {
    fn render(&self, page: &Page<'_>) -> Result<String, askama::Error> {
        DefaultLayout.render(page)
    }

    fn content(&self, view: &View<'_>, visit: &PageVisit) -> Option<Result<String, askama::Error>> {
        match view {
            View::LogIn(page) => Some(LogIn { page }.render()),
            View::Account(page) => Some(Account { page, path: visit.path() }.render()),
            View::Error(page) => Some(Error { page }.render()),
            _ => None,
        }
    }
}

#[rstest]
#[tokio::test]
async fn an_application_shows_pages_with_templates_of_its_own(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let options = ServerOptions { layout: Arc::new(OwnTemplates), ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    let mut browser = server.browser();

    let page = browser.get("/sign-up").await.text;
    assert!(page.contains("<h1 id=\"heading\">Sign up</h1>") && !page.contains("own "), "{page}");
    let fields = [("name", "<b>Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    assert_eq!(browser.post_form("/sign-up", &fields).await.status, 303);
    let page = browser.get("/account").await.text;
    assert!(page.contains("own account of &#60;b&#62;Ann at /account</main>"), "{page}");

    let answer = server.browser().post_form("/log-in", &[("email", "nobody"), ("password", "x")]).await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.text.contains("own log-in of nobody This does not look like an email address"),
        "{answer:?}"
    );
    let answer = browser.get("/nowhere").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("own error 404</main>"), "{answer:?}");
}

/// A layout with a mistake: it panics, or gives up.
struct Broken {
    panics: bool,
}

impl Layout for Broken {
    fn render(&self, _: &Page<'_>) -> Result<String, askama::Error> {
        assert!(!self.panics, "a layout of a test panics");
        Err(askama::Error::custom("a layout of a test gives up"))
    }
}

#[rstest]
#[tokio::test]
async fn people_read_an_error_in_words_even_where_the_layout_is_what_is_broken(
    #[values(true, false)] panics: bool,
) {
    let options = ServerOptions { layout: Arc::new(Broken { panics }), ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await;
    for (path, status) in [("/nowhere", 404), ("/log-in", 500)] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{path}: {}",
            answer.text
        );
        assert!(
            answer.text.contains("<h1>") && !answer.text.contains("of a test"),
            "{path}: {}",
            answer.text
        );
        assert!(
            answer.header("x-request-id").is_some() && answer.header("content-security-policy").is_some()
        );
    }
    assert_eq!(server.anonymous().get("/api/account").await.code(), "unauthenticated");
}
