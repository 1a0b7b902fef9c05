//! The configuration. Each setting is an environment variable and a key of `vestibule.toml`; any may be given as a
//! file with `_FILE`. All are checked before anything starts, and a wrong one is told with its name, what is wrong
//! with it and the way out.

mod backup;
mod keys;
mod sources;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use time::Duration;
use vestibule::models::{PublicUrl, Role, RoleError, SecretKeys, SessionLifetimes, SignUpMode};
use vestibule::ports::Argon2Parameters;
pub(crate) use vestibule_house::unverified_host_elsewhere;
use vestibule_sql::{DatabaseUrl, DatabaseUrlError, Engine};
use vestibule_web::TrustedProxies;

use crate::breached_passwords::{RangeApiUrl, RangeApiUrlError};
use crate::traces::TracesSetting;
use crate::transports::{MailUrl, Sender};

pub use backup::{BackupSettings, ObjectStoreKey};
pub use keys::{KEYS, Key};
pub use sources::Sources;
pub use tls::{AcmeSetting, CertificateFiles, TlsSetting};

/// More than any machine has cores; each takes the memory of a hash.
const MAX_HASH_SLOTS: usize = 256;
/// About ten gigabytes.
const MAX_SESSION_CACHE: usize = 10_000_000;
/// A browser and a check of health; below that nothing works.
const MIN_CONNECTIONS: usize = 16;
/// Far more than one process serves well; a typing error beyond.
const MAX_CONNECTIONS: usize = 1_000_000;

/// All settings, checked.
#[derive(Debug)]
pub struct Settings {
    /// Where to serve.
    pub listen: SocketAddr,
    /// Who speaks TLS.
    pub tls: TlsSetting,
    /// Where to lead from plain http to https.
    pub listen_http: Option<SocketAddr>,
    /// What links and cookies are made from.
    pub public_url: PublicUrl,
    /// The proxies that are believed where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// How many connections are held at once, where that is not left to the limits of the system.
    pub max_connections: Option<NonZeroUsize>,
    /// Where accounts are kept.
    pub database_url: DatabaseUrl,
    /// Where PostgreSQL is listened to.
    pub database_listen_url: DatabaseUrl,
    /// How many sessions are remembered.
    pub session_cache: usize,
    /// The server's secrets, newest first; none in development, where one is kept beside the database.
    pub secret_keys: Option<SecretKeys>,
    /// The site's name.
    pub site_name: String,
    /// The form of the log.
    pub log_format: LogFormat,
    /// How long access tokens are good.
    pub access_ttl: Duration,
    /// How long sessions live.
    pub session_lifetimes: SessionLifetimes,
    /// Whether the start brings the schema up to date.
    pub migrate: bool,
    /// The cost of a password hash.
    pub hash_parameters: Argon2Parameters,
    /// How many passwords are hashed at once; one a core, as far as memory allows, unless set.
    pub hash_slots: Option<NonZeroUsize>,
    /// How people come by accounts.
    pub sign_up: SignUpMode,
    /// How long somebody may wait until their password is looked at.
    pub hash_max_wait: std::time::Duration,
    /// A file of leaked passwords.
    pub breached_passwords: Option<PathBuf>,
    /// A service that is asked about leaked passwords.
    pub breached_passwords_api: Option<RangeApiUrl>,
    /// How long links that confirm an address are good.
    pub confirm_ttl: Duration,
    /// How long links that reset a password are good.
    pub reset_ttl: Duration,
    /// Whether an address must be confirmed before more than the account can be used.
    pub require_confirmed_email: bool,
    /// The roles that the site has beside `user` and `admin`.
    pub roles: Vec<Role>,
    /// Whether passwords, links and mails are counted.
    pub rate_limit: bool,
    /// How long the audit trail is kept.
    pub audit_retention: Duration,
    /// How mails are sent.
    pub mail: MailSetting,
    /// Their sender.
    pub mail_from: Sender,
    /// How many go in a day.
    pub mail_daily_limit: Option<u32>,
    /// Where texts are that take the place of the built-in ones.
    pub mail_templates: Option<PathBuf>,
    /// Where to serve the metrics.
    pub metrics_listen: Option<SocketAddr>,
    /// Where to send traces.
    pub traces: Option<TracesSetting>,
    /// Who can read backups, and where they may be kept.
    pub backup: BackupSettings,
    /// What is between this machine and others.
    pub network: Network,
    /// What is odd and not wrong.
    pub warnings: Vec<String>,
    /// All settings as they can be shown.
    pub shown: Vec<Shown>,
}

