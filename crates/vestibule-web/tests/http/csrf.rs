use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{
    Answer, Browser, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer, generous,
};

use crate::{CSRF, FORM, JSON, https_server, signed_up};

/// The requests that change something before there is a session.
const STRANGERS: [(&str, &str); 4] =
    [("/sign-up", FORM.1), ("/log-in", FORM.1), ("/api/auth/sign-up", JSON.1), ("/api/auth/log-in", JSON.1)];

fn body_for(content_type: &str) -> String {
    if content_type == JSON.1 {
        json!({ "name": "", "email": "ann@example.com", "password": "no" }).to_string()
    } else {
        "name=&email=ann%40example.com&password=no".into()
    }
}

async fn send(server: &TestServer, path: &str, kind: &str, headers: &[(&str, &str)]) -> Answer {
    let mut headers = headers.to_vec();
    headers.push(("content-type", kind));
    server.anonymous().send(Method::POST, path, &headers, body_for(kind)).await
}

#[rstest]
#[tokio::test]
async fn before_there_is_a_session_requests_must_come_from_this_site(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = HouseOptions { policy: generous, ..HouseOptions::default() };
    let options = ServerOptions { house, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    let own = ("origin", server.origin());
    let foreign = ("origin", "https://evil.test");
    let refused: [&[(&str, &str)]; 16] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), own],
        &[("sec-fetch-site", "same-site"), own],
        &[foreign],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "http://localhost.evil.test")],
        &[("origin", "http://localhost.evil.test:3000")],
        &[("origin", "http://localhost:3001")],
        &[("origin", "http://localhost")],
        &[("origin", "http://localhost:30000")],
        &[("origin", "https://localhost:3000")],
        &[("origin", "http://evil.test/http://localhost:3000")],
        &[("origin", "http://notlocalhost:3000")],
        &[("origin", "http://localhost:3000@evil.test")],
    ];
    let taken: [&[(&str, &str)]; 6] = [
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "same-origin"), own],
        &[own],
        &[],
        // The browser knows better than a proxy that rewrote the other header.
        &[("sec-fetch-site", "same-origin"), ("origin", "http://inside:8080")],
    ];
    for (path, content_type) in STRANGERS {
        for headers in refused {
            let answer = send(&server, path, content_type, headers).await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
            assert!(answer.set_cookies().is_empty());
            if path.starts_with("/api/") {
                assert_eq!(answer.code(), "csrf_failed");
            }
        }
        for headers in taken {
            let answer = send(&server, path, content_type, headers).await;
            assert!([422, 401].contains(&answer.status.as_u16()), "{path} {headers:?} {answer:?}");
        }
    }
}

/// What a browser says of itself in `Origin` as it sends a form of a page with a referrer policy to the same origin, by the
/// Fetch standard ("append a request `Origin` header").
fn origin_of_form<'a>(referrer_policy: &str, origin: &'a str) -> &'a str {
    match referrer_policy {
        "no-referrer" => "null",
        "same-origin" | "strict-origin" => origin,
        other => panic!("{other}"),
    }
}

/// Browsers send no Fetch Metadata to a house on plain http in a private network, nor does Safari before 16.4.
#[rstest]
#[tokio::test]
async fn forms_of_links_can_be_sent_by_browsers_without_fetch_metadata(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    for (page, form) in [
        ("/reset-password?token=x", "/reset-password"),
        ("/confirm-email?token=x", "/confirm-email"),
        ("/confirm-sign-up?token=x", "/confirm-sign-up"),
        ("/confirm-sign-up?token=x", "/confirm-sign-up/decline"),
        ("/sign-up?invite=x", "/sign-up"),
        ("/log-in", "/log-in"),
    ] {
        let shown = server.anonymous().get(page).await;
        assert_eq!(shown.status, 200, "{page}");
        let origin = origin_of_form(shown.header("referrer-policy").unwrap(), server.origin());
        let answer = send(&server, form, FORM.1, &[("origin", origin)]).await;
        assert!([400, 401, 422].contains(&answer.status.as_u16()), "{form} {origin} {answer:?}");
        // Whereas a page that hides where it is may be anybody's.
        assert_eq!(send(&server, form, FORM.1, &[("origin", "null")]).await.status, 403, "{form}");
    }
}

