//! What breaks clients between two descriptions of an API (OpenAPI 3.1).
//!
//! Answers may only get richer, requests may only ask for less. What the older description calls deprecated may go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
/// What says how large something may be: in requests it may only grow.
const AT_MOST: [&str; 4] = ["maxLength", "maximum", "maxItems", "exclusiveMaximum"];
/// And what may only shrink.
const AT_LEAST: [&str; 4] = ["minLength", "minimum", "minItems", "exclusiveMinimum"];
/// Deeper than anything is described: what refers to itself ends here.
const DEEPEST: usize = 12;

/// Each way in which `new` breaks what works with `old`, in words.
pub fn broken(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { old, new, broken: Vec::new() };
    comparison.paths();
    comparison.ways_to_log_in();
    comparison.words_for_programs();
    comparison.broken
}

struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    broken: Vec<String>,
}

/// Who writes it decides what may change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    ByClient,
    ByServer,
}

/// An object's fields and which of them are always there, with what it is put together from.
#[derive(Default)]
struct Fields<'a> {
    fields: BTreeMap<&'a str, &'a Value>,
    required: BTreeSet<&'a str>,
}

impl<'a> Comparison<'a> {
    fn say(&mut self, text: String) {
        self.broken.push(text);
    }

    fn paths(&mut self) {
        let (old, new) = (self.old, self.new);
        for (path, item) in members(&old["paths"]) {
            for method in METHODS {
                let (was, is) = (&item[method], &new["paths"][path][method]);
                let name = format!("{} {path}", method.to_uppercase());
                match (was.is_object(), is.is_object()) {
                    (true, true) => self.operation(&name, was, is),
                    (true, false) if !is_deprecated(was) => self.say(format!("{name} is gone")),
                    _ => {}
                }
            }
        }
    }

    fn operation(&mut self, name: &str, old: &'a Value, new: &'a Value) {
        if old["operationId"] != new["operationId"] {
            self.say(format!("{name} has another operation id than {}", old["operationId"]));
        }
        self.who_may_call(name, old, new);
        self.parameters(name, old, new);
        self.request(name, &old["requestBody"], &new["requestBody"]);
        for (status, was) in members(&old["responses"]) {
            let is = &new["responses"][status];
            if is.is_object() {
                self.answer(&format!("{name}, {status}"), was, is);
            } else {
                self.say(format!("{name} does not answer {status} any more"));
            }
        }
    }

    /// Each way that was there is there, and what anybody could call anybody can.
    fn who_may_call(&mut self, name: &str, old: &Value, new: &Value) {
        let ways = |operation: &Value| -> BTreeSet<String> {
            let ways = elements(&operation["security"])
                .map(|way| members(way).map(|(scheme, _)| scheme.as_str()).collect::<Vec<_>>().join("+"));
            let ways: BTreeSet<String> = ways.collect();
            // What asks for nothing is open, and so is what names nothing as one of its ways.
            if ways.is_empty() { BTreeSet::from([String::new()]) } else { ways }
        };
        for way in ways(old).difference(&ways(new)) {
            self.say(match way.as_str() {
                "" => format!("{name}: who may call it was anybody, and is not any more"),
                way => format!("{name}: who may call it with {way} may not any more"),
            });
        }
    }

    fn parameters(&mut self, name: &str, old: &'a Value, new: &'a Value) {
        let key = |parameter: &Value| (parameter["in"].clone(), parameter["name"].clone());
        let find = |list: &'a Value, wanted: &Value| elements(list).find(|other| key(other) == key(wanted));
        for was in elements(&old["parameters"]) {
            match find(&new["parameters"], was) {
                None if is_deprecated(was) => {}
                None => self.say(format!("{name}: the parameter {} is gone", was["name"])),
                Some(is) => {
                    if is["required"] == true && was["required"] != true {
                        self.say(format!("{name}: the parameter {} is required now", was["name"]));
                    }
                    let place = format!("{name}: the parameter {}", was["name"]);
                    self.schema(&place, Sent::ByClient, &was["schema"], &is["schema"], 0);
                }
            }
        }
        for is in elements(&new["parameters"]) {
            if is["required"] == true && find(&old["parameters"], is).is_none() {
                self.say(format!("{name}: the new parameter {} is required", is["name"]));
            }
        }
    }

    fn request(&mut self, name: &str, old: &'a Value, new: &'a Value) {
        if !old.is_object() {
            if new["required"] == true {
                self.say(format!("{name} asks for a body now"));
            }
            return;
        }
        if new["required"] == true && old["required"] != true {
            self.say(format!("{name}: the body is required now"));
        }
        self.contents(&format!("{name}, the body"), Sent::ByClient, old, new);
    }

    fn answer(&mut self, name: &str, old: &'a Value, new: &'a Value) {
        for (header, was) in members(&old["headers"]) {
            if !new["headers"][header].is_object() && !is_deprecated(was) {
                self.say(format!("{name}: the header {header} is gone"));
            }
        }
        self.contents(name, Sent::ByServer, old, new);
    }

    fn contents(&mut self, name: &str, sent: Sent, old: &'a Value, new: &'a Value) {
        for (kind, was) in members(&old["content"]) {
            match new["content"].get(kind) {
                None => self.say(format!("{name} is not {kind} any more")),
                Some(is) => self.schema(&format!("{name}: "), sent, &was["schema"], &is["schema"], 0),
            }
        }
    }

