use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::watch;
use vestibule::models::RateLimits;
use vestibule::ports::{BreachedPasswords, HashingPlan, HashingSlots, Mailer, OsRandom, SystemClock};
use vestibule::{Accounts, OpenError, Policy, Ports, SessionCache};
pub(crate) use vestibule_house::difference;
use vestibule_house::{DatabaseReadiness, lower_priority_of_this_thread};
use vestibule_sql::{Database, MigrateError, Migrations, SchemaState, SqlStore};
use vestibule_web::mails::{MailTemplates, Postman, Site, Transport};
use vestibule_web::{
    ANSWERS_ARE_HELD_FOR, DevMailbox, Parts, RequestObserver, Routes, TrustedProxies, Vestibule,
};

use crate::app::App;
use crate::exposed_file::refuse_exposed;
use crate::failure::{Failure, with_causes};
use crate::memory::{MemoryLimit, SlotsThatFit};
use crate::secret_file::secret_keys;
use crate::settings::{MailSetting, Settings};
use crate::transports::Patience;

/// Whether the settings name an embedded database that is not there.
pub(crate) fn is_embedded_missing(settings: &Settings) -> bool {
    settings.database_url.file().is_some_and(|file| !file.exists())
}

/// Opens the database of the settings.
pub(crate) async fn open_database(settings: &Settings) -> Result<Database, Failure> {
    if let Some(file) = settings.database_url.file() {
        let place = settings.error("DATABASE_URL", "").source_name;
        refuse_exposed(file, "VESTIBULE_DATABASE_URL", place)?;
    }
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
            migrate(database, &migrations).await?;
        } else {
            let state = database.schema_state(&migrations).await.map_err(Failure::because)?;
            if let Some(difference) = difference(&state) {
                let way_out = match state {
                    SchemaState::TooNew(_) => OF_A_LATER_RELEASE.to_owned(),
                    _ => format!("VESTIBULE_MIGRATE is off, so run `{} migrate` before the start.", app.name),
                };
                return Err(Failure::with_way_out(
                    format!("the database's schema is not the expected one: {difference}"),
                    way_out,
                ));
            }
        }
    }
    Ok(())
}

/// Brings one part of the schema up to date.
pub(crate) async fn migrate(database: &Database, migrations: &Migrations) -> Result<(), Failure> {
    database.migrate(migrations).await.map_err(|error| match error {
        MigrateError::TooNew(_) => Failure::with_way_out(error.to_string(), OF_A_LATER_RELEASE),
        MigrateError::Taken(_) => Failure::with_way_out(error.to_string(), BESIDE_ANOTHER),
        _ => Failure::because(error),
    })
}

/// What to do where a database has tables of our names.
const BESIDE_ANOTHER: &str = "Give the accounts a database of their own or, in PostgreSQL, a schema: make it, and let \
    VESTIBULE_DATABASE_URL end in ?options[search_path]=SCHEMA.";

/// What to do about a schema that this release cannot work with.
pub(crate) const OF_A_LATER_RELEASE: &str =
    "Run that release or one of after it, or restore a backup of before the upgrade.";

/// The accounts of a database whose schema is ready, and who is asked about leaked passwords: nobody, where no new
/// password is going to be set. A cache of sessions is for who checks some.
pub(crate) async fn open_accounts(
    app: &App,
    settings: &Settings,
    database: &Database,
    breached_passwords: Vec<Arc<dyn BreachedPasswords>>,
    session_cache: Arc<SessionCache>,
) -> Result<Arc<Accounts>, Failure> {
    let random = Arc::new(OsRandom);
    let plan = hashing_plan(settings)?;
    let ports = Ports {
        store: Arc::new(
            SqlStore::telling(database.clone(), Arc::clone(&session_cache)).with_hooks((app.hooks)(database)),
        ),
        session_cache,
        clock: Arc::new(SystemClock),
        random: random.clone(),
        hasher: Arc::new(HashingSlots::start(plan, random)),
        breached_passwords,
        personal_data: (app.personal_data)(database),
    };
    let policy = policy(settings);
    let accounts = Accounts::open(ports, &secret_keys(settings)?, policy).await;
    accounts.map(Arc::new).map_err(|error| match error {
        OpenError::SigningKey(error) => Failure::with_way_out(
            error.to_string(),
            "Start with the VESTIBULE_SECRET_KEY that the database was used with, or add it at the end of the list.",
        ),
        OpenError::Store(error) => Failure::because(error),
    })
}

