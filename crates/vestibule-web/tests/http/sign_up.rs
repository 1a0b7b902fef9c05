use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;
use vestibule::models::MailKind;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{PASSWORD, TestServer};

use crate::{JSON, sign_up_of, signed_up};

const PATH: &str = "/api/auth/sign-up";

#[rstest]
#[tokio::test]
async fn a_sign_up_answers_user_and_session_and_sets_the_three_cookies(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let answer = server.anonymous().post_json(PATH, &sign_up_of("ann")).await;

    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
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
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "vestibule_access=…; Path=/; Max-Age=300; SameSite=Lax; HttpOnly",
          "vestibule_refresh=…; Path=/; Max-Age=604800; SameSite=Lax; HttpOnly",
          "vestibule_csrf=…; Path=/; Max-Age=34560000; SameSite=Lax",
          "vestibule_device=…; Path=/; Max-Age=34560000; SameSite=Lax; HttpOnly"
        ]
        "#);
    }
    for id in ["/user/id", "/session/id"] {
        let id: Uuid = answer.json().pointer(id).unwrap().as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
    }
    assert_eq!(server.house.outbox_kinds().await, [MailKind::ConfirmEmail]);
}

#[rstest]
#[tokio::test]
async fn a_taken_address_is_a_conflict_in_any_spelling(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    for email in ["ann@example.com", " ANN@Example.COM "] {
        let body = json!({ "name": "Eve", "email": email, "password": PASSWORD });
        let answer = server.anonymous().post_json(PATH, &body).await;
        assert_eq!(answer.status, 409);
        assert!(answer.set_cookies().is_empty());
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(answer.json(), @r#"
            {
              "code": "email_taken",
              "detail": "There is an account with this address. Log in, or use another address.",
              "errors": [
                {
                  "code": "email_taken",
                  "field": "email",
                  "message": "There is an account with this address. Log in, or use another address."
                }
              ],
              "status": 409,
              "title": "Conflict",
              "type": "about:blank"
            }
            "#);
        }
    }
    assert_eq!(server.house.outbox_kinds().await, [MailKind::ConfirmEmail], "nothing but Ann's own");
    assert_eq!(server.house.count_sessions().await, 1);
}

#[rstest]
#[tokio::test]
async fn all_that_is_wrong_is_told_at_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let body = json!({ "name": " ", "email": "ann", "password": "short" });
    let answer = server.anonymous().post_json(PATH, &body).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.json(), @r#"
        {
          "code": "invalid_input",
          "detail": "Some of what was sent is not valid.",
          "errors": [
            {
              "code": "required",
              "field": "name",
              "message": "Enter your name."
            },
            {
              "code": "malformed",
              "field": "email",
              "message": "This does not look like an email address, such as name@example.com."
            },
            {
              "code": "too_short",
              "field": "password",
              "message": "Use 12 characters or more. A few unrelated words make a good one."
            }
          ],
          "status": 422,
          "title": "Unprocessable Entity",
          "type": "about:blank"
        }
        "#);
    }
    assert!(answer.set_cookies().is_empty());
    assert!(server.house.outbox().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_field_that_is_no_text_is_refused_as_input(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let wrong = [
        json!(null),
        json!(7),
        json!(true),
        json!(["ann@example.com"]),
        json!({ "a": 1 }),
        json!(""),
        json!([]),
    ];
    for field in ["name", "email", "password"] {
        for value in &wrong {
            let mut body = sign_up_of("ann");
            body[field] = value.clone();
            let answer = server.anonymous().post_json(PATH, &body).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "invalid_input"), "{body}");
            assert_eq!(answer.json()["errors"][0]["field"], field, "{body}");
        }
        let mut body = sign_up_of("ann");
        body.as_object_mut().unwrap().remove(field);
        let answer = server.anonymous().post_json(PATH, &body).await;
        assert_eq!(answer.status, 422, "without {field}");
        assert_eq!(answer.json()["errors"][0]["code"], "required", "without {field}");
    }
    assert!(server.house.outbox().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_value_of_the_wrong_type_is_not_repeated(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let body = json!({ "name": "Ann", "email": "ann@example.com", "password": 48_291_374_655_u64 });
    let answer = server.anonymous().post_json(PATH, &body).await;
    assert_eq!(answer.status, 422);
    assert!(!answer.text.contains("48291374655"), "{answer:?}");
}

#[rstest]
#[tokio::test]
async fn a_body_that_is_no_object_is_refused(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let list = json!(["ann", "ann@example.com", PASSWORD]).to_string();
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("name=ann", 400),
        ("{} {}", 400),
        ("{\"name\": \"\u{0}\"}", 400),
        ("null", 422),
        ("7", 422),
        ("\"ann\"", 422),
        ("[]", 422),
        (&list, 422),
        ("{}", 422),
    ] {
        let answer = server.anonymous().send(Method::POST, PATH, &[JSON], body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, "invalid_input"), "{body}");
    }
    let answer = server.anonymous().send(Method::POST, PATH, &[JSON], b"{\"name\":\"\xff\"}".to_vec()).await;
    assert_eq!(answer.status, 400);
    let deep = "[".repeat(60_000);
    assert_eq!(server.anonymous().send(Method::POST, PATH, &[JSON], deep).await.status, 400);
}

