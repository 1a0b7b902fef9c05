//! Sign-up by invitation, and sign-up that is closed, as clients see them.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use time::Duration;
use vestibule::Policy;
use vestibule::models::{Role, SignUpMode};
use vestibule::services::{AddUser, Administrator, Invite};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Browser, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer};

use crate::{is_logged_in, sign_up_of};

const SIGN_UP: &str = "/api/auth/sign-up";

async fn server_with(kind: DatabaseKind, policy: fn(Policy) -> Policy) -> TestServer {
    let house = HouseOptions { policy, ..HouseOptions::default() };
    let options = ServerOptions { house, ..ServerOptions::default() };
    TestServer::start_on(&TestDatabase::create(kind).await, options).await
}

async fn by_invitation(kind: DatabaseKind) -> TestServer {
    server_with(kind, |policy| Policy { sign_up: SignUpMode::Invite, ..policy }).await
}

async fn invite(server: &TestServer) -> String {
    let new = Invite { email: None, role: &Role::User, lifetime: Duration::DAY };
    let made = server.house.accounts.invite(new, &Administrator::at_the_command_line()).await;
    let (_, link) = made.expect("an operator can invite");
    link.url().split_once("?invite=").expect("the link carries a token").1.to_owned()
}

async fn admin(server: &TestServer) -> Browser {
    let email = "ada@example.com";
    let new = AddUser { name: "Ada", email, password: PASSWORD, role: &Role::Admin, is_email_verified: true };
    let added = server.house.accounts.add_user(new, &Administrator::at_the_command_line()).await;
    added.expect("an operator can add a user");
    let mut browser = server.browser();
    assert_eq!(browser.log_in("ada").await.status, 200);
    browser
}

#[rstest]
#[tokio::test]
async fn where_sign_up_is_closed_page_and_api_refuse_and_nothing_leads_there(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = server_with(kind, |policy| Policy { sign_up: SignUpMode::Closed, ..policy }).await;
    let anonymous = server.anonymous();
    let answer = anonymous.post_json(SIGN_UP, &sign_up_of("ann")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "forbidden"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("closed"), "{answer:?}");
    let fields = [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    for page in [anonymous.get("/sign-up").await, server.browser().post_form("/sign-up", &fields).await] {
        assert_eq!(page.status, 403);
        assert!(page.text.contains("Sign-up is closed") && !page.text.contains("<form"), "{page:?}");
    }
    let token = json!({ "token": "A".repeat(43) });
    for path in ["/api/auth/confirm-sign-up", "/confirm-sign-up", "/sign-up/sent"] {
        let status = if path.starts_with("/api") {
            anonymous.post_json(path, &token).await.status
        } else {
            server.browser().post_form(path, &[("token", "x"), ("email", "ann@example.com")]).await.status
        };
        assert_eq!(status, 403, "{path}");
    }
    assert_eq!(anonymous.get("/sign-up/sent").await.status, 403);
    let page = anonymous.get("/log-in").await;
    assert!(!page.text.contains("/sign-up") && !page.text.contains("Sign up"), "{page:?}");
    assert!(server.house.outbox().await.is_empty() && server.house.user("ann@example.com").await.is_none());
}

#[rstest]
#[tokio::test]
async fn where_it_is_open_the_pages_lead_to_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let page = server.anonymous().get("/log-in?next=%2Fnotes").await;
    assert_eq!(page.text.matches("href=\"/sign-up").count(), 2, "menu and page: {page:?}");
    assert!(page.text.contains("href=\"/sign-up?next=%2Fnotes\""), "{page:?}");
}

#[rstest]
#[tokio::test]
async fn an_invitation_opens_the_form_and_is_used_up_by_the_account(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = by_invitation(kind).await;
    let page = server.anonymous().get("/sign-up").await;
    assert!(page.status == 403 && page.text.contains("by invitation"), "{page:?}");
    assert!(!server.anonymous().get("/log-in").await.text.contains("/sign-up"));
    let answer = server.anonymous().post_json(SIGN_UP, &sign_up_of("ann")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "forbidden"));

    let token = invite(&server).await;
    let mut browser = server.browser();
    let page = browser.get(&format!("/sign-up?invite={token}")).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains(&format!("name=\"invite\" value=\"{token}\"")), "{page:?}");
    assert_eq!(page.header("referrer-policy"), Some("strict-origin"));
    let mut fields = vec![("name", "Ann"), ("email", "ann@example.com"), ("invite", token.as_str())];
    fields.push(("password", "short"));
    let refused = browser.post_form("/sign-up", &fields).await;
    assert!(refused.status == 422 && refused.text.contains(&token), "the invitation is kept: {refused:?}");
    fields[3].1 = PASSWORD;
    let answer = browser.post_form("/sign-up", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/dashboard"));
    fields[1].1 = "bob@example.com";
    let again = server.browser().post_form("/sign-up", &fields).await;
    assert!(again.status == 400 && again.text.contains("not good any more"), "{again:?}");
}

