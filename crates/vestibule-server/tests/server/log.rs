use std::fs::File;

use serde_json::json;

use crate::program::{Client, PASSWORD, Program};

const NEW: &str = "velvet orchard seventeen";

/// The token of the last mail that says something.
async fn token(client: &reqwest::Client, origin: &str, words: &str) -> String {
    for _ in 0..100 {
        let mails: serde_json::Value =
            client.get(format!("{origin}/dev/mailbox.json")).send().await.unwrap().json().await.unwrap();
        let texts = mails.as_array().unwrap().iter().filter_map(|mail| mail["text"].as_str());
        let token = texts.filter(|text| text.contains(words)).find_map(|text| text.split_once("?token="));
        if let Some((_, rest)) = token {
            return rest.split_whitespace().next().unwrap().to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no mail says {words}");
}

#[tokio::test]
async fn no_line_of_the_log_holds_an_address_a_token_or_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let chatty = "info,vestibule=trace,vestibule_sql=trace,vestibule_web=trace,vestibule_server=trace";
    let settings = [("RUST_LOG", chatty), ("VESTIBULE_LOG_FORMAT", "json")];
    let program = Program::start_logging(folder.path(), None, &settings, File::create(&log).unwrap());
    let (client, origin) = (reqwest::Client::new(), &program.origin);
    let post = async |path: &str, body: serde_json::Value| {
        client.post(format!("{origin}{path}")).json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(Client::new().sign_up(origin, "ann").await.unwrap().0, 201);
    let confirming = token(&client, origin, "/confirm-email").await;
    let email = "ann@example.com";
    assert_eq!(post("/api/auth/forgot-password", json!({ "email": email })).await, 202);
    assert_eq!(post("/api/auth/forgot-password", json!({ "email": "nobody@example.com" })).await, 202);
    let resetting = token(&client, origin, "/reset-password").await;
    for path in ["/confirm-email", "/reset-password"] {
        let page = client.get(format!("{origin}{path}?token={confirming}")).send().await.unwrap();
        assert_eq!(page.status(), 200);
    }
    let wrong = json!({ "token": confirming, "password": "wrong window thursday" });
    assert_eq!(post("/api/auth/confirm-email", wrong).await, 401);
    let right = json!({ "token": confirming, "password": PASSWORD });
    assert_eq!(post("/api/auth/confirm-email", right).await, 200);
    assert_eq!(post("/api/auth/reset-password", json!({ "token": resetting, "password": NEW })).await, 204);
    token(&client, origin, "/reset-password").await;
    program.stop();

    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("mail sent") && log.contains("/api/auth/reset-password"), "{log}");
    for secret in
        [confirming.as_str(), &resetting, PASSWORD, NEW, "wrong window", email, "nobody@example.com"]
    {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