#[rstest]
#[tokio::test]
async fn only_json_is_read(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let anonymous = server.anonymous();
    let body = || sign_up_of("ann").to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"] {
        let answer = anonymous.send(Method::POST, PATH, &[("content-type", kind)], body()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (415, "unsupported_media_type"),
            "{kind}"
        );
    }
    let answer = anonymous.send(Method::POST, PATH, &[], body()).await;
    assert_eq!(answer.status, 415, "without a content type");
    let answer = anonymous.send(Method::POST, PATH, &[], "").await;
    assert_eq!(answer.status, 415, "without a body");
    let kind = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(anonymous.send(Method::POST, PATH, &kind, body()).await.status, 201);
}

#[rstest]
#[tokio::test]
async fn a_body_over_64_kib_is_too_large(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let with_password_of = |bytes: usize| {
        let mut body = sign_up_of("ann");
        body["password"] = Value::String("p".repeat(bytes));
        body
    };
    let answer = server.anonymous().post_json(PATH, &with_password_of(64 * 1024)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "payload_too_large"));

    let answer = server.anonymous().post_json(PATH, &with_password_of(60 * 1024)).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["errors"][0]["code"], "too_long");

    let megabyte = with_password_of(1024 * 1024).to_string();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        megabyte.len()
    );
    let answer = server.anonymous().send_raw(format!("{head}{megabyte}").as_bytes()).await;
    assert_eq!(answer.status, 413);
}

#[rstest]
#[tokio::test]
async fn fields_that_nobody_asked_for_change_nothing(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let id = "0190a6d6-0000-7000-8000-000000000000";
    let mut body = sign_up_of("ann");
    for (field, value) in [
        ("role", json!("admin")),
        ("is_email_verified", json!(true)),
        ("is_disabled", json!(false)),
        ("id", json!(id)),
        ("created_at", json!("1999-01-01T00:00:00Z")),
        ("password_hash", json!("$argon2id$v=19$m=1,t=1,p=1$AAAA$AAAA")),
        ("user", json!({ "role": "admin" })),
    ] {
        body[field] = value;
    }
    let answer = server.anonymous().post_json(PATH, &body).await;
    assert_eq!(answer.status, 201);
    let user = &answer.json()["user"];
    assert_eq!((&user["role"], &user["is_email_verified"]), (&json!("user"), &json!(false)));
    assert_ne!(user["id"], id);
    assert_eq!(user["created_at"], "2026-05-01T12:00:00Z");
}

#[rstest]
#[tokio::test]
async fn an_address_that_could_reach_two_mailboxes_is_refused(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    for email in [
        "ann@example.com,eve@example.com",
        "Ann <ann@example.com>",
        "\"ann b\"@example.com",
        "ann\u{FF20}example.com",
        "mi\u{212A}e@example.com",
        "ann@example.com\r\nBcc: eve@example.com",
    ] {
        let body = json!({ "name": "Ann", "email": email, "password": PASSWORD });
        let answer = server.anonymous().post_json(PATH, &body).await;
        assert_eq!(answer.status, 422, "{email:?}");
        assert_eq!(answer.json()["errors"][0]["field"], "email");
    }
    assert!(server.house.outbox().await.is_empty());
}