/// How mails are sent.
#[derive(Debug, Clone)]
pub enum MailSetting {
    /// By a mail server or a provider.
    Server(MailUrl),
    /// Not at all: they can be read at `/dev/mailbox`.
    DevMailbox,
    /// Not at all: they wait until there is a way.
    Nowhere,
}

/// What is between this machine and others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Machines that are all trusted.
    Trusted,
    /// Anybody.
    Open,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// A setting as it can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The variable's name.
    pub variable: String,
    /// The value; of a secret only whether there is one.
    pub value: String,
    /// Where it comes from.
    pub source: String,
}

/// A setting that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}{}: {problem}", .source_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default())]
pub struct SettingError {
    /// The variable's name, or the file's.
    pub key: String,
    /// Where it was set.
    pub source_name: Option<String>,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub way_out: String,
}

impl Settings {
    /// Reads file and environment. `file` must be there if it is given; `vestibule.toml` may be missing.
    pub fn load(file: Option<&Path>, site_name: &str) -> Result<Self, SettingError> {
        Self::from_sources(&Sources::read(file)?, site_name)
    }

    /// Checks what was read. `site_name` is the application's own name, where the settings give none.
    pub fn from_sources(sources: &Sources, site_name: &str) -> Result<Self, SettingError> {
        let listen = tls::listen(sources)?;
        let public_url = public_url(sources, listen)?;
        let database_url = sources.parse("DATABASE_URL")?;
        let hash_parameters = hash_parameters(sources)?;
        let mail = mail(sources, &public_url)?;
        let mail_from = mail_from(sources, &public_url)?;
        let mut warnings = sources.warnings().to_vec();
        let tls = tls::tls(sources, &public_url, &mut warnings)?;
        warnings.extend(reach(sources, listen, &public_url)?);
        warnings.extend(way_to_the_database(sources, &database_url)?);
        if matches!(mail, MailSetting::Nowhere) {
            warnings.push(
                "VESTIBULE_MAIL_URL is not set, so no mail is sent: mails wait until it is. `user link EMAIL --confirm` or \
                 `--reset` prints a link to hand to a person"
                    .to_owned(),
            );
        }
        let trusted_proxies = trusted_proxies(sources)?;
        if tls == TlsSetting::Off
            && public_url.is_https()
            && listen.ip().is_loopback()
            && trusted_proxies.is_empty()
        {
            warnings.push(
                "VESTIBULE_TRUSTED_PROXIES is not set, and the site can only be reached through a proxy of this machine: all \
                 visitors seem to come from one address and share its limits. Set it to 127.0.0.1,::1 where the proxy writes \
                 X-Forwarded-For"
                    .to_owned(),
            );
        }
        let mail_daily_limit = sources.optional_with("MAIL_DAILY_LIMIT", daily_limit)?;
        if mail_daily_limit == Some(1) {
            warnings.push(
                "VESTIBULE_MAIL_DAILY_LIMIT is 1, and a fifth of the day's mails, at least one, is kept for password resets and notices to \
                 owners: no other mail is sent"
                    .to_owned(),
            );
        }
        let traces = traces(sources)?;
        warnings.extend(traces.as_ref().and_then(traces_in_the_clear));
        let mut settings = Self {
            listen,
            tls,
            listen_http: tls::listen_http(sources)?,
            trusted_proxies,
            max_connections: sources.optional_with("MAX_CONNECTIONS", max_connections)?,
            rate_limit: rate_limit(sources, &public_url)?,
            secret_keys: secret_keys(sources, &public_url)?,
            public_url,
            database_listen_url: sources
                .optional_with("DATABASE_LISTEN_URL", listen_url)?
                .unwrap_or_else(|| database_url.clone()),
            session_cache: sources.parse_with("SESSION_CACHE", session_cache)?,
            database_url,
            site_name: sources
                .value("SITE_NAME")
                .map_or_else(|| site_name.to_owned(), |value| value.text.to_string()),
            log_format: log_format(sources)?,
            access_ttl: sources.parse_with("ACCESS_TTL", duration)?,
            session_lifetimes: session_lifetimes(sources)?,
            migrate: sources.parse_with("MIGRATE", switch)?,
            hash_parameters,
            hash_slots: sources.optional_with("HASH_SLOTS", hash_slots)?,
            sign_up: sources.parse("SIGN_UP")?,
            hash_max_wait: sources.parse_with("HASH_MAX_WAIT", hash_max_wait)?,
            breached_passwords: sources.optional_with("BREACHED_PASSWORDS", file)?,
            breached_passwords_api: sources.parse_with("BREACHED_PASSWORDS_API", range_api)?,
            confirm_ttl: sources.parse_with("CONFIRM_TTL", duration)?,
            reset_ttl: reset_ttl(sources)?,
            require_confirmed_email: sources.parse_with("REQUIRE_CONFIRMED_EMAIL", switch)?,
            roles: sources.optional_with("ROLES", roles)?.unwrap_or_default(),
            audit_retention: sources.parse_with("AUDIT_RETENTION", duration)?,
            mail,
            mail_from,
            mail_daily_limit,
            mail_templates: sources.optional_with("MAIL_TEMPLATES", folder)?,
            metrics_listen: sources.optional_with("METRICS_LISTEN", |text| {
                text.parse().map_err(|_| "it is no address with a port".to_owned())
            })?,
            traces,
            backup: BackupSettings::from_sources(sources)?,
            network: sources.parse_with("TRUSTED_NETWORK", network)?,
            warnings,
            shown: Vec::new(),
        };
        settings.shown = settings.show(sources);
        Ok(settings)
    }

