//! `/api/auth/verify`, as reverse proxies ask it.

use proptest::strategy::{Strategy, ValueTree};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use time::Duration;
use vestibule::Policy;
use vestibule::models::Role;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, Browser, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer};

use crate::{ACCESS, FORM, REFRESH, https_server, signed_up};

const PATH: &str = "/api/auth/verify";
const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const URI: (&str, &str) = ("x-forwarded-uri", "/app/notes?a=b&c=%20d");
const POSTS: (&str, &str) = ("x-forwarded-method", "POST");
const SAME_ORIGIN: (&str, &str) = ("sec-fetch-site", "same-origin");
const AUTH: [&str; 4] = ["x-auth-user-id", "x-auth-email", "x-auth-name", "x-auth-role"];

/// Asks as a proxy does about a request of this browser.
async fn verify(browser: &Browser, headers: &[(&str, &str)]) -> Answer {
    browser.send_and_lose(Method::GET, PATH, headers, "").await
}

fn status(answer: &Answer) -> u16 {
    answer.status.as_u16()
}

fn assert_tells_nobody(answer: &Answer) {
    for name in AUTH {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
}

#[rstest]
#[tokio::test]
async fn who_is_logged_in_is_told_in_headers(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let id = browser.session().await.json()["user"]["id"].as_str().unwrap().to_owned();
    for headers in [&[][..], &[HTML], &[HTML, URI, ("x-forwarded-method", "GET")]] {
        let answer = verify(&browser, headers).await;
        assert_eq!((status(&answer), answer.text.as_str()), (200, ""));
        let told = AUTH.map(|name| answer.header(name).unwrap_or_default());
        assert_eq!(told, [id.as_str(), "ann@example.com", "ann", "user"]);
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        assert!(answer.set_cookies().is_empty(), "a proxy would lose them");
    }
    let program = server.program(browser.cookie(ACCESS).unwrap());
    let answer = program.send(Method::GET, PATH, &[POSTS], "").await;
    assert_eq!((status(&answer), answer.header("x-auth-email")), (200, Some("ann@example.com")));
}

#[rstest]
#[tokio::test]
async fn a_name_that_is_no_ascii_is_percent_encoded(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    let body = json!({ "name": "Zoë 100% O'Hara", "email": "zoe@example.com", "password": PASSWORD });
    browser.call(Method::POST, "/api/auth/sign-up", Some(&body)).await;
    let answer = verify(&browser, &[]).await;
    assert_eq!(answer.header("x-auth-name"), Some("Zo%C3%AB 100%25 O'Hara"));
}

#[rstest]
#[tokio::test]
async fn a_stranger_is_refused_or_led_to_the_log_in_page_and_back(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let stranger = server.browser();
    let forged = [("x-auth-user-id", "x"), ("x-auth-email", "eve@example.com"), ("x-auth-role", "admin")];
    for headers in [
        &[URI][..],
        &[URI, ("accept", "application/json")],
        &[URI, ("accept", "*/*")],
        // Scripts and pictures are no visits, whatever they accept.
        &[URI, HTML, ("sec-fetch-mode", "cors")],
        &forged,
    ] {
        let answer = verify(&stranger, headers).await;
        assert_eq!((status(&answer), answer.code().as_str()), (401, "unauthenticated"), "{headers:?}");
        assert_tells_nobody(&answer);
    }
    let answer = verify(&stranger, &[URI, HTML, ("sec-fetch-mode", "navigate")]).await;
    assert_eq!(status(&answer), 303);
    let place = "http://localhost:3000/log-in?next=%2Fapp%2Fnotes%3Fa%3Db%26c%3D%2520d";
    assert_eq!(answer.location(), place, "whole, by the public URL");
    assert_tells_nobody(&answer);

    // That leads back.
    signed_up(&server, "ann").await;
    let mut browser = server.browser();
    let fields = [("email", "ann@example.com"), ("password", PASSWORD), ("next", "/app/notes?a=b&c=%20d")];
    let answer = browser.post_form("/log-in", &fields).await;
    assert_eq!((status(&answer), answer.location()), (303, URI.1));
    assert_eq!(status(&verify(&browser, &[URI, HTML]).await), 200);

    // A proxy that takes no redirect.
    let headers = [URI, HTML];
    let answer = stranger.send_and_lose(Method::GET, "/api/auth/verify?redirect=off", &headers, "").await;
    assert_eq!((status(&answer), answer.location()), (401, ""));
}

#[rstest]
#[tokio::test]
async fn every_method_is_taken(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let program = server.program(browser.cookie(ACCESS).unwrap());
    for method in
        ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "VERSION-CONTROL"]
    {
        let own = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(status(&program.send(own.clone(), PATH, &[], "x").await), 200, "{method}");
        assert_eq!(status(&browser.send_and_lose(own.clone(), PATH, &[SAME_ORIGIN], "x").await), 200);
        assert_eq!(status(&server.anonymous().send(own, PATH, &[], "x").await), 401, "{method}");
        let headers = [("x-forwarded-method", method), SAME_ORIGIN];
        assert_eq!(status(&verify(&browser, &headers).await), 200, "{method}");
        assert_eq!(status(&verify(&server.browser(), &headers).await), 401, "{method}");
    }
}

