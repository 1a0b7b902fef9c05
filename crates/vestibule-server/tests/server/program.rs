//! The binary `vestibule` as a child process.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

pub const PASSWORD: &str = "copper window thursday";

/// A command without any setting of the machine on which the test runs.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    #[expect(clippy::disallowed_methods, reason = "to take away what this machine may have set")]
    let variables = std::env::vars_os();
    for (name, _) in variables {
        if name.to_string_lossy().starts_with("VESTIBULE_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command.current_dir(folder);
    command
}

pub fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, told)
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that was started and answers. It is killed when dropped.
pub struct Program {
    child: Child,
    pub origin: String,
    // Kept open, for a program whose output nobody takes any more must not break.
    _output: BufReader<std::process::ChildStdout>,
}

impl Program {
    /// Starts a server in a folder, which is where its embedded database is unless `database` names another.
    pub fn start(folder: &Path, database: Option<&str>) -> Self {
        Self::start_with(folder, database, &[])
    }

    /// The same with more settings.
    pub fn start_with(folder: &Path, database: Option<&str>, settings: &[(&str, &str)]) -> Self {
        Self::start_logging(folder, database, settings, Stdio::null())
    }

    /// The same with a place for its log.
    pub fn start_logging(
        folder: &Path,
        database: Option<&str>,
        settings: &[(&str, &str)],
        log: impl Into<Stdio>,
    ) -> Self {
        Self::start_on(free_port(), folder, database, settings, log)
    }

    /// The same on a port that others know already.
    pub fn start_on(
        port: u16,
        folder: &Path,
        database: Option<&str>,
        settings: &[(&str, &str)],
        log: impl Into<Stdio>,
    ) -> Self {
        let public_url = settings.iter().find(|(name, _)| *name == "VESTIBULE_PUBLIC_URL");
        let public_url = public_url.map_or("http://localhost:3000", |(_, url)| url);
        let mut command = command(folder);
        command
            .env("VESTIBULE_LISTEN", format!("127.0.0.1:{port}"))
            .env("VESTIBULE_PUBLIC_URL", public_url)
            .envs(settings.iter().copied());
        if let Some(database) = database {
            command.env("VESTIBULE_DATABASE_URL", database);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let told = format!("is open at {public_url}");
        assert!(line.contains(&told), "the address is printed: {line:?}");
        Self { child, origin: format!("http://127.0.0.1:{port}"), _output: output }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As whoever runs it would, and waits until it has ended.
    pub fn stop(mut self) {
        let sent = Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success() && self.child.wait().unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser's half of a session: what it sends back.
#[derive(Clone, Debug)]
pub struct Cookies {
    pub header: String,
    pub csrf: String,
}

pub struct Client(reqwest::Client);

impl Client {
    pub fn new() -> Self {
        Self(reqwest::Client::new())
    }

    pub async fn sign_up(&self, origin: &str, name: &str) -> reqwest::Result<(u16, Option<Cookies>)> {
        let body = json!({ "name": name, "email": format!("{name}@example.com"), "password": PASSWORD });
        self.post(origin, "/api/auth/sign-up", None, &body).await
    }

    pub async fn log_in(&self, origin: &str, name: &str) -> reqwest::Result<(u16, Option<Cookies>)> {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        self.post(origin, "/api/auth/log-in", None, &body).await
    }

    pub async fn refresh(&self, origin: &str, cookies: &Cookies) -> reqwest::Result<(u16, Option<Cookies>)> {
        self.post(origin, "/api/auth/refresh", Some(cookies), &Value::Null).await
    }

    pub async fn session(&self, origin: &str, cookies: &Cookies) -> reqwest::Result<u16> {
        let request = self.0.get(format!("{origin}/api/auth/session")).header("cookie", &cookies.header);
        Ok(request.send().await?.status().as_u16())
    }

    pub async fn get(&self, origin: &str, path: &str) -> reqwest::Result<(u16, String)> {
        let response = self.0.get(format!("{origin}{path}")).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    async fn post(
        &self,
        origin: &str,
        path: &str,
        cookies: Option<&Cookies>,
        body: &Value,
    ) -> reqwest::Result<(u16, Option<Cookies>)> {
        let mut request = self.0.post(format!("{origin}{path}")).json(body);
        if let Some(cookies) = cookies {
            request = request.header("cookie", &cookies.header).header("x-csrf-token", &cookies.csrf);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let mut set: Vec<String> = response
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned))
            .collect();
        // Only a whole answer counts as one.
        response.bytes().await?;
        if set.is_empty() {
            return Ok((status, None));
        }
        let csrf = set
            .iter()
            .find_map(|cookie| cookie.strip_prefix("vestibule_csrf=").map(str::to_owned))
            .or_else(|| cookies.map(|cookies| cookies.csrf.clone()))
            .unwrap_or_default();
        if !set.iter().any(|cookie| cookie.starts_with("vestibule_csrf=")) {
            set.push(format!("vestibule_csrf={csrf}"));
        }
        Ok((status, Some(Cookies { header: set.join("; "), csrf })))
    }
}