    /// What is told of a setting that cannot be taken after all: a file that it names is wrong.
    pub(crate) fn error(&self, name: &str, problem: &str) -> SettingError {
        let key = Key::named(name);
        let shown = self.shown.iter().find(|shown| shown.variable == key.variable());
        SettingError {
            key: key.variable(),
            source_name: shown.map(|shown| shown.source.clone()),
            problem: problem.to_owned(),
            way_out: key.way_out.to_owned(),
        }
    }

    /// Every setting with its value, the defaults that depend on others included.
    fn show(&self, sources: &Sources) -> Vec<Shown> {
        let shown = KEYS.iter().map(|key| {
            let set = sources.value(key.name);
            let value = match (key.name, set) {
                ("DATABASE_URL", _) => self.database_url.to_string(),
                ("DATABASE_LISTEN_URL", _) => self.database_listen_url.to_string(),
                ("PUBLIC_URL", _) => self.public_url.to_string(),
                ("SITE_NAME", _) => self.site_name.clone(),
                ("MAIL_URL", _) => match &self.mail {
                    MailSetting::Server(url) => url.to_string(),
                    MailSetting::DevMailbox => "(the development mailbox, /dev/mailbox)".to_owned(),
                    MailSetting::Nowhere => "(none: mails wait)".to_owned(),
                },
                ("MAIL_FROM", _) => self.mail_from.to_string(),
                ("LISTEN", _) => self.listen.to_string(),
                ("LISTEN_HTTP", _) => {
                    self.listen_http.map_or_else(|| "off".to_owned(), |address| address.to_string())
                }
                (_, Some(_)) if key.is_secret => "(set, not shown)".to_owned(),
                (_, Some(value)) => value.text.to_string(),
                (_, None) => key.default.to_owned(),
            };
            let source = set.map_or_else(|| "default".to_owned(), |value| value.source.clone());
            Shown { variable: key.variable(), value, source }
        });
        shown.collect()
    }
}

fn public_url(sources: &Sources, listen: SocketAddr) -> Result<PublicUrl, SettingError> {
    match sources.value("PUBLIC_URL") {
        Some(_) => {
            sources.parse_with("PUBLIC_URL", |text| PublicUrl::parse(text).map_err(|error| error.to_string()))
        }
        // So that another port needs one setting and not two.
        None => Ok(PublicUrl::parse(&format!("http://localhost:{}", listen.port()))
            .expect("localhost with a port is a public URL")),
    }
}

