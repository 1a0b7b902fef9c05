use std::io::{ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::app::App;
use crate::breached_passwords::Sources;
use crate::failure::{Failure, with_causes};
use crate::house::{furnish, open_accounts, open_database, open_post, prepare_schema};
use crate::metrics::{self, MailMetrics};
use crate::settings::Settings;
use crate::workers;

/// How long requests under way may take after the program was asked to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Serves until asked to stop.
pub(crate) async fn run(app: &App, settings: &Settings) -> Result<ExitCode, Failure> {
    let breached_passwords = Sources::open(settings)?;
    if let Some(filter) = &breached_passwords.filter {
        tracing::info!(passwords = filter.entries(), "leaked passwords: the file was read");
    }
    let database = open_database(settings).await?;
    prepare_schema(app, settings, &database).await?;
    let accounts = open_accounts(app, settings, &database, breached_passwords.ports()).await?;
    let post = open_post(settings)?;
    let router = furnish(app, Arc::clone(&accounts), post.dev_mailbox, &database).into_router();

    let listener = listen(settings.listen, "VESTIBULE_LISTEN").await?;
    let metrics_listener = match settings.metrics_listen {
        Some(address) => Some(listen(address, "VESTIBULE_METRICS_LISTEN").await?),
        None => None,
    };
    announce(app, settings, listener.local_addr().unwrap_or(settings.listen));
    // Small answers go out at once instead of waiting for more (Nagle).
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mail_metrics = MailMetrics::default();
    let mut workers = JoinSet::new();
    if let Some(mailer) = post.mailer {
        let accounts = Arc::clone(&accounts);
        workers.spawn(workers::mail::run(accounts, mailer, mail_metrics.clone(), stopped.clone()));
    }
    workers.spawn(workers::cleaning::run(Arc::clone(&accounts), stopped.clone()));
    if let Some(listener) = metrics_listener {
        let router = metrics::router(accounts, mail_metrics);
        let mut stopping = stopped.clone();
        workers.spawn(async move {
            let asked_to_stop = async move { drop(stopping.wait_for(|is_stopping| *is_stopping).await) };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(asked_to_stop).await {
                tracing::error!(cause = with_causes(&error), "the metrics are not served any more");
            }
        });
    }

    let mut stopping = stopped.clone();
    let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            asked_to_stop().await;
            tracing::info!("stopping: no new connections, finishing what is under way");
            stop.send_replace(true);
        });
    let all = async move {
        let served = serving.await;
        while workers.join_next().await.is_some() {}
        served
    };
    let too_long = async move {
        let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        served = all => served.map_err(Failure::because)?,
        () = too_long => tracing::warn!("what is still under way after {} s is cut off", DRAIN_LIMIT.as_secs()),
    }
    database.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
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
#[expect(clippy::print_stdout, reason = "the address is what the person who started the program waits for")]
fn announce(app: &App, settings: &Settings, address: SocketAddr) {
    tracing::info!(%address, public_url = %settings.public_url, database = %settings.database_url, "serving");
    if std::io::stdout().is_terminal() {
        println!(
            "\n  {} is open at \x1b[1;4m{}\x1b[0m\n  Ctrl-C stops it.\n",
            app.site_name, settings.public_url
        );
    } else {
        println!("{} is open at {}", app.site_name, settings.public_url);
    }
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
