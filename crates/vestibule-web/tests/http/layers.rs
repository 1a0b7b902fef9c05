//! The guards as layers before routes of an application's own router, which has a state of its own.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::{Method, StatusCode};
use axum::routing::{get, post};
use rstest::rstest;
use vestibule::Policy;
use vestibule::models::Role;
use vestibule_sql::Database;
use vestibule_testkit::DatabaseKind::Sqlite;
use vestibule_testkit::{Anonymous, Browser, HouseOptions, ServerOptions, TestDatabase, TestServer};
use vestibule_web::{CurrentUser, Problem, Routes, Session, Vestibule, Who};

const PAGE: [(&str, &str); 2] = [("accept", "text/html,*/*;q=0.8"), ("sec-fetch-mode", "navigate")];
const FORM: [(&str, &str); 3] = [
    ("content-type", "application/x-www-form-urlencoded"),
    ("accept", "text/html"),
    ("sec-fetch-mode", "navigate"),
];

/// What the application's handlers share.
#[derive(Clone)]
struct AppState {
    greeting: Arc<str>,
    vestibule: Vestibule,
}

impl FromRef<AppState> for Vestibule {
    fn from_ref(state: &AppState) -> Self {
        state.vestibule.clone()
    }
}

async fn greet(State(state): State<AppState>, current: CurrentUser, session: Session) -> String {
    assert_eq!(session.user_id, current.user().id);
    format!("{}, {} {}", state.greeting, current.user().name, session.csrf_token().len())
}

async fn greet_anybody(State(state): State<AppState>, current: Option<CurrentUser>) -> String {
    let name = current.map_or_else(|| "stranger".to_owned(), |current| current.user().name.to_string());
    format!("{}, {name}", state.greeting)
}

async fn missing() -> Problem {
    Problem::not_found()
}

async fn public(_: CurrentUser) -> ([(&'static str, &'static str); 1], &'static str) {
    ([("cache-control", "private, max-age=60")], "kept")
}

async fn panic() -> &'static str {
    panic!("a handler of a test panics")
}

fn app(vestibule: &Vestibule, _: &Database) -> Routes {
    let members = Router::new()
        .route("/greet", get(greet).post(greet))
        .route("/api/greet", get(greet))
        .route("/missing", get(missing))
        .route("/kept", get(public))
        .route("/panic", get(panic))
        .route_layer(vestibule.require_log_in());
    let anybody = Router::new()
        .route("/anybody", get(greet_anybody).post(greet_anybody))
        .route_layer(vestibule.optional_user());
    let editors = Router::new()
        .route("/drafts", get(greet))
        .route("/drafts/publish", post(greet))
        .route_layer(vestibule.require_role("editor"));
    let recent =
        Router::new().route("/keys", get(greet)).route_layer(vestibule.require(Who::Recently(Role::User)));
    let pages =
        Router::new().route("/only-pages", get(greet)).route_layer(vestibule.require_log_in().for_pages());
    let programs = Router::new()
        .route("/only-programs", get(greet))
        .route_layer(vestibule.require_log_in().for_programs());
    let within = Router::new()
        .route("/within", get(greet))
        .route_layer(vestibule.require_log_in())
        .merge(Routes::new(vestibule.clone()).page(Who::LoggedIn, Method::GET, "/route", greet).into_part())
        .layer(vestibule.optional_user());
    let within = within
        .nest("/nested", Router::new().route("/deep", get(greet)).route_layer(vestibule.require_log_in()));
    let all = [anybody, editors, recent, pages, programs, within].into_iter().fold(members, Router::merge);
    let state = AppState { greeting: "hello".into(), vestibule: vestibule.clone() };
    Routes::new(vestibule.clone()).merge_router(all.with_state(state))
}

async fn server_with(policy: fn(Policy) -> Policy) -> TestServer {
    let house = HouseOptions { policy, ..HouseOptions::default() };
    let options = ServerOptions { routes: app, house, ..ServerOptions::default() };
    TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await
}

