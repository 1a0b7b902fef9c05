use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use vestibule::ports::{HashingSlots, Mailer, OsRandom, SystemClock};
use vestibule::{Accounts, OpenError, Policy, Ports};
use vestibule_sql::{Database, Migrations, SchemaState, SqlStore};
use vestibule_web::mails::{MailTemplates, Postman, Site, Transport};
use vestibule_web::{DevMailbox, Parts, Readiness, Routes, Vestibule};

use crate::app::App;
use crate::failure::{Failure, with_causes};
use crate::secret_file::secret_key;
use crate::settings::{MailSetting, Settings};

/// Opens the database of the settings.
pub(crate) async fn open_database(settings: &Settings) -> Result<Database, Failure> {
    Database::connect(&settings.database_url).await.map_err(|error| {
        Failure::with_way_out(
            with_causes(&error),
            "Check VESTIBULE_DATABASE_URL, and that the database runs and can be reached from here.",
        )
    })
}

/// Brings the schema up to date, or, where the settings forbid that, asks that it is.
pub(crate) async fn prepare_schema(
    app: &App,
    settings: &Settings,
    database: &Database,
) -> Result<(), Failure> {
    for migrations in app.all_migrations() {
        if settings.migrate {
            database.migrate(&migrations).await.map_err(Failure::because)?;
        } else {
            let state = database.schema_state(&migrations).await.map_err(Failure::because)?;
            if let Some(difference) = difference(&state) {
                return Err(Failure::with_way_out(
                    format!("the database's schema is not the expected one: {difference}"),
                    format!("VESTIBULE_MIGRATE is off, so run `{} migrate` before the start.", app.name),
                ));
            }
        }
    }
    Ok(())
}

/// The accounts of a database whose schema is ready.
pub(crate) async fn open_accounts(
    app: &App,
    settings: &Settings,
    database: &Database,
) -> Result<Arc<Accounts>, Failure> {
    let random = Arc::new(OsRandom);
    let slots = settings
        .hash_slots
        .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let ports = Ports {
        store: Arc::new(SqlStore::new(database.clone())),
        clock: Arc::new(SystemClock),
        random: random.clone(),
        hasher: Arc::new(HashingSlots::start(settings.hash_parameters, slots, random)),
        personal_data: (app.personal_data)(database),
    };
    let policy = Policy {
        access_ttl: settings.access_ttl,
        session: settings.session_lifetimes,
        confirm_ttl: settings.confirm_ttl,
        reset_ttl: settings.reset_ttl,
        require_confirmed_email: settings.require_confirmed_email,
        mail_daily_limit: settings.mail_daily_limit,
        sends_mail: !matches!(settings.mail, MailSetting::Nowhere),
        roles: settings.roles.clone(),
        audit_retention: settings.audit_retention,
        ..Policy::new(settings.site_name.clone(), settings.public_url.clone())
    };
    let accounts = Accounts::open(ports, &secret_key(settings)?, policy).await;
    accounts.map(Arc::new).map_err(|error| match error {
        OpenError::SigningKey(error) => Failure::with_way_out(
            error.to_string(),
            "Start with the VESTIBULE_SECRET_KEY that the database was first used with.",
        ),
        OpenError::Store(error) => Failure::because(error),
    })
}

/// The way that mails go: to a mail server or a provider, into the development mailbox, or nowhere for want of a
/// setting.
pub(crate) struct Post {
    /// Who sends them; none where there is no way, and then they wait.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// The development mailbox, where that is the way.
    pub dev_mailbox: Option<DevMailbox>,
}

/// Opens the way that mails go. A wrong template or address stops the start: a mail that cannot be written would be
/// noticed by nobody but the person who waits for it.
pub(crate) fn open_post(settings: &Settings) -> Result<Post, Failure> {
    let (transport, dev_mailbox): (Arc<dyn Transport>, _) = match &settings.mail {
        MailSetting::Server(url) => {
            let transport = url.transport(&settings.mail_from).map_err(|error| {
                Failure::with_way_out(
                    format!("mails cannot be sent by {url}: {}", with_causes(&error)),
                    "Check VESTIBULE_MAIL_URL and VESTIBULE_MAIL_FROM.",
                )
            })?;
            (transport, None)
        }
        MailSetting::DevMailbox => {
            let mailbox = DevMailbox::default();
            (Arc::new(mailbox.clone()), Some(mailbox))
        }
        MailSetting::Nowhere => return Ok(Post { mailer: None, dev_mailbox: None }),
    };
    let templates = match &settings.mail_templates {
        None => MailTemplates::built_in(),
        Some(folder) => MailTemplates::with_overrides(folder)
            .map_err(|error| Failure::from(settings.error("MAIL_TEMPLATES", &with_causes(&error))))?,
    };
    let site = Site { name: settings.site_name.clone(), public_url: settings.public_url.clone() };
    let mailer: Arc<dyn Mailer> = Arc::new(Postman::new(templates, site, transport));
    Ok(Post { mailer: Some(mailer), dev_mailbox })
}

/// Routes over accounts.
pub(crate) fn furnish(
    app: &App,
    accounts: Arc<Accounts>,
    dev_mailbox: Option<DevMailbox>,
    database: &Database,
) -> Routes {
    let readiness =
        Arc::new(DatabaseReadiness { database: database.clone(), migrations: app.all_migrations() });
    let vestibule = Vestibule::new(Parts {
        accounts,
        random: Arc::new(OsRandom),
        layout: app.layout.clone(),
        readiness,
        dev_mailbox,
    });
    vestibule_web::routes(&vestibule).merge((app.routes)(&vestibule, database))
}

/// What a schema lacks, in words.
pub(crate) fn difference(state: &SchemaState) -> Option<String> {
    match state {
        SchemaState::Expected => None,
        SchemaState::Missing(missing) => Some(format!("not applied yet: {}", missing.join(", "))),
        SchemaState::Changed(name) => {
            Some(format!("{name} was applied with another text than this program's"))
        }
    }
}

/// Ready while the database answers and has the expected schema.
struct DatabaseReadiness {
    database: Database,
    migrations: Vec<Migrations>,
}

#[async_trait]
impl Readiness for DatabaseReadiness {
    async fn check(&self) -> Result<(), String> {
        if let Err(error) = self.database.ping().await {
            tracing::warn!(cause = with_causes(&error), "the database does not answer");
            return Err("the database does not answer".into());
        }
        for migrations in &self.migrations {
            let state = self.database.schema_state(migrations).await.map_err(|error| {
                tracing::warn!(cause = with_causes(&error), "the schema cannot be read");
                "the schema cannot be read".to_owned()
            })?;
            if let Some(difference) = difference(&state) {
                return Err(format!("the schema is not the expected one: {difference}"));
            }
        }
        Ok(())
    }
}
