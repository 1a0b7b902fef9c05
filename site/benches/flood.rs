//! What a flood of log-ins does to those who are logged in, and to who wants to be: the real program, 200 clients from 200
//! networks, for a minute. `cargo bench --package site --bench flood`; `-- 10` floods for ten seconds only.
//!
//! Each client waits for its answer, as browsers and most programs do, and every tenth shows the cookie of a browser that knows
//! another account. The clients and the program share the machine's cores, so the figures are the worse for it. It fails where the 99th of a
//! hundred session checks takes over three times what it takes without a flood, where the program grows beyond 300 MiB, or where
//! a browser that the account knows cannot log in.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vestibule::ports::{Stopwatch, SystemStopwatch};

const CLIENTS: usize = 200;
const SECONDS: u64 = 60;
/// Session checks: so many connections, each of which asks, waits this long, and asks again.
const CHECKERS: usize = 4;
const BETWEEN_CHECKS: Duration = Duration::from_millis(10);
const BETWEEN_LOG_INS: Duration = Duration::from_secs(1);
const PASSWORD: &str = "copper window thursday";
/// What is asked of the 99th of a hundred checks, as times that without a flood.
const MOST_TIMES: f64 = 3.0;
const MOST_MIB: u64 = 300;
/// Refused a second, at least: with fewer it was no flood.
const FEWEST_REFUSALS: u64 = 200;

/// The program, on the embedded database in a folder of its own.
struct Site {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
    _output: BufReader<std::process::ChildStdout>,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|bound| bound.local_addr())
            .expect("a free port")
            .port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_site"));
        command
            .current_dir(folder.path())
            .env("VESTIBULE_LISTEN", &address)
            .env("VESTIBULE_PUBLIC_URL", format!("http://localhost:{port}"))
            // The clients say from which networks they come.
            .env("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("it has an output"));
        output.read_line(&mut String::new()).expect("it prints its address");
        Self { child, address, _folder: folder, _output: output }
    }

    /// What the program has taken of memory at most, in MiB.
    fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    cookies: Vec<String>,
}

/// One connection. By hand, so that the clients take as little as can be of the cores that the program needs.
struct Wire {
    stream: TcpStream,
    from: String,
    read: Vec<u8>,
}

impl Wire {
    async fn open(address: &str, from: String) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, from, read: Vec::with_capacity(4096) })
    }

    async fn ask(&mut self, first_line: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
        let length = body.len();
        let request = format!(
            "{first_line} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}",
            self.from
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.read.clear();
        let broken = || std::io::Error::other("an answer breaks off");
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(broken());
            }
            let Some(head) = self.read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&self.read[..head]).into_owned();
            let of = |name: &str| {
                let lines = text.lines().filter_map(|line| line.split_once(": "));
                lines
                    .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.to_owned())
                    .collect()
            };
            let lengths: Vec<String> = of("content-length");
            let length = lengths.first().and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
            while self.read.len() < head + 4 + length {
                if self.stream.read_buf(&mut self.read).await? == 0 {
                    return Err(broken());
                }
            }
            let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
            return Ok(Answer { status, cookies: of("set-cookie") });
        }
    }
}

/// Asks for the session, again and again, and gives how long each answer took.
async fn check_sessions(address: &str, cookies: &str, lasts: Duration) -> Vec<Duration> {
    let checkers = (0..CHECKERS).map(|_| {
        let (address, headers) = (address.to_owned(), format!("Cookie: {cookies}\r\n"));
        tokio::spawn(async move {
            let mut wire = Wire::open(&address, "203.0.113.1".to_owned()).await.expect("a checker connects");
            let (whole, mut took) = (SystemStopwatch::start(), Vec::new());
            while whole.elapsed() < lasts {
                let stopwatch = SystemStopwatch::start();
                let answer =
                    wire.ask("GET /api/auth/session", &headers, "").await.expect("a check is answered");
                assert_eq!(answer.status, 200, "who is logged in stays so");
                took.push(stopwatch.elapsed());
                tokio::time::sleep(BETWEEN_CHECKS).await;
            }
            took
        })
    });
    let mut took = Vec::new();
    for checker in checkers.collect::<Vec<_>>() {
        took.extend(checker.await.expect("a checker ends"));
    }
    took.sort_unstable();
    took
}

/// How many answers of each kind the flood got.
#[derive(Default)]
struct Flooded {
    refused: AtomicU64,
    too_many: AtomicU64,
    busy: AtomicU64,
    other: AtomicU64,
}