/// What the owner of the site decided.
pub(crate) fn policy(settings: &Settings) -> Policy {
    Policy {
        access_ttl: settings.access_ttl,
        session: settings.session_lifetimes,
        sign_up: settings.sign_up,
        confirm_ttl: settings.confirm_ttl,
        reset_ttl: settings.reset_ttl,
        require_confirmed_email: settings.require_confirmed_email,
        mail_daily_limit: settings.mail_daily_limit,
        sends_mail: !matches!(settings.mail, MailSetting::Nowhere),
        roles: settings.roles.clone(),
        audit_retention: settings.audit_retention,
        rate_limits: settings.rate_limit.then(RateLimits::default),
        ..Policy::new(settings.site_name.clone(), settings.public_url.clone())
    }
}

/// How passwords are hashed.
pub(crate) fn hashing_plan(settings: &Settings) -> Result<HashingPlan, Failure> {
    Ok(HashingPlan {
        max_wait: settings.hash_max_wait,
        on_thread_start: lower_priority_of_this_thread,
        ..HashingPlan::new(settings.hash_parameters, hashing_slots(settings)?)
    })
}

/// How many passwords are hashed at a time: as many as the settings say or there are cores, if they fit into memory.
pub(crate) fn hashing_slots(settings: &Settings) -> Result<NonZeroUsize, Failure> {
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let wanted = settings.hash_slots.unwrap_or_else(cores);
    let Some(limit) = MemoryLimit::of_this_process() else { return Ok(wanted) };
    let is_asked_for = settings.hash_slots.is_some();
    match limit.slots(settings.hash_parameters, wanted, is_asked_for) {
        SlotsThatFit::All(slots) => Ok(slots),
        SlotsThatFit::Fewer(slots, why) => {
            tracing::warn!(slots, why, "fewer passwords are hashed at a time than there are cores");
            Ok(slots)
        }
        SlotsThatFit::TooMany(why) => {
            let name = if is_asked_for { "HASH_SLOTS" } else { "HASH_MEMORY_KIB" };
            Err(settings.error(name, &why).into())
        }
    }
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
/// noticed by nobody but the person who waits for it. `stopping` says when nothing is to be begun any more.
pub(crate) fn open_post(settings: &Settings, stopping: watch::Receiver<bool>) -> Result<Post, Failure> {
    let templates = mail_templates(settings)?;
    let Some((transport, dev_mailbox)) = open_transport(settings, Patience::until(stopping))? else {
        return Ok(Post { mailer: None, dev_mailbox: None });
    };
    let site = Site { name: settings.site_name.clone(), public_url: settings.public_url.clone() };
    let mailer: Arc<dyn Mailer> = Arc::new(Postman::new(templates, site, transport));
    Ok(Post { mailer: Some(mailer), dev_mailbox })
}

/// The texts of mails.
pub(crate) fn mail_templates(settings: &Settings) -> Result<MailTemplates, Failure> {
    // Also where mails have no way yet: on the day that they get one, nobody looks at the templates.
    match &settings.mail_templates {
        None => Ok(MailTemplates::built_in()),
        Some(folder) => MailTemplates::with_overrides(folder)
            .map_err(|error| settings.error("MAIL_TEMPLATES", &with_causes(&error)).into()),
    }
}

/// How a mail leaves the house, and the development mailbox where that is how; none where mails wait for want of a setting.
type Way = Option<(Arc<dyn Transport>, Option<DevMailbox>)>;

/// Opens that way.
pub(crate) fn open_transport(settings: &Settings, patience: Patience) -> Result<Way, Failure> {
    match &settings.mail {
        MailSetting::Server(url) => {
            let transport = url.transport(&settings.mail_from, patience).map_err(|error| {
                Failure::with_way_out(
                    format!("mails cannot be sent by {url}: {}", with_causes(&error)),
                    "Check VESTIBULE_MAIL_URL and VESTIBULE_MAIL_FROM.",
                )
            })?;
            Ok(Some((transport, None)))
        }
        MailSetting::DevMailbox => {
            let mailbox = DevMailbox::default();
            Ok(Some((Arc::new(mailbox.clone()), Some(mailbox))))
        }
        MailSetting::Nowhere => Ok(None),
    }
}

/// Routes over accounts.
pub(crate) fn furnish(
    app: &App,
    accounts: Arc<Accounts>,
    dev_mailbox: Option<DevMailbox>,
    trusted_proxies: TrustedProxies,
    database: &Database,
    observer: Option<Arc<dyn RequestObserver>>,
) -> Routes {
    let readiness = Arc::new(DatabaseReadiness::new(database.clone(), app.all_migrations()));
    let vestibule = Vestibule::new(Parts {
        accounts,
        random: Arc::new(OsRandom),
        layout: app.layout.clone(),
        readiness,
        trusted_proxies,
        dev_mailbox,
        openapi: app.openapi.map(|describe| describe()),
        answers_are_held_for: ANSWERS_ARE_HELD_FOR,
        observer,
    });
    vestibule_web::routes(&vestibule).merge((app.routes)(&vestibule, database))
}
