//! The library with accounts, driven from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use axum_existing_app::{AppState, accounts, app, open_pool};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::SqlitePool;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use vestibule_testkit::{Anonymous, Browser, PASSWORD};

struct Library {
    address: SocketAddr,
    pool: SqlitePool,
    url: String,
    _stop: oneshot::Sender<()>,
    _folder: TempDir,
}

impl Library {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("data/library.db").display());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pool = open_pool(&url).unwrap();
        let public_url = format!("http://localhost:{}", address.port());
        let vestibule = accounts::open(&url, &public_url, &pool).await.unwrap();
        sqlx::migrate!().run(&pool).await.unwrap();
        let app = app(AppState { pool: pool.clone(), vestibule: vestibule.clone() });
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let asked_to_stop = async move { drop(stopped.await) };
            vestibule.serve_until(listener, app, asked_to_stop).await.unwrap();
        });
        Self { address, pool, url, _stop: stop, _folder: folder }
    }

    /// Gives a command, as whoever looks after the library does beside it.
    fn command(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_accounts"));
        command.args(arguments).env("VESTIBULE_DATABASE_URL", &self.url).env("VESTIBULE_ROLES", "librarian");
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = piped.spawn().unwrap();
        running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = running.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

#[tokio::test]
async fn somebody_signs_up_and_is_a_member() {
    let library = Library::open().await;
    let mut ann = Browser::at(library.address);
    ann.sign_up("ann").await;
    assert_eq!(library.count("SELECT COUNT(*) FROM members").await, 1);
    let page = ann.get("/loans").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Open on Thursdays") && page.text.contains("My books"), "{page:?}");
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
}

#[tokio::test]
async fn a_stranger_is_led_to_the_log_in_page_and_back_and_a_program_is_told() {
    let library = Library::open().await;
    let stranger = Anonymous::at(library.address);
    let page = stranger.get("/loans").await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/log-in?next=%2Floans"));
    let program = stranger.send(Method::GET, "/api/loans", &[("accept", "application/json")], "").await;
    assert_eq!((program.status, program.code().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    let books = stranger.get("/").await;
    assert!(books.status == StatusCode::OK && books.text.contains("Bread without Hurry"), "{books:?}");
    let nowhere = stranger.get("/nowhere").await;
    assert!(
        nowhere.status == StatusCode::NOT_FOUND && nowhere.text.contains("Open on Thursdays"),
        "{nowhere:?}"
    );
}

#[tokio::test]
async fn a_form_without_the_token_is_refused_and_one_with_it_lends_a_book() {
    let library = Library::open().await;
    let mut ann = Browser::at(library.address);
    ann.sign_up("ann").await;
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    let forged = ann.send(Method::POST, "/loans", &headers, "book=1").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(library.count("SELECT COUNT(*) FROM loans").await, 0);

    let form = format!("book=1&csrf_token={}", ann.csrf());
    let lent = ann.send(Method::POST, "/loans", &headers, form).await;
    assert_eq!((lent.status, lent.location()), (StatusCode::SEE_OTHER, "/loans"));
    let loans = ann.call(Method::GET, "/api/loans", None).await;
    assert_eq!(loans.json(), json!([{ "id": 1, "title": "A Field Guide to Plums" }]));
    let export: Value = ann.call(Method::GET, "/api/account/export", None).await.json();
    assert_eq!(export["loans"], json!(["A Field Guide to Plums"]));
}

#[tokio::test]
async fn only_a_librarian_adds_books() {
    let library = Library::open().await;
    let mut ann = Browser::at(library.address);
    ann.sign_up("ann").await;
    let new = |browser: &Browser| format!("title=Knots&csrf_token={}", browser.csrf());
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    let form = new(&ann);
    assert_eq!(ann.send(Method::POST, "/books", &headers, form).await.status, StatusCode::FORBIDDEN);

    library.command(&["user", "set-role", "ann@example.com", "librarian"], "");
    let form = new(&ann);
    assert_eq!(ann.send(Method::POST, "/books", &headers, form).await.status, StatusCode::SEE_OTHER);
    assert_eq!(library.count("SELECT COUNT(*) FROM books WHERE title = 'Knots'").await, 1);
}

#[tokio::test]
async fn nobody_leaves_with_a_book_and_who_leaves_takes_along_their_rows() {
    let library = Library::open().await;
    let mut ann = Browser::at(library.address);
    ann.sign_up("ann").await;
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    let form = format!("book=1&csrf_token={}", ann.csrf());
    ann.send(Method::POST, "/loans", &headers, form).await;

    let body = json!({ "current_password": PASSWORD });
    let refused = ann.call(Method::DELETE, "/api/account", Some(&body)).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "refused"));
    assert_eq!(refused.json()["detail"], "Bring back your books first.");
    assert_eq!(library.count("SELECT COUNT(*) FROM users").await, 1);

    let form = format!("book=1&csrf_token={}", ann.csrf());
    ann.send(Method::POST, "/loans/return", &headers, form).await;
    let gone = ann.call(Method::DELETE, "/api/account", Some(&body)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    assert_eq!(library.count("SELECT COUNT(*) FROM users").await, 0);
    assert_eq!(library.count("SELECT COUNT(*) FROM members").await, 0);
}

#[tokio::test]
async fn who_gets_an_account_by_the_command_line_is_a_member_too() {
    let library = Library::open().await;
    let add = ["user", "add", "bob@example.com", "--name", "Bob"];
    let told = library.command(&add, &format!("{PASSWORD}\n"));
    assert!(told.contains("bob@example.com"), "{told}");
    assert_eq!(library.count("SELECT COUNT(*) FROM members").await, 1);
    let mut bob = Browser::at(library.address);
    assert_eq!(bob.log_in("bob").await.status, StatusCode::OK);
    assert_eq!(bob.get("/loans").await.status, StatusCode::OK);
    library.command(&["user", "delete", "bob@example.com", "--yes"], "");
    assert_eq!(library.count("SELECT COUNT(*) FROM members").await, 0);
}