#[rstest]
#[tokio::test]
async fn the_api_takes_an_invitation_in_a_field(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = by_invitation(kind).await;
    let token = invite(&server).await;
    let mut body = sign_up_of("ann");
    for (invite, status, code) in [
        (json!(null), 403, "forbidden"),
        (json!(""), 403, "forbidden"),
        (json!(7), 422, "invalid_input"),
        (json!(["x"]), 422, "invalid_input"),
        (json!("x"), 400, "token_invalid"),
        (json!("A".repeat(43)), 400, "token_invalid"),
    ] {
        body["invite"] = invite.clone();
        let answer = server.anonymous().post_json(SIGN_UP, &body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{invite}");
    }
    body["invite"] = json!(token);
    let answer = server.anonymous().post_json(SIGN_UP, &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let mut other = sign_up_of("bob");
    other["invite"] = json!(token);
    assert_eq!(server.anonymous().post_json(SIGN_UP, &other).await.code(), "token_invalid");
}

#[rstest]
#[tokio::test]
async fn where_it_is_open_an_invitation_is_neither_asked_for_nor_used_up(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut body = sign_up_of("ann");
    body["invite"] = json!(invite(&server).await);
    assert_eq!(server.anonymous().post_json(SIGN_UP, &body).await.status, 201);
    assert_eq!(server.house.accounts.list_invitations(None, 10).await.unwrap().items.len(), 1);
}

#[rstest]
#[tokio::test]
async fn an_admin_makes_an_invitation_and_takes_it_back(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = by_invitation(kind).await;
    let mut ada = admin(&server).await;
    let page = ada.get("/admin/invitations").await;
    assert!(page.status == 200 && page.text.contains("No invitations"), "{page:?}");
    let refused = ada.post_form("/admin/invitations", &[("email", "<b>"), ("role", "user")]).await;
    assert!(refused.status == 422 && refused.text.contains("id=\"email-error\""), "{refused:?}");
    assert!(
        refused.text.contains("aria-describedby=\"email-error\" autofocus>"),
        "it is entered where it is to be mended"
    );
    for role in ["owner", "Ad min", "", "<b>"] {
        let refused = ada.post_form("/admin/invitations", &[("role", role)]).await;
        assert!(refused.status == 422 && refused.text.contains("id=\"role-error\""), "{role}: {refused:?}");
    }
    assert!(
        server.house.accounts.list_invitations(None, 10).await.unwrap().items.is_empty(),
        "none was made"
    );

    let made = ada.post_form("/admin/invitations", &[("email", "new@example.com"), ("role", "admin")]).await;
    assert_eq!(made.status, 200, "{made:?}");
    let link = made.text.split("/sign-up?invite=").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let token = link.to_owned();
    assert!(!ada.get("/admin/invitations").await.text.contains(&token), "it is shown once");
    let mut body = sign_up_of("new");
    body["invite"] = json!(token);
    let mut new = server.browser();
    assert_eq!(new.call(Method::POST, SIGN_UP, Some(&body)).await.json()["user"]["role"], "admin");
    assert!(is_logged_in(&new).await);

    ada.post_form("/admin/invitations", &[("role", "user")]).await;
    let listed = server.house.accounts.list_invitations(None, 10).await.unwrap().items;
    let path = format!("/admin/invitations/{}/revoke", listed[0].id);
    let revoked = ada.post_form(&path, &[]).await;
    assert_eq!((revoked.status.as_u16(), revoked.location()), (303, "/admin/invitations?done=revoked"));
    assert!(ada.get(revoked.location()).await.text.contains("is taken back"));
    assert_eq!(ada.post_form(&path, &[]).await.status, 404);
}

#[rstest]
#[tokio::test]
async fn invitations_come_page_by_page(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = by_invitation(kind).await;
    let mut ada = admin(&server).await;
    for number in 0..23 {
        let email = format!("guest{number}@example.com");
        ada.post_form("/admin/invitations", &[("email", &email), ("role", "user")]).await;
        server.clock.advance(Duration::seconds(1));
    }
    let first = ada.get("/admin/invitations").await.text;
    assert_eq!(first.matches("/revoke\"").count(), 20);
    assert!(first.contains("guest22@example.com") && !first.contains("guest2@example.com"));
    let next =
        first.split("href=\"/admin/invitations?").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let second = ada.get(&format!("/admin/invitations?{next}")).await.text;
    assert_eq!(second.matches("/revoke\"").count(), 3);
    assert!(second.contains("guest0@example.com") && second.contains("Newest") && !second.contains("Older"));
}