fn flood(
    address: &str,
    foreign_device: &str,
    is_over: &Arc<AtomicBool>,
    flooded: &Arc<Flooded>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let client = |number: usize| {
        let (address, is_over, flooded) = (address.to_owned(), Arc::clone(is_over), Arc::clone(flooded));
        let cookie = match number % 10 {
            0 => format!("Cookie: {foreign_device}\r\n"),
            _ => String::new(),
        };
        tokio::spawn(async move {
            let from = format!("2001:db8:{number:x}::1");
            let mut tries = 0;
            while !is_over.load(Ordering::Relaxed) {
                let mut wire =
                    Wire::open(&address, from.clone()).await.expect("a client of the flood connects");
                while !is_over.load(Ordering::Relaxed) {
                    tries += 1;
                    let body = format!(
                        r#"{{"email":"nobody{number}.{tries}@example.com","password":"{PASSWORD}"}}"#
                    );
                    let Ok(answer) = wire.ask("POST /api/auth/log-in", &cookie, &body).await else { break };
                    let count = match answer.status {
                        401 => &flooded.refused,
                        429 => &flooded.too_many,
                        503 => &flooded.busy,
                        _ => &flooded.other,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    };
    (0..CLIENTS).map(client).collect()
}

/// Logs in again and again at a browser that the account knows. Gives how long each took, and the answers that let nobody in.
async fn log_in_meanwhile(
    address: String,
    device: String,
    is_over: Arc<AtomicBool>,
) -> (Vec<Duration>, Vec<u16>) {
    let (mut took, mut failed) = (Vec::new(), Vec::new());
    let body = format!(r#"{{"email":"ann@example.com","password":"{PASSWORD}"}}"#);
    while !is_over.load(Ordering::Relaxed) {
        let stopwatch = SystemStopwatch::start();
        let mut wire = Wire::open(&address, "203.0.113.1".to_owned()).await.expect("a browser connects");
        let answer = wire.ask("POST /api/auth/log-in", &format!("Cookie: {device}\r\n"), &body).await;
        match answer.map_or(0, |answer| answer.status) {
            200 => took.push(stopwatch.elapsed()),
            status => failed.push(status),
        }
        tokio::time::sleep(BETWEEN_LOG_INS).await;
    }
    took.sort_unstable();
    (took, failed)
}

fn of_a_hundred(sorted: &[Duration], which: usize) -> Duration {
    sorted[(sorted.len() * which / 100).min(sorted.len() - 1)]
}

fn pair(cookies: &[String], name: &str) -> String {
    let cookie = cookies.iter().find(|cookie| cookie.starts_with(name)).expect("a sign-up gives cookies");
    cookie.split(';').next().unwrap_or_default().to_owned()
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
#[tokio::main]
async fn main() -> ExitCode {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(SECONDS);
    let lasts = Duration::from_secs(seconds);
    let site = Site::start();
    let mut wire = Wire::open(&site.address, "203.0.113.1".to_owned()).await.expect("the program answers");
    let body = format!(r#"{{"name":"Ann","email":"ann@example.com","password":"{PASSWORD}"}}"#);
    let answer = wire.ask("POST /api/auth/sign-up", "", &body).await.expect("a sign-up is answered");
    assert_eq!(answer.status, 201);
    let [access, csrf, device] =
        ["vestibule_access=", "vestibule_csrf=", "vestibule_device="].map(|name| pair(&answer.cookies, name));
    let refresh = pair(&answer.cookies, "vestibule_refresh=");
    let session = format!("{access}; {csrf}; {refresh}");

    let _warm = check_sessions(&site.address, &session, Duration::from_secs(2)).await;
    let idle = check_sessions(&site.address, &session, Duration::from_secs(10)).await;
    let before = site.most_memory();

    let (is_over, flooded) = (Arc::new(AtomicBool::new(false)), Arc::new(Flooded::default()));
    let clients = flood(&site.address, &device, &is_over, &flooded);
    let owner = tokio::spawn(log_in_meanwhile(site.address.clone(), device, Arc::clone(&is_over)));
    let busy = check_sessions(&site.address, &session, lasts).await;
    is_over.store(true, Ordering::Relaxed);
    let (took, failed) = owner.await.expect("the owner's browser ends");
    for client in clients {
        client.await.expect("a client of the flood ends");
    }
    let memory = site.most_memory();

    let [idle_median, idle_p99] = [50, 99].map(|which| of_a_hundred(&idle, which));
    let [median, p99] = [50, 99].map(|which| of_a_hundred(&busy, which));
    let times = p99.as_secs_f64() / idle_p99.as_secs_f64();
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "session checks   without a flood: p50 {idle_median:?}, p99 {idle_p99:?}, {} checks",
        idle.len()
    );
    println!(
        "session checks   in the flood:    p50 {median:?}, p99 {p99:?}, {} checks: {times:.2} times",
        busy.len()
    );
    println!(
        "the flood        {CLIENTS} clients, {seconds} s: {} compared, {} told 503, {} told 429, {} else",
        count(&flooded.refused),
        count(&flooded.busy),
        count(&flooded.too_many),
        count(&flooded.other)
    );
    println!(
        "the owner        {} log-ins at a known browser, p50 {:?}, longest {:?}; {} failed {failed:?}",
        took.len(),
        of_a_hundred(&took, 50),
        of_a_hundred(&took, 100),
        failed.len()
    );
    println!("memory           {before} MiB before, {memory} MiB at most");
    let refusals = count(&flooded.busy) + count(&flooded.too_many);
    if count(&flooded.other) > 0 || refusals < seconds * FEWEST_REFUSALS {
        eprintln!("That was no flood of log-ins.");
        return ExitCode::FAILURE;
    }
    if times > MOST_TIMES || memory > MOST_MIB || !failed.is_empty() || took.is_empty() {
        eprintln!(
            "That is more than {MOST_TIMES} times, more than {MOST_MIB} MiB, or an owner who is kept out."
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
