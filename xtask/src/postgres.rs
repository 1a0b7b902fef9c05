use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::say;

const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_ctl"];
/// PostgreSQL does not run as root. These are tried in its place.
const OTHER_USERS: [&str; 2] = ["postgres", "nobody"];
const MISSING: &str = "PostgreSQL's server programs (initdb, postgres, pg_ctl) are not on this machine. Install them:\n  \
    Debian, Ubuntu:  sudo apt-get install postgresql\n  \
    Fedora:          sudo dnf install postgresql-server\n  \
    macOS:           brew install postgresql\n\
    or set VESTIBULE_TEST_POSTGRES_URL to a throw-away server, such as postgres://postgres@127.0.0.1:5432/postgres";

/// A PostgreSQL server for one test run. It is gone when this value is, and also when this process is killed.
pub struct Cluster {
    port: u16,
    guard: Child,
}

impl Cluster {
    /// Makes and starts one, on a free port of 127.0.0.1, without durability: nothing in it is worth keeping.
    pub fn start() -> Result<Self> {
        let programs = find_or_install()?;
        let user = other_user()?;
        // On a path of its own, so that the removal by the guard is the only one.
        let folder = TempDir::with_prefix("vestibule-postgres-")?.keep();
        let guard = guard(&programs, user, &folder)?;
        let port = free_port()?;
        let mut cluster = Self { port, guard };
        if let Err(error) = cluster.make(&programs, user, &folder) {
            cluster.stop();
            return Err(error);
        }
        Ok(cluster)
    }

    /// Its address, with the right to make databases.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn make(&self, programs: &Path, user: Option<&str>, folder: &Path) -> Result<()> {
        if let Some(user) = user {
            run(Command::new("chown").arg("-R").arg(user).arg(folder))?;
        }
        let data = folder.join("data");
        let mut initdb = as_user(user, &programs.join("initdb"));
        initdb
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync", "-D"])
            .arg(&data);
        run(&mut initdb)?;

        let log = folder.join("log");
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -k {} -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
             -c max_connections=400 -c shared_buffers=64MB",
            self.port,
            folder.display()
        );
        let mut start = as_user(user, &programs.join("pg_ctl"));
        start.arg("start").arg("-w").arg("-D").arg(&data).arg("-l").arg(&log).arg("-o").arg(options);
        run(&mut start).with_context(|| {
            let told = std::fs::read_to_string(&log).unwrap_or_default();
            format!("PostgreSQL did not start:\n{}", told.trim())
        })
    }

    fn stop(&mut self) {
        // The end of its input is what the guard waits for.
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            say::warning(&format!("the throw-away PostgreSQL may still run: {error}"));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A shell that waits for the end of its input, stops the server and removes its folder. The input is a pipe from this
/// process, so it ends when this process does, by whatever death; and the shell is in a process group of its own, so
/// that Ctrl-C, which ends this process, does not end it too.
fn guard(programs: &Path, user: Option<&str>, folder: &Path) -> Result<Child> {
    const SCRIPT: &str = r#"
        cat > /dev/null
        if [ -d "$1/data" ]; then
            if [ -n "$3" ]; then runuser -u "$3" -- "$2/pg_ctl" stop -m immediate -D "$1/data"
            else "$2/pg_ctl" stop -m immediate -D "$1/data"; fi
        fi
        # The last of the server's processes may still be removing files of its own.
        rm -rf "$1" || { sleep 1; rm -rf "$1"; }
    "#;
    Command::new("sh")
        .args(["-c", SCRIPT, "vestibule-postgres-guard"])
        .args([folder, programs])
        .arg(user.unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("a shell that looks after PostgreSQL cannot be started")
}

fn find_or_install() -> Result<PathBuf> {
    if let Some(programs) = find() {
        return Ok(programs);
    }
    let has_apt = Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has_apt || !is_root()? {
        bail!(MISSING);
    }
    say::note("PostgreSQL is missing: installing Debian's package `postgresql` with apt-get");
    run(Command::new("apt-get").args(["-q", "update"]))?;
    let mut install = Command::new("apt-get");
    install.args(["-q", "install", "-y", "--no-install-recommends", "postgresql"]);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    find().context(MISSING)
}

/// The newest folder that has all server programs: a client alone, or a stray wrapper on the path, does not do.
fn find() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.sort_by_key(|folder| {
        let version =
            folder.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok());
        std::cmp::Reverse(version)
    });
    #[expect(clippy::disallowed_methods, reason = "tasks are no part of the server, and have no settings")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.extend(["/usr/pgsql/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin"].map(PathBuf::from));
    first_complete(folders)
}

fn first_complete(folders: Vec<PathBuf>) -> Option<PathBuf> {
    folders.into_iter().find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()))
}

/// As whom to run PostgreSQL, where it cannot be oneself.
fn other_user() -> Result<Option<&'static str>> {
    if !is_root()? {
        return Ok(None);
    }
    let exists = |user: &&str| {
        Command::new("id")
            .arg(user)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|id| id.success())
    };
    let user = OTHER_USERS.into_iter().find(exists);
    Ok(Some(user.context("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")?))
}

fn is_root() -> Result<bool> {
    let id = Command::new("id").arg("-u").output().context("`id` cannot be run")?;
    Ok(id.stdout.trim_ascii() == b"0")
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else {
        return Command::new(program);
    };
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--"]).arg(program);
    command
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs a command quietly, and tells what it said where it fails.
fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    // Its standard output must be no pipe: the server inherits it and would keep it open.
    let said = tempfile::tempfile()?;
    let status = command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?)
        .status()
        .with_context(|| format!("`{name}` cannot be run"))?;
    if !status.success() {
        let mut told = said;
        std::io::Seek::rewind(&mut told)?;
        bail!("`{name}` failed ({status}): {}", std::io::read_to_string(told)?.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_counts_only_with_all_programs() {
        let (client, server) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        std::fs::write(client.path().join("postgres"), "").unwrap();
        for program in PROGRAMS {
            std::fs::write(server.path().join(program), "").unwrap();
        }
        let folders = vec![client.path().to_owned(), server.path().to_owned()];
        assert_eq!(first_complete(folders), Some(server.path().to_owned()));
        assert_eq!(first_complete(vec![client.path().to_owned()]), None);
    }
}
