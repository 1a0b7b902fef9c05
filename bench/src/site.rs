use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use vestibule::ports::{Stopwatch, SystemStopwatch};

use crate::wire::{Wire, request};

const LONGEST_START: Duration = Duration::from_mins(1);

/// The real program, serving. It ends with this value.
pub struct Site {
    child: Child,
    pub address: String,
    /// From the moment that it was run to its first answer.
    pub started_in: Duration,
}

/// How the program is run.
pub struct Start<'a> {
    pub program: &'a Path,
    /// Where it runs, and where its log goes.
    pub folder: PathBuf,
    pub settings: Vec<(&'static str, String)>,
}

impl Start<'_> {
    /// Runs a command of the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<()> {
        let told = self.command()?.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
        if !told.status.success() {
            let arguments = arguments.join(" ");
            bail!("`site {arguments}` failed:\n{}", String::from_utf8_lossy(&told.stderr));
        }
        Ok(())
    }

    /// Starts the server and waits for its first answer.
    pub fn serve(&self) -> Result<Site> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let log = File::create(self.folder.join(format!("{port}.log")))?;
        let mut command = self.command()?;
        command.env("VESTIBULE_LISTEN", &address).stdout(log.try_clone()?).stderr(log);
        let stopwatch = SystemStopwatch::start();
        let mut child =
            command.spawn().with_context(|| format!("{} cannot be run", self.program.display()))?;
        let health = request("GET /healthz", "", "");
        while stopwatch.elapsed() < LONGEST_START {
            if let Ok(answer) = Wire::open(&address).and_then(|mut wire| wire.ask(&health))
                && answer.status == 200
            {
                return Ok(Site { child, address, started_in: stopwatch.elapsed() });
            }
            if let Some(status) = child.try_wait()? {
                let log = std::fs::read_to_string(self.folder.join(format!("{port}.log")))?;
                bail!("the program ended ({status}) and did not serve:\n{log}");
            }
            rest(Duration::from_micros(200));
        }
        let _ = child.kill();
        bail!("the program did not answer within {LONGEST_START:?}")
    }

    fn command(&self) -> Result<Command> {
        std::fs::create_dir_all(&self.folder)?;
        let mut command = Command::new(self.program);
        command
            .current_dir(&self.folder)
            .env_clear()
            // The same for all servers of a database: it stands in the access tokens.
            .env("VESTIBULE_PUBLIC_URL", "http://localhost:3000")
            // The clients say from where they come, each from another address: quotas are taken from and never used up.
            .env("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1")
            // As under systemd or in a container.
            .env("VESTIBULE_LOG_FORMAT", "json")
            // Longer than all that is measured with the same access tokens.
            .env("VESTIBULE_ACCESS_TTL", "12h")
            .stdin(Stdio::null())
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

impl Site {
    /// What the program has of memory now, and what it had at most, in MiB.
    pub fn memory(&self) -> Result<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let of = |name: &str| -> Result<f64> {
            let line =
                status.lines().find_map(|line| line.strip_prefix(name)).context("/proc tells no memory")?;
            let kib = line.split_whitespace().next().context("/proc tells no memory")?;
            Ok(kib.parse::<f64>()? / 1024.0)
        };
        Ok((of("VmRSS:")?, of("VmHWM:")?))
    }

    /// How long the program has computed, on all cores together.
    pub fn computed(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let told = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            nanoseconds += told.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits. What is measured here are other processes, and no thread of a server waits with this one.
#[expect(clippy::disallowed_methods, reason = "this program serves nobody")]
pub fn rest(how_long: Duration) {
    std::thread::sleep(how_long);
}
