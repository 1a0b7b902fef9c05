//! Keys for programs beside the site: the pages on which they are made, and the routes that they open.

use reqwest::Method;
use rstest::rstest;
use time::Duration;
use vestibule::models::{Role, ServiceScope};
use vestibule::services::{Administrator, MakeServiceKey};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, Browser, TestServer};
use vestibule_web::Who;

use crate::{ACCESS, CHANGING, cookie_header, signed_up};

const PAGE: &str = "/admin/service-keys";

async fn key_for(server: &TestServer, scopes: &[&str]) -> String {
    let new = MakeServiceKey { name: "wiki", scopes, lifetime: Some(Duration::DAY) };
    let made = server.house.accounts.make_service_key(new, &Administrator::at_the_command_line()).await;
    made.expect("an operator can make a key").1.to_string()
}

async fn ask(server: &TestServer, path: &str, authorization: &str) -> Answer {
    let headers = [("authorization", authorization)];
    server.anonymous().send(Method::GET, path, &headers, "").await
}

async fn user_id(browser: &mut Browser) -> String {
    browser.session().await.json()["user"]["id"].as_str().expect("a user has an id").to_owned()
}

#[rstest]
#[tokio::test]
async fn a_key_opens_what_its_scope_says_and_nothing_else(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut ann = signed_up(&server, "ann").await;
    let path = format!("/api/users/{}", user_id(&mut ann).await);
    let good = key_for(&server, &["users:read"]).await;
    let answer = ask(&server, &path, &format!("Bearer {good}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let user = &answer.json()["user"];
    assert_eq!((&user["email"], &user["role"]), (&"ann@example.com".into(), &"user".into()));
    assert_eq!(answer.json()["is_disabled"], false, "a service that keeps roles must not restore them");
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert!(answer.set_cookies().is_empty());
    let nobody = "/api/users/01900000-0000-7000-8000-000000000000";
    for nowhere in [nobody, "/api/users/x"] {
        assert_eq!(ask(&server, nowhere, &format!("bearer {good}")).await.code(), "not_found", "{nowhere}");
    }

    let other = key_for(&server, &["revocations:read"]).await;
    let answer = ask(&server, &path, &format!("Bearer {other}")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "forbidden"));
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"users:read\"";
    assert_eq!(answer.header("www-authenticate"), Some(challenge));

    let (cut, unknown) = (&good[..60], "vestibule_sk_".to_owned() + &"A".repeat(48));
    server.clock.advance(Duration::DAY);
    for authorization in [
        "",
        "Bearer",
        "Bearer ",
        "Basic eDp5",
        &format!("Bearer {cut}"),
        &format!("Bearer {unknown}"),
        &format!("Bearer {good}"),
    ] {
        let answer = ask(&server, &path, authorization).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "unauthenticated"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{authorization}");
        assert!(answer.set_cookies().is_empty());
    }
}

#[rstest]
#[tokio::test]
async fn a_users_token_opens_no_route_for_programs(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut ann = signed_up(&server, "ann").await;
    server.house.set_role("ann@example.com", Role::Admin).await;
    let token = format!("Bearer {}", ann.cookie(ACCESS).unwrap());
    let cookies = cookie_header(&ann);
    let routes: Vec<_> = server.list.iter().filter(|route| matches!(route.who, Who::Service(_))).collect();
    assert!(!routes.is_empty());
    let id = user_id(&mut ann).await;
    for route in routes {
        let path = route.path.replace("{id}", &id);
        for header in [("authorization", token.as_str()), ("cookie", cookies.as_str())] {
            let answer = server.anonymous().send(route.method.clone(), &path, &[header], "").await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (401, "unauthenticated"),
                "{route:?}"
            );
            assert!(answer.set_cookies().is_empty(), "the user's cookies are left alone");
        }
    }
    assert_eq!(ann.session().await.status, 200);
}

#[rstest]
#[tokio::test]
async fn a_key_opens_no_route_for_users(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let every = ServiceScope::ALL.map(ServiceScope::as_str);
    let key = format!("Bearer {}", key_for(&server, &every).await);
    let is_users = |who: &Who| !matches!(who, Who::Anyone | Who::Stranger | Who::Visitor | Who::Service(_));
    let mut walked = 0;
    for route in server.list.iter().filter(|route| is_users(&route.who)) {
        let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
        let answer = server.anonymous().send(route.method.clone(), route.path, &headers, "{}").await;
        let refused = if route.face == vestibule_web::Face::Api { 401 } else { 303 };
        assert_eq!(answer.status, refused, "{route:?}");
        assert!(refused == 401 || answer.location().starts_with("/log-in"), "{route:?}");
        walked += usize::from(CHANGING.contains(&route.method));
    }
    assert!(walked > 20);
    let verified = ask(&server, "/api/auth/verify", &key).await;
    assert_eq!(verified.status, 401);
}

#[rstest]
#[tokio::test]
async fn an_admin_makes_a_key_sees_it_once_and_revokes_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut ada = signed_up(&server, "ada").await;
    server.house.set_role("ada@example.com", Role::Admin).await;
    let page = ada.get(PAGE).await;
    assert!(page.status == 200 && page.text.contains("No service keys"), "{page:?}");
    for (fields, field) in [
        ([("name", ""), ("users:read", "on"), ("expires", "never")], "name"),
        ([("name", "<b>wiki"), ("users:write", "on"), ("expires", "never")], "scopes"),
        ([("name", "wiki"), ("users:read", "on"), ("expires", "for ever")], "expires"),
    ] {
        let refused = ada.post_form(PAGE, &fields).await;
        assert_eq!(refused.status, 422, "{field}");
        assert!(refused.text.contains(&format!("id=\"{field}-error\"")), "{field}: {refused:?}");
        assert!(!refused.text.contains("<b>wiki") && !refused.text.contains("vestibule_sk_"), "{refused:?}");
    }
    assert!(server.house.accounts.list_service_keys(None, 9).await.unwrap().items.is_empty());

    let fields = [("name", "wiki"), ("users:read", "on"), ("expires", "90d")];
    let made = ada.post_form(PAGE, &fields).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(made.header("cache-control"), Some("private, no-store"));
    let key =
        made.text.split("value=\"vestibule_sk_").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let key = format!("vestibule_sk_{key}");
    assert!(made.text.contains("never</td>") && made.text.contains("30 July 2026"), "{made:?}");
    let path = format!("/api/users/{}", user_id(&mut ada).await);
    assert_eq!(ask(&server, &path, &format!("Bearer {key}")).await.status, 200);
    let page = ada.get(PAGE).await;
    assert!(!page.text.contains("vestibule_sk_"), "it is shown once");
    assert!(!page.text.contains("never</td>"), "it was used: {page:?}");

    let id = server.house.accounts.list_service_keys(None, 1).await.unwrap().items[0].id;
    let revoke = format!("{PAGE}/{id}/revoke");
    let revoked = ada.post_form(&revoke, &[]).await;
    assert_eq!((revoked.status.as_u16(), revoked.location()), (303, "/admin/service-keys?done=revoked"));
    assert!(ada.get(revoked.location()).await.text.contains("The key is revoked"));
    assert_eq!(ada.post_form(&revoke, &[]).await.status, 404);
    assert_eq!(ask(&server, &path, &format!("Bearer {key}")).await.status, 401);
    assert!(!server.house.dump().await.contains(&key[13..40]), "only its hash is stored");
}
