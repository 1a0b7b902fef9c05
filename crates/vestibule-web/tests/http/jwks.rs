use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rstest::rstest;
use serde_json::Value;
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
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
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
