use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use time::Duration;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, HouseOptions, ServerOptions, TestDatabase, TestServer};

use crate::{ACCESS, CSRF, REFRESH, cookie_header, falsify, is_logged_in, signed_up};

const PATH: &str = "/api/auth/session";

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

#[rstest]
#[tokio::test]
async fn who_is_logged_in_is_told_who_they_are(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let answer = browser.session().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert!(answer.set_cookies().is_empty());
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.json(), { ".user.id" => "[id]", ".session.id" => "[id]" }, @r#"
        {
          "session": {
            "created_at": "2026-05-01T12:00:00Z",
            "current": true,
            "expires_at": "2026-05-08T12:00:00Z",
            "id": "[id]",
            "ip": "127.0.0.1",
            "last_seen_at": "2026-05-01T12:00:00Z",
            "user_agent": null
          },
          "user": {
            "created_at": "2026-05-01T12:00:00Z",
            "email": "ann@example.com",
            "id": "[id]",
            "is_email_verified": false,
            "name": "ann",
            "role": "user"
          }
        }
        "#);
    }
}

#[rstest]
#[tokio::test]
async fn a_stranger_is_unauthenticated(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let answer = server.anonymous().get(PATH).await;
    assert_eq!(answer.status, 401);
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.json(), @r#"
        {
          "code": "unauthenticated",
          "detail": "Log in to go on.",
          "status": 401,
          "title": "Unauthorized",
          "type": "about:blank"
        }
        "#);
    }
}

#[rstest]
#[tokio::test]
async fn step_1_the_access_token_must_be_ours_and_fresh(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let elsewhere = TestServer::start(kind).await;
    let of_another_site = signed_up(&elsewhere, "ann").await;

    let mut forged = browser.clone();
    falsify(&mut forged, ACCESS);
    let mut without = browser.clone();
    without.drop_cookie(ACCESS);
    let mut foreign = browser.clone();
    foreign.set_cookie(ACCESS, of_another_site.cookie(ACCESS).unwrap());
    let mut of_another_kind = browser.clone();
    of_another_kind.set_cookie(ACCESS, browser.cookie(REFRESH).unwrap());
    for browser in [forged, without, foreign, of_another_kind] {
        let answer = browser.clone().session().await;
        assert_eq!(refusal(&answer), (401, "unauthenticated".into()));
        assert!(answer.set_cookies().is_empty(), "a failed check clears nothing");
    }

    server.clock.advance(Duration::minutes(5) - Duration::seconds(1));
    assert!(is_logged_in(&browser).await);
    server.clock.advance(Duration::seconds(1));
    let answer = browser.clone().session().await;
    assert_eq!(refusal(&answer), (401, "unauthenticated".into()));
    assert!(answer.set_cookies().is_empty());
}

#[rstest]
#[tokio::test]
async fn step_2_the_session_must_live(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut kept = browser.clone();
    // No cookie of the CSRF token: a later step must not answer first.
    kept.drop_cookie(CSRF);
    browser.call(Method::POST, "/api/auth/log-out", None).await;
    let answer = kept.session().await;
    assert_eq!(refusal(&answer), (401, "session_revoked".into()));
    assert_eq!(answer.set_cookies().len(), 3, "certainly dead, so all are cleared");
}

#[rstest]
#[tokio::test]
async fn step_3_the_refresh_cookie_must_be_of_the_same_session(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let mut second = server.browser();
    second.log_in("ann").await;

    let mut without = browser.clone();
    without.drop_cookie(REFRESH);
    let mut forged = browser.clone();
    falsify(&mut forged, REFRESH);
    let mut of_another_session = browser.clone();
    of_another_session.set_cookie(REFRESH, second.cookie(REFRESH).unwrap());
    for browser in [without, forged, of_another_session] {
        let answer = browser.clone().session().await;
        assert_eq!(refusal(&answer), (401, "unauthenticated".into()));
        assert!(answer.set_cookies().is_empty(), "a failed check clears nothing");
    }
    assert!(is_logged_in(&browser).await && is_logged_in(&second).await);
}

#[rstest]
#[tokio::test]
async fn step_4_the_csrf_cookie_must_be_the_sessions(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let mut second = server.browser();
    second.log_in("ann").await;

    for wrong in ["wrong", "", second.csrf()] {
        let mut browser = browser.clone();
        browser.set_cookie(CSRF, wrong);
        let answer = browser.session().await;
        assert_eq!(refusal(&answer), (403, "csrf_failed".into()), "{wrong}");
        assert!(answer.set_cookies().is_empty());
    }

    let mut without = browser.clone();
    without.drop_cookie(CSRF);
    let answer = without.session().await;
    assert_eq!(answer.status, 200, "a missing one is set again where nothing is changed");
    assert_eq!(answer.set_cookies().len(), 1);
    assert_eq!(without.csrf(), browser.csrf());
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "vestibule_csrf=…; Path=/; Max-Age=34560000; SameSite=Lax"
        ]
        "#);
    }
}

