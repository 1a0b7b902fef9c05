use std::fmt;
use std::str::FromStr;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everybody who signs up.
    User,
    /// Who looks after the site.
    Admin,
}

/// The text is not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {0:?}: the roles are `user` and `admin`")]
pub struct RoleError(String);

impl Role {
    /// The role's name, as stored and as told to programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// Whether a route that asks for `wanted` is open to this role. Admins may do what users may.
    pub fn includes(self, wanted: Self) -> bool {
        self == wanted || self == Self::Admin
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(name: &str) -> Result<Self, RoleError> {
        match name {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            other => Err(RoleError(other.to_owned())),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