/// Refuses to speak plain HTTP where strangers may listen in or ask, unless the operator says that there are none: a container
/// whose port is published on this machine alone, or a network of machines that are all trusted. Then it is odd, and told. Where
/// people come by https there is a proxy, and what the server listens on is between the two.
fn reach(
    sources: &Sources,
    listen: SocketAddr,
    public_url: &PublicUrl,
) -> Result<Option<String>, SettingError> {
    let is_trusted = sources.parse_with("TRUSTED_NETWORK", switch)?;
    if public_url.is_https() {
        return Ok(None);
    }
    let (name, odd, way_out) = if !public_url.is_loopback() {
        (
            "PUBLIC_URL",
            "it is plain http: who listens in on that network reads passwords and cookies".to_owned(),
            "Set an address with https, and VESTIBULE_TLS or a proxy that speaks it",
        )
    } else if !listen.ip().is_loopback() {
        (
            "LISTEN",
            format!(
                "other machines can reach it, while VESTIBULE_PUBLIC_URL ({public_url}) is that of development on this one: what they \
                 send can be read on the way, and accounts opened"
            ),
            "Set VESTIBULE_LISTEN to 127.0.0.1, or VESTIBULE_PUBLIC_URL to the https address under which people reach the site",
        )
    } else {
        return Ok(None);
    };
    let mut error = sources.error(name, &odd);
    if is_trusted {
        return Ok(Some(error.to_string()));
    }
    error.way_out = format!(
        "{way_out}. Where nobody but trusted machines can reach the server, as in a container whose port is published on this \
         machine alone, set VESTIBULE_TRUSTED_NETWORK=on."
    );
    Err(error)
}

/// Refuses to speak to a database beyond this machine and its private network without knowing that it is the one: the driver by
/// itself takes any certificate, or none at all. All accounts go over that line.
fn way_to_the_database(sources: &Sources, url: &DatabaseUrl) -> Result<Option<String>, SettingError> {
    let Some(host) = unverified_host_elsewhere(url) else { return Ok(None) };
    let problem = format!(
        "{host} is another machine, and nothing makes sure that it is the one: whoever is between reads and changes all accounts"
    );
    let error = sources.error("DATABASE_URL", &problem);
    if sources.parse_with("TRUSTED_NETWORK", switch)? {
        return Ok(Some(error.to_string()));
    }
    let way_out = "Add ?sslmode=verify-full, and &sslrootcert=FILE for an authority of your own. Where every machine between is \
                   trusted, set VESTIBULE_TRUSTED_NETWORK=on.";
    Err(SettingError { way_out: way_out.to_owned(), ..error })
}

fn secret_keys(sources: &Sources, public_url: &PublicUrl) -> Result<Option<SecretKeys>, SettingError> {
    let keys = sources
        .optional_with("SECRET_KEY", |text| SecretKeys::parse(text).map_err(|error| error.to_string()))?;
    // A key kept beside a development database must never become a real site's by accident.
    if keys.is_none() && public_url.is_https() {
        return Err(sources.error("SECRET_KEY", "it is required, because VESTIBULE_PUBLIC_URL is https"));
    }
    Ok(keys)
}

fn trusted_proxies(sources: &Sources) -> Result<TrustedProxies, SettingError> {
    Ok(sources.optional_with("TRUSTED_PROXIES", str::parse)?.unwrap_or_default())
}

fn max_connections(text: &str) -> Result<NonZeroUsize, String> {
    let number: Option<NonZeroUsize> = text.parse().ok();
    let number = number.filter(|number| (MIN_CONNECTIONS..=MAX_CONNECTIONS).contains(&number.get()));
    number.ok_or_else(|| format!("it is not a number from {MIN_CONNECTIONS} to {MAX_CONNECTIONS}"))
}

fn rate_limit(sources: &Sources, public_url: &PublicUrl) -> Result<bool, SettingError> {
    let is_on = sources.parse_with("RATE_LIMIT", switch)?;
    // Without it a site that everybody can reach lets everybody guess for ever.
    if !is_on && public_url.is_https() {
        return Err(sources.error("RATE_LIMIT", "it must be on, because VESTIBULE_PUBLIC_URL is https"));
    }
    Ok(is_on)
}

