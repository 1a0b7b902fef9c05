use serde_json::{Value, json};

use crate::program::{Client, Program, command, run};

const NEW: &str = "velvet orchard seventeen";

#[tokio::test]
async fn an_operator_hands_out_a_link_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), None);
    let client = Client::new();
    assert_eq!(client.sign_up(&program.origin, "ann").await.unwrap().0, 201);

    let (output, told) = run(command(folder.path()).args(["user", "link", "Ann@Example.com", "--reset"]));
    assert!(output.status.success(), "{told}");
    let link = String::from_utf8(output.stdout).unwrap();
    let token = link.trim().strip_prefix("http://localhost:3000/reset-password?token=").unwrap();
    let body = json!({ "token": token, "password": NEW });
    let reset =
        reqwest::Client::new().post(format!("{}/api/auth/reset-password", program.origin)).json(&body);
    assert_eq!(reset.send().await.unwrap().status(), 204);
    assert_eq!(client.log_in(&program.origin, "ann").await.unwrap().0, 401, "the old password");

    // A reset confirms the address too, so there is nothing to confirm any more.
    let (output, told) = run(command(folder.path()).args(["user", "link", "ann@example.com", "--confirm"]));
    assert!(output.status.code() == Some(1) && told.contains("confirmed already"), "{told}");
    assert_eq!(client.sign_up(&program.origin, "bob").await.unwrap().0, 201);
    let (output, told) =
        run(command(folder.path()).args(["user", "link", "bob@example.com", "--confirm", "--json"]));
    assert!(output.status.success(), "{told}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["link"].as_str().unwrap().contains("/confirm-email?token="), "{told}");
    assert_eq!(told["expires_in_seconds"], 86_400);
}

#[test]
fn a_link_is_for_somebody_and_for_one_thing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(command(folder.path()).arg("migrate")).0.status.success());
    for (arguments, code, words) in [
        (&["user", "link", "nobody@example.com", "--reset"][..], 1, "no user"),
        (&["user", "link", "nobody", "--reset"], 1, "is no address"),
        (&["user", "link", "ann@example.com"], 2, "--confirm"),
        (&["user", "link", "ann@example.com", "--confirm", "--reset"], 2, "cannot be used with"),
    ] {
        let (output, told) = run(command(folder.path()).args(arguments));
        assert!(output.status.code() == Some(code) && told.contains(words), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty());
    }
}
