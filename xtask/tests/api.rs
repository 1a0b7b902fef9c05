//! What of the API must stay (docs/api.md): the description of today against that of the last release.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod compatibility;

use std::fs;
use std::path::{Path, PathBuf};

use compatibility::broken;
use serde_json::{Value, json};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn read(file: &str) -> Option<Value> {
    let text = fs::read_to_string(docs().join(file)).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// The number of the last release: of the first heading of the changelog that is a number.
fn last_release() -> Option<String> {
    let changelog = fs::read_to_string(docs().join("../CHANGELOG.md")).unwrap();
    changelog.lines().find_map(|line| {
        let number = line.strip_prefix("## ")?.trim_start_matches('[').split([']', ' ']).next()?;
        number.starts_with(|first: char| first.is_ascii_digit()).then(|| number.to_owned())
    })
}

#[test]
fn nothing_of_the_last_release_is_gone_or_narrowed() {
    let (Some(number), released) = (last_release(), read("openapi-released.json")) else {
        // Before the first release nothing is promised.
        return;
    };
    let released = released.expect("docs/openapi-released.json is the description of the last release");
    assert_eq!(released["info"]["version"], *number, "docs/openapi-released.json is of another release");
    let broken = broken(&released, &read("openapi.json").unwrap());
    let way_out = "What was promised goes only after a release that calls it deprecated: see docs/api.md.";
    assert!(broken.is_empty(), "{}\n{way_out}", broken.join("\n"));
}

#[test]
fn what_is_as_it_was_breaks_nothing() {
    let today = read("openapi.json").unwrap();
    assert_eq!(broken(&today, &today), Vec::<String>::new());
}

/// What is said of a change of today's description.
fn after(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let released = read("openapi.json").unwrap();
    let mut changed = released.clone();
    change(&mut changed);
    assert_ne!(released, changed, "nothing was changed");
    broken(&released, &changed)
}

fn at<'a>(document: &'a mut Value, pointer: &str) -> &'a mut Value {
    document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there"))
}

fn remove(document: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/");
    assert!(at(document, parent).as_object_mut().unwrap().remove(&name).is_some(), "{pointer} is not there");
}

fn remove_word(document: &mut Value, pointer: &str, word: &str) {
    let words = at(document, pointer).as_array_mut().unwrap();
    let before = words.len();
    words.retain(|other| other != word);
    assert_eq!(words.len() + 1, before, "{pointer} has no {word}");
}

const NOTES: &str = "/paths/~1api~1notes";
const LOG_IN: &str = "/paths/~1api~1auth~1log-in/post";
const SCHEMAS: &str = "/components/schemas";

#[test]
fn whatever_is_taken_away_is_found() {
    for (pointer, said) in [
        (NOTES.to_owned(), "/api/notes"),
        (format!("{NOTES}/post"), "POST /api/notes"),
        (format!("{LOG_IN}/responses/200"), "200"),
        (format!("{LOG_IN}/responses/401"), "401"),
        (format!("{LOG_IN}/responses/200/content/application~1json"), "application/json"),
        (format!("{NOTES}/post/responses/201/headers/Location"), "Location"),
        (format!("{LOG_IN}/requestBody"), "body"),
        (format!("{SCHEMAS}/User/properties/email"), "user.email"),
        (format!("{SCHEMAS}/Note/properties/title"), "title"),
        (format!("{SCHEMAS}/InvalidField/properties/code"), "errors[].code"),
        (format!("{SCHEMAS}/SignUp/properties/invite"), "invite"),
        (format!("{SCHEMAS}/ExportedUser/allOf/1/properties/pending_email"), "user.pending_email"),
    ] {
        let broken = after(|document| remove(document, &pointer));
        assert!(broken.iter().any(|line| line.contains(said)), "{pointer}: {broken:?}");
    }
}

#[test]
fn a_parameter_that_goes_or_is_asked_for_is_found() {
    let parameters = format!("{NOTES}/get/parameters");
    let gone = after(|document| drop(at(document, &parameters).as_array_mut().unwrap().remove(0)));
    assert!(gone[0].contains("cursor"), "{gone:?}");
    let required = after(|document| at(document, &parameters)[1]["required"] = true.into());
    assert!(required[0].contains("limit"), "{required:?}");
    let new = json!({ "name": "order", "in": "query", "required": true, "schema": { "type": "string" } });
    let asked_for = after(|document| at(document, &parameters).as_array_mut().unwrap().push(new));
    assert!(asked_for[0].contains("order"), "{asked_for:?}");
    let narrowed = after(|document| at(document, &parameters)[1]["schema"]["maximum"] = 50.into());
    assert!(narrowed[0].contains("maximum"), "{narrowed:?}");
}

