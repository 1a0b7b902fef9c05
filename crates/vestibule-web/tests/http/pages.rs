use reqwest::Method;
use rstest::rstest;
use time::Duration;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{PASSWORD, TestServer};

use crate::{CSRF, FORM, is_logged_in, signed_up};

/// What stands in a field of a form, as a person would read it.
fn value_of(page: &str, field: &str) -> Option<String> {
    let name = format!("name=\"{field}\"");
    let tag = page.split('<').find(|tag| tag.starts_with("input") && tag.contains(&name))?;
    let value = tag.split_once("value=\"")?.1.split('"').next()?;
    Some(unescaped(value))
}

fn unescaped(html: &str) -> String {
    [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")]
        .into_iter()
        .fold(html.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// Whether a message stands behind one field and before the next.
fn stands_beside(page: &str, message: &str, field: &str, next: &str) -> bool {
    let page = unescaped(page);
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text:?} is not in {page}"));
    let (field, next) = (place(&format!("name=\"{field}\"")), place(next));
    (field..next).contains(&place(message))
}

#[rstest]
#[tokio::test]
async fn a_sign_up_leads_to_the_dashboard(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    let page = browser.get("/sign-up").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let fields = [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    let answer = browser.post_form("/sign-up", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/dashboard"));
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "vestibule_access=…; Path=/; Max-Age=300; SameSite=Lax; HttpOnly",
          "vestibule_refresh=…; Path=/; Max-Age=604800; SameSite=Lax; HttpOnly",
          "vestibule_csrf=…; Path=/; Max-Age=34560000; SameSite=Lax",
          "vestibule_device=…; Path=/; Max-Age=34560000; SameSite=Lax; HttpOnly"
        ]
        "#);
    }
    assert_eq!(browser.get("/dashboard").await.text, "hello, Ann");
}

#[rstest]
#[tokio::test]
async fn a_refused_sign_up_keeps_what_was_typed_but_the_password(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    let fields =
        [("name", "Ann"), ("email", "not an address"), ("password", "short one"), ("next", "/notes?a=b")];
    let answer = browser.post_form("/sign-up", &fields).await;
    assert_eq!(answer.status, 422);
    assert!(answer.set_cookies().is_empty());
    assert_eq!(value_of(&answer.text, "name").as_deref(), Some("Ann"));
    assert_eq!(value_of(&answer.text, "email").as_deref(), Some("not an address"));
    assert_eq!(value_of(&answer.text, "next").as_deref(), Some("/notes?a=b"));
    assert!(!answer.text.contains("short one"));
    let of_email = "This does not look like an email address, such as name@example.com.";
    assert!(stands_beside(&answer.text, of_email, "email", "name=\"password\""));
    let of_password = "Use 12 characters or more.";
    assert!(stands_beside(&answer.text, of_password, "password", "</form>"));
    assert!(!answer.text.contains("Enter your name."));
}

#[rstest]
#[tokio::test]
async fn a_taken_address_is_told_beside_its_field(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let fields = [("name", "Eve"), ("email", "ann@example.com"), ("password", PASSWORD)];
    let answer = server.browser().post_form("/sign-up", &fields).await;
    assert_eq!(answer.status, 409);
    let message = "There is an account with this address. Log in, or use another address.";
    assert!(stands_beside(&answer.text, message, "email", "name=\"password\""));
    assert_eq!(value_of(&answer.text, "name").as_deref(), Some("Eve"));
    assert!(!answer.text.contains(PASSWORD));
}

#[rstest]
#[tokio::test]
async fn a_refused_log_in_keeps_the_address_but_not_the_password(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    for email in ["ann@example.com", "nobody@example.com"] {
        let fields = [("email", email), ("password", "not the password"), ("next", "/notes")];
        let answer = server.browser().post_form("/log-in", &fields).await;
        assert_eq!(answer.status, 401, "{email}");
        assert!(answer.text.contains("The email address or the password is not right."));
        assert_eq!(value_of(&answer.text, "email").as_deref(), Some(email));
        assert_eq!(value_of(&answer.text, "next").as_deref(), Some("/notes"));
        assert!(!answer.text.contains("not the password"));
        assert!(answer.set_cookies().is_empty());
    }
}

#[rstest]
#[tokio::test]
async fn markup_in_every_field_is_shown_as_text(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    let markup = "\"><script>alert('x')</script>&amp;<img src=x onerror=alert(1)>";
    let fields = [("name", markup), ("email", markup), ("password", markup), ("next", "/\"><script>")];
    for path in ["/sign-up", "/log-in"] {
        let answer = browser.post_form(path, &fields).await;
        assert_eq!(answer.status, 422, "{path}");
        assert_nothing_injected(&answer.text);
        assert_eq!(value_of(&answer.text, "email").as_deref(), Some(markup), "{path}");
        let answer = browser.get(&format!("{path}?next=%2F%22%3E%3Cscript%3E")).await;
        assert_nothing_injected(&answer.text);
    }
    let name = "<img src=x onerror=alert(1)> \"Ann\" & 'Co'";
    let fields = [("name", name), ("email", "ann@example.com"), ("password", PASSWORD)];
    assert_eq!(browser.post_form("/sign-up", &fields).await.status, 303);
    assert_eq!(browser.session().await.json()["user"]["name"], name, "kept as it is");
    let page = browser.get("/log-in").await.text;
    assert!(!page.contains("<img"));
    assert!(unescaped(&page).contains(name), "and shown as it is: {page}");
    assert_nothing_injected(&browser.get("/nowhere%3Cscript%3E").await.text);
}

/// The pages carry one script, the library's own, and no picture.
fn assert_nothing_injected(page: &str) {
    let ours = page.matches(r#"<script type="module" src="/assets/vestibule.js?v="#).count();
    assert_eq!((ours, page.matches("<script").count(), page.matches("<img").count()), (1, 1, 0), "{page}");
}

#[rstest]
#[tokio::test]
async fn who_is_not_logged_in_comes_back_after_logging_in(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let mut browser = server.browser();
    let answer = browser.get("/dashboard?tab=2&x=a%20b").await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/log-in?next=%2Fdashboard%3Ftab%3D2%26x%3Da%2520b")
    );
    assert!(answer.set_cookies().is_empty());

    let page = browser.get(answer.location()).await;
    let next = value_of(&page.text, "next").unwrap();
    assert_eq!(next, "/dashboard?tab=2&x=a%20b");
    assert!(
        unescaped(&page.text).contains("/sign-up?next=%2Fdashboard"),
        "who has no account takes it along"
    );
    let fields = [("email", "ann@example.com"), ("password", PASSWORD), ("next", next.as_str())];
    let answer = browser.post_form("/log-in", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/dashboard?tab=2&x=a%20b"));

    let fields =
        [("name", "Ben"), ("email", "ben@example.com"), ("password", PASSWORD), ("next", "/notes/new")];
    assert_eq!(browser.post_form("/sign-up", &fields).await.location(), "/notes/new");
}

#[rstest]
#[tokio::test]
async fn a_form_posted_without_a_session_leads_back_to_the_page_that_it_was_on(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    for (referer, location) in [
        ("http://localhost:3000/notes/new?a=b", "/log-in?next=%2Fnotes%2Fnew%3Fa%3Db"),
        ("http://localhost:3000/account?done=name-changed", "/log-in?next=%2Faccount"),
        ("http://localhost:3000//evil.test", "/log-in"),
        ("nonsense", "/log-in"),
    ] {
        let answer = browser.send(Method::POST, "/dashboard", &[FORM, ("referer", referer)], "a=b").await;
        assert_eq!((answer.status.as_u16(), answer.location()), (303, location), "{referer}");
    }
}

#[rstest]
#[tokio::test]
async fn next_never_leads_elsewhere(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    for next in [
        "https://evil.test",
        "http://evil.test/dashboard",
        "//evil.test",
        "///evil.test",
        "////evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "\\/evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "/\r\n/evil.test",
        "\t//evil.test",
        " //evil.test",
        "javascript:alert(1)",
        "data:text/html,x",
        "//user@evil.test",
        "https:evil.test",
        "/.//evil.test",
        "/a/..//evil.test",
        "/%2e//evil.test",
        "/\u{0}/evil.test",
        "http:///evil.test",
        "evil.test",
        "@evil.test",
        "",
        "/\u{85}/evil.test",
        "/x\r\nSet-Cookie: planted=1",
        "http://localhost:3000@evil.test",
        "//localhost:3000",
    ] {
        let fields = [("email", "ann@example.com"), ("password", PASSWORD), ("next", next)];
        let answer = browser.post_form("/log-in", &fields).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (303, "/dashboard"), "{next:?}");
        assert!(!format!("{:?}", answer.headers).contains("evil"), "{next:?}");
        assert!(answer.set_cookie("planted").is_none());
        let query: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        for path in ["/log-in", "/sign-up"] {
            let page = browser.get(&format!("{path}?next={query}")).await;
            assert_eq!(page.status, 200);
            assert!(!page.text.contains("evil.test"), "{path} {next:?}");
        }
        assert_eq!(browser.get(&format!("/refresh?next={query}")).await.location(), "/dashboard", "{next:?}");
    }
    // What only looks odd stays a path of this site.
    for (next, location) in [
        ("/%2F%2Fevil.test", "/%2F%2Fevil.test"),
        ("/notes#part", "/notes"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/?next=https://evil.test", "/?next=https://evil.test"),
    ] {
        let fields = [("email", "ann@example.com"), ("password", PASSWORD), ("next", next)];
        assert_eq!(browser.post_form("/log-in", &fields).await.location(), location);
    }
}

#[rstest]
#[tokio::test]
async fn a_page_refreshes_by_itself_and_the_api_does_not(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.clock.advance(Duration::hours(1));
    let answer = browser.session().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "unauthenticated"));
    assert!(answer.set_cookies().is_empty());

    let answer = browser.get("/dashboard").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "hello, ann"));
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "vestibule_access=…; Path=/; Max-Age=300; SameSite=Lax; HttpOnly",
          "vestibule_refresh=…; Path=/; Max-Age=604800; SameSite=Lax; HttpOnly",
          "vestibule_csrf=…; Path=/; Max-Age=34560000; SameSite=Lax"
        ]
        "#);
    }
    assert!(is_logged_in(&browser).await);

    // The browser itself forgets the access cookie when its time is over, and perhaps the CSRF cookie too.
    browser.drop_cookie("vestibule_access");
    browser.drop_cookie(CSRF);
    assert_eq!(browser.get("/dashboard").await.set_cookies().len(), 3);
    assert!(is_logged_in(&browser).await);
}

