use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use rstest::rstest;
use serde_json::Value;
use vestibule::services::{Administrator, TakeOver};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

use crate::{ACCESS, signed_up};

#[rstest]
#[tokio::test]
async fn the_public_key_is_told_to_everybody(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let answer = server.anonymous().get("/.well-known/jwks.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let caching = "public, max-age=300, stale-while-revalidate=60, stale-if-error=300";
    assert_eq!(answer.header("cache-control"), Some(caching));
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.json(), { ".keys[].kid" => "[kid]", ".keys[].x" => "[x]" }, @r#"
        {
          "keys": [
            {
              "alg": "EdDSA",
              "crv": "Ed25519",
              "kid": "[kid]",
              "kty": "OKP",
              "use": "sig",
              "x": "[x]"
            }
          ]
        }
        "#);
    }
    let x = answer.json()["keys"][0]["x"].as_str().map(|x| URL_SAFE_NO_PAD.decode(x)).unwrap().unwrap();
    assert_eq!(x.len(), 32);
}

#[rstest]
#[tokio::test]
async fn who_has_the_keys_is_told_so_until_there_are_others(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let ask = async |etag: &str| {
        let headers = [("if-none-match", etag)];
        server.anonymous().send(Method::GET, "/.well-known/jwks.json", &headers, "").await
    };
    let etag = ask("\"other\"").await.header("etag").unwrap().to_owned();
    for known in [etag.clone(), format!("\"other\", W/{etag}")] {
        let answer = ask(&known).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""));
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
        assert!(answer.header("cache-control").unwrap().starts_with("public, max-age=300"));
    }
    let operator = Administrator::at_the_command_line();
    server.house.accounts.rotate_keys(TakeOver::WhenKnown, &operator).await.unwrap();
    let answer = ask(&etag).await;
    assert_eq!((answer.status.as_u16(), answer.json()["keys"].as_array().unwrap().len()), (200, 2));
}

#[rstest]
#[tokio::test]
async fn access_tokens_name_that_key_and_nothing_personal(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let part = |index: usize| -> Value {
        let token = browser.cookie(ACCESS).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap())
            .unwrap()
    };
    let keys = server.anonymous().get("/.well-known/jwks.json").await.json();
    assert_eq!(part(0)["kid"], keys["keys"][0]["kid"]);
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(part(0), { ".kid" => "[kid]" }, @r#"
        {
          "alg": "EdDSA",
          "kid": "[kid]",
          "typ": "at+jwt"
        }
        "#);
        insta::assert_json_snapshot!(part(1), { ".sub" => "[id]", ".sid" => "[hash]", ".jti" => "[id]" }, @r#"
        {
          "aud": "http://localhost:3000",
          "exp": 1777637100,
          "iat": 1777636800,
          "iss": "http://localhost:3000",
          "jti": "[id]",
          "sid": "[hash]",
          "sub": "[id]"
        }
        "#);
    }
}
