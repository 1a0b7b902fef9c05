use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::output::{print_json, print_line};
use crate::failure::{Failure, with_causes};
use crate::settings::Settings;

/// How long the server may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read of its answer: it is a line.
const MAX_ANSWER_BYTES: usize = 4096;

/// Asks the server that these settings start whether it is ready. For containers, whose image has no other program.
pub(crate) async fn run(settings: &Settings, json: bool) -> Result<ExitCode, Failure> {
    let url = format!("http://{}/readyz", own_address(settings.listen));
    let (is_ready, told) = match tokio::time::timeout(PATIENCE, ask(&url)).await {
        Ok(Ok((status, told))) => (status == StatusCode::OK, told),
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

async fn ask(url: &str) -> Result<(StatusCode, String), String> {
    let request = Request::get(url).body(Full::<Bytes>::default()).map_err(|error| with_causes(&error))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.map_err(|error| with_causes(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| with_causes(&*error))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
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
