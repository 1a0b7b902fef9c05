use std::num::NonZeroUsize;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::cargo::{self, cargo};
use crate::postgres::Cluster;
use crate::say;
use crate::{apt, authority, browser, environment, generated_client, rehearse, smtp, verify_anywhere};

const SERVER_VARIABLE: &str = "VESTIBULE_TEST_POSTGRES_URL";

/// Runs every test, or those that `arguments` to the runner ask for.
pub fn run(arguments: &[String]) -> Result<()> {
    install_fail2ban();
    install_backup_programs();
    install_proxies();
    smtp::prepare_or_say_why();
    authority::prepare_or_say_why();
    if let Some(url) = environment::variable(SERVER_VARIABLE) {
        say::note(&format!("using the PostgreSQL of {SERVER_VARIABLE}"));
        return run_on(&url, arguments);
    }
    let cluster = Cluster::start()?;
    let url = cluster.url();
    say::note(&format!("a throw-away PostgreSQL serves at {url}"));
    run_on(&url, arguments)
}

/// What reads the log in a test. Where it cannot be installed the tests still run, and the one that needs it says so.
fn install_fail2ban() {
    if Command::new("fail2ban-regex").arg("--version").stdout(Stdio::null()).status().is_ok() {
        return;
    }
    let missing = "`fail2ban-regex` is missing, and a test reads the log with it: install fail2ban";
    if let Err(error) = apt::install("fail2ban", &["fail2ban"], missing) {
        say::note(&format!("{error}"));
    }
}

/// What backups are made with. Where it cannot be installed the tests still run, and those that need it say so.
fn install_backup_programs() {
    for (program, package) in
        [("pg_dump", "postgresql-client"), ("psql", "postgresql-client"), ("age", "age")]
    {
        if Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok() {
            continue;
        }
        let missing = format!("`{program}` is missing, and tests of backups need it: install {package}");
        if let Err(error) = apt::install(program, &[package], &missing) {
            say::note(&format!("{error}"));
        }
    }
}

/// The reverse proxies of `deploy/proxies`. Where one cannot be installed the tests still run, and those that need it say so.
fn install_proxies() {
    for (program, argument, package) in [("nginx", "-v", "nginx"), ("caddy", "version", "caddy")] {
        let mut asked = Command::new(program);
        if asked.arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok() {
            continue;
        }
        let missing =
            format!("`{program}` is missing, and tests of reverse proxies need it: install {package}");
        if let Err(error) = apt::install(program, &[package], &missing) {
            say::note(&format!("{error}"));
            continue;
        }
        // Tests start their own. The package's would serve a page of its own on port 80 of this machine from now on.
        let mut stop = Command::new("systemctl");
        let _ = stop.args(["disable", "--now", program]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn run_on(server: &str, arguments: &[String]) -> Result<()> {
    let mut failed = Vec::new();
    if arguments.is_empty() {
        let doc_tests = || {
            let mut command = cargo(&["test", "--doc", "--workspace", "--locked", "--quiet"]);
            cargo::run(command.env(SERVER_VARIABLE, server))
        };
        // First, as nextest runs none of them and as the closing lines are to be those of all the other tests.
        let parts: [(&str, &dyn Fn() -> Result<()>); 6] = [
            ("doc tests", &doc_tests),
            ("browser tests", &|| browser::test(&[])),
            ("verifiers of other languages", &|| verify_anywhere::test(&[])),
            ("client for JavaScript", &|| browser::test_clients(&[])),
            ("generated client", &|| generated_client::test(&[])),
            ("rehearsal", &rehearse::run_where_it_can_be),
        ];
        for (name, part) in parts {
            say::heading(name);
            // One that is red does not hide the others.
            if let Err(error) = part() {
                say::note(&format!("{name}: {error:#}"));
                failed.push(name);
            }
        }
    }
    let mut runner = if cargo::has("nextest") {
        let mut nextest = cargo(&["nextest", "run", "--locked"]);
        if !arguments.iter().any(|argument| argument.starts_with("--test-threads") || argument == "-j") {
            nextest.arg(format!("--test-threads={}", threads()));
        }
        nextest
    } else {
        say::note("cargo-nextest is not here; `cargo install --locked cargo-nextest` makes this faster");
        cargo(&["test", "--lib", "--bins", "--tests", "--no-fail-fast", "--locked"])
    };
    // Cargo would let `--workspace` win over `-p`.
    if !arguments.iter().any(|argument| names_a_package(argument)) {
        runner.arg("--workspace");
    }
    cargo::run(runner.args(arguments).env(SERVER_VARIABLE, server))?;
    if !failed.is_empty() {
        bail!("these did not pass, see above: {}", failed.join(", "));
    }
    Ok(())
}

/// Most of a run is waiting: for a certificate to end, for a client that is slow on purpose. More tests than two cores could compute at
/// a time keep them busy.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(4, NonZeroUsize::get).max(4)
}

fn names_a_package(argument: &str) -> bool {
    argument.starts_with("--package") || (argument.starts_with("-p") && !argument.starts_with("--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_may_be_named_in_every_way_that_cargo_takes() {
        for argument in ["-p", "-pvestibule", "--package", "--package=vestibule"] {
            assert!(names_a_package(argument), "{argument}");
        }
        for argument in ["log_in", "--no-capture", "--profile", "package"] {
            assert!(!names_a_package(argument), "{argument}");
        }
    }
}
