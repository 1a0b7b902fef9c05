use time::Duration;

use super::{Asked, CheckError, CurrentSession};
use crate::Accounts;
use crate::models::{Actor, Client, Role};

/// For so long a password that was given in a session lets its owner do what asks for a recent one.
pub(super) const PASSWORD_IS_RECENT: Duration = Duration::minutes(10);

/// Who looks after the site: an admin who has lately given their password, or who has the server's command line. What
/// concerns other people's accounts asks for one, so that no page can do it without that check.
#[derive(Debug, Clone)]
pub struct Administrator {
    actor: Actor,
    client: Client,
}

impl Administrator {
    /// Who has the command line of the server could change the database as well: there is nothing more to check.
    pub fn at_the_command_line() -> Self {
        Self { actor: Actor::Operator, client: Client::default() }
    }

    pub(super) fn actor(&self) -> Actor {
        self.actor
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

impl Accounts {
    /// Whether who is logged in may look after the site at this moment.
    pub fn administrator(
        &self,
        current: &CurrentSession,
        client: &Client,
    ) -> Result<Administrator, CheckError> {
        self.check_allowed(&current.user, &current.session, &Asked::recently(Role::Admin))?;
        Ok(Administrator { actor: Actor::Admin(Some(current.user.id)), client: client.clone() })
    }
}
