use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Bytes;
use http::{Method, StatusCode};
use serde_json::json;

use super::output::{print_json, print_line};
use crate::doctor::PublicSite;
use crate::failure::Failure;
use crate::settings::{Settings, TlsSetting};

/// How long the server may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server that these settings start whether it is ready. For containers, whose image has no other program.
///
/// Where the server speaks TLS, its certificate may be of any name and age: whether it is good, the doctor says.
pub(crate) async fn run(settings: &Settings, json: bool) -> Result<ExitCode, Failure> {
    let address = own_address(settings.listen);
    let scheme = if settings.tls == TlsSetting::Off { "http" } else { "https" };
    let url = format!("{scheme}://{address}/readyz");
    let site = PublicSite::at(settings, address);
    let asking = site.visit_at(address.ip(), Method::GET, "/readyz", &[], Bytes::new());
    let (is_ready, told) = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(answer)) => {
            (answer.status == StatusCode::OK, String::from_utf8_lossy(&answer.body).trim().to_owned())
        }
        Ok(Err(cause)) => (false, cause),
        Err(_) => (false, format!("no answer within {} s", PATIENCE.as_secs())),
    };
    if json {
        print_json(&json!({ "url": url, "ready": is_ready, "told": told }))?;
    } else {
        print_line(&format!("{url}: {told}"))?;
    }
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where a server is reached from its own machine. One that listens on every address is reached at the loopback one.
fn own_address(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        ip if ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}