#[rstest]
#[tokio::test]
async fn step_5_the_user_must_be_enabled(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let program = server.program(browser.cookie(ACCESS).unwrap());
    server.house.set_disabled("ann@example.com", true).await;
    let answer = browser.session().await;
    assert_eq!(refusal(&answer), (403, "forbidden".into()));
    assert!(answer.set_cookies().is_empty());
    assert_eq!(refusal(&program.get(PATH).await), (403, "forbidden".into()));
    server.house.set_disabled("ann@example.com", false).await;
    assert!(is_logged_in(&browser).await);
}

#[rstest]
#[tokio::test]
async fn the_first_failure_answers(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.house.set_disabled("ann@example.com", true).await;
    browser.set_cookie(CSRF, "wrong");
    assert_eq!(browser.clone().session().await.code(), "csrf_failed", "step 4 before step 5");
    let mut forged = browser.clone();
    falsify(&mut forged, REFRESH);
    assert_eq!(forged.session().await.code(), "unauthenticated", "step 3 before step 4");
    let mut dead = signed_up(&server, "ben").await;
    dead.clone().call(Method::POST, "/api/auth/log-out", None).await;
    dead.set_cookie(CSRF, "wrong");
    falsify(&mut dead, REFRESH);
    assert_eq!(dead.clone().session().await.code(), "session_revoked", "step 2 before steps 3 and 4");
    falsify(&mut dead, ACCESS);
    assert_eq!(dead.session().await.code(), "unauthenticated", "step 1 before step 2");
}

#[rstest]
#[tokio::test]
async fn a_program_needs_nothing_but_its_token(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let token = browser.cookie(ACCESS).unwrap().to_owned();
    let program = server.program(&token);
    let answer = program.get(PATH).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["user"]["email"]), (200, &"ann@example.com".into()));
    assert!(answer.set_cookies().is_empty());
    let answer = program.send(Method::POST, "/api/echo", &[], "hello").await;
    assert_eq!(
        (answer.status.as_u16(), answer.text.as_str()),
        (200, "ann said hello"),
        "no CSRF token is asked"
    );
    for scheme in ["bearer", "BEARER"] {
        let authorization = format!("{scheme} {token}");
        let answer =
            server.anonymous().send(Method::GET, PATH, &[("authorization", &authorization)], "").await;
        assert_eq!(answer.status, 200, "{scheme}");
    }

    browser.call(Method::POST, "/api/auth/log-out", None).await;
    assert_eq!(refusal(&program.get(PATH).await), (401, "session_revoked".into()));
}

#[rstest]
#[tokio::test]
async fn what_is_told_from_memory_is_what_was_told_first_and_of_who_asks(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = HouseOptions { remembered_sessions: 10, ..HouseOptions::default() };
    let options = ServerOptions { house, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    let (mut ann, mut eve) = (signed_up(&server, "ann").await, signed_up(&server, "eve").await);
    let programs = [server.program(ann.cookie(ACCESS).unwrap()), server.program(eve.cookie(ACCESS).unwrap())];
    server.house.missed_nothing();
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push([
            ann.session().await,
            eve.session().await,
            programs[0].get(PATH).await,
            programs[1].get(PATH).await,
        ]);
    }
    let before = server.house.database.round_trips();
    server.house.missed_nothing();
    assert_eq!(ann.session().await.status, 200);
    assert_eq!(server.house.database.round_trips(), before, "it is told from memory");
    for each in &told[1..] {
        for (now, first) in each.iter().zip(&told[0]) {
            assert_eq!((now.status, &now.text), (first.status, &first.text));
            for header in ["content-type", "cache-control", "content-security-policy"] {
                assert_eq!(now.header(header), first.header(header), "{header}");
            }
        }
    }
    let [of_ann, of_eve, ..] = &told[3];
    assert_eq!(
        (of_ann.json()["user"]["name"].as_str(), of_eve.json()["user"]["name"].as_str()),
        (Some("ann"), Some("eve"))
    );
    assert_eq!(
        (&told[3][2].text, &told[3][3].text),
        (&of_ann.text, &of_eve.text),
        "programs are told the same"
    );

    let changed = ann.call(Method::PATCH, "/api/account", Some(&json!({ "name": "Anna" }))).await;
    assert_eq!(changed.status, 200);
    server.house.missed_nothing();
    for answer in [ann.session().await, ann.session().await, programs[0].get(PATH).await] {
        assert_eq!(answer.json()["user"]["name"], "Anna");
    }
}