fn mail(sources: &Sources, public_url: &PublicUrl) -> Result<MailSetting, SettingError> {
    let url = sources
        .optional_with("MAIL_URL", |text| text.parse::<MailUrl>().map_err(|error| error.to_string()))?;
    Ok(match url {
        Some(url) => MailSetting::Server(url),
        // Whoever can open it can open every account, so it is for this machine alone.
        None if public_url.is_loopback() => MailSetting::DevMailbox,
        None => MailSetting::Nowhere,
    })
}

fn mail_from(sources: &Sources, public_url: &PublicUrl) -> Result<Sender, SettingError> {
    let parse = |text: &str| text.parse::<Sender>().map_err(|error| error.to_string());
    if let Some(sender) = sources.optional_with("MAIL_FROM", parse)? {
        return Ok(sender);
    }
    let host = if public_url.is_loopback() { "localhost" } else { public_url.host() };
    parse(&format!("no-reply@{host}")).map_err(|_| {
        sources
            .error("MAIL_FROM", "it is required, because the host of VESTIBULE_PUBLIC_URL makes no address")
    })
}

/// Names of roles, separated by commas. The two that every site has may be among them and change nothing.
fn roles(text: &str) -> Result<Vec<Role>, String> {
    let mut roles = Vec::new();
    for name in text.split(',').map(str::trim) {
        let role: Role = name.parse().map_err(|error: RoleError| error.to_string())?;
        if matches!(role, Role::Named(_)) && !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(roles)
}

fn reset_ttl(sources: &Sources) -> Result<Duration, SettingError> {
    let parsed = sources.parse_with("RESET_TTL", duration)?;
    // A link that opens an account must not lie in a mailbox for long.
    if parsed > Duration::DAY {
        return Err(sources.error("RESET_TTL", "it is longer than 24h"));
    }
    Ok(parsed)
}

fn daily_limit(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| "it is not a number from 1".to_owned())
}

fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_dir() { Ok(path) } else { Err("there is no such folder".to_owned()) }
}

fn network(text: &str) -> Result<Network, String> {
    Ok(if switch(text)? { Network::Trusted } else { Network::Open })
}

fn file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_file() { Ok(path) } else { Err("there is no such file".to_owned()) }
}

fn range_api(text: &str) -> Result<Option<RangeApiUrl>, String> {
    match switch(text) {
        Ok(is_on) => Ok(is_on.then(RangeApiUrl::have_i_been_pwned)),
        Err(_) => text.parse().map(Some).map_err(|error: RangeApiUrlError| error.to_string()),
    }
}

/// A collector may be any machine of one's own, so `http` is taken: no secret and nothing that somebody typed is in a trace.
fn traces(sources: &Sources) -> Result<Option<TracesSetting>, SettingError> {
    let collector = sources.optional_with("OTLP_ENDPOINT", |text| {
        let collector = url::Url::parse(text).map_err(|error| error.to_string())?;
        let is_fit = matches!(collector.scheme(), "http" | "https") && collector.has_host();
        if is_fit { Ok(collector) } else { Err("it is no http:// or https:// address".to_owned()) }
    })?;
    let sample = sources.parse_with("OTLP_SAMPLE", |text| {
        let sample: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
        if (0.0..=1.0).contains(&sample) { Ok(sample) } else { Err("it is not between 0 and 1".to_owned()) }
    })?;
    Ok(collector.map(|collector| TracesSetting { collector, sample }))
}

/// Says where traces go over networks of others for all to read: which paths are asked for and when, and ids of users.
fn traces_in_the_clear(traces: &TracesSetting) -> Option<String> {
    let host = traces.collector.host_str()?;
    let is_far = traces.collector.scheme() == "http" && PublicUrl::parse(&format!("http://{host}")).is_err();
    is_far.then(|| {
        format!(
            "VESTIBULE_OTLP_ENDPOINT leads to {host} by plain http: whoever is between reads what is asked of the site, and when. Use https, or a collector on this machine or its private network"
        )
    })
}

