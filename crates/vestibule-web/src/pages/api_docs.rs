//! `/api/docs`: the API, described for people. Made from the description that programs read, with nothing loaded from
//! elsewhere.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use crate::{PageVisit, Vestibule};

/// What the page shows.
pub struct ApiDocsPage {
    /// The operations, by what they are about.
    pub groups: Vec<GroupView>,
}

/// Operations that belong together.
pub struct GroupView {
    /// What they are about.
    pub name: String,
    /// The operations.
    pub operations: Vec<OperationView>,
}

/// One operation.
pub struct OperationView {
    /// Its name in the description, which is its anchor on the page.
    pub id: String,
    /// The method, in capitals.
    pub method: String,
    /// The path, with its parameters.
    pub path: String,
    /// What it does.
    pub about: String,
    /// What shows who asks, in words.
    pub asks_for: &'static str,
    /// What is sent, by field.
    pub fields: Vec<FieldView>,
    /// What is answered.
    pub answers: Vec<AnswerView>,
}

/// A field of what is sent, or a part of the address.
pub struct FieldView {
    /// Its name.
    pub name: String,
    /// Whether it may be left away.
    pub is_optional: bool,
}

/// An answer.
pub struct AnswerView {
    /// The status.
    pub status: String,
    /// What it means.
    pub about: String,
    /// The name of what it holds.
    pub holds: Option<String>,
}

/// The page.
pub async fn api_docs(State(vestibule): State<Vestibule>, visit: PageVisit) -> Response {
    let document = serde_json::from_str(vestibule.openapi()).unwrap_or_default();
    vestibule.page(&visit, "The API", &ApiDocsPage::of(&document))
}

impl ApiDocsPage {
    fn of(document: &Value) -> Self {
        let mut groups: BTreeMap<String, Vec<OperationView>> = BTreeMap::new();
        for (path, item) in object(&document["paths"]) {
            for (method, operation) in object(item) {
                let group = text(&operation["tags"][0]);
                let view = OperationView::of(document, path, method, operation);
                groups.entry(group).or_default().push(view);
            }
        }
        let groups = groups.into_iter().map(|(name, operations)| GroupView { name, operations });
        Self { groups: groups.collect() }
    }
}

impl OperationView {
    fn of(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let body = named(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
        let required = list(&body["required"]);
        let parameters = list(&operation["parameters"]).iter().map(|parameter| FieldView {
            name: text(&parameter["name"]),
            is_optional: parameter["required"] != true,
        });
        let fields = object(&body["properties"]).map(|(name, _)| FieldView {
            name: name.clone(),
            is_optional: !required.iter().any(|required| required == name),
        });
        let answers = object(&operation["responses"]).filter(|(status, _)| *status != "default");
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            about: [&operation["summary"], &operation["description"]]
                .map(text)
                .into_iter()
                .filter(|words| !words.is_empty())
                .collect::<Vec<_>>()
                .join(" "),
            asks_for: asks_for(&operation["security"]),
            fields: parameters.chain(fields).collect(),
            answers: answers.map(|(status, answer)| AnswerView::of(status, answer)).collect(),
        }
    }
}

impl AnswerView {
    fn of(status: &str, answer: &Value) -> Self {
        let holds = object(&answer["content"]).next().map(|(_, content)| text(&content["schema"]["$ref"]));
        let holds = holds.and_then(|reference| reference.rsplit('/').next().map(str::to_owned));
        Self {
            status: status.to_owned(),
            about: text(&answer["description"]),
            holds: holds.filter(|name| !name.is_empty() && name != "Problem"),
        }
    }
}

/// What shows who asks. The ways are those of the description.
fn asks_for(security: &Value) -> &'static str {
    let ways = list(security);
    let has = |name: &str| ways.iter().any(|way| way.get(name).is_some());
    match (ways.is_empty() || ways.iter().any(|way| object(way).next().is_none()), has("bearer"), has("csrf"))
    {
        (true, true, _) => "nobody, or who is logged in",
        (true, ..) => "nobody",
        (false, true, true) => "who is logged in, with the CSRF token; or a bearer token",
        (false, true, false) => "who is logged in, or a bearer token",
        (false, false, _) => "a session's cookies, with the CSRF token",
    }
}

/// What a reference names, or the value itself.
fn named<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
