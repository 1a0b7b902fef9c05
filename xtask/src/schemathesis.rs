use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo};
use crate::{browser, environment, python, say};

/// The release of it that the exceptions below were written for.
const RELEASE: &str = "4.32.5";
/// How many requests are made up for each operation.
const REQUESTS: &str = "60";
/// What a description of forms cannot say: whose link a token is, and which password is the right one.
const NOT_ASKED: &str = "positive_data_acceptance,ignored_auth";
/// What would end the session in the middle of the run, or begin another. A stranger's run calls them all.
const ENDS_THE_SESSION: &str =
    "log-out|log-in|sign-up|confirm-password|refresh|account/sessions|api/account$";

/// Holds the running site to its OpenAPI document, as a stranger and as somebody with a session: no answer is an error of the
/// server's or another than the document says, and what the document forbids is refused.
pub fn run() -> Result<()> {
    let program = install()?;
    cargo::run(&mut cargo(&["build", "--package", "site", "--locked"]))?;
    let site = Site::start()?;
    let mut stranger = site.judged_by(&program, "stranger")?;
    let (cookies, csrf) = site.sign_up()?;
    let mut known = site.judged_by(&program, "known")?;
    known.args(["--exclude-path-regex", ENDS_THE_SESSION]);
    known.args(["--header", &format!("Cookie: {cookies}"), "--header", &format!("X-CSRF-Token: {csrf}")]);
    say::note("schemathesis, as a stranger and at the same time as somebody who is logged in");
    // Most of the time is schemathesis's own, and each uses one core.
    let known = thread::spawn(move || known.output());
    let stranger = stranger.output();
    let known = known.join().expect("starting a program does not panic");
    // Both are told, also where one failed.
    let told = [("a stranger", stranger), ("who is logged in", known)].map(|(who, judged)| tell(who, judged));
    told.into_iter().collect::<Result<()>>()?;
    if !site.is_logged_in(&cookies)? {
        bail!("the session ended before the run did, so little was asked by somebody who is logged in");
    }
    Ok(())
}

/// What it said of somebody's requests.
fn tell(who: &str, judged: io::Result<Output>) -> Result<()> {
    let judged = judged.context("schemathesis cannot be started")?;
    say::note(&format!("of the requests of {who}:"));
    io::stdout().write_all(&judged.stdout)?;
    io::stderr().write_all(&judged.stderr)?;
    if !judged.status.success() {
        bail!("schemathesis found something in the requests of {who} ({})", judged.status);
    }
    Ok(())
}

/// Puts it into a folder of its own below `target`, where it is not there yet.
fn install() -> Result<PathBuf> {
    let folder = root().join(format!("target/schemathesis-{RELEASE}"));
    let program = folder.join("bin/schemathesis");
    if program.is_file() {
        return Ok(program);
    }
    say::note(&format!("fetching schemathesis {RELEASE} from PyPI"));
    python::make(&folder)?;
    python::install(&folder, &[&format!("schemathesis=={RELEASE}")])?;
    Ok(program)
}

/// The site on the embedded database, in a folder of its own and without limits on attempts.
struct Site {
    child: Child,
    address: String,
    folder: PathBuf,
    _output: BufReader<ChildStdout>,
}

impl Site {
    fn start() -> Result<Self> {
        let folder = root().join(format!("target/tmp/schemathesis-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("localhost:{port}");
        let mut command = Command::new(browser::site()?);
        for variable in environment::names() {
            if variable.starts_with("VESTIBULE_") || variable == "DATABASE_URL" {
                command.env_remove(variable);
            }
        }
        command
            .current_dir(&folder)
            .env("VESTIBULE_LISTEN", format!("127.0.0.1:{port}"))
            .env("VESTIBULE_PUBLIC_URL", format!("http://{address}"))
            .env("VESTIBULE_RATE_LIMIT", "off")
            // Nobody refreshes: an access token that is over would have every answer be 401, which the document allows.
            .env("VESTIBULE_ACCESS_TTL", "2h")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("log"))?);
        let mut child = command.spawn().context("the site cannot be started")?;
        let mut output = BufReader::new(child.stdout.take().context("the site has an output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let site = Self { child, address, folder, _output: output };
        if line.is_empty() {
            bail!("the site does not start:\n{}", fs::read_to_string(site.folder.join("log"))?);
        }
        Ok(site)
    }

    fn judged_by(&self, program: &Path, who: &str) -> Result<Command> {
        // What it remembers of earlier runs stays out of the repository.
        let folder = self.folder.join(who);
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let mut command = Command::new(program);
        command.args(["run", &format!("http://{}/api/openapi.json", self.address)]);
        command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", REQUESTS]);
        command.args(["--continue-on-failure", "--generation-deterministic", "--exclude-checks", NOT_ASKED]);
        command.args(["--suppress-health-check", "all", "--warnings", "off"]);
        command.current_dir(folder).stdin(Stdio::null());
        Ok(command)
    }

    /// The cookies of a new account, and its CSRF token.
    fn sign_up(&self) -> Result<(String, String)> {
        let body = r#"{"name":"Ann","email":"ann@example.com","password":"copper window thursday"}"#;
        let length = body.len();
        let answer = self.ask(&format!(
            "POST /api/auth/sign-up HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            self.address
        ))?;
        let cookies: Vec<&str> = answer
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .filter_map(|(_, cookie)| cookie.split(';').next())
            .collect();
        let csrf = cookies.iter().find_map(|cookie| cookie.strip_prefix("vestibule_csrf="));
        let csrf = csrf.with_context(|| format!("nobody can sign up: {answer}"))?;
        Ok((cookies.join("; "), csrf.to_owned()))
    }

    fn is_logged_in(&self, cookies: &str) -> Result<bool> {
        let answer = self.ask(&format!(
            "GET /api/auth/session HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {cookies}\r\n\r\n",
            self.address
        ))?;
        Ok(answer.starts_with("HTTP/1.1 200 "))
    }

    fn ask(&self, request: &str) -> Result<String> {
        let mut wire = TcpStream::connect(&self.address)?;
        wire.set_read_timeout(Some(Duration::from_secs(30)))?;
        wire.write_all(request.as_bytes())?;
        let mut answer = String::new();
        wire.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}