#[rstest]
#[tokio::test]
async fn a_role_is_asked_for(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let ask = async |query: &str, headers: &[(&str, &str)]| {
        browser.send_and_lose(Method::GET, &format!("{PATH}{query}"), headers, "").await
    };
    assert_eq!(status(&ask("?role=user", &[]).await), 200);
    for role in ["admin", "editor"] {
        let answer = ask(&format!("?role={role}"), &[]).await;
        assert_eq!((status(&answer), answer.code().as_str()), (403, "forbidden"));
        assert_tells_nobody(&answer);
        // To log in again would not help: people read that they may not.
        let answer = ask(&format!("?role={role}"), &[HTML, URI]).await;
        assert_eq!(status(&answer), 403);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{answer:?}");
        assert_tells_nobody(&answer);
    }
    // A mistake in a configuration opens nothing.
    server.house.set_role("ann@example.com", Role::Admin).await;
    for query in ["?role=Admin", "?role=", "?role=a%20b", "?role=user&role=admin", "?redirect=maybe"] {
        assert_eq!(status(&ask(query, &[HTML]).await), 401, "{query}");
    }
    for role in ["admin", "editor", "user"] {
        let answer = ask(&format!("?role={role}"), &[]).await;
        assert_eq!((status(&answer), answer.header("x-auth-role")), (200, Some("admin")));
    }
    server.house.set_role("ann@example.com", Role::User).await;
    assert_eq!(status(&ask("?role=admin", &[]).await), 403, "at once");
    let stranger = server.browser().send_and_lose(Method::GET, "/api/auth/verify?role=admin", &[], "").await;
    assert_eq!(status(&stranger), 401);
}

