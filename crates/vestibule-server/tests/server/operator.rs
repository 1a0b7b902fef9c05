//! The operator's commands, beside a running server.

use std::io::{BufRead, BufReader, Write};
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
    assert_eq!(shown["sessions"], 1);
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
    let (code, _, told) = call(folder, &["session", "revoke", "bob@example.com"]);
    assert!(code == 1 && told.contains("--yes"), "nobody was asked: {told}");
    assert_eq!(client.log_in(&program.origin, "bob").await.unwrap().0, 200);
    let sessions = json(folder, &["session", "list", "bob@example.com"]);
    let id = sessions["sessions"][0]["id"].as_str().unwrap();
    assert_eq!(json(folder, &["session", "revoke", "bob@example.com", "--id", id])["ended"], 1);
    let (code, _, told) = call(folder, &["session", "revoke", "bob@example.com", "--id", id]);
    assert!(code == 1 && told.contains("has no session"), "{told}");
    assert_eq!(json(folder, &["session", "revoke", "bob@example.com", "--yes"])["ended"], 1);
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

/// Runs a command as `head` would: its output is closed after some lines.
fn closed_after(folder: &std::path::Path, arguments: &[&str], lines: usize) -> (i32, String) {
    let mut command = command(folder);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..lines {
        output.read_line(&mut String::new()).unwrap();
    }
    drop(output);
    let ended = child.wait_with_output().unwrap();
    (ended.status.code().unwrap_or(-1), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[test]
fn commands_end_quietly_where_nobody_reads_their_answer_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (code, _, told) = call(folder, &["migrate"]);
    assert_eq!(code, 0, "{told}");
    let mut add = command(folder);
    add.args(["user", "add", "ann@example.com", "--name", "Ann"]);
    assert_eq!(with_input(add, &format!("{PASSWORD}\n")).0, 0);
    for arguments in [
        &["audit", "tail"][..],
        &["audit", "tail", "--json"],
        &["user", "invite"],
        &["user", "list"],
        &["user", "show", "ann@example.com"],
        &["user", "show", "ann@example.com", "--json"],
        &["user", "link", "ann@example.com", "--reset"],
        &["migrate", "--check"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "check"],
        &["completions", "bash"],
    ] {
        let (code, told) = closed_after(folder, arguments, 0);
        assert!(code == 0 && !told.contains("panic"), "{arguments:?}: {code} {told}");
    }
    // Nor are the words beside an answer always read: the answer comes all the same.
    let mut invite = command(folder);
    invite.args(["user", "invite"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut invite = invite.spawn().unwrap();
    drop(invite.stderr.take());
    let ended = invite.wait_with_output().unwrap();
    let link = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success() && link.contains("/sign-up?invite="), "{:?}: {link}", ended.status);
}

#[tokio::test]
async fn the_trail_is_followed_until_nobody_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), None);
    let client = Client::new();
    assert_eq!(client.sign_up(&program.origin, "old").await.unwrap().0, 201);
    let mut tail = command(folder.path());
    tail.args(["audit", "tail", "-n", "1", "--follow", "--json"]);
    tail.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tail = tail.spawn().unwrap();
    let mut output = BufReader::new(tail.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let first = next();
    assert_eq!(first["kind"], "signed_up", "what there was");
    assert_eq!(client.sign_up(&program.origin, "ann").await.unwrap().0, 201);
    let second = next();
    assert_eq!(second["kind"], "signed_up");
    assert_ne!(second["id"], first["id"]);
    assert_eq!(client.log_in(&program.origin, "nobody").await.unwrap().0, 401);
    assert_eq!(next()["kind"], "log_in_failed", "and nothing twice");
    drop(output);
    assert_eq!(client.log_in(&program.origin, "nobody").await.unwrap().0, 401);
    let ended = tokio::task::spawn_blocking(move || tail.wait_with_output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(0) && !told.contains("panic"), "{told}");
}

