//! The least that axum can answer: what a session check is compared with.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::site::rest;
use crate::wire::{Wire, request};

/// Serves on a port until the process ends.
pub async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let hello = || async { "hello" };
    let routes = Router::new().route("/", get(hello)).route("/api/auth/session", get(hello));
    axum::serve(listener, routes).await?;
    Ok(())
}

/// The same in a process of its own, which ends with this value.
pub struct Hello {
    child: Child,
    pub address: String,
}

impl Hello {
    pub fn start() -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["hello", &port.to_string()]).stdin(Stdio::null());
        let child = command.spawn().context("this program cannot be run again")?;
        let hello = Self { child, address: format!("127.0.0.1:{port}") };
        for _ in 0..1000 {
            let answer = Wire::open(&hello.address).and_then(|mut wire| wire.ask(&request("GET /", "", "")));
            if answer.is_ok_and(|answer| answer.status == 200) {
                return Ok(hello);
            }
            rest(Duration::from_millis(5));
        }
        bail!("the bare axum server does not answer")
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