#[rstest]
#[tokio::test]
async fn a_form_posted_after_a_long_pause_is_not_lost(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.clock.advance(Duration::days(6));
    browser.drop_cookie("vestibule_access");
    let answer = browser.post_form("/dashboard", &[("text", "an hour of writing")]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.starts_with("ann said text=an+hour+of+writing&"), "{answer:?}");
    assert!(is_logged_in(&browser).await);

    server.clock.advance(Duration::days(1));
    let answer = browser.send(Method::POST, "/dashboard", &[FORM], "text=forged").await;
    assert_eq!(answer.status, 403, "the refresh on the way asks for the CSRF token too");
    assert!(answer.set_cookies().is_empty());
}

#[rstest]
#[tokio::test]
async fn a_form_over_64_kib_is_too_large(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let long = "a".repeat(64 * 1024);
    for path in ["/log-in", "/sign-up", "/dashboard"] {
        let answer = browser.post_form(path, &[("name", &long)]).await;
        assert_eq!(answer.status, 413, "{path}");
        assert!(answer.text.contains("The request is larger than 64 KiB."), "{path}");
    }
    // What counts is what was typed, not how it is wrapped on its way; and no wrapping takes a server's memory.
    let (fits, too_long) = ("я".repeat(30_000), "я".repeat(33_000));
    for (name, status) in [(&fits, 422), (&too_long, 413)] {
        let answer = browser.post_form("/sign-up", &[("name", name)]).await;
        assert_eq!(answer.status, status);
    }
    for lie in ["%", "%zz", "%4"] {
        let endless = format!("name={}", lie.repeat(64 * 1024));
        let answer = browser.send(Method::POST, "/sign-up", &[FORM], endless).await;
        assert_eq!(answer.status, 413, "{lie} wraps nothing");
    }
}

