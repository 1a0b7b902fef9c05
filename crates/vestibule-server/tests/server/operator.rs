//! The operator's commands, beside a running server.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{Client, Program, command, run};

const PASSWORD: &str = "copper window thursday";

/// Runs a command with an input, and gives its exit code, what it answered and what it told beside.
pub fn with_input(mut command: Command, input: &str) -> (i32, String, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("it has an input").write_all(input.as_bytes()).expect("it takes its input");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs a command in a folder.
fn call(folder: &std::path::Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = command(folder);
    command.args(arguments);
    with_input(command, "")
}

fn json(folder: &std::path::Path, arguments: &[&str]) -> Value {
    let (code, answer, told) = call(folder, &[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "{arguments:?}: {told}");
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer}"))
}

#[tokio::test]
async fn an_operator_looks_after_users_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let program = Program::start(folder, None);
    let client = Client::new();
    let mut add = command(folder);
    add.args(["user", "add", "Ann@Example.com", "--name", "Ann", "--role", "admin"]);
    let (code, answer, told) = with_input(add, &format!("{PASSWORD}\n"));
    assert!(code == 0 && answer.contains("ann@example.com"), "{answer} {told}");
    assert_eq!(client.log_in(&program.origin, "ann").await.unwrap().0, 200);
    assert_eq!(client.sign_up(&program.origin, "bob").await.unwrap().0, 201);

    let users = json(folder, &["user", "list"]);
    assert_eq!(users["users"].as_array().unwrap().len(), 2);
    assert_eq!(json(folder, &["user", "list", "BOB"])["users"][0]["email"], "bob@example.com");
    assert_eq!(json(folder, &["user", "list", "--role", "admin"])["users"][0]["email"], "ann@example.com");
    let shown = json(folder, &["user", "show", "ann@example.com"]);
    assert_eq!((&shown["user"]["role"], &shown["user"]["is_disabled"]), (&"admin".into(), &false.into()));
    assert!(!shown.to_string().contains("argon2"));

    // The last admin stays.
    for last in [
        &["user", "set-role", "ann@example.com", "user"][..],
        &["user", "disable", "ann@example.com"],
        &["user", "delete", "ann@example.com", "--yes"],
    ] {
        let (code, _, told) = call(folder, last);
        assert!(code == 1 && told.contains("last admin"), "{last:?}: {told}");
    }
    assert_eq!(json(folder, &["user", "set-role", "bob@example.com", "admin"])["user"]["role"], "admin");
    let (code, _, told) = call(folder, &["user", "set-role", "bob@example.com", "emperor"]);
    assert!(code == 1 && told.contains("user, admin"), "{told}");

    assert_eq!(
        json(folder, &["session", "list", "bob@example.com"])["sessions"].as_array().unwrap().len(),
        1
    );
    assert_eq!(json(folder, &["session", "revoke", "bob@example.com"])["ended"], 1);
    assert_eq!(
        json(folder, &["session", "list", "bob@example.com"])["sessions"].as_array().unwrap().len(),
        0
    );
    json(folder, &["user", "disable", "bob@example.com"]);
    assert_eq!(client.log_in(&program.origin, "bob").await.unwrap().0, 401);
    json(folder, &["user", "enable", "bob@example.com"]);
    assert_eq!(client.log_in(&program.origin, "bob").await.unwrap().0, 200);

    let (code, _, told) = call(folder, &["user", "delete", "bob@example.com"]);
    assert!(code == 1 && told.contains("--yes"), "nobody was asked: {told}");
    assert_eq!(client.log_in(&program.origin, "bob").await.unwrap().0, 200, "so nothing was deleted");
    json(folder, &["user", "delete", "bob@example.com", "--yes"]);
    let (code, _, told) = call(folder, &["user", "show", "bob@example.com"]);
    assert!(code == 1 && told.contains("no user"), "{told}");

    let (code, answer, _) = call(folder, &["audit", "tail", "-n", "3", "--json"]);
    let events: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, events.len()), (0, 3));
    assert_eq!((&events[2]["kind"], &events[2]["actor"]), (&"account_deleted".into(), &"operator".into()));
    let (_, answer, _) =
        call(folder, &["audit", "tail", "--kind", "user_added", "--user", "ann@example.com"]);
    assert!(answer.lines().count() == 1 && answer.contains("user_added (admin) by the operator"), "{answer}");
    assert!(!answer.contains("unknown"), "the server is no device that one has to wonder about: {answer}");
}

#[test]
fn a_new_user_is_refused_with_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let add = |email: &str, role: &str| {
        let mut command = command(folder.path());
        command.args(["user", "add", email, "--name", "Ann", "--role", role]);
        command
    };
    let (code, answer, told) = with_input(add("nobody", "user"), "short\n");
    assert_eq!((code, answer.as_str()), (1, ""));
    assert!(told.contains("email:") && told.contains("password:") && !told.contains("short"), "{told}");
    let (code, _, told) = with_input(add("ann@example.com", "editor"), PASSWORD);
    assert!(code == 1 && told.contains("VESTIBULE_ROLES"), "{told}");
    let mut configured = add("ann@example.com", "editor");
    configured.env("VESTIBULE_ROLES", "editor, moderator");
    assert_eq!(with_input(configured, PASSWORD).0, 0);
    let (code, _, told) = with_input(add("ann@example.com", "user"), PASSWORD);
    assert!(code == 1 && told.contains("there is an account"), "{told}");
    let mut wrong = add("bob@example.com", "user");
    wrong.env("VESTIBULE_ROLES", "Chief Editor");
    let (code, _, told) = with_input(wrong, PASSWORD);
    assert!(code == 78 && told.contains("VESTIBULE_ROLES"), "{told}");
}

#[tokio::test]
async fn mails_are_listed_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let no_server = [("VESTIBULE_MAIL_URL", "smtp://127.0.0.1:9")];
    let program = Program::start_with(folder, None, &no_server);
    assert_eq!(Client::new().sign_up(&program.origin, "ann").await.unwrap().0, 201);
    let mails = json(folder, &["mail", "list", "--state", "waiting"]);
    let id = mails["mails"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(mails["mails"][0]["kind"], "confirm_email");
    assert!(json(folder, &["mail", "list", "--state", "dead"])["mails"].as_array().unwrap().is_empty());
    let (code, answer, _) = call(folder, &["mail", "retry", &id]);
    assert!(code == 1 && answer.contains("Left alone"), "its turn is now: {answer}");
    assert_eq!(json(folder, &["mail", "retry"])["retried"].as_array().unwrap().len(), 0);
    assert_eq!(call(folder, &["mail", "list", "--state", "gone"]).0, 2);
}

#[test]
fn shells_complete_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (code, answer, _) = call(folder.path(), &["completions", shell]);
        assert!(code == 0 && answer.contains("set-role"), "{shell}");
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "and touch no database");
    let (output, told) = run(command(folder.path()).args(["completions", "tcl"]));
    assert_eq!(output.status.code(), Some(2), "{told}");
}