    fn schema(&mut self, place: &str, sent: Sent, old: &'a Value, new: &'a Value, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        self.kinds(place, sent, old, new);
        if sent == Sent::ByClient {
            self.limits(place, old, new);
        }
        if old["items"].is_object() {
            self.schema(&format!("{place}[]"), sent, &old["items"], &new["items"], depth + 1);
        }
        let (was, is) = (fields(self.old, old, depth), fields(self.new, new, depth));
        for (name, old) in &was.fields {
            let place = joined(place, name);
            let Some(new) = is.fields.get(name) else {
                if !is_deprecated(old) {
                    self.say(format!("{place} is gone"));
                }
                continue;
            };
            let is_always_there = sent == Sent::ByClient || is.required.contains(name);
            if was.required.contains(name) && !is_always_there && !is_deprecated(old) {
                self.say(format!("{place} is not always there any more"));
            }
            self.schema(&place, sent, old, new, depth + 1);
        }
        if sent == Sent::ByClient {
            for name in is.required.difference(&was.required) {
                self.say(format!("{} is required now", joined(place, name)));
            }
        }
    }

    /// Its types, format and values: a server may send no other ones than before, and must take all that it took.
    fn kinds(&mut self, place: &str, sent: Sent, old: &Value, new: &Value) {
        let (was, is) = (types(old), types(new));
        // What may be anything at all has no type.
        let is_narrowed = |wide: &BTreeSet<&str>, narrow: &BTreeSet<&str>| {
            !narrow.is_empty() && (wide.is_empty() || !wide.is_subset(narrow))
        };
        let is_other = match sent {
            Sent::ByClient => is_narrowed(&was, &is),
            Sent::ByServer => is_narrowed(&is, &was),
        };
        if is_other {
            self.say(format!("{place} is {is:?} now and was {was:?}"));
        }
        // An id that becomes any text is no id any more to who reads it; to who sends it, it still is.
        let format_goes = new["format"].is_null() && sent == Sent::ByClient;
        if old["format"] != new["format"] && !format_goes {
            self.say(format!("{place} has the format {} now and had {}", new["format"], old["format"]));
        }
        let values = |schema: &Value| -> Option<BTreeSet<String>> {
            schema["enum"].as_array().map(|values| values.iter().map(Value::to_string).collect())
        };
        let (wide, narrow) = match sent {
            Sent::ByClient => (values(old), values(new)),
            Sent::ByServer => (values(new), values(old)),
        };
        if let Some(narrow) = narrow
            && wide.is_none_or(|wide| !wide.is_subset(&narrow))
        {
            self.say(format!("{place} has other values than before"));
        }
    }

    /// How long or large something sent may be.
    fn limits(&mut self, place: &str, old: &Value, new: &Value) {
        for (names, is_stricter) in
            [(AT_MOST, (|was, is| is < was) as fn(f64, f64) -> bool), (AT_LEAST, |was, is| is > was)]
        {
            for name in names {
                let Some(is) = new[name].as_f64() else { continue };
                if old[name].as_f64().is_none_or(|was| is_stricter(was, is)) {
                    self.say(format!("{place} has the {name} {is} now"));
                }
            }
        }
        if new["pattern"].is_string() && old["pattern"] != new["pattern"] {
            self.say(format!("{place} has another pattern"));
        }
    }

    fn ways_to_log_in(&mut self) {
        let schemes = "/components/securitySchemes";
        for (name, was) in self.old.pointer(schemes).into_iter().flat_map(members) {
            let is = &self.new["components"]["securitySchemes"][name];
            if ["type", "in", "name", "scheme"].iter().any(|part| was[part] != is[part]) {
                self.say(format!("{name} is another way to show who one is"));
            }
        }
    }

    /// They stand in the description of `code`: as an enum, a client could not take new ones.
    fn words_for_programs(&mut self) {
        let words = |document: &Value| -> BTreeSet<String> {
            let told = &document["components"]["schemas"]["Problem"]["properties"]["code"]["description"];
            let parts = told.as_str().unwrap_or_default().split('`');
            parts.skip(1).step_by(2).map(str::to_owned).collect()
        };
        for word in words(self.old).difference(&words(self.new)) {
            self.broken.push(format!("the word `{word}` is gone from the codes of problems"));
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn is_deprecated(value: &Value) -> bool {
    value["deprecated"] == true
}

fn joined(place: &str, name: &str) -> String {
    if place.ends_with(": ") { format!("{place}{name}") } else { format!("{place}.{name}") }
}

fn types(schema: &Value) -> BTreeSet<&str> {
    match &schema["type"] {
        Value::String(one) => BTreeSet::from([one.as_str()]),
        many => elements(many).filter_map(Value::as_str).collect(),
    }
}

/// What a reference leads to.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(reference) = schema["$ref"].as_str() else { return schema };
    document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null)
}

/// The fields of an object and of all that it is put together from.
fn fields<'a>(document: &'a Value, schema: &'a Value, depth: usize) -> Fields<'a> {
    let mut all = Fields::default();
    if depth > DEEPEST {
        return all;
    }
    for part in elements(&schema["allOf"]) {
        let part = fields(document, resolved(document, part), depth + 1);
        all.fields.extend(part.fields);
        all.required.extend(part.required);
    }
    all.fields.extend(members(&schema["properties"]).map(|(name, field)| (name.as_str(), field)));
    all.required.extend(elements(&schema["required"]).filter_map(Value::as_str));
    all
}
