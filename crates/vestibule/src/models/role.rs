use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const MAX_LENGTH: usize = 32;

/// What a user may do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everybody who signs up.
    User,
    /// Who looks after the site.
    Admin,
    /// A role of the site's own, such as `editor`.
    Named(RoleName),
}

/// The name of a role of the site's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoleName(Arc<str>);

/// The text cannot be the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a role: it begins with a letter and has at most {MAX_LENGTH} small letters, digits, - and _"
)]
pub struct RoleError(String);

impl Role {
    /// The role's name, as stored and as told to programs.
    pub fn as_str(&self) -> &str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Named(RoleName(name)) => name,
        }
    }

    /// Whether a route that asks for `wanted` is open to this role. Everybody may do what users may, and admins may do
    /// everything.
    pub fn includes(&self, wanted: &Self) -> bool {
        self == wanted || *wanted == Self::User || *self == Self::Admin
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(name: &str) -> Result<Self, RoleError> {
        match name {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            name if is_a_name(name) => Ok(Self::Named(RoleName(name.into()))),
            other => Err(RoleError(other.to_owned())),
        }
    }
}

/// Nothing that would have to be escaped anywhere: the name stands in pages, headers and logs.
fn is_a_name(name: &str) -> bool {
    name.len() <= MAX_LENGTH
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_name() {
        for name in ["user", "admin", "editor", "tier-2_b"] {
            assert_eq!(name.parse::<Role>().unwrap().as_str(), name);
        }
        for name in ["", "Admin", "a b", "2nd", "-x", "é", &"a".repeat(33)] {
            assert!(name.parse::<Role>().is_err(), "{name}");
        }
    }

    #[test]
    fn every_role_may_do_what_users_may_and_only_admins_what_others_may() {
        let editor: Role = "editor".parse().unwrap();
        let writer: Role = "writer".parse().unwrap();
        assert!(editor.includes(&Role::User) && editor.includes(&editor) && Role::Admin.includes(&editor));
        assert!(!editor.includes(&Role::Admin) && !editor.includes(&writer) && !Role::User.includes(&editor));
    }
}