fn with_editors(policy: Policy) -> Policy {
    Policy { roles: vec!["editor".parse().expect("a name of a role")], ..policy }
}

async fn ann(server: &TestServer) -> Browser {
    let mut ann = server.browser();
    ann.sign_up("ann").await;
    ann
}

#[tokio::test]
async fn who_is_logged_in_passes_and_the_state_is_the_applications() {
    let server = server_with(with_editors).await;
    let mut ann = ann(&server).await;
    for path in
        ["/greet", "/api/greet", "/anybody", "/only-pages", "/only-programs", "/keys", "/within", "/route"]
    {
        let answer = ann.get(path).await;
        assert!(
            answer.status == StatusCode::OK && answer.text.starts_with("hello, ann"),
            "{path} {answer:?}"
        );
        assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{path}");
    }
    let kept = ann.get("/kept").await;
    assert_eq!(kept.header("cache-control"), Some("private, max-age=60"), "the handler said so");
    assert_eq!(kept.header("content-security-policy"), None, "other headers are the application's");
}

#[tokio::test]
async fn what_is_refused_is_told_to_whoever_asked() {
    let server = server_with(with_editors).await;
    let stranger = server.anonymous();
    let ask =
        |path: &'static str, headers: &'static [(&str, &str)]| stranger.send(Method::GET, path, headers, "");
    for path in ["/greet", "/api/greet", "/drafts", "/keys", "/only-pages", "/within"] {
        let page = ask(path, &PAGE).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path} {page:?}");
        assert!(page.location().starts_with("/log-in?next=%2F"), "{path} {page:?}");
        assert_eq!(page.header("cache-control"), Some("private, no-store"));
    }
    for headers in [
        &[("accept", "application/json")][..],
        &[],
        &[("accept", "text/html,*/*;q=0.8"), ("sec-fetch-mode", "cors")],
    ] {
        for path in ["/greet", "/api/greet", "/drafts", "/only-programs", "/within"] {
            let program = ask(path, headers).await;
            assert_eq!(
                (program.status, program.code().as_str()),
                (StatusCode::UNAUTHORIZED, "unauthenticated")
            );
        }
    }
    assert_eq!(ask("/only-pages", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(ask("/only-programs", &PAGE).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("/anybody", &PAGE).await.text, "hello, stranger");
    assert_eq!(ask("/anybody", &[]).await.text, "hello, stranger");
}

#[tokio::test]
async fn within_a_nested_router_one_is_led_back_to_the_whole_address() {
    let server = server_with(with_editors).await;
    let page = server.anonymous().send(Method::GET, "/nested/deep?a=b", &PAGE, "").await;
    assert_eq!(
        (page.status, page.location()),
        (StatusCode::SEE_OTHER, "/log-in?next=%2Fnested%2Fdeep%3Fa%3Db")
    );
}

#[tokio::test]
async fn a_role_is_asked_for_and_told_as_a_page_or_as_a_problem() {
    let server = server_with(with_editors).await;
    let mut ann = ann(&server).await;
    let page = ann.send(Method::GET, "/drafts", &PAGE, "").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains(">Not allowed</h1>"), "{page:?}");
    let program = ann.call(Method::GET, "/drafts", None).await;
    assert_eq!((program.status, program.code().as_str()), (StatusCode::FORBIDDEN, "forbidden"));
    server.house.set_role("ann@example.com", "editor".parse().unwrap()).await;
    assert_eq!(ann.send(Method::GET, "/drafts", &PAGE, "").await.status, StatusCode::OK);
    server.house.set_role("ann@example.com", Role::Admin).await;
    assert_eq!(ann.send(Method::GET, "/drafts", &PAGE, "").await.status, StatusCode::OK, "admins may do all");
}

