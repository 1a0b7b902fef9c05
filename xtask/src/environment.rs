/// A variable of the environment. An empty one counts as absent, as it is how a variable is switched off for one call.
#[expect(clippy::disallowed_methods, reason = "tasks are no part of the server, and have no settings")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The names of all variables of the environment.
#[expect(clippy::disallowed_methods, reason = "tasks are no part of the server, and have no settings")]
pub fn names() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}
