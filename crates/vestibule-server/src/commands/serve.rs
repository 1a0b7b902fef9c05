use std::io::{ErrorKind, IsTerminal};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use vestibule::SessionCache;
use vestibule_house::asked_to_stop;
use vestibule_sql::Database;

use super::output::print_line;
use crate::app::App;
use crate::breached_passwords::Sources;
use crate::certificates::Served;
use crate::certificates::acme::Customer;
use crate::certificates::challenges::Challenges;
use crate::certificates::files::{self, ReadFiles};
use crate::certificates::keeper::Keeper;
use crate::failure::{Failure, with_causes};
use crate::house::{furnish, open_accounts, open_database, open_post, prepare_schema};
use crate::metrics::{self, Metrics};
use crate::plain_http::{self, Answers};
use crate::secret_file::secret_keys;
use crate::serving::{Door, Limits, Places, Tls, serve};
use crate::settings::{Settings, TlsSetting};
use crate::terminal::wants_colours;
use crate::workers;

/// How long requests under way may take after the program was asked to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// Connections at once unless set, where the system allows that many.
const DEFAULT_CONNECTIONS: usize = 4096;
/// Connections at once to the address of the metrics: one program asks there.
const METRICS_CONNECTIONS: usize = 64;

/// Serves until asked to stop.
pub(crate) async fn run(app: &App, settings: &Settings) -> Result<ExitCode, Failure> {
    let breached_passwords = Sources::open(settings)?;
    if let Some(filter) = &breached_passwords.filter {
        tracing::info!(passwords = filter.entries(), "leaked passwords: the file was read");
    }
    let from_files = certificate_from_files(settings)?;
    let database = open_database(settings).await?;
    prepare_schema(app, settings, &database).await?;
    let session_cache = Arc::new(SessionCache::new(settings.session_cache));
    let accounts =
        open_accounts(app, settings, &database, breached_passwords.ports(), Arc::clone(&session_cache))
            .await?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let post = open_post(settings, stopped.clone())?;
    let metrics = Metrics::new();
    let observer = Arc::new(metrics.requests.clone());
    let router = furnish(
        app,
        Arc::clone(&accounts),
        post.dev_mailbox,
        settings.trusted_proxies.clone(),
        &database,
        Some(observer),
    )
    .into_router();

    let customer = customer(settings, &database)?;
    let listener = listen(settings.listen, "VESTIBULE_LISTEN").await?;
    let plain_listener = match settings.listen_http {
        Some(address) => Some(listen(address, "VESTIBULE_LISTEN_HTTP").await?),
        None => None,
    };
    let metrics_listener = match settings.metrics_listen {
        Some(address) => Some(listen(address, "VESTIBULE_METRICS_LISTEN").await?),
        None => None,
    };
    announce(app, settings, listener.local_addr().unwrap_or(settings.listen));

    let mut all = JoinSet::new();
    if let Some(mailer) = post.mailer {
        let accounts = Arc::clone(&accounts);
        all.spawn(workers::mail::run(accounts, mailer, Arc::new(metrics.mails.clone()), stopped.clone()));
    }
    all.spawn(workers::rotate_keys::run(Arc::clone(&accounts), stopped.clone()));
    all.spawn(workers::cleaning::run(Arc::clone(&accounts), stopped.clone()));
    all.spawn(workers::note_seen::run(Arc::clone(&accounts), stopped.clone()));
    let listen_at = settings.database_listen_url.clone();
    all.spawn(workers::follow_changes::run(database.clone(), listen_at, session_cache, stopped.clone()));
    let served = Arc::new(Served::default());
    if let Some(listener) = metrics_listener {
        let limits = Limits::new(METRICS_CONNECTIONS, settings.trusted_proxies.clone());
        let shown = (settings.tls != TlsSetting::Off).then(|| Arc::clone(&served));
        let momentary = metrics::momentary(Arc::clone(&accounts), database.clone(), shown);
        let router = metrics::router(metrics, momentary);
        let door = Door { listener, router, places: Arc::new(Places::new(limits)), tls: None };
        all.spawn(serve(door, stopped.clone()));
    }
    let (mut answers, mut challenges) = (Answers::Nobody, None);
    match (&settings.tls, from_files, customer) {
        (TlsSetting::Files(files), Some(read), _) => {
            served.replace(read.certificate);
            let (files, host) = (files.clone(), settings.public_url.host().to_owned());
            answers = files.webroot.clone().map_or(Answers::Nobody, Answers::Webroot);
            let (served, stopped) = (Arc::clone(&served), stopped.clone());
            all.spawn(workers::reload_certificate::run(files, host, served, read.fingerprint, stopped));
        }
        (TlsSetting::Acme(acme), _, Some(customer)) => {
            let ours = Challenges::new(database.clone(), &acme.domains);
            (answers, challenges) = (Answers::Own(ours.clone()), Some(ours));
            let keeper = Keeper::new(customer, Arc::clone(&served));
            all.spawn(workers::keep_certificate::run(keeper, stopped.clone()));
        }
        _ => {}
    }
    // One count for both doors: a stranger gets no more by knocking at two.
    let limits = Limits::new(max_connections(settings), settings.trusted_proxies.clone());
    let places = Arc::new(Places::new(limits));
    if let Some(listener) = plain_listener {
        let router = plain_http::router(settings.public_url.clone(), answers);
        let door = Door { listener, router, places: Arc::clone(&places), tls: None };
        all.spawn(serve(door, stopped.clone()));
    }
    let tls = (settings.tls != TlsSetting::Off).then(|| Tls::new(served, challenges));
    all.spawn(serve(Door { listener, router, places, tls }, stopped));

    asked_to_stop().await;
    tracing::info!("stopping: no new connections, finishing what is under way");
    stop.send_replace(true);
    tokio::select! {
        () = async { while all.join_next().await.is_some() {} } => {}
        () = tokio::time::sleep(DRAIN_LIMIT) => {
            tracing::warn!("what is still under way after {} s is cut off", DRAIN_LIMIT.as_secs());
        }
    }
    // What was seen last, by requests that are over now.
    if let Err(error) = accounts.write_seen().await {
        tracing::warn!(cause = with_causes(&error), "when sessions were last seen could not be written down");
    }
    database.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// How many connections are held at once: what is set, or half of the files that may be open. The other half is for the
/// database, mails and what else there is.
fn max_connections(settings: &Settings) -> usize {
    let files = open_files_limit();
    let set = settings.max_connections.map(NonZeroUsize::get);
    if let (Some(set), Some(files)) = (set, files)
        && set >= files
    {
        tracing::warn!(
            "VESTIBULE_MAX_CONNECTIONS is {set}, and the system lets this program open {files} files: raise `ulimit -n`"
        );
    }
    let half = files.map_or(DEFAULT_CONNECTIONS, |files| (files / 2).clamp(16, DEFAULT_CONNECTIONS));
    set.unwrap_or(half)
}

/// What `ulimit -n` says; none where there is no such limit.
pub(crate) fn open_files_limit() -> Option<usize> {
    #[cfg(unix)]
    {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
        usize::try_from(limit).ok()
    }
    #[cfg(not(unix))]
    None
}

/// The certificate in files, where that is what is set. A wrong one stops the start.
fn certificate_from_files(settings: &Settings) -> Result<Option<ReadFiles>, Failure> {
    let TlsSetting::Files(files) = &settings.tls else { return Ok(None) };
    let read = files::read(files).map_err(|error| error.of(settings))?;
    Ok(Some(read))
}

/// The customer of a certificate authority, where certificates are ordered.
fn customer(settings: &Settings, database: &Database) -> Result<Option<Customer>, Failure> {
    let TlsSetting::Acme(acme) = &settings.tls else { return Ok(None) };
    let has_plain_http = settings.listen_http.is_some();
    let keys = secret_keys(settings)?.derive();
    let customer = Customer::new(acme.clone(), has_plain_http, database.clone(), keys);
    Ok(Some(customer.map_err(|problem| settings.error("ACME_ROOT", &problem))?))
}

async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener, Failure> {
    let bound = match TcpListener::bind(address).await {
        // On all networks, on a machine that has no IPv6.
        Err(error)
            if address.ip() == Ipv6Addr::UNSPECIFIED
                && !matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    };
    bound.map_err(|error| {
        let way_out = match error.kind() {
            ErrorKind::AddrInUse => {
                format!("Another program serves there. Stop it, or set {setting} to another address.")
            }
            ErrorKind::PermissionDenied => {
                format!(
                    "Ports below 1024 need a right of their own: AmbientCapabilities=CAP_NET_BIND_SERVICE in a unit of systemd, or \
                     `setcap cap_net_bind_service=+ep` on the program. Or set {setting} to a higher port."
                )
            }
            _ => format!("Set {setting} to an address of this machine."),
        };
        Failure::with_way_out(format!("cannot listen on {address}: {error}"), way_out)
    })
}

/// Tells a person where to look. Machines read the log.
fn announce(app: &App, settings: &Settings, address: SocketAddr) {
    tracing::info!(%address, public_url = %settings.public_url, database = %settings.database_url, "serving");
    let is_terminal = std::io::stdout().is_terminal();
    let (bold, plain) = if wants_colours(is_terminal) { ("\x1b[1;4m", "\x1b[0m") } else { ("", "") };
    let told = format!("{} is open at {bold}{}{plain}", app.site_name, settings.public_url);
    let told = if is_terminal { format!("\n  {told}\n  Ctrl-C stops it.\n") } else { told };
    // Where nobody reads that, the site is served all the same.
    drop(print_line(&told));
}
