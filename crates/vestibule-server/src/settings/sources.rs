use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use zeroize::Zeroizing;

use super::{KEYS, Key, SettingError};
use crate::exposed_file::refuse_exposed;

const PREFIX: &str = "VESTIBULE_";
const DEFAULT_FILE: &str = "vestibule.toml";
/// Variables of ours that are no settings.
const NOT_SETTINGS: [&str; 3] =
    ["VESTIBULE_CONFIG", "VESTIBULE_TEST_POSTGRES_URL", "VESTIBULE_REQUIRE_ADVISORIES"];

/// What was set, before it is checked: texts, each with the place that it comes from.
pub struct Sources {
    values: BTreeMap<&'static str, Value>,
    warnings: Vec<String>,
    /// Whether the file holds secrets, instead of naming the files that do.
    is_file_secret: bool,
}

pub(super) struct Value {
    /// Wiped with the settings' sources: it may be a secret.
    pub text: Zeroizing<String>,
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
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == ErrorKind::NotFound && file.is_none() => Zeroizing::default(),
            Err(error) => {
                return Err(file_error(&path.display().to_string(), format!("it cannot be read: {error}")));
            }
        };
        let sources = Self::of(&environment, &text)?;
        if sources.is_file_secret {
            refuse_exposed(path, &path.display().to_string(), None)?;
        }
        Ok(sources)
    }

    /// The same of given texts.
    pub fn of(environment: &BTreeMap<String, String>, file: &str) -> Result<Self, SettingError> {
        let mut sources = Self { values: BTreeMap::new(), warnings: Vec::new(), is_file_secret: false };
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
            self.is_file_secret |= !is_path && holds_a_secret(key, &text);
            let value = if is_path { read_value(key, &text)? } else { Value { text: text.into(), source } };
            self.values.insert(key.name, value);
        }
        Ok(())
    }

    fn take_environment(&mut self, environment: &BTreeMap<String, String>) -> Result<(), SettingError> {
        if let Some(text) = environment.get("DATABASE_URL") {
            let value = Value { text: text.clone().into(), source: "environment, DATABASE_URL".into() };
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
                    let text = text.clone().into();
                    self.values.insert(key.name, Value { text, source: "environment".into() });
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

/// A key is one; an address of a database or of a mail server holds one where it names a user.
fn holds_a_secret(key: &Key, text: &str) -> bool {
    key.is_secret && (key.name == "SECRET_KEY" || text.contains('@'))
}

fn read_value(key: &Key, path: &str) -> Result<Value, SettingError> {
    if key.is_secret {
        refuse_exposed(Path::new(path), &format!("{}_FILE", key.variable()), None)?;
    }
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            Ok(Value { text: text.trim_end().to_owned().into(), source: format!("file {path}") })
        }
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