#[test]
fn a_field_that_is_newly_asked_for_is_found() {
    for (schema, field) in [("NoteText", "body"), ("LogIn", "captcha")] {
        let broken = after(|document| {
            let schema = at(document, &format!("{SCHEMAS}/{schema}"));
            schema["properties"][field] = json!({ "type": "string" });
            schema["required"].as_array_mut().unwrap().push(field.into());
        });
        assert!(broken.iter().any(|line| line.contains(field)), "{schema}: {broken:?}");
    }
}

#[test]
fn a_field_that_is_not_always_there_any_more_is_found() {
    let broken =
        after(|document| remove_word(document, &format!("{SCHEMAS}/Session/required"), "expires_at"));
    assert!(broken.iter().any(|line| line.contains("session.expires_at")), "{broken:?}");
}

#[test]
fn another_type_or_format_or_limit_is_found() {
    for (pointer, value) in [
        ("User/properties/is_email_verified/type", json!("string")),
        ("User/properties/name/type", json!(["string", "null"])),
        ("User/properties/id/format", json!("email")),
        ("SessionList/properties/sessions/type", json!("object")),
        ("NoteText/properties/title/maxLength", json!(100)),
        ("NoteText/properties/title/minLength", json!(2)),
        ("JudgePassword/properties/name/type", json!("string")),
    ] {
        let broken = after(|document| {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            at(document, &format!("{SCHEMAS}/{parent}"))[name] = value;
        });
        assert!(!broken.is_empty(), "{pointer}");
    }
}

#[test]
fn a_word_for_programs_that_goes_is_found() {
    let broken = after(|document| {
        let told = at(document, &format!("{SCHEMAS}/Problem/properties/code/description"));
        *told = told.as_str().unwrap().replace("`refresh_reused`, ", "").into();
    });
    assert_eq!(broken, ["the word `refresh_reused` is gone from the codes of problems"]);
}

#[test]
fn another_way_to_show_who_one_is_is_found() {
    let bearer = after(|document| {
        let ways = at(document, &format!("{NOTES}/get/security")).as_array_mut().unwrap();
        ways.retain(|way| way.get("bearer").is_none());
    });
    assert!(bearer[0].contains("bearer"), "{bearer:?}");
    let closed = after(|document| at(document, LOG_IN)["security"] = json!([{ "session": [] }]));
    assert!(closed[0].contains("who may call"), "{closed:?}");
    let header =
        after(|document| at(document, "/components/securitySchemes/csrf")["name"] = "X-Token".into());
    assert!(header[0].contains("csrf"), "{header:?}");
    let name = after(|document| at(document, LOG_IN)["operationId"] = "enter".into());
    assert!(name[0].contains("log_in"), "{name:?}");
}

#[test]
fn what_is_added_or_widened_breaks_nothing() {
    let added = after(|document| {
        let operation = at(document, LOG_IN).clone();
        document["paths"]["/api/auth/enter"] = json!({ "post": operation });
        at(document, LOG_IN)["responses"]["429"] = json!({ "description": "Too many" });
        at(document, LOG_IN)["responses"]["200"]["description"] = "In".into();
        at(document, &format!("{NOTES}/get/security")).as_array_mut().unwrap().push(json!({ "service": [] }));
        let order = json!({ "name": "order", "in": "query", "schema": { "type": "string" } });
        at(document, &format!("{NOTES}/get/parameters")).as_array_mut().unwrap().push(order);
        at(document, &format!("{SCHEMAS}/User/properties"))["locale"] = json!({ "type": ["string", "null"] });
        at(document, &format!("{SCHEMAS}/LogIn/properties"))["remember"] = json!({ "type": "boolean" });
        at(document, &format!("{SCHEMAS}/NoteText/properties/title"))["maxLength"] = 300.into();
        at(document, &format!("{SCHEMAS}/User/properties/role"))["enum"] = json!(["user", "admin"]);
        at(document, &format!("{SCHEMAS}/LogIn/properties/email"))["type"] = json!(["string", "null"]);
        remove_word(document, &format!("{SCHEMAS}/ChangeName/required"), "name");
    });
    assert_eq!(added, Vec::<String>::new());
}

#[test]
fn what_the_last_release_called_deprecated_may_go() {
    let mut released = read("openapi.json").unwrap();
    at(&mut released, &format!("{NOTES}/post"))["deprecated"] = true.into();
    at(&mut released, &format!("{SCHEMAS}/User/properties/role"))["deprecated"] = true.into();
    at(&mut released, &format!("{NOTES}/get/parameters"))[0]["deprecated"] = true.into();
    let mut today = released.clone();
    remove(&mut today, &format!("{NOTES}/post"));
    remove(&mut today, &format!("{SCHEMAS}/User/properties/role"));
    remove_word(&mut today, &format!("{SCHEMAS}/User/required"), "role");
    drop(at(&mut today, &format!("{NOTES}/get/parameters")).as_array_mut().unwrap().remove(0));
    assert_eq!(broken(&released, &today), Vec::<String>::new());
}
