use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use utoipa::openapi::OpenApi;
use vestibule::models::{PublicUrl, Role, SecretKeys, SignUpMode};
use vestibule::ports::{
    Argon2Parameters, BreachedPasswords, HashingPlan, HashingSlots, Mailer, OsRandom, PersonalData,
    SystemClock,
};
use vestibule::{Accounts, Policy, Ports, SessionCache};
use vestibule_house::workers::mail::MailObserver;
use vestibule_house::{
    DatabaseReadiness, difference, exposure, lower_priority_of_this_thread, secret_file,
    unverified_host_elsewhere,
};
use vestibule_sql::{AccountHooks, Database, DatabaseUrl, MIGRATIONS, Migrations, SqlStore};
use vestibule_web::mails::{MailTemplates, Postman, Site, Transport};
use vestibule_web::{
    ANSWERS_ARE_HELD_FOR, DefaultLayout, DevMailbox, Layout, Parts, RequestObserver, TrustedProxies,
};

use crate::error::BuildError;
use crate::vestibule::{Inner, Vestibule};

const DEFAULT_SITE_NAME: &str = "My application";
const DEFAULT_PUBLIC_URL: &str = "http://localhost:3000";
const DEFAULT_DATABASE: &str = "sqlite://data/accounts.db";
/// Sessions that are remembered, as the setting `VESTIBULE_SESSION_CACHE` has it.
const DEFAULT_SESSION_CACHE: usize = 10_000;

/// Puts accounts together for an application. [`Vestibule::builder`] gives one that works on a developer's machine as it is; what is
/// wrong is told by [`open`](Self::open).
#[must_use = "nothing is opened before `open`"]
pub struct Builder {
    site_name: String,
    public_url: Set<PublicUrl>,
    database: Place,
    listen_at: Option<DatabaseUrl>,
    schema: Option<String>,
    secret_key: Option<Set<SecretKeys>>,
    sign_up: SignUpMode,
    roles: Vec<String>,
    policy: Vec<Box<dyn FnOnce(Policy) -> Policy + Send>>,
    layout: Arc<dyn Layout>,
    mail: Mail,
    mail_templates: Texts,
    mail_observer: Arc<dyn MailObserver>,
    trusted_proxies: Set<TrustedProxies>,
    hooks: Vec<Arc<dyn AccountHooks>>,
    personal_data: Vec<Arc<dyn PersonalData>>,
    migrations: Vec<Migrations>,
    migrates: bool,
    breached_passwords: Vec<Arc<dyn BreachedPasswords>>,
    hashing: Option<HashingPlan>,
    remembered_sessions: usize,
    openapi: Option<OpenApi>,
    observer: Option<Arc<dyn RequestObserver>>,
}

/// Something that is read by [`Builder::open`], or was read before.
enum Set<T> {
    Text(String),
    Read(T),
}

impl<T> Set<T> {
    fn read<E: std::fmt::Display>(
        self,
        what: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, BuildError> {
        match self {
            Self::Text(text) => read(what, &text, parse),
            Self::Read(value) => Ok(value),
        }
    }
}

/// The texts of mails.
enum Texts {
    BuiltIn,
    Folder(PathBuf),
    #[cfg(feature = "server")]
    Read(Box<MailTemplates>),
}

enum Place {
    Url(Set<DatabaseUrl>),
    Opened(Database),
}

enum Mail {
    /// The development mailbox, where the site is on this machine; else a mistake, for mails would reach nobody.
    Undecided,
    Transport(Arc<dyn Transport>),
    DevMailbox(DevMailbox),
    Waits,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            site_name: DEFAULT_SITE_NAME.to_owned(),
            public_url: Set::Text(DEFAULT_PUBLIC_URL.to_owned()),
            database: Place::Url(Set::Text(DEFAULT_DATABASE.to_owned())),
            listen_at: None,
            schema: None,
            secret_key: None,
            sign_up: SignUpMode::Open,
            roles: Vec::new(),
            policy: Vec::new(),
            layout: Arc::new(DefaultLayout),
            mail: Mail::Undecided,
            mail_templates: Texts::BuiltIn,
            mail_observer: Arc::new(()),
            trusted_proxies: Set::Read(TrustedProxies::default()),
            hooks: Vec::new(),
            personal_data: Vec::new(),
            migrations: Vec::new(),
            migrates: true,
            breached_passwords: Vec::new(),
            hashing: None,
            remembered_sessions: DEFAULT_SESSION_CACHE,
            openapi: None,
            observer: None,
        }
    }
}

