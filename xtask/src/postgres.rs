use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{postgres_programs, say};

/// What looks after the server. It is handed over as text: the user it runs as may not be able to read this repository.
const KEEPER: &str = include_str!("postgres.sh");
/// What is measured is measured on a server as Debian's package sets it up, durable and on a disk, which can count statements where
/// it is told to.
const AS_INSTALLED: &str = "shared_buffers = 128MB\nmax_wal_size = 1GB\nmin_wal_size = 80MB\n\
    shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = none";
/// PostgreSQL does not run as root. These are tried in its place.
const OTHER_USERS: [&str; 2] = ["postgres", "nobody"];

/// A PostgreSQL server for one run, of tests without durability: nothing in it is worth keeping.
///
/// It is made, stopped and removed by one shell, the keeper, which waits for the end of its input. That input is a pipe
/// of which only this process has the other end, so it ends when this value is dropped and also when this process dies,
/// by whatever death. The keeper is in a process group of its own, so that Ctrl-C does not end it too. It does the
/// making as well, so that a death in the middle of that is cleaned up like any other.
pub struct Cluster {
    port: u16,
    keeper: Child,
}

impl Cluster {
    /// Makes and starts one on 127.0.0.1.
    pub fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// The same to measure with: as a server is that somebody installed, and as slow on the disk.
    pub fn start_as_installed() -> Result<Self> {
        Self::start_with(AS_INSTALLED)
    }

    fn start_with(settings: &str) -> Result<Self> {
        let programs = postgres_programs::find_or_install()?;
        // Nothing holds the port until the server does. It is out of a large range, so a clash is rare, and loud.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("sh");
        command
            .args(["-c", KEEPER, "vestibule-postgres-keeper"])
            .arg(programs)
            .arg(port.to_string())
            .arg(settings)
            .args([std::env::temp_dir(), "/tmp".into()])
            // A folder that every user may be in.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        if let Some(Account { user, group }) = other_account()? {
            command.uid(user).gid(group);
        }
        let mut keeper = command.spawn().context("a shell that looks after PostgreSQL cannot be started")?;

        let mut told = BufReader::new(keeper.stdout.take().expect("it was just piped"));
        let cluster = Self { port, keeper };
        let mut answer = String::new();
        told.read_line(&mut answer)?;
        if answer.trim() == "ready" {
            return Ok(cluster);
        }
        told.read_to_string(&mut answer)?;
        bail!("PostgreSQL did not start:\n{}", answer.trim())
    }

    /// Its address, with the right to make databases.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if let Err(error) = self.keeper.wait() {
            say::warning(&format!("the throw-away PostgreSQL may still run: {error}"));
        }
    }
}

struct Account {
    user: u32,
    group: u32,
}

/// As whom to run PostgreSQL, where it cannot be oneself.
fn other_account() -> Result<Option<Account>> {
    if !postgres_programs::is_root()? {
        return Ok(None);
    }
    let account = OTHER_USERS
        .into_iter()
        .find_map(|name| Some(Account { user: id(&["-u", name]).ok()?, group: id(&["-g", name]).ok()? }));
    account.context("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`").map(Some)
}

/// A number that the program `id` tells.
pub fn id(arguments: &[&str]) -> Result<u32> {
    let told = Command::new("id").args(arguments).output().context("`id` cannot be run")?;
    let number = String::from_utf8(told.stdout)?;
    number.trim().parse().context("`id` told no number")
}