#[rstest]
#[tokio::test]
async fn a_form_in_another_form_is_not_read(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    for path in ["/log-in", "/sign-up"] {
        for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
            let headers = [("content-type", kind)];
            let answer = server.anonymous().send(Method::POST, path, &headers, "email=a").await;
            assert_eq!(answer.status, 415, "{path} {kind}");
        }
        for body in ["", "%ff=%ff&email=%ff", "&&&=&", "email", "role=admin&is_email_verified=true"] {
            let answer = server.anonymous().send(Method::POST, path, &[FORM], body).await;
            assert_eq!(answer.status, 422, "{path} {body}");
        }
        let answer = server.anonymous().send(Method::POST, path, &[FORM], "email=a&email=b").await;
        assert_eq!(answer.status, 400, "{path}: one field twice");
    }
}

#[rstest]
#[tokio::test]
async fn extra_fields_of_a_form_change_nothing(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    let fields = [
        ("name", "Ann"),
        ("email", "ann@example.com"),
        ("password", PASSWORD),
        ("role", "admin"),
        ("is_email_verified", "true"),
        ("user[role]", "admin"),
    ];
    assert_eq!(browser.post_form("/sign-up", &fields).await.status, 303);
    let user = browser.session().await.json()["user"].clone();
    assert_eq!((user["role"].as_str(), user["is_email_verified"].as_bool()), (Some("user"), Some(false)));
}