// A15: forward auth passed on a malformed address. Every case of the parser is in `forwarded.rs`.
#[rstest]
#[tokio::test]
async fn a_forwarded_header_that_cannot_be_read_is_a_401_even_for_who_is_logged_in(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let program = server.program(browser.cookie(ACCESS).unwrap());
    let long = format!("/{}", "a".repeat(9000));
    for (name, value) in [
        ("x-forwarded-uri", ""),
        ("x-forwarded-uri", "//evil.test/"),
        ("x-forwarded-uri", "/\\evil.test"),
        ("x-forwarded-uri", "https://evil.test/"),
        ("x-forwarded-uri", "/%zz"),
        ("x-forwarded-uri", "/%00"),
        ("x-forwarded-uri", "/a/../b"),
        ("x-forwarded-uri", "/a b"),
        ("x-forwarded-uri", "/a, /b"),
        ("x-forwarded-uri", &long),
        ("x-original-uri", "evil"),
        ("x-original-url", "/a"),
        ("x-forwarded-method", "GET, POST"),
        ("x-forwarded-method", "get"),
        ("x-original-method", "G T"),
        ("x-forwarded-proto", "https,http"),
        ("x-forwarded-host", "a/b"),
        ("x-forwarded-host", "a, b"),
        ("x-forwarded-port", "0"),
        ("x-forwarded-for", "nobody"),
        ("forwarded", "for"),
    ] {
        for headers in [&[(name, value)][..], &[(name, value), HTML, SAME_ORIGIN]] {
            let answer = verify(&browser, headers).await;
            assert_eq!(status(&answer), 401, "{headers:?}");
            assert_eq!(answer.code(), "unauthenticated");
            assert!(answer.json()["detail"].as_str().unwrap().contains(name), "{answer:?}");
            assert!(answer.set_cookies().is_empty(), "the session lives");
            assert_tells_nobody(&answer);
            assert_eq!(status(&program.send(Method::GET, PATH, headers, "").await), 401);
        }
    }
    let twice = [URI, URI];
    assert_eq!(status(&verify(&browser, &twice).await), 401);
    assert_eq!(status(&verify(&browser, &[URI, ("x-original-uri", "/other")]).await), 401);
    let mut raw = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").into_bytes();
    raw.extend(b"X-Forwarded-Uri: /\xc3\x28\r\n\r\n");
    assert_eq!(status(&server.anonymous().send_raw(&raw).await), 401);
    assert_eq!(
        status(&verify(&browser, &[URI]).await),
        200,
        "the same session, and a header that can be read"
    );
}

#[tokio::test]
async fn of_any_made_up_headers_only_good_ones_pass_and_none_makes_it_fail() {
    let server = TestServer::start(Sqlite).await;
    let browser = signed_up(&server, "ann").await;
    let names = [
        "x-forwarded-uri",
        "x-original-uri",
        "x-original-url",
        "x-forwarded-method",
        "x-original-method",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-for",
        "forwarded",
    ];
    let value = "[/\\\\%.a0:;=,\"? -]{0,16}";
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let headers = proptest::collection::vec((0..names.len(), value), 0..4);
    for _ in 0..300 {
        let made_up = headers.new_tree(&mut runner).unwrap().current();
        let sent: Vec<(&str, &str)> =
            made_up.iter().map(|(name, value)| (names[*name], value.as_str())).chain([SAME_ORIGIN]).collect();
        let answer = verify(&browser, &sent).await;
        let is_known = made_up.iter().all(|(name, value)| match names[*name] {
            "x-forwarded-uri" | "x-original-uri" => value.starts_with('/') && !value.starts_with("//"),
            "x-forwarded-for" => value.contains([',', ':']),
            "forwarded" => value.contains('='),
            "x-forwarded-host" => value.contains(['a', '0']),
            // Of these no good one can be made of the letters above.
            _ => false,
        });
        assert!(status(&answer) == 401 || (status(&answer) == 200 && is_known), "{sent:?}: {answer:?}");
        let stranger = verify(&server.browser(), &[&sent[..], &[HTML]].concat()).await;
        match status(&stranger) {
            303 => assert!(stranger.location().starts_with("http://localhost:3000/log-in"), "{stranger:?}"),
            status => assert_eq!(status, 401, "{sent:?}"),
        }
        assert_tells_nobody(&stranger);
    }
}

