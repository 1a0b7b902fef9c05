//! The pages of who looks after the site, and the password that they ask for.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use time::Duration;
use vestibule::models::{Actor, AuditEventKind, MailKind, Role};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, Browser, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer};
use vestibule_web::{Routes, Vestibule, Who};

use crate::{FORM, is_logged_in, signed_up};

const ADMIN: &str = "ada@example.com";

/// A server with an admin, in her browser.
async fn admin(kind: DatabaseKind) -> (TestServer, Browser) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ada").await;
    server.house.set_role(ADMIN, Role::Admin).await;
    (server, browser)
}

/// The address of a user's page.
async fn page_of(server: &TestServer, email: &str) -> String {
    let user = server.house.user(email).await.expect("there is such a user");
    format!("/admin/users/{}", user.id)
}

/// Presses a button on a page, which the browser names.
async fn post_from(browser: &mut Browser, path: &str, page: &str) -> Answer {
    let referer = format!("http://localhost:3000{page}");
    let body = format!("csrf_token={}", browser.csrf());
    browser.send(Method::POST, path, &[FORM, ("referer", &referer)], body).await
}

async fn post(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
    browser.post_form(path, fields).await
}

#[rstest]
#[tokio::test]
async fn an_admin_asked_for_the_password_once_more_goes_on_where_they_were(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (server, mut browser) = admin(kind).await;
    assert_eq!(browser.get("/admin/users?q=ada").await.status, 200);
    server.clock.advance(Duration::minutes(11));
    let sent = browser.get("/admin/users?q=ada").await;
    assert_eq!(
        (sent.status.as_u16(), sent.location()),
        (303, "/confirm-password?next=%2Fadmin%2Fusers%3Fq%3Dada")
    );
    let form = browser.get("/confirm-password?next=%2Fadmin%2Fusers%3Fq%3Dada").await;
    assert!(form.text.contains(r#"name="next" value="/admin/users?q=ada""#), "{}", form.text);
    let next = ("next", "/admin/users?q=ada");
    for (password, status) in [("wrong window thursday", 401), ("", 422)] {
        let answer = post(&mut browser, "/confirm-password", &[("password", password), next]).await;
        assert_eq!(answer.status, status);
        assert!(answer.text.contains("id=\"password-error\"") && answer.text.contains("/admin/users?q=ada"));
    }
    assert_eq!(browser.get("/admin").await.status, 303);
    let answer = post(&mut browser, "/confirm-password", &[("password", PASSWORD), next]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/admin/users?q=ada"));
    assert_eq!(browser.get("/admin").await.status, 200);
    let elsewhere =
        post(&mut browser, "/confirm-password", &[("password", PASSWORD), ("next", "//evil")]).await;
    assert_eq!(elsewhere.location(), "/dashboard");

    // The same for programs.
    server.clock.advance(Duration::minutes(11));
    browser.refresh().await;
    let path = "/api/auth/confirm-password";
    let wrong = browser.call(Method::POST, path, Some(&json!({ "password": "wrong" }))).await;
    assert_eq!((wrong.status.as_u16(), wrong.code().as_str()), (401, "invalid_credentials"));
    let right = browser.call(Method::POST, path, Some(&json!({ "password": PASSWORD }))).await;
    assert_eq!(right.status, 204);
    assert_eq!(browser.get("/admin").await.status, 200);
}

#[rstest]
#[tokio::test]
async fn what_was_pressed_before_the_password_was_asked_for_is_pressed_again(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (server, mut browser) = admin(kind).await;
    signed_up(&server, "bob").await;
    let page = page_of(&server, "bob@example.com").await;
    let sent = post(&mut browser, &format!("{page}/reset-link"), &[]).await.location().to_owned();
    assert!(browser.get(&sent).await.text.contains("is on its way"));
    server.clock.advance(Duration::minutes(11));

    let disable = format!("{page}/disable");
    let asked = post_from(&mut browser, &disable, &sent).await;
    let (path, next) = asked.location().split_once("?next=").expect("it leads back");
    assert_eq!((asked.status.as_u16(), path), (303, "/confirm-password"));
    let next: String = url::form_urlencoded::parse(format!("n={next}").as_bytes()).next().unwrap().1.into();
    assert_eq!(next, format!("{page}?done=not-yet"), "and not to what was done before");
    let form = browser.get(asked.location()).await.text;
    assert!(form.contains("Nothing was done yet"), "{form}");
    let fields = [("password", "wrong window thursday"), ("next", next.as_str())];
    assert!(post(&mut browser, "/confirm-password", &fields).await.text.contains("Nothing was done yet"));
    let fields = [("password", PASSWORD), ("next", next.as_str())];
    let back = post(&mut browser, "/confirm-password", &fields).await;
    assert_eq!((back.status.as_u16(), back.location()), (303, next.as_str()));
    let back = browser.get(&next).await.text;
    assert!(back.contains("Nothing was done yet. Press again.") && !back.contains("is on its way"), "{back}");
    assert!(!server.house.user("bob@example.com").await.unwrap().is_disabled);

    let done = post_from(&mut browser, &disable, &next).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, format!("{page}?done=disabled").as_str()));
    assert!(server.house.user("bob@example.com").await.unwrap().is_disabled);

    // The lists say so too, with their filters, and so does whoever hides from where they come.
    server.clock.advance(Duration::minutes(11));
    for list in ["/admin/mails?state=dead", "/admin/users?q=bob"] {
        let asked = post_from(&mut browser, &disable, &format!("{list}&done=retried")).await;
        assert_eq!(
            asked.location(),
            vestibule_web::Next::parse(&format!("{list}&done=not-yet")).link("/confirm-password")
        );
    }
    assert!(
        post(&mut browser, &disable, &[]).await.location().ends_with("?next=%2Fdashboard%3Fdone%3Dnot-yet")
    );
    post(&mut browser, "/confirm-password", &[("password", PASSWORD)]).await;
    for list in ["/admin/mails?done=not-yet", "/admin/users?done=not-yet", "/admin/invitations?done=not-yet"]
    {
        assert!(browser.get(list).await.text.contains("Nothing was done yet. Press again."), "{list}");
    }
}

#[rstest]
#[tokio::test]
async fn users_are_found_and_looked_at(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (server, mut browser) = admin(kind).await;
    let bob = signed_up(&server, "bob").await;
    let list = browser.get("/admin/users").await;
    assert!(list.text.contains("bob@example.com") && list.text.contains(ADMIN));
    let found = browser.get("/admin/users?q=BOB&role=user").await;
    assert!(found.text.contains("bob@example.com") && !found.text.contains(ADMIN));
    assert!(browser.get("/admin/users?q=%3Cscript%3E").await.text.contains("Nobody found"));
    assert!(!browser.get("/admin/users?q=%3Cscript%3E").await.text.contains("<script>"));
    let page = browser.get(&page_of(&server, "bob@example.com").await).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("signed up") && page.text.contains("End all sessions"));
    for secret in [bob.csrf(), "argon2"] {
        assert!(!page.text.contains(secret), "{secret}");
    }
    let nobody = "/admin/users/00000000-0000-7000-8000-000000000000";
    for nobody in [nobody, "/admin/users/bob"] {
        assert_eq!(browser.get(nobody).await.status, 404);
    }
    let events = server.house.audit_trail().await.len();
    for action in ["disable", "enable", "delete", "reset-link", "sessions/end"] {
        let refused = post(&mut browser, &format!("{nobody}/{action}"), &[]).await;
        assert_eq!(refused.status, 404, "{action}");
    }
    assert_eq!(server.house.audit_trail().await.len(), events, "of nobody, nothing is told");
    assert_eq!(browser.get("/admin").await.header("cache-control"), Some("private, no-store"));
}