fn log_format(sources: &Sources) -> Result<LogFormat, SettingError> {
    use std::io::IsTerminal;
    let format = sources.optional_with("LOG_FORMAT", |text| match text {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err("it must be `pretty` or `json`".to_owned()),
    })?;
    let for_people = std::io::stderr().is_terminal();
    Ok(format.unwrap_or(if for_people { LogFormat::Pretty } else { LogFormat::Json }))
}

fn session_lifetimes(sources: &Sources) -> Result<SessionLifetimes, SettingError> {
    let idle = sources.parse_with("SESSION_IDLE_TTL", duration)?;
    let absolute = sources.parse_with("SESSION_ABSOLUTE_TTL", duration)?;
    if absolute < idle {
        return Err(sources.error("SESSION_ABSOLUTE_TTL", "it is shorter than VESTIBULE_SESSION_IDLE_TTL"));
    }
    Ok(SessionLifetimes { idle, absolute })
}

fn hash_parameters(sources: &Sources) -> Result<Argon2Parameters, SettingError> {
    let memory: u32 = sources.parse("HASH_MEMORY_KIB")?;
    let passes: u32 = sources.parse("HASH_PASSES")?;
    let floor = Argon2Parameters::FLOOR;
    Argon2Parameters::new(memory, floor.passes())
        .map_err(|problem| sources.error("HASH_MEMORY_KIB", &problem))?;
    Argon2Parameters::new(memory, passes).map_err(|problem| sources.error("HASH_PASSES", &problem))
}

fn hash_slots(text: &str) -> Result<NonZeroUsize, String> {
    let slots: NonZeroUsize = text.parse().map_err(|_| "it is not a number from 1".to_owned())?;
    if slots.get() > MAX_HASH_SLOTS { Err(format!("it is over {MAX_HASH_SLOTS}")) } else { Ok(slots) }
}

fn listen_url(text: &str) -> Result<DatabaseUrl, String> {
    let url: DatabaseUrl = text.parse().map_err(|error: DatabaseUrlError| error.to_string())?;
    if url.engine() == Engine::Postgres { Ok(url) } else { Err("only PostgreSQL is listened to".to_owned()) }
}

fn session_cache(text: &str) -> Result<usize, String> {
    let most: usize = text.parse().map_err(|_| "it is not a number from 0".to_owned())?;
    if most > MAX_SESSION_CACHE { Err(format!("it is over {MAX_SESSION_CACHE}")) } else { Ok(most) }
}

fn hash_max_wait(text: &str) -> Result<std::time::Duration, String> {
    let parsed = humantime::parse_duration(text)
        .map_err(|error| format!("it is not a duration such as 500ms or 1s: {error}"))?;
    let range = std::time::Duration::from_millis(100)..=std::time::Duration::from_secs(30);
    if range.contains(&parsed) { Ok(parsed) } else { Err("it must be from 100ms to 30s".to_owned()) }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text)
        .map_err(|error| format!("it is not a duration such as 5m, 12h or 7d: {error}"))?;
    let parsed = Duration::try_from(parsed).map_err(|_| "it is too long".to_owned())?;
    if parsed < Duration::SECOND || parsed > Duration::days(3650) {
        return Err("it must be from 1s to 3650d".into());
    }
    Ok(parsed)
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("it must be `on` or `off`".into()),
    }
}

impl Sources {
    fn parse<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<T, SettingError> {
        self.parse_with(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// The value, or the default of the table.
    fn parse_with<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, SettingError> {
        let text = self.value(name).map_or_else(|| Key::named(name).default, |value| value.text.as_str());
        parse(text).map_err(|problem| self.error(name, &problem))
    }

    fn optional_with<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, SettingError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        parse(&value.text).map(Some).map_err(|problem| self.error(name, &problem))
    }

    fn error(&self, name: &str, problem: &str) -> SettingError {
        let key = Key::named(name);
        let set = self.value(name);
        let shown = set
            .filter(|_| !key.is_secret)
            .map(|value| format!("{:?}: ", value.text.as_str()))
            .unwrap_or_default();
        SettingError {
            key: key.variable(),
            source_name: set.map(|value| value.source.clone()),
            problem: format!("{shown}{problem}"),
            way_out: key.way_out.to_owned(),
        }
    }
}