/// What must be decided before an application goes online.
impl Builder {
    /// The site's name, as people know it: in titles and mails.
    pub fn site_name(self, name: impl Into<String>) -> Self {
        Self { site_name: name.into(), ..self }
    }

    /// The address under which people reach the site: scheme, host and port. Links in mails, cookies, and the origin that requests must
    /// come from are made from it. `http://localhost:3000` unless set; plain http is for localhost and private networks.
    pub fn public_url(self, url: impl Into<String>) -> Self {
        Self { public_url: Set::Text(url.into()), ..self }
    }

    /// Where accounts are kept: `sqlite://data/app.db` or `postgres://user:password@host/database`. `sqlite://data/accounts.db` unless
    /// set. It may be the application's own database: Vestibule makes tables of its own there and touches no others.
    pub fn database_url(self, url: impl Into<String>) -> Self {
        Self { database: Place::Url(Set::Text(url.into())), ..self }
    }

    /// The same, already open, for an application that keeps its own tables by the same connections.
    pub fn database(self, database: Database) -> Self {
        Self { database: Place::Opened(database), ..self }
    }

    /// A schema of PostgreSQL for the tables of accounts, which is made where it is missing: for a database in which the application has
    /// tables called `users` or `sessions`. By this database's connections the application names its own tables with their schema, as in
    /// `public.orders`. Goes with [`database_url`](Self::database_url); whoever opens the database asks
    /// [`DatabaseUrl::in_schema`](vestibule_sql::DatabaseUrl::in_schema).
    pub fn schema(self, schema: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), ..self }
    }

    /// Where PostgreSQL is listened to for what other servers change: past a `PgBouncer` in transaction mode. Where accounts are kept
    /// unless set.
    pub fn database_listen_url(self, url: DatabaseUrl) -> Self {
        Self { listen_at: Some(url), ..self }
    }

    /// The secret key, 32 bytes or more in base64 (`head -c 32 /dev/urandom | base64`), or several with commas between them, newest first.
    /// Needed on https. In development one is made and kept beside the database, in `secret.key`.
    pub fn secret_key(self, key: impl Into<String>) -> Self {
        Self { secret_key: Some(Set::Text(key.into())), ..self }
    }

    /// How mails leave the house. On localhost they end in the development mailbox at `/dev/mailbox` unless this is set; elsewhere it has
    /// to be.
    pub fn mail_transport(self, transport: impl Transport) -> Self {
        Self { mail: Mail::Transport(Arc::new(transport)), ..self }
    }

    /// Keeps mails in the development mailbox, `/dev/mailbox`, which is what happens on `localhost` in a debug build anyway. Whoever can
    /// open it can open every account: only for a machine that nobody else reaches, and never behind a proxy.
    pub fn dev_mailbox(self) -> Self {
        Self { mail: Mail::DevMailbox(DevMailbox::default()), ..self }
    }

    /// Lets mails wait in the database: another process sends them, or nobody does yet. The pages do not say that one is on its way.
    pub fn mails_wait(self) -> Self {
        Self { mail: Mail::Waits, ..self }
    }

    /// The reverse proxies that are believed where a request comes from, with commas between them: `127.0.0.1, 10.0.0.0/8`. Without
    /// them all people behind a proxy share one quota of attempts.
    pub fn trusted_proxies(self, proxies: impl Into<String>) -> Self {
        Self { trusted_proxies: Set::Text(proxies.into()), ..self }
    }
}

/// How people come by accounts, and what they may do.
impl Builder {
    /// How people come by accounts. Everybody may sign up unless this is set.
    pub fn sign_up(self, mode: SignUpMode) -> Self {
        Self { sign_up: mode, ..self }
    }