#[rstest]
#[tokio::test]
async fn what_an_admin_does_holds_at_once_and_is_audited_with_their_name(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (server, mut browser) = admin(kind).await;
    let ada = server.house.user(ADMIN).await.unwrap().id;
    let mut bob = signed_up(&server, "bob").await;
    let page = page_of(&server, "bob@example.com").await;

    let answer = post(&mut browser, &format!("{page}/role"), &[("role", "admin")]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, format!("{page}?done=role-changed").as_str())
    );
    assert_eq!(bob.get("/test/admin").await.status, 200);
    post(&mut browser, &format!("{page}/role"), &[("role", "user")]).await;
    assert_eq!(bob.get("/test/admin").await.status, 403);

    let mut second = server.browser();
    second.log_in("bob").await;
    let text = browser.get(&page).await.text;
    let path = text.split('"').find(|part| part.contains("/sessions/") && !part.ends_with("sessions/end"));
    let path = path.expect("the page lists sessions").to_owned();
    assert_eq!(post(&mut browser, &path, &[]).await.status, 303);
    assert_eq!(u8::from(is_logged_in(&bob).await) + u8::from(is_logged_in(&second).await), 1, "one is ended");
    assert_eq!(post(&mut browser, &path, &[]).await.status, 404, "and cannot be ended twice");
    post(&mut browser, &format!("{page}/sessions/end"), &[]).await;
    assert!(!is_logged_in(&bob).await && !is_logged_in(&second).await);

    server.house.deliver().await;
    post(&mut browser, &format!("{page}/reset-link"), &[]).await;
    server.house.deliver().await;
    assert!(server.house.post.kinds_for("bob@example.com").contains(&MailKind::ResetPassword));

    post(&mut browser, &format!("{page}/disable"), &[]).await;
    assert_eq!(bob.log_in("bob").await.status, 401);
    let refused = post(&mut browser, &format!("{page}/reset-link"), &[]).await;
    assert!(refused.status == 409 && refused.text.contains("Enable it first"), "{}", refused.status);
    post(&mut browser, &format!("{page}/enable"), &[]).await;
    assert_eq!(bob.log_in("bob").await.status, 200);
    let answer = post(&mut browser, &format!("{page}/delete"), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/admin/users?done=deleted"));
    assert_eq!(bob.log_in("bob").await.status, 401);
    assert!(server.house.user("bob@example.com").await.is_none());

    let trail = server.house.audit_trail().await;
    let deleted = trail.iter().find(|event| event.kind == AuditEventKind::AccountDeleted).unwrap();
    assert_eq!(deleted.actor, Actor::Admin(Some(ada)));
    let text = browser.get(&format!("/admin/audit?admin={ada}")).await.text;
    assert!(text.contains("account deleted") && text.contains(&format!("admin {ada}")), "{text}");
}