#[tokio::test]
async fn a_role_that_nobody_can_have_is_told_as_the_routes_are_made() {
    let server = server_with(with_editors).await;
    let parts = vestibule_web::Parts {
        accounts: server.house.accounts.clone(),
        random: Arc::new(vestibule::ports::OsRandom),
        layout: Arc::new(vestibule_web::DefaultLayout),
        readiness: Arc::new(Never),
        trusted_proxies: vestibule_web::TrustedProxies::default(),
        dev_mailbox: None,
        openapi: None,
        answers_are_held_for: std::time::Duration::ZERO,
        observer: None,
    };
    let vestibule = Vestibule::new(parts);
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| vestibule.require_role("editr")));
    let told = made.err().and_then(|told| told.downcast::<String>().ok()).unwrap();
    assert!(told.contains("\"editr\"") && told.contains("user, admin, editor"), "{told}");
}

struct Never;

#[async_trait::async_trait]
impl vestibule_web::Readiness for Never {
    async fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test]
async fn a_form_carries_the_token_in_a_field_and_a_program_in_a_header() {
    let server = server_with(with_editors).await;
    let mut ann = ann(&server).await;
    let with_token = format!("a=b&csrf_token={}", ann.csrf());
    let forged = ann.send(Method::POST, "/greet", &FORM, "a=b").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert!(forged.text.contains("did not come from a current page"), "{forged:?}");
    assert_eq!(ann.send(Method::POST, "/greet", &FORM, with_token).await.status, StatusCode::OK);
    let csrf = ann.csrf().to_owned();
    let json = [("content-type", "application/json"), ("accept", "application/json")];
    let forged = ann.send(Method::POST, "/greet", &json, "{}").await;
    assert_eq!((forged.status, forged.code().as_str()), (StatusCode::FORBIDDEN, "csrf_failed"));
    let with_header = [json[0], json[1], ("x-csrf-token", csrf.as_str())];
    assert_eq!(ann.send(Method::POST, "/greet", &with_header, "{}").await.status, StatusCode::OK);
}

#[rstest]
#[case::of_another_site(&[("sec-fetch-site", "cross-site"), ("accept", "text/html")], false)]
#[case::of_a_neighbour(&[("sec-fetch-site", "same-site")], false)]
#[case::of_another_origin(&[("origin", "https://evil.example")], false)]
#[case::of_this_site(&[("sec-fetch-site", "same-origin"), ("accept", "text/html")], true)]
#[case::of_a_program(&[], true)]
#[tokio::test]
async fn where_everybody_may_post_what_another_site_sends_is_refused(
    #[case] headers: &[(&str, &str)],
    #[case] passes: bool,
) {
    let server = server_with(with_editors).await;
    let mut ann = ann(&server).await;
    let answer = ann.send(Method::POST, "/anybody", headers, "").await;
    let expected = if passes { StatusCode::OK } else { StatusCode::FORBIDDEN };
    assert_eq!(answer.status, expected, "{answer:?}");
    if passes {
        assert_eq!(answer.text, "hello, ann");
    }
}

