use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::{KEYS, Key, SettingError};

const PREFIX: &str = "VESTIBULE_";
const DEFAULT_FILE: &str = "vestibule.toml";
/// Variables of ours that are no settings.
const NOT_SETTINGS: [&str; 3] =
    ["VESTIBULE_CONFIG", "VESTIBULE_TEST_POSTGRES_URL", "VESTIBULE_REQUIRE_ADVISORIES"];

/// What was set, before it is checked: texts, each with the place that it comes from.
pub struct Sources {
    values: BTreeMap<&'static str, Value>,
    warnings: Vec<String>,
}

pub(super) struct Value {
    pub text: String,
    pub source: String,
}

impl Sources {
    /// Reads the file and the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn read(file: Option<&Path>) -> Result<Self, SettingError> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && file.is_none() => String::new(),
            Err(error) => {
                return Err(file_error(&path.display().to_string(), format!("it cannot be read: {error}")));
            }
        };
        Self::of(&environment, &text)
    }

    /// The same of given texts.
    pub fn of(environment: &BTreeMap<String, String>, file: &str) -> Result<Self, SettingError> {
        let mut sources = Self { values: BTreeMap::new(), warnings: Vec::new() };
        sources.take_file(file)?;
        sources.take_environment(environment)?;
        Ok(sources)
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn take_file(&mut self, text: &str) -> Result<(), SettingError> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| file_error(DEFAULT_FILE, without_the_line(text, &error)))?;
        for (name, value) in table {
            let (name, is_path) = match name.strip_suffix("_file") {
                Some(name) => (name.to_owned(), true),
                None => (name, false),
            };
            let Some(key) = KEYS.iter().find(|key| key.file_key() == name) else {
                return Err(file_error(DEFAULT_FILE, format!("there is no setting `{name}`")));
            };
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(is_on) => is_on.to_string(),
                _ => {
                    return Err(file_error(
                        DEFAULT_FILE,
                        format!("`{name}` must be a text, a number, true or false"),
                    ));
                }
            };
            let source = DEFAULT_FILE.to_owned();
            let value = if is_path { read_value(key, &text)? } else { Value { text, source } };
            self.values.insert(key.name, value);
        }
        Ok(())
    }

    fn take_environment(&mut self, environment: &BTreeMap<String, String>) -> Result<(), SettingError> {
        if let Some(text) = environment.get("DATABASE_URL") {
            let value = Value { text: text.clone(), source: "environment, DATABASE_URL".into() };
            self.values.insert("DATABASE_URL", value);
        }
        for key in KEYS {
            let variable = key.variable();
            let path_variable = format!("{variable}_FILE");
            match (environment.get(&variable), environment.get(&path_variable)) {
                (Some(_), Some(_)) => {
                    return Err(SettingError {
                        key: variable,
                        source_name: None,
                        problem: format!("it is set, and so is {path_variable}"),
                        way_out: "Set one of the two.".into(),
                    });
                }
                (Some(text), None) => {
                    self.values.insert(key.name, Value { text: text.clone(), source: "environment".into() });
                }
                (None, Some(path)) => {
                    self.values.insert(key.name, read_value(key, path)?);
                }
                (None, None) => {}
            }
        }
        self.warn_of_unknown(environment);
        Ok(())
    }

    fn warn_of_unknown(&mut self, environment: &BTreeMap<String, String>) {
        let is_known = |name: &str| {
            let name = name.strip_suffix("_FILE").unwrap_or(name);
            NOT_SETTINGS.contains(&name) || KEYS.iter().any(|key| key.variable() == name)
        };
        let unknown = environment.keys().filter(|name| name.starts_with(PREFIX) && !is_known(name));
        self.warnings.extend(unknown.map(|name| format!("{name} is set, and there is no such setting")));
    }
}

fn read_value(key: &Key, path: &str) -> Result<Value, SettingError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Value { text: text.trim_end().to_owned(), source: format!("file {path}") }),
        Err(error) => Err(SettingError {
            key: format!("{}_FILE", key.variable()),
            source_name: None,
            problem: format!("{path} cannot be read: {error}"),
            way_out: "Set the path of a file that the server may read.".into(),
        }),
    }
}

/// What is wrong and where. The parser's own words show the whole line, which may be that of a secret.
fn without_the_line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {}", before.matches('\n').count() + 1, error.message()),
        None => error.message().to_owned(),
    }
}

fn file_error(file: &str, problem: String) -> SettingError {
    SettingError {
        key: file.to_owned(),
        source_name: None,
        problem,
        way_out: "vestibule.example.toml shows every setting.".into(),
    }
}