#[rstest]
#[tokio::test]
async fn what_changes_something_must_come_from_this_site_or_show_the_token(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let (token, own) = (browser.csrf().to_owned(), server.origin().to_owned());
    let good: [&[(&str, &str)]; 5] = [
        &[SAME_ORIGIN],
        &[("origin", &own)],
        &[("x-csrf-token", &token)],
        &[("x-csrf-token", &token), ("sec-fetch-site", "same-site")],
        // The application may have a token of its own under this name.
        &[("x-csrf-token", "the application's own"), SAME_ORIGIN],
    ];
    let bad: [&[(&str, &str)]; 11] = [
        &[],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
        &[SAME_ORIGIN, ("sec-fetch-site", "cross-site")],
        &[("origin", "null")],
        &[("origin", "https://evil.test")],
        &[("origin", "http://localhost:3000.evil.test")],
        &[("origin", &own), ("origin", "https://evil.test")],
        &[("x-csrf-token", "wrong")],
    ];
    let web_socket = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for what in [
        POSTS,
        ("x-forwarded-method", "DELETE"),
        ("x-original-method", "PROPPATCH"),
        web_socket,
        ("sec-fetch-mode", "websocket"),
    ] {
        for proof in good {
            assert_eq!(
                status(&verify(&browser, &[proof, &[what]].concat()).await),
                200,
                "{what:?} {proof:?}"
            );
        }
        for proof in bad {
            let answer = verify(&browser, &[proof, &[what]].concat()).await;
            assert_eq!((status(&answer), answer.code().as_str()), (403, "csrf_failed"), "{what:?} {proof:?}");
            assert_tells_nobody(&answer);
        }
    }
    for proof in bad {
        assert_eq!(status(&verify(&browser, proof).await), 200, "what is only read needs none: {proof:?}");
    }
    // A proxy that says no method sends that of the request.
    let answer = browser.send_and_lose(Method::POST, PATH, &[("sec-fetch-site", "cross-site")], "").await;
    assert_eq!(status(&answer), 403);
}

#[rstest]
#[tokio::test]
async fn where_only_the_access_token_is_over_a_page_is_led_over_refresh_and_a_program_told_401(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.clock.advance(Duration::minutes(5));
    let answer = verify(&browser, &[URI]).await;
    assert_eq!((status(&answer), answer.code().as_str()), (401, "unauthenticated"));
    let answer = verify(&browser, &[URI, HTML]).await;
    let place = answer.location().strip_prefix("http://localhost:3000").unwrap().to_owned();
    assert_eq!(place, "/refresh?next=%2Fapp%2Fnotes%3Fa%3Db%26c%3D%2520d");
    let answer = browser.get(&place).await;
    assert_eq!((status(&answer), answer.location()), (303, URI.1));
    assert_eq!(status(&verify(&browser, &[URI, HTML]).await), 200);

    // And a session that is over ends on the log-in page.
    server.clock.advance(Duration::days(8));
    let answer = verify(&browser, &[URI, HTML]).await;
    let place = answer.location().strip_prefix("http://localhost:3000").unwrap().to_owned();
    let answer = browser.get(&place).await;
    assert_eq!(answer.location(), "/log-in?next=%2Fapp%2Fnotes%3Fa%3Db%26c%3D%2520d");
    assert!(browser.cookie(REFRESH).is_none(), "and its cookies are gone");
}

#[rstest]
#[tokio::test]
async fn a_form_that_is_posted_after_a_long_pause_is_not_lost(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.clock.advance(Duration::hours(1));
    let form = [HTML, URI, POSTS, SAME_ORIGIN, ("sec-fetch-mode", "navigate")];
    for _ in 0..3 {
        let answer = verify(&browser, &form).await;
        assert_eq!((status(&answer), answer.header("x-auth-name")), (200, Some("ann")));
        assert!(answer.set_cookies().is_empty(), "a proxy would lose them");
    }
    let foreign = [HTML, URI, POSTS, ("sec-fetch-site", "cross-site")];
    assert_eq!(status(&verify(&browser, &foreign).await), 403);
    let by_script = [URI, POSTS, SAME_ORIGIN, ("sec-fetch-mode", "cors")];
    assert_eq!(status(&verify(&browser, &by_script).await), 401, "scripts refresh");
    // The browser goes on with the cookies that it has, however long it takes.
    server.clock.advance(Duration::hours(1));
    assert_eq!(status(&browser.get("/refresh?next=/app").await), 303);
    assert_eq!(status(&verify(&browser, &form).await), 200);

    // Of a stranger's form nothing can be kept but the page that it was on.
    let referer = ("referer", "http://localhost:3000/app/new?draft=1");
    let answer = verify(&server.browser(), &[HTML, URI, POSTS, SAME_ORIGIN, referer]).await;
    assert_eq!(answer.location(), "http://localhost:3000/log-in?next=%2Fapp%2Fnew%3Fdraft%3D1");
}