    /// The roles that the site has beside `user` and `admin`.
    pub fn roles<R: Into<String>>(self, roles: impl IntoIterator<Item = R>) -> Self {
        Self { roles: roles.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whatever else the owner of the site decides: how long sessions and links live, limits, and whether an address must be confirmed.
    ///
    /// ```
    /// # use vestibule_axum::Vestibule;
    /// let builder = Vestibule::builder().policy(|policy| vestibule_axum::Policy { require_confirmed_email: true, ..policy });
    /// # drop(builder);
    /// ```
    pub fn policy(mut self, change: impl FnOnce(Policy) -> Policy + Send + 'static) -> Self {
        self.policy.push(Box::new(change));
        self
    }

    /// Who knows of leaked passwords, beside the most common ones, which are refused anyway.
    pub fn breached_passwords(mut self, source: impl BreachedPasswords + 'static) -> Self {
        self.breached_passwords.push(Arc::new(source));
        self
    }

    /// How passwords are hashed: with OWASP's minimum for Argon2id, as many at a time as there are cores, unless set. Each takes the
    /// memory of one hash.
    pub fn hashing(self, plan: HashingPlan) -> Self {
        Self { hashing: Some(plan), ..self }
    }

    /// How many sessions are remembered, so that most requests ask the database nothing: 10,000 unless set, none with 0. What is ended
    /// is refused at once here, and by other servers within some milliseconds.
    pub fn session_cache(self, sessions: usize) -> Self {
        Self { remembered_sessions: sessions, ..self }
    }
}

/// How it looks, and what it says.
impl Builder {
    /// What stands around every page: the application's own header, menu and footer, and its own templates in the place of those that
    /// the pages of accounts come with.
    pub fn layout(self, layout: impl Layout) -> Self {
        Self { layout: Arc::new(layout), ..self }
    }

    /// A folder of texts that take the place of the built-in ones of mails. A mistake in them is told by [`open`](Self::open).
    pub fn mail_templates(self, folder: impl Into<PathBuf>) -> Self {
        Self { mail_templates: Texts::Folder(folder.into()), ..self }
    }

    /// What the application's own API looks like, for `/api/openapi.json`.
    pub fn openapi(self, openapi: OpenApi) -> Self {
        Self { openapi: Some(openapi), ..self }
    }

    /// Who is told of each request, for numbers.
    pub fn observer(self, observer: impl RequestObserver + 'static) -> Self {
        Self { observer: Some(Arc::new(observer)), ..self }
    }

    /// Who counts what becomes of mails.
    pub fn mail_observer(self, observer: impl MailObserver) -> Self {
        Self { mail_observer: Arc::new(observer), ..self }
    }
}

/// What the application keeps beside accounts.
impl Builder {
    /// What the application does when somebody gets an account, confirms their address or goes. May be called several times; they are
    /// told in this order.
    pub fn hooks(mut self, hooks: impl AccountHooks) -> Self {
        self.hooks.push(Arc::new(hooks));
        self
    }

    /// What the application keeps of a user, for their export. May be called several times.
    pub fn personal_data(mut self, data: impl PersonalData) -> Self {
        self.personal_data.push(Arc::new(data));
        self
    }

    /// The application's own tables, which are made after those of accounts and may refer to them. May be called several times. Who
    /// runs `sqlx::migrate!` for itself does so after [`open`](Self::open).
    pub fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations.push(migrations);
        self
    }

    /// Whether [`open`](Self::open) brings the tables up to date. If not, it asks that they are.
    pub fn migrate(self, migrates: bool) -> Self {
        Self { migrates, ..self }
    }
}

#[cfg(feature = "server")]
impl Builder {
    /// What settings say: those of the environment (`VESTIBULE_…`) and of `vestibule.toml`, as `docs/configuration.md` has them. Mails
    /// go by SMTP or a provider. What is called after this goes before it.
    ///
    /// ```no_run
    /// # async fn open() -> Result<vestibule_axum::Vestibule, Box<dyn std::error::Error>> {
    /// use vestibule_axum::Vestibule;
    /// use vestibule_axum::server::settings::Settings;
    ///
    /// let settings = Settings::load(None, "My application")?;
    /// let vestibule = Vestibule::builder().settings(&settings)?.open().await?;
    /// # Ok(vestibule)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where a file that they name cannot be read, or a mail server cannot be spoken to as they say.
    pub fn settings(
        self,
        settings: &vestibule_server::settings::Settings,
    ) -> Result<Self, vestibule_server::PartsError> {
        let parts = vestibule_server::SetParts::of(settings)?;
        let mail = match (parts.dev_mailbox, parts.transport) {
            (Some(mailbox), _) => Mail::DevMailbox(mailbox),
            (None, Some(transport)) => Mail::Transport(transport),
            (None, None) => Mail::Waits,
        };
        let policy = parts.policy;
        Ok(Self {
            site_name: policy.site_name.clone(),
            public_url: Set::Read(policy.public_url.clone()),
            database: Place::Url(Set::Read(settings.database_url.clone())),
            listen_at: Some(settings.database_listen_url.clone()),
            secret_key: Some(Set::Read(parts.secret_keys)),
            sign_up: policy.sign_up,
            roles: policy.roles.iter().map(ToString::to_string).collect(),
            mail,
            mail_templates: Texts::Read(Box::new(parts.mail_templates)),
            trusted_proxies: Set::Read(settings.trusted_proxies.clone()),
            migrates: settings.migrate,
            breached_passwords: parts.breached_passwords,
            hashing: Some(parts.hashing),
            remembered_sessions: settings.session_cache,
            policy: vec![Box::new(move |ours| Policy {
                sign_up: ours.sign_up,
                roles: ours.roles,
                sends_mail: ours.sends_mail,
                site_name: ours.site_name,
                public_url: ours.public_url,
                ..policy
            })],
            ..self
        })
    }
}

/// As many as there are.
fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Builder {
    /// Opens the database, makes or updates the tables, and puts everything together. Nothing runs yet: see [`Vestibule::serve`] and
    /// [`Vestibule::start_workers`].
    ///
    /// # Errors
    ///
    /// Says what is wrong and the way out: a value that cannot be taken, a database that does not answer, tables that are somebody
    /// else's.
    pub async fn open(self) -> Result<Vestibule, BuildError> {
        let public_url = self.public_url.read("public_url", PublicUrl::parse)?;
        let trusted_proxies = self.trusted_proxies.read("trusted_proxies", str::parse)?;
        let roles = self
            .roles
            .iter()
            .map(|role| read("roles", role, str::parse))
            .collect::<Result<Vec<Role>, _>>()?;
        let templates = match self.mail_templates {
            Texts::BuiltIn => MailTemplates::built_in(),
            Texts::Folder(folder) => MailTemplates::with_overrides(&folder)?,
            #[cfg(feature = "server")]
            Texts::Read(templates) => *templates,
        };
        let (transport, dev_mailbox) = transport(self.mail, &public_url, cfg!(debug_assertions))?;
        let database = open_database(self.database, self.schema.as_deref()).await?;
        if let Some((file, exposure)) = database.url().file().and_then(|file| Some((file, exposure(file)?))) {
            tracing::warn!(
                "{} holds secrets, and {exposure}. Let its owner alone read it: `chmod 600`",
                file.display()
            );
        }
        let secrets = secrets(self.secret_key, &public_url, database.url().file())?;
        let migrations: Vec<Migrations> = [MIGRATIONS].into_iter().chain(self.migrations).collect();
        prepare_schema(&database, &migrations, self.migrates).await?;

        let random = Arc::new(OsRandom);
        let plan = self.hashing.unwrap_or_else(|| HashingPlan {
            on_thread_start: lower_priority_of_this_thread,
            ..HashingPlan::new(Argon2Parameters::FLOOR, cores())
        });
        let session_cache = Arc::new(SessionCache::new(self.remembered_sessions));
        let store = SqlStore::telling(database.clone(), Arc::clone(&session_cache)).with_hooks(self.hooks);
        let ports = Ports {
            store: Arc::new(store),
            session_cache: Arc::clone(&session_cache),
            clock: Arc::new(SystemClock),
            random: random.clone(),
            hasher: Arc::new(HashingSlots::start(plan, random.clone())),
            breached_passwords: self.breached_passwords,
            personal_data: self.personal_data,
        };
        let policy = Policy {
            sign_up: self.sign_up,
            roles,
            sends_mail: transport.is_some(),
            ..Policy::new(self.site_name.clone(), public_url.clone())
        };
        let policy = self.policy.into_iter().fold(policy, |policy, change| change(policy));
        let site = Site { name: policy.site_name.clone(), public_url: policy.public_url.clone() };
        let mailer = transport
            .map(|transport| -> Arc<dyn Mailer> { Arc::new(Postman::new(templates, site, transport)) });
        let accounts = Arc::new(Accounts::open(ports, &secrets, policy).await?);
        let web = vestibule_web::Vestibule::new(Parts {
            accounts: Arc::clone(&accounts),
            random,
            layout: self.layout,
            readiness: Arc::new(DatabaseReadiness::new(database.clone(), migrations)),
            trusted_proxies,
            dev_mailbox,
            openapi: self.openapi,
            answers_are_held_for: ANSWERS_ARE_HELD_FOR,
            observer: self.observer,
        });
        let listen_at = self.listen_at.unwrap_or_else(|| database.url().clone());
        Ok(Vestibule::of(Inner {
            web,
            listen_at,
            accounts,
            database,
            session_cache,
            mailer,
            mail_observer: self.mail_observer,
        }))
    }
}

fn read<T, E: std::fmt::Display>(
    what: &'static str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, BuildError> {
    parse(text).map_err(|error| BuildError::Setting { what, problem: error.to_string() })
}

/// Who takes the mails, nobody where they wait; and the development mailbox, where that is who.
type Way = (Option<Arc<dyn Transport>>, Option<DevMailbox>);

/// Decides who takes the mails.
fn transport(mail: Mail, public_url: &PublicUrl, is_development: bool) -> Result<Way, BuildError> {
    match mail {
        Mail::Transport(transport) => Ok((Some(transport), None)),
        Mail::DevMailbox(mailbox) => Ok((Some(Arc::new(mailbox.clone())), Some(mailbox))),
        Mail::Waits => Ok((None, None)),
        // Whoever can open it can open every account, so it is for this machine alone.
        Mail::Undecided if public_url.is_loopback() && is_development => {
            let mailbox = DevMailbox::default();
            Ok((Some(Arc::new(mailbox.clone())), Some(mailbox)))
        }
        // Behind a proxy that tells nothing of itself, everybody seems to ask from this machine.
        Mail::Undecided if public_url.is_loopback() => Err(BuildError::Setting {
            what: "mail_transport",
            problem: "this program is built to be released, and its mails would stay in the development mailbox, where links that \
                      open accounts can be read. Say how mails leave the house, or `.mails_wait()`, or `.dev_mailbox()` on a machine that \
                      nobody else reaches"
                .to_owned(),
        }),
        Mail::Undecided => Err(BuildError::Setting {
            what: "mail_transport",
            problem: format!(
                "{public_url} is not on this machine, so the development mailbox would be open to others. Say how mails leave the house, \
                 or `.mails_wait()`"
            ),
        }),
    }
}

async fn open_database(place: Place, schema: Option<&str>) -> Result<Database, BuildError> {
    let url = match (place, schema) {
        (Place::Opened(database), None) => return Ok(database),
        (Place::Opened(_), Some(_)) => {
            let problem = "the database is open already. Open it with `DatabaseUrl::in_schema`, or give `.database_url(…)`";
            return Err(BuildError::Setting { what: "schema", problem: problem.to_owned() });
        }
        (Place::Url(url), _) => url.read("database_url", DatabaseUrl::from_str)?,
    };
    if let Some(host) = unverified_host_elsewhere(&url) {
        tracing::warn!(
            "whoever is between here and {host} can read and change the accounts: let the address of the database end in \
             sslmode=verify-full"
        );
    }
    let Some(schema) = schema else { return Ok(Database::connect(&url).await?) };
    let url = url
        .in_schema(schema)
        .map_err(|error| BuildError::Setting { what: "schema", problem: error.to_string() })?;
    let database = Database::connect(&url).await?;
    database.make_schema(schema).await?;
    Ok(database)
}

fn secrets(
    set: Option<Set<SecretKeys>>,
    public_url: &PublicUrl,
    database_file: Option<&Path>,
) -> Result<SecretKeys, BuildError> {
    if let Some(set) = set {
        return set.read("secret_key", SecretKeys::parse);
    }
    // A key kept beside a development database must never become a real site's by accident.
    if public_url.is_https() {
        let problem = format!(
            "it is required, because {public_url} is https. Make one with `head -c 32 /dev/urandom | base64`"
        );
        return Err(BuildError::Setting { what: "secret_key", problem });
    }
    let path = secret_file::path_beside(database_file);
    let kept = secret_file::keep_or_make_at(&path);
    kept.map(SecretKeys::from).map_err(|source| BuildError::SecretFile { path, source })
}

async fn prepare_schema(
    database: &Database,
    migrations: &[Migrations],
    migrates: bool,
) -> Result<(), BuildError> {
    for migrations in migrations {
        if migrates {
            database.migrate(migrations).await?;
        } else if let Some(difference) = difference(&database.schema_state(migrations).await?) {
            return Err(BuildError::Schema(difference));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_program_has_no_development_mailbox_unless_it_says_so() {
        let here = PublicUrl::parse(DEFAULT_PUBLIC_URL).unwrap();
        assert!(transport(Mail::Undecided, &here, true).is_ok_and(|(_, mailbox)| mailbox.is_some()));
        let refused = transport(Mail::Undecided, &here, false).err().unwrap().to_string();
        assert!(refused.contains(".mails_wait()") && refused.contains(".dev_mailbox()"), "{refused}");
        let asked = Mail::DevMailbox(DevMailbox::default());
        assert!(transport(asked, &here, false).is_ok_and(|(_, mailbox)| mailbox.is_some()));
        let elsewhere = PublicUrl::parse("https://example.com").unwrap();
        assert!(transport(Mail::Undecided, &elsewhere, true).is_err());
    }
}
