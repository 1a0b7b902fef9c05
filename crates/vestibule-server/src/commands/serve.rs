use std::io::{ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::output::print_line;
use crate::app::App;
use crate::breached_passwords::Sources;
use crate::failure::Failure;
use crate::house::{furnish, open_accounts, open_database, open_post, prepare_schema};
use crate::metrics::{self, MailMetrics};
use crate::serving::{Limits, serve};
use crate::settings::Settings;
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
    let database = open_database(settings).await?;
    prepare_schema(app, settings, &database).await?;
    let accounts = open_accounts(app, settings, &database, breached_passwords.ports()).await?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let post = open_post(settings, stopped.clone())?;
    let router =
        furnish(app, Arc::clone(&accounts), post.dev_mailbox, settings.trusted_proxies.clone(), &database)
            .into_router();

    let listener = listen(settings.listen, "VESTIBULE_LISTEN").await?;
    let metrics_listener = match settings.metrics_listen {
        Some(address) => Some(listen(address, "VESTIBULE_METRICS_LISTEN").await?),
        None => None,
    };
    announce(app, settings, listener.local_addr().unwrap_or(settings.listen));

    let mail_metrics = MailMetrics::default();
    let mut all = JoinSet::new();
    if let Some(mailer) = post.mailer {
        let accounts = Arc::clone(&accounts);
        all.spawn(workers::mail::run(accounts, mailer, mail_metrics.clone(), stopped.clone()));
    }
    all.spawn(workers::rotate_keys::run(Arc::clone(&accounts), stopped.clone()));
    all.spawn(workers::cleaning::run(Arc::clone(&accounts), stopped.clone()));
    if let Some(listener) = metrics_listener {
        let limits = Limits::new(METRICS_CONNECTIONS, settings.trusted_proxies.clone());
        let router = metrics::router(accounts, mail_metrics);
        all.spawn(serve(listener, router, limits, stopped.clone()));
    }
    let limits = Limits::new(max_connections(settings), settings.trusted_proxies.clone());
    all.spawn(serve(listener, router, limits, stopped));

    asked_to_stop().await;
    tracing::info!("stopping: no new connections, finishing what is under way");
    stop.send_replace(true);
    tokio::select! {
        () = async { while all.join_next().await.is_some() {} } => {}
        () = tokio::time::sleep(DRAIN_LIMIT) => {
            tracing::warn!("what is still under way after {} s is cut off", DRAIN_LIMIT.as_secs());
        }
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

async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let way_out = match error.kind() {
            ErrorKind::AddrInUse => {
                format!("Another program serves there. Stop it, or set {setting} to another address.")
            }
            ErrorKind::PermissionDenied => {
                format!("Ports below 1024 need a right of their own. Set {setting} to a higher port.")
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

/// Waits for Ctrl-C or, from systemd or a container, SIGTERM.
async fn asked_to_stop() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