#[rstest]
#[tokio::test]
async fn the_origin_is_that_of_the_public_url(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = https_server(kind).await;
    for (origin, is_taken) in [
        ("https://example.com", true),
        ("http://example.com", false),
        ("https://badexample.com", false),
        ("https://example.com.evil.test", false),
        ("https://example.com:444", false),
        ("https://www.example.com", false),
    ] {
        let host = origin.split_once("//").unwrap().1;
        // That the `Host` header agrees with the false origin is no help.
        let headers = [("origin", origin), ("host", host), ("x-forwarded-host", host)];
        let answer = send(&server, "/api/auth/log-in", JSON.1, &headers).await;
        assert_eq!(answer.status != 403, is_taken, "{origin}");
    }
}

#[rstest]
#[tokio::test]
async fn opening_the_form_from_another_site_is_allowed(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    for path in ["/log-in", "/sign-up"] {
        let headers = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.test")];
        assert_eq!(server.anonymous().send(Method::GET, path, &headers, "").await.status, 200);
    }
}

async fn echo(browser: &mut Browser, header: Option<&str>) -> Answer {
    let headers: Vec<_> = header.map(|token| ("x-csrf-token", token)).into_iter().collect();
    browser.send(Method::POST, "/api/echo", &headers, "hi").await
}

#[rstest]
#[tokio::test]
async fn the_api_asks_for_the_token_in_cookie_and_header(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let other = signed_up(&server, "eve").await;
    let token = browser.csrf().to_owned();

    let changed = format!("{}x", &token[..token.len() - 1]);
    for header in [None, Some(""), Some("wrong"), Some(changed.as_str()), Some(other.csrf())] {
        let answer = echo(&mut browser, header).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "csrf_failed"), "{header:?}");
        assert!(answer.set_cookies().is_empty());
    }
    let mut without_cookie = browser.clone();
    without_cookie.drop_cookie(CSRF);
    let answer = echo(&mut without_cookie, Some(&token)).await;
    assert_eq!(answer.code(), "csrf_failed", "a missing cookie is refused where something is changed");
    let mut doubly_wrong = browser.clone();
    doubly_wrong.set_cookie(CSRF, "wrong");
    assert_eq!(echo(&mut doubly_wrong, Some("wrong")).await.code(), "csrf_failed", "agreeing is not enough");
    let answer =
        browser.send(Method::POST, "/api/echo?csrf_token=x", &[FORM], format!("csrf_token={token}")).await;
    assert_eq!(answer.code(), "csrf_failed", "the API reads the header alone");

    assert_eq!(echo(&mut browser, Some(&token)).await.status, 200);
}

#[rstest]
#[tokio::test]
async fn pages_ask_for_the_token_in_cookie_and_form(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let other = signed_up(&server, "eve").await;
    let token = browser.csrf().to_owned();
    let of_other = format!("csrf_token={}", other.csrf());
    let late = format!("csrf_token=wrong&csrf_token={token}");
    for body in ["", "a=b", "csrf_token=", "csrf_token=wrong", &of_other, &late] {
        let answer = browser.send(Method::POST, "/dashboard", &[FORM], body.to_owned()).await;
        assert_eq!(answer.status, 403, "{body}");
        assert!(answer.set_cookies().is_empty());
        assert!(answer.text.contains("did not come from a current page of this site"), "{answer:?}");
    }
    let with_header = [FORM, ("x-csrf-token", token.as_str())];
    let answer = browser.send(Method::POST, "/dashboard", &with_header, "a=b").await;
    assert_eq!(answer.status, 403, "a page reads the form alone");
    let answer = browser.post_form("/dashboard", &[("text", "hello")]).await;
    assert_eq!(answer.status, 200);
}

#[rstest]
#[tokio::test]
async fn a_wrong_cookie_is_refused_even_for_reading(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut without = browser.clone();
    without.drop_cookie(CSRF);
    assert_eq!(without.get("/dashboard").await.status, 200);
    assert_eq!(without.cookie(CSRF), browser.cookie(CSRF), "a missing one is set again");
    browser.set_cookie(CSRF, "wrong");
    assert_eq!(browser.get("/dashboard").await.status, 403);
    // There is a way out.
    let fields = [("email", "ann@example.com"), ("password", PASSWORD)];
    assert_eq!(browser.post_form("/log-in", &fields).await.status, 303);
    assert_eq!(browser.get("/dashboard").await.status, 200);
}