#[rstest]
#[tokio::test]
async fn planted_cookies_lead_nobody_in_circles(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    // Five that come before the person's own, which is then not looked at.
    for number in 0..5 {
        browser.plant_cookie(ACCESS, &format!("planted-{number}"));
    }
    assert_eq!(status(&verify(&browser, &[URI, HTML]).await), 200);
}

#[rstest]
#[tokio::test]
async fn a_log_out_a_disabled_account_and_a_revoked_session_end_it_at_once(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let kept = browser.clone();
    let mut other = server.browser();
    other.log_in("ann").await;
    browser.call(Method::POST, "/api/auth/log-out", None).await;
    let answer = verify(&kept, &[URI]).await;
    assert_eq!((status(&answer), answer.code().as_str()), (401, "session_revoked"));
    let answer = verify(&kept, &[URI, HTML]).await;
    assert!(answer.location().starts_with("http://localhost:3000/log-in?next="), "{answer:?}");
    assert_eq!(answer.set_cookies().len(), 3, "they are certainly dead");
    assert_eq!(status(&verify(&other, &[]).await), 200);
    server.house.set_disabled("ann@example.com", true).await;
    assert_eq!(status(&verify(&other, &[]).await), 403);
}

#[rstest]
#[tokio::test]
async fn who_must_confirm_their_address_first_is_led_there(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let policy = |policy| Policy { require_confirmed_email: true, ..policy };
    let house = HouseOptions { policy, ..HouseOptions::default() };
    let options = ServerOptions { house, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    let browser = signed_up(&server, "ann").await;
    assert_eq!(status(&verify(&browser, &[URI]).await), 403);
    let answer = verify(&browser, &[URI, HTML]).await;
    assert_eq!(answer.location(), "http://localhost:3000/confirm-email/resend");
}

#[rstest]
#[tokio::test]
async fn what_a_proxy_says_of_the_host_leads_nowhere(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = https_server(kind).await;
    let headers = [
        HTML,
        URI,
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "444"),
    ];
    let answer = server.anonymous().send(Method::GET, PATH, &headers, "").await;
    assert!(answer.location().starts_with("https://example.com/log-in?next=%2Fapp"), "{answer:?}");
    assert!(!format!("{answer:?}").contains("evil.test"));
}

#[rstest]
#[tokio::test]
async fn a_body_is_neither_read_nor_needed(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let large = "x".repeat(200_000);
    let answer = browser.send_and_lose(Method::POST, PATH, &[SAME_ORIGIN, FORM], large).await;
    assert_eq!(status(&answer), 200);
}

/// As the page about round trips tells.
#[rstest]
#[tokio::test]
async fn a_request_costs_one_statement_at_most_and_most_cost_none(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let page = include_str!("../../../../docs/round-trips.md");
    for (remembered, flow, expected) in [(0, "forward auth", 50), (10, "forward auth, remembered", 0)] {
        assert!(page.contains(&format!("| {flow} | {} |", expected / 50)), "{flow}");
        let house = HouseOptions { remembered_sessions: remembered, ..HouseOptions::default() };
        let options = ServerOptions { house, ..ServerOptions::default() };
        let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
        let browser = signed_up(&server, "ann").await;
        server.house.missed_nothing();
        verify(&browser, &[URI, HTML]).await;
        let before = server.house.database.round_trips();
        for _ in 0..50 {
            assert_eq!(status(&verify(&browser, &[URI, HTML]).await), 200);
        }
        assert_eq!(server.house.database.round_trips() - before, expected, "{flow}");
        let before = server.house.database.round_trips();
        for headers in [&[URI, HTML][..], &[("x-forwarded-uri", "//evil.test")]] {
            verify(&server.browser(), headers).await;
        }
        assert_eq!(server.house.database.round_trips(), before, "strangers cost none");
    }
}