#[rstest]
#[tokio::test]
async fn a_route_asks_for_a_role_of_the_configuration(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = HouseOptions {
        policy: |policy| vestibule::Policy { roles: vec!["editor".parse().unwrap()], ..policy },
        ..HouseOptions::default()
    };
    let routes: fn(&Vestibule, &_) -> Routes = |vestibule, _| {
        let editor = || Who::Role("editor".parse().expect("a role"));
        let drafts = || async { "drafts" };
        Routes::new(vestibule.clone()).page(editor(), Method::GET, "/drafts", drafts).api(
            editor(),
            Method::GET,
            "/api/drafts",
            drafts,
        )
    };
    let options = ServerOptions { house, routes, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    assert_eq!(server.browser().get("/drafts").await.location(), "/log-in?next=%2Fdrafts");
    let mut ann = signed_up(&server, "ann").await;
    for (role, status) in [("user", 403), ("editor", 200), ("admin", 200), ("user", 403)] {
        server.house.set_role("ann@example.com", role.parse().unwrap()).await;
        assert_eq!(ann.get("/drafts").await.status, status, "{role}");
        assert_eq!(ann.get("/api/drafts").await.status, status, "{role}");
        assert_eq!(ann.get("/admin").await.status, if role == "admin" { 200 } else { 403 });
    }
}

#[rstest]
#[tokio::test]
async fn the_last_admin_cannot_be_lost_on_the_pages_either(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (server, mut browser) = admin(kind).await;
    let page = page_of(&server, ADMIN).await;
    for (action, fields) in [("role", vec![("role", "user")]), ("disable", vec![]), ("delete", vec![])] {
        let answer = post(&mut browser, &format!("{page}/{action}"), &fields).await;
        assert_eq!(answer.status, 409, "{action}");
        assert!(answer.text.contains("This is the last admin"), "{action}");
    }
    let left = post(&mut browser, "/account/delete", &[("current_password", PASSWORD)]).await;
    assert!(left.status == 409 && left.text.contains("This is the last admin"), "{}", left.status);
    let unknown = post(&mut browser, &format!("{page}/role"), &[("role", "emperor")]).await;
    assert!(unknown.status == 422 && unknown.text.contains("no role"), "{}", unknown.text);
    let no_name = post(&mut browser, &format!("{page}/role"), &[("role", "<b>")]).await;
    assert!(no_name.status == 422 && !no_name.text.contains("<b>"));
    assert_eq!(server.house.user(ADMIN).await.unwrap().role, Role::Admin);
}

#[rstest]
#[tokio::test]
async fn mails_and_events_are_listed_with_filters(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (server, mut browser) = admin(kind).await;
    let mails = browser.get("/admin/mails").await;
    assert!(
        mails.text.contains("confirm email") && mails.text.contains(ADMIN) && mails.text.contains("waiting")
    );
    assert!(browser.get("/admin/mails?state=dead").await.text.contains("No mails"));
    server.house.post.fail_with(vestibule::ports::MailError::Refused("no such mailbox".into()));
    server.house.deliver().await;
    let dead = browser.get("/admin/mails?state=dead").await.text;
    assert!(dead.contains("no such mailbox"), "{dead}");
    let retry = dead.split('"').find(|part| part.contains("/retry")).expect("a dead mail can be tried again");
    let answer = post(&mut browser, retry, &[]).await;
    assert_eq!(answer.location(), "/admin/mails?state=dead&done=retried", "back to where one was");
    server.house.post.recover();
    server.house.deliver().await;
    assert_eq!(server.house.post.kinds_for(ADMIN), [MailKind::ConfirmEmail]);
    assert_eq!(post(&mut browser, retry, &[]).await.location(), "/admin/mails?state=dead&done=not-retried");

    let trail = browser.get("/admin/audit?kind=signed_up&user=&admin=").await.text;
    assert!(
        trail.contains("signed up") && !trail.contains("<th scope=\"row\" data-label=\"What\">mail retried")
    );
    assert_eq!(browser.get("/admin/audit?below=x").await.status, 400);
    // What is no filter finds nothing, and never everything.
    for (list, told) in [
        ("/admin/audit?kind=nonsense", "no such kind"),
        ("/admin/audit?from=yesterday", "A day is written like"),
        ("/admin/audit?to=2026-13-40", "A day is written like"),
        ("/admin/audit?user=nobody-has-this", "Nothing found"),
        ("/admin/mails?state=%3Cb%3E", "No mails"),
        ("/admin/users?role=%3Cb%3E", "Nobody found"),
        ("/admin/users?role=nonsense", "Nobody found"),
    ] {
        let page = browser.get(list).await;
        assert_eq!(
            (page.status.as_u16(), page.text.matches("<tr role=\"row\">").count()),
            (200, 0),
            "{list}"
        );
        assert!(page.text.contains(told) && !page.text.contains("<b>"), "{list}");
    }
}

#[rstest]
#[tokio::test]
async fn the_trail_is_searched_by_person_and_by_day(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (server, mut browser) = admin(kind).await;
    signed_up(&server, "bob").await;
    let first = server.house.accounts.now().date();
    server.clock.advance(Duration::days(2));
    browser.log_in("ada").await;
    let bob = page_of(&server, "bob@example.com").await;
    let changed = post(&mut browser, &format!("{bob}/role"), &[("role", "admin")]).await;
    assert_eq!(changed.status, 303, "{changed:?}");
    let mut found = async |query: &str| {
        let text = browser.get(&format!("/admin/audit?{query}")).await.text;
        let events = text.split("data-label=\"What\">").skip(1).filter_map(|rest| rest.split('<').next());
        events.map(|what| what.replace("signed up", "up")).collect::<Vec<_>>().join(", ")
    };
    let changed = "role changed: user to admin";
    let id = bob.rsplit('/').next().unwrap();
    for (query, expected) in [
        ("user=bob%40example.com".to_owned(), format!("{changed}, up")),
        ("user=+BOB".to_owned(), format!("{changed}, up")),
        (format!("user={id}"), format!("{changed}, up")),
        ("user=bob&kind=signed_up".to_owned(), "up".to_owned()),
        ("admin=ada".to_owned(), changed.to_owned()),
        (format!("admin={}", ADMIN.replace('@', "%40")), changed.to_owned()),
        ("admin=bob".to_owned(), String::new()),
        (format!("user=bob&from={}", first.next_day().unwrap()), changed.to_owned()),
        (format!("user=bob&to={first}"), "up".to_owned()),
        (format!("user=bob&from={first}&to={}", first + Duration::days(2)), format!("{changed}, up")),
        (format!("from={}&to={first}", first.next_day().unwrap()), String::new()),
        ("user=bob&to=9999-12-31&from=0001-01-01".to_owned(), format!("{changed}, up")),
    ] {
        assert_eq!(found(&query).await, expected, "{query}");
    }
    let shown = browser.get("/admin/audit?user=bob%22%3E&from=2026-05-01").await.text;
    assert!(
        shown.contains("value=\"bob&#34;&#62;\"") && shown.contains("type=\"date\" value=\"2026-05-01\"")
    );
}

#[rstest]
#[tokio::test]
async fn the_overview_draws_what_happened(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (server, mut browser) = admin(kind).await;
    server.browser().log_in("nobody").await;
    let page = browser.get("/admin").await.text;
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(
        page.contains("Active sessions on each day") && page.contains("1 today, 1 on the busiest day."),
        "{page}"
    );
    assert!(page.contains("Failed log-ins") && page.contains("1 in the last thirty days, 1 on the busiest"));
    assert!(!page.contains("style="), "a policy without inline styles must not break it");
}

#[rstest]
#[tokio::test]
async fn a_list_goes_on_page_by_page(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (server, mut browser) = admin(kind).await;
    for number in 0..21 {
        let name = format!("user{number}");
        server.house.signed_up(&name).await;
    }
    let first = browser.get("/admin/users?q=user").await.text;
    assert!(first.contains("user20@") && first.contains("user1@") && !first.contains("user0@"));
    let older = first.split('"').find(|part| part.contains("below=")).expect("there is another page");
    let second = browser.get(&older.replace("&#38;", "&").replace("&amp;", "&")).await.text;
    assert!(second.contains("user0@") && !second.contains("user1@") && second.contains("Newest"), "{second}");
}

/// What a page weighs with the style and the script that it names, as a browser takes them.
async fn weight(server: &TestServer, page: &str) -> usize {
    let mut total = page.len();
    for asset in page.split('"').filter(|part| part.starts_with("/assets/")) {
        let gzip = [("accept-encoding", "gzip")];
        let answer = server.anonymous().send(Method::GET, asset, &gzip, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-encoding")),
            (200, Some("gzip")),
            "{asset}"
        );
        let length = answer.header("content-length").expect("the length is told");
        total += length.parse::<usize>().expect("a length is a number");
    }
    total
}

#[tokio::test]
async fn full_lists_come_with_style_and_script_in_fifty_kilobytes() {
    const LONG: &str =
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0";
    let house = HouseOptions { policy: vestibule_testkit::generous, ..HouseOptions::default() };
    let options = ServerOptions { house, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await;
    let mut browser = signed_up(&server, "ada").await;
    server.house.set_role(ADMIN, Role::Admin).await;
    let house = &server.house;
    let place = vestibule::models::Client::new(Some([203, 0, 113, 200].into()), Some(LONG));
    for number in 0..25 {
        let email = format!("a.rather.long.address.of.somebody.{number}@mail.a-long-domain.example.com");
        let typed = vestibule_testkit::signing_up(&email, "Somebody With A Rather Long Name");
        house.accounts.sign_up(typed, &place).await.unwrap();
        server.clock.advance(Duration::seconds(61));
    }
    for _ in 0..40 {
        let typed = vestibule::services::LogIn { email: ADMIN, password: PASSWORD, devices: &[] };
        house.accounts.log_in(typed, &place).await.unwrap();
        server.clock.advance(Duration::seconds(61));
    }
    // Every mail is given up for a long reason, and has its button.
    let reason =
        "550 5.7.1 ".to_owned() + &"this mailbox takes no mails from here, and here is why ".repeat(4);
    house.post.fail_with(vestibule::ports::MailError::Refused(reason));
    house.deliver().await;
    browser.log_in("ada").await;
    for number in 0..25 {
        let email = format!("a.rather.long.address.of.a.guest.{number}@mail.a-long-domain.example.com");
        let made = browser.post_form("/admin/invitations", &[("email", &email), ("role", "user")]).await;
        assert_eq!(made.status, 200);
    }

    let user = page_of(&server, ADMIN).await;
    let lists = ["/admin/users", "/admin/invitations", "/admin/mails?state=dead", "/admin/audit"];
    for path in ["/account", &user, "/admin"].into_iter().chain(lists) {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        if path == "/account" || path == user {
            assert!(
                page.text.contains("more, last seen before these")
                    && page.text.matches("/end\"").count() >= 10
            );
        } else if path.contains("mails") {
            assert_eq!(page.text.matches("/retry?state=dead\"").count(), 20, "the list is full");
        } else if path.contains("invitations") {
            assert_eq!(page.text.matches("/revoke\"").count(), 20, "the list is full");
        }
        let weight = weight(&server, &page.text).await;
        assert!(weight < 50_000, "{path} weighs {weight} bytes, {} of them its own", page.text.len());
    }
}

#[rstest]
#[tokio::test]
async fn a_password_is_judged_beside_the_field(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let ask = async |body| server.anonymous().post_json("/api/auth/check-password", &body).await;
    let good = ask(json!({ "password": PASSWORD })).await;
    assert_eq!((good.status.as_u16(), good.json()["acceptable"].as_bool()), (200, Some(true)));
    let weak = ask(json!({ "password": "rosalindrosalind", "name": "Rosalind", "email": null })).await.json();
    assert_eq!(weak["acceptable"], false);
    assert!(!weak["message"].as_str().unwrap().is_empty());
    assert_eq!(ask(json!({})).await.json()["acceptable"], false);
}
