use std::sync::Arc;

use vestibule::Policy;
use vestibule::models::SecretKeys;
use vestibule::ports::{BreachedPasswords, HashingPlan};
use vestibule_web::DevMailbox;
use vestibule_web::mails::{MailTemplates, Transport};

use crate::breached_passwords::Sources;
use crate::exposed_file::refuse_exposed;
use crate::failure::Failure;
use crate::house::{hashing_plan, mail_templates, open_transport, policy};
use crate::secret_file::secret_keys;
use crate::settings::Settings;
use crate::transports::Patience;

/// What settings make of the parts of an application that runs itself, in place of [`run`](crate::run).
pub struct SetParts {
    /// The secrets; in development the one kept beside the database.
    pub secret_keys: SecretKeys,
    /// What the owner of the site decided.
    pub policy: Policy,
    /// How passwords are hashed, within the memory that there is.
    pub hashing: HashingPlan,
    /// Who knows of leaked passwords.
    pub breached_passwords: Vec<Arc<dyn BreachedPasswords>>,
    /// The texts of mails.
    pub mail_templates: MailTemplates,
    /// How mails leave the house; none where they wait.
    pub transport: Option<Arc<dyn Transport>>,
    /// The development mailbox, where that is how.
    pub dev_mailbox: Option<DevMailbox>,
}

/// Settings that cannot be carried out, in words, with the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PartsError(String);

impl SetParts {
    /// Makes the parts.
    pub fn of(settings: &Settings) -> Result<Self, PartsError> {
        Self::make(settings).map_err(|failure| PartsError(failure.in_words()))
    }

    fn make(settings: &Settings) -> Result<Self, Failure> {
        if let Some(file) = settings.database_url.file() {
            let place = settings.error("DATABASE_URL", "").source_name;
            refuse_exposed(file, "VESTIBULE_DATABASE_URL", place)?;
        }
        let way = open_transport(settings, Patience::default())?;
        let (transport, dev_mailbox) =
            way.map_or((None, None), |(transport, mailbox)| (Some(transport), mailbox));
        Ok(Self {
            secret_keys: secret_keys(settings)?,
            policy: policy(settings),
            hashing: hashing_plan(settings)?,
            breached_passwords: Sources::open(settings)?.ports(),
            mail_templates: mail_templates(settings)?,
            transport,
            dev_mailbox,
        })
    }
}