#[tokio::test]
async fn a_session_is_refreshed_within_the_request_of_a_page_and_its_form_is_not_lost() {
    let server = server_with(with_editors).await;
    let mut ann = ann(&server).await;
    server.clock.advance(time::Duration::minutes(6));
    let program = ann.call(Method::GET, "/greet", None).await;
    assert_eq!((program.status, program.code().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    let form = format!("csrf_token={}", ann.csrf());
    let posted = ann.send(Method::POST, "/greet", &FORM, form).await;
    assert_eq!(posted.status, StatusCode::OK, "{posted:?}");
    assert!(posted.set_cookie("vestibule_access").is_some());
    server.clock.advance(time::Duration::minutes(6));
    // Two layers refresh with the same cookies, and agree.
    let within = ann.send(Method::GET, "/within", &PAGE, "").await;
    assert_eq!(within.status, StatusCode::OK, "{within:?}");
    assert_eq!(ann.call(Method::GET, "/greet", None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whose_session_is_over_is_out_and_the_dead_cookies_are_cleared() {
    let server = server_with(with_editors).await;
    let mut ann = ann(&server).await;
    let mut copied = ann.clone();
    assert_eq!(ann.call(Method::POST, "/api/auth/log-out", None).await.status, StatusCode::NO_CONTENT);
    let page = copied.send_and_lose(Method::GET, "/greet", &PAGE, "").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let program = copied.send(Method::GET, "/greet", &[], "").await;
    assert_eq!(program.status, StatusCode::UNAUTHORIZED);
    for answer in [&page, &program] {
        let cleared = answer.set_cookie("vestibule_refresh").unwrap();
        assert!(cleared.contains("Max-Age=0"), "{answer:?}");
    }
    assert!(copied.cookie_names().is_empty());
    assert_eq!(copied.get("/anybody").await.text, "hello, stranger");
}

#[tokio::test]
async fn who_was_disabled_is_out_at_once() {
    let server = server_with(with_editors).await;
    let mut ann = ann(&server).await;
    server.house.set_disabled("ann@example.com", true).await;
    assert_eq!(ann.send(Method::GET, "/greet", &PAGE, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(ann.call(Method::GET, "/greet", None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ann.get("/anybody").await.text, "hello, stranger");
}

#[tokio::test]
async fn what_a_handler_refuses_and_a_panic_are_told_by_who_asked_and_not_by_the_address() {
    let server = server_with(with_editors).await;
    let mut ann = ann(&server).await;
    let page = ann.send(Method::GET, "/missing", &PAGE, "").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.text.contains(">Nothing here</h1>"), "{page:?}");
    let program = ann.call(Method::GET, "/missing", None).await;
    assert_eq!((program.status, program.code().as_str()), (StatusCode::NOT_FOUND, "not_found"));
    let broken = ann.call(Method::GET, "/panic", None).await;
    assert_eq!((broken.status, broken.code().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal"));
}

#[tokio::test]
async fn who_must_confirm_their_address_is_led_there() {
    let server = server_with(|policy| Policy { require_confirmed_email: true, ..with_editors(policy) }).await;
    let mut ann = ann(&server).await;
    let page = ann.send(Method::GET, "/greet", &PAGE, "").await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/confirm-email/resend"));
    assert_eq!(ann.call(Method::GET, "/greet", None).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_web_socket_of_a_neighbouring_host_is_refused_whoever_sends_the_cookies() {
    let server = server_with(with_editors).await;
    let ann = ann(&server).await;
    let here = server.origin();
    let socket = [("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
    for path in ["/greet", "/anybody", "/only-pages", "/only-programs"] {
        for (origin, status) in [
            (Some(("origin", "http://app.localhost:3000")), 403),
            (Some(("sec-fetch-site", "same-site")), 403),
            (None, 403),
            (Some(("sec-fetch-site", "same-origin")), 200),
            (Some(("origin", here)), 200),
        ] {
            let headers: Vec<_> = socket.into_iter().chain(origin).collect();
            let answer = ann.send_and_lose(Method::GET, path, &headers, "").await;
            assert_eq!(answer.status, status, "{path} {origin:?}");
        }
    }
    // Who shows a token that no browser sends by itself is nobody's victim.
    let bearer = format!("Bearer {}", ann.cookie("vestibule_access").unwrap());
    let headers = [socket[0], socket[1], ("authorization", bearer.as_str())];
    assert_eq!(server.anonymous().send(Method::GET, "/greet", &headers, "").await.status, 200);
}

#[tokio::test]
async fn a_bearer_token_passes_as_everywhere() {
    let server = server_with(with_editors).await;
    let ann = ann(&server).await;
    let token = ann.cookie("vestibule_access").unwrap();
    let program = server.program(token);
    assert_eq!(program.send(Method::POST, "/greet", &[], "").await.status, StatusCode::OK);
    let forged = server.program("not.a.token");
    assert_eq!(forged.send(Method::POST, "/greet", &[], "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_address_of_the_library_takes_no_other_method_in_its_words() {
    let server = server_with(with_editors).await;
    let stranger = Anonymous::at(server.address());
    let answer = stranger.send(Method::PUT, "/log-in", &[("accept", "text/html")], "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}
