use std::io::Write;
use std::num::NonZeroUsize;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::NamedTempFile;

const SCRIPT: &str = include_str!("requests.lua");

/// How the requests of a load are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The same again, as often as there is time.
    Again,
    /// Each once. There must be enough of them.
    Once,
}

/// A load: so many connections, each of which asks, waits for the answer, and asks again.
pub struct Load<'a> {
    pub address: &'a str,
    pub connections: usize,
    pub lasts: Duration,
    pub requests: &'a [Vec<u8>],
    pub order: Order,
}

impl Load<'_> {
    /// Half of the cores: one alone would be the bound of what many cores answer. Those that send each request once read one file.
    fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        if self.order == Order::Once { 1 } else { (cores / 2).clamp(1, self.connections) }
    }
}

/// What a load measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub requests: u64,
    /// Answers a second.
    pub rate: f64,
    /// In microseconds.
    pub p99: f64,
}

/// A load that is under way.
pub struct UnderWay {
    wrk: Child,
    _files: (NamedTempFile, NamedTempFile),
}

/// Loads and measures.
pub fn run(load: &Load<'_>) -> Result<Measured> {
    start(load)?.finish()
}

/// Begins a load.
pub fn start(load: &Load<'_>) -> Result<UnderWay> {
    let (mut script, mut requests) = (NamedTempFile::new()?, NamedTempFile::new()?);
    script.write_all(SCRIPT.as_bytes())?;
    let mut out = std::io::BufWriter::new(requests.as_file_mut());
    // Before it sends any, wrk takes one to look at it.
    let looked_at = load.requests.first().filter(|_| load.order == Order::Once);
    for request in looked_at.into_iter().chain(load.requests) {
        writeln!(out, "{}", request.len())?;
        out.write_all(request)?;
    }
    out.flush()?;
    drop(out);
    let wrk = Command::new("wrk")
        .args(["--timeout", "20s"])
        .arg(format!("-t{}", load.threads()))
        .arg(format!("-c{}", load.connections))
        .arg(format!("-d{}s", load.lasts.as_secs().max(1)))
        .arg("-s")
        .arg(script.path())
        .arg(format!("http://{}", load.address))
        .arg("--")
        .arg(requests.path())
        .arg(if load.order == Order::Again { "again" } else { "once" })
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("wrk cannot be run")?;
    Ok(UnderWay { wrk, _files: (script, requests) })
}

impl UnderWay {
    /// Waits for the end of it. Any answer of 400 or more is an error: it would not be what was to be measured.
    pub fn finish(self) -> Result<Measured> {
        let told = self.wrk.wait_with_output().context("wrk does not end")?;
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let Some(line) = told.lines().find_map(|line| line.strip_prefix("MEASURED ")) else {
            bail!("wrk measured nothing:\n{told}");
        };
        let figures: Value = serde_json::from_str(line).context("wrk's figures")?;
        let number = |name: &str| figures[name].as_f64().with_context(|| format!("wrk tells no {name}"));
        let count = |name: &str| figures[name].as_u64().with_context(|| format!("wrk tells no {name}"));
        ensure!(
            count("refused")? == 0,
            "{} requests of {} were refused",
            count("refused")?,
            count("requests")?
        );
        ensure!(
            count("broken")? == 0,
            "{} requests of {} were not answered",
            count("broken")?,
            count("requests")?
        );
        ensure!(figures["used_up"] == false, "there were too few requests to send each once");
        let (requests, seconds) = (count("requests")?, number("microseconds")? / 1e6);
        #[expect(clippy::cast_precision_loss, reason = "no load sends 2^52 requests")]
        let rate = requests as f64 / seconds;
        Ok(Measured { requests, rate, p99: number("p99")? })
    }
}