#[test]
fn a_command_in_the_wrong_folder_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for arguments in [
        &["user", "list"][..],
        &["user", "show", "ann@example.com"],
        &["user", "set-role", "ann@example.com", "admin"],
        &["user", "delete", "ann@example.com", "--yes"],
        &["user", "link", "ann@example.com", "--reset"],
        &["session", "list", "ann@example.com"],
        &["session", "revoke", "ann@example.com", "--yes"],
        &["mail", "list"],
        &["mail", "retry"],
        &["audit", "tail"],
        &["backup", "a.backup"],
        &["move", "--to", "postgres://postgres@127.0.0.1/site"],
    ] {
        let (code, answer, told) = call(folder, arguments);
        assert!(code == 1 && answer.is_empty(), "{arguments:?}: {answer}");
        assert!(told.contains("there is no database") && told.contains("VESTIBULE_DATABASE_URL"), "{told}");
    }
    assert_eq!(call(folder, &["migrate", "--check"]).0, 1);
    assert!(std::fs::read_dir(folder).unwrap().next().is_none(), "nothing was made");
    // A file that is there and empty is no site's database either.
    std::fs::create_dir(folder.join("data")).unwrap();
    std::fs::write(folder.join("data/vestibule.db"), "").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(
        folder.join("data/vestibule.db"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let (code, _, told) = call(folder, &["user", "list"]);
    assert!(code == 1 && told.contains("is empty") && told.contains("migrate"), "{told}");
    assert_eq!(call(folder, &["migrate"]).0, 0);
    assert_eq!(call(folder, &["user", "list"]).0, 0);
}

/// Runs a command on a terminal of its own, by util-linux's `script`, and types.
#[cfg(target_os = "linux")]
fn on_terminal(folder: &std::path::Path, arguments: &str, no_colour: &str, typed: &str) -> (i32, String) {
    let mut script = Command::new("script");
    let plain = command(folder);
    for (name, value) in plain.get_envs() {
        if value.is_none() {
            script.env_remove(name);
        }
    }
    let program = format!("{} {arguments}", env!("CARGO_BIN_EXE_vestibule"));
    script.args(["--quiet", "--return", "--command", &program, "/dev/null"]);
    script.current_dir(folder).env("NO_COLOR", no_colour);
    let (code, answer, told) = with_input(script, typed);
    (code, format!("{answer}{told}"))
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_it_is_asked_and_told_in_colours_unless_they_are_not_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(call(folder, &["migrate"]).0, 0);
    let mut add = command(folder);
    add.args(["user", "add", "ann@example.com", "--name", "Ann"]);
    assert_eq!(with_input(add, &format!("{PASSWORD}\n")).0, 0);
    let (code, told) = on_terminal(folder, "user list", "", "");
    assert!(code == 0 && told.contains("\u{1b}[1mEMAIL"), "{told:?}");
    let (code, told) = on_terminal(folder, "user list", "1", "");
    assert!(code == 0 && told.contains("EMAIL") && !told.contains('\u{1b}'), "{told:?}");
    let (code, told) = on_terminal(folder, "user show nobody@example.com", "", "");
    assert!(code == 1 && told.contains("\u{1b}[31m"), "{told:?}");
    let (code, told) = on_terminal(folder, "user show nobody@example.com", "1", "");
    assert!(code == 1 && told.contains("error:") && !told.contains('\u{1b}'), "{told:?}");

    let (code, told) = on_terminal(folder, "user delete ann@example.com", "1", "n\n");
    assert!(code == 1 && told.contains("[y/N]") && told.contains("nothing was changed"), "{told:?}");
    assert_eq!(call(folder, &["user", "show", "ann@example.com"]).0, 0);
    let (code, told) = on_terminal(folder, "user delete ann@example.com", "1", "y\n");
    assert!(code == 0 && told.contains("is deleted"), "{told:?}");
    assert_eq!(call(folder, &["user", "show", "ann@example.com"]).0, 1);
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

#[tokio::test]
async fn keys_are_rotated_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let program = Program::start(folder, None);
    let client = Client::new();
    let (_, cookies) = client.sign_up(&program.origin, "ann").await.unwrap();
    let cookies = cookies.unwrap();
    let made = json(folder, &["keys", "rotate"])["key"].clone();
    assert_eq!(made["state"], "waiting");
    let keys = json(folder, &["keys", "list"])["keys"].clone();
    assert_eq!((&keys[0]["state"], &keys[1]["kid"]), (&"signing".into(), &made["kid"]));
    let (code, _, told) = call(folder, &["keys", "rotate"]);
    assert!(code == 1 && told.contains("waits already") && told.contains("--now"), "{told}");

    let (code, _, told) = call(folder, &["keys", "rotate", "--now"]);
    assert!(code == 1 && told.contains("--yes"), "{told}");
    let (code, answer, told) = call(folder, &["keys", "rotate", "--now", "--yes"]);
    assert!(code == 0 && answer.contains("within 30 seconds"), "{answer}{told}");
    let (_, answer, _) = call(folder, &["keys", "list"]);
    assert!(answer.lines().count() == 2 && answer.contains("signing"), "{answer}");
    let (_, answer, _) = call(folder, &["audit", "tail", "--kind", "keys_rotated"]);
    assert!(answer.lines().count() == 2 && answer.contains("at once"), "{answer}");

    // A second server has the new key from the start. From the first token of it the first one learns it too.
    let second = Program::start(folder, None);
    let (status, cookies) = client.refresh(&second.origin, &cookies).await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(client.session(&program.origin, &cookies.unwrap()).await.unwrap(), 200);
    let (_, jwks) = client.get(&program.origin, "/.well-known/jwks.json").await.unwrap();
    assert_eq!(client.get(&second.origin, "/.well-known/jwks.json").await.unwrap().1, jwks);
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

#[tokio::test]
async fn an_operator_invites_where_sign_up_is_by_invitation() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let program = Program::start_with(folder, None, &[("VESTIBULE_SIGN_UP", "invite")]);
    let client = Client::new();
    assert_eq!(client.sign_up(&program.origin, "ann").await.unwrap().0, 403);

    let (code, link, told) = call(folder, &["user", "invite", "Ann@Example.com", "--expires", "12h"]);
    assert_eq!(code, 0, "{told}");
    let token = link.trim().strip_prefix("http://localhost:3000/sign-up?invite=").unwrap();
    assert!(told.contains("ann@example.com alone") && told.contains("VESTIBULE_SIGN_UP is `open`"), "{told}");
    let listed = json(folder, &["user", "invitations"]);
    assert_eq!(listed["invitations"][0]["email"], "ann@example.com");
    assert!(!listed.to_string().contains(token));
    let sign_up = async |name: &str, invite: &str| {
        let email = format!("{name}@example.com");
        let body =
            serde_json::json!({ "name": name, "email": email, "password": PASSWORD, "invite": invite });
        let request = reqwest::Client::new().post(format!("{}/api/auth/sign-up", program.origin)).json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(sign_up("bob", token).await, 422);
    assert_eq!(sign_up("ann", token).await, 201);
    assert_eq!(sign_up("ann", token).await, 400);

    let made = json(folder, &["user", "invite"]);
    let id = made["invitation"]["id"].as_str().unwrap();
    let token = made["invitation"]["link"].as_str().unwrap().split_once('=').unwrap().1;
    assert_eq!(call(folder, &["user", "revoke-invitation", id]).0, 0);
    assert_eq!(call(folder, &["user", "revoke-invitation", id]).0, 1);
    assert_eq!(sign_up("bob", token).await, 400);
    for wrong in [&["--role", "owner"][..], &["--expires", "91d"], &["--expires", "soon"], &["nobody"]] {
        let (code, link, told) = call(folder, &[&["user", "invite"], wrong].concat());
        assert!(code != 0 && link.is_empty() && !told.is_empty(), "{wrong:?}: {told}");
    }
    let (_, answer, _) = call(folder, &["user", "invitations"]);
    assert!(answer.contains("No invitations"), "{answer}");
}

#[tokio::test]
async fn an_operator_makes_a_service_key_sees_when_it_was_used_and_revokes_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let program = Program::start(folder, None);
    let (_, answer, _) = call(folder, &["service-key", "list"]);
    assert!(answer.contains("No service keys"), "{answer}");
    let (code, key, told) =
        call(folder, &["service-key", "add", "wiki", "--scope", "revocations:read", "--expires", "90d"]);
    let key = key.trim();
    assert!(code == 0 && key.starts_with("vestibule_sk_") && key.lines().count() == 1, "{key} {told}");
    assert!(told.contains("shown only now") && told.contains("wiki") && !told.contains(key), "{told}");
    let ask = async |key: &str| {
        let request = reqwest::Client::new().get(format!("{}/api/auth/revocations", program.origin));
        request.bearer_auth(key).send().await.unwrap().status().as_u16()
    };
    let listed = json(folder, &["service-key", "list"]);
    assert_eq!(listed["service_keys"][0]["last_used_at"], Value::Null);
    assert_eq!(ask(key).await, 200);
    let listed = json(folder, &["service-key", "list"]);
    assert!(listed["service_keys"][0]["last_used_at"].is_string(), "{listed}");
    assert_eq!(listed["service_keys"][0]["scopes"], serde_json::json!(["revocations:read"]));
    assert!(!listed.to_string().contains(key));
    let (_, answer, _) = call(folder, &["service-key", "list"]);
    assert!(answer.contains("wiki") && !answer.contains("never"), "{answer}");

    let made = json(folder, &["service-key", "add", "shop", "--scope", "users:read"]);
    let (shop, id) =
        (made["service_key"]["key"].as_str().unwrap(), made["service_key"]["id"].as_str().unwrap());
    assert_eq!((ask(shop).await, &made["service_key"]["expires_at"]), (403, &Value::Null));
    let (code, _, told) = call(folder, &["service-key", "revoke", id]);
    assert!(code == 1 && told.contains("--yes"), "nobody can be asked: {told}");
    assert_eq!(ask(shop).await, 403);
    assert_eq!(call(folder, &["service-key", "revoke", id, "--yes"]).0, 0);
    assert_eq!(ask(shop).await, 401);
    let (code, _, told) = call(folder, &["service-key", "revoke", id, "--yes"]);
    assert!(code == 1 && told.contains("service-key list"), "{told}");
    for wrong in [
        &["wiki"][..],
        &["wiki", "--scope", "users:write"],
        &["", "--scope", "users:read"],
        &["wiki", "--scope", "users:read", "--expires", "4000d"],
        &["wiki", "--scope", "users:read", "--expires", "1s"],
    ] {
        let (code, key, told) = call(folder, &[&["service-key", "add"], wrong].concat());
        assert!(code != 0 && key.is_empty() && !told.is_empty(), "{wrong:?}: {told}");
    }
    let (_, answer, _) = call(folder, &["audit", "tail", "--kind", "service_key_revoked"]);
    assert!(
        answer.lines().count() == 1 && answer.contains(id) && answer.contains("by the operator"),
        "{answer}"
    );
}

#[tokio::test]
async fn where_sign_up_is_closed_an_operator_still_adds_users() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let program = Program::start_with(folder, None, &[("VESTIBULE_SIGN_UP", "closed")]);
    let client = Client::new();
    assert_eq!(client.sign_up(&program.origin, "ann").await.unwrap().0, 403);
    let mut add = command(folder);
    add.env("VESTIBULE_SIGN_UP", "closed").args(["user", "add", "ann@example.com", "--name", "Ann"]);
    assert_eq!(with_input(add, &format!("{PASSWORD}\n")).0, 0);
    assert_eq!(client.log_in(&program.origin, "ann").await.unwrap().0, 200);
}