#[rstest]
#[tokio::test]
async fn a_program_s_token_expires(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let program = server.program(browser.cookie(ACCESS).unwrap());
    server.clock.advance(Duration::minutes(5));
    assert_eq!(refusal(&program.get(PATH).await), (401, "unauthenticated".into()));
}

#[rstest]
#[tokio::test]
async fn with_header_and_cookies_the_header_alone_decides(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut ann = signed_up(&server, "ann").await;
    let mut ben = signed_up(&server, "ben").await;
    let of_ben = format!("Bearer {}", ben.cookie(ACCESS).unwrap());

    let answer = ann.send(Method::GET, PATH, &[("authorization", &of_ben)], "").await;
    assert_eq!(answer.json()["user"]["name"], "ben");
    let answer = ann.send(Method::POST, "/api/echo", &[("authorization", &of_ben)], "hi").await;
    assert_eq!(answer.text, "ben said hi", "without a CSRF token");
    let answer = ann.send(Method::GET, PATH, &[("authorization", "Bearer nonsense")], "").await;
    assert_eq!(refusal(&answer), (401, "unauthenticated".into()), "good cookies do not help");

    ben.call(Method::POST, "/api/auth/log-out", None).await;
    let answer = ann.send(Method::GET, PATH, &[("authorization", &of_ben)], "").await;
    assert_eq!(refusal(&answer), (401, "session_revoked".into()));
    assert!(answer.set_cookies().is_empty(), "the cookies are of another session, which lives");
    assert!(is_logged_in(&ann).await);
}

#[rstest]
#[tokio::test]
async fn malformed_credentials_are_a_401_and_never_a_500(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let anonymous = server.anonymous();
    let long = format!("Bearer {}", "a".repeat(100_000));
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Bearer %zz",
        "Bearer a.b.c",
        "Bearer ..",
        "Bearer a b c",
        "bearer\t",
        "Basic YTpi",
        "Basic",
        "Digest x",
        "%zz",
        "Bearer,Bearer",
        "Bearer null",
        "Token x",
        &long,
    ] {
        let answer = anonymous.send(Method::GET, PATH, &[("authorization", value)], "").await;
        assert_eq!(answer.status, 401, "{value:.40}");
    }
    for cookie in [
        "",
        ";",
        "=",
        "vestibule_access",
        "vestibule_access=",
        "vestibule_access=%zz; vestibule_refresh=%zz",
        "vestibule_access=a.b.c; vestibule_refresh=a.b.c; vestibule_csrf=%00",
        "vestibule_refresh=\"\"",
        "vestibule_access=..; vestibule_refresh=..",
    ] {
        let answer = anonymous.send(Method::GET, PATH, &[("cookie", cookie)], "").await;
        assert_eq!(answer.status, 401, "{cookie}");
        let answer = anonymous.send(Method::GET, "/dashboard", &[("cookie", cookie)], "").await;
        assert_eq!(answer.status, 303, "{cookie}");
    }
    let two = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(anonymous.send(Method::GET, PATH, &two, "").await.status, 401);
}

#[rstest]
#[tokio::test]
async fn bytes_that_are_no_text_and_headers_of_a_megabyte_are_refused(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let megabyte = vec![b'a'; 1024 * 1024];
    let cases: [(&str, &[u8], &[u16]); 8] = [
        ("Authorization", b"Bearer \xff\xfe", &[401]),
        ("Authorization", b"\xc3\x28", &[401]),
        ("Cookie", b"vestibule_access=\xff; vestibule_refresh=\x80", &[401]),
        ("Cookie", b"\xff", &[401]),
        ("X-CSRF-Token", b"\xff", &[401]),
        ("User-Agent", b"\xff", &[401]),
        ("Cookie", &megabyte, &[401, 431]),
        ("Authorization", &megabyte, &[401, 431]),
    ];
    for (name, value, expected) in cases {
        let mut request =
            format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}: ").into_bytes();
        request.extend(value);
        request.extend(b"\r\n\r\n");
        let answer = server.anonymous().send_raw(&request).await;
        assert!(expected.contains(&answer.status.as_u16()), "{name}: {answer:?}");
    }
    assert_eq!(server.anonymous().get("/healthz").await.status, 200, "the server goes on");
}

#[rstest]
#[tokio::test]
async fn a_foreign_cookie_that_is_no_text_locks_nobody_out(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let mut request =
        format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: caf").into_bytes();
    request.extend(b"\xc3\xa9=\xff; ");
    request.extend(cookie_header(&browser).as_bytes());
    request.extend(b"\r\n\r\n");
    assert_eq!(server.anonymous().send_raw(&request).await.status, 200);
}
