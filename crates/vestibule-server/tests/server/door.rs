//! What a stranger with a raw socket can and cannot draw out of the real program.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::{Client, Program};

/// Longer than any limit that these tests wait for.
const LONG: Duration = Duration::from_mins(1);
const GET: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn connect(program: &Program) -> TcpStream {
    let address = program.origin.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// What comes until the other side closes, and how long that takes.
fn until_closed(stream: &mut TcpStream) -> (String, Duration) {
    let began = now();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    (String::from_utf8_lossy(&bytes).into_owned(), began.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "the limits of the real program are those of real time")]
fn now() -> Instant {
    Instant::now()
}

/// One answer of `/healthz`.
fn healthy(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 12];
    stream.write_all(GET.as_bytes()).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"HTTP/1.1 200"
}

/// Reads one answer, which ends with `ok\n`.
fn read_ok(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"ok\n") {
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
}

async fn serves(program: &Program) -> bool {
    reqwest::Client::new()
        .get(format!("{}/healthz", program.origin))
        .timeout(Duration::from_secs(5))
        .send()
        .await
        .is_ok_and(|answer| answer.status() == 200)
}

/// Slowloris: heads that never end, and connections on which nothing is ever said.
#[tokio::test]
async fn a_head_that_does_not_end_is_waited_for_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), None);
    let beginnings: [&[u8]; 4] = [b"", b"G", b"GET /log-in HTTP/1.1\r\nHost: x\r\nX-A: ", b"PRI * HTTP/"];
    let streams = beginnings.map(|beginning| {
        let mut stream = connect(&program);
        stream.write_all(beginning).unwrap();
        stream
    });
    // One goes on, a byte at a time.
    let mut drip = connect(&program);
    drip.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let dripping = std::thread::spawn(move || {
        let began = now();
        drip.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut byte = [0];
        loop {
            let is_open = match drip.read(&mut byte) {
                Ok(count) => count > 0,
                Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            };
            if !is_open || drip.write_all(b"A").is_err() || began.elapsed() > LONG {
                return began.elapsed();
            }
        }
    });
    assert!(serves(&program).await, "others are served meanwhile");
    let waits = streams.map(|mut stream| std::thread::spawn(move || until_closed(&mut stream)));
    for (wait, beginning) in waits.into_iter().zip(beginnings) {
        let (answer, waited) = wait.join().unwrap();
        assert!(!answer.contains("200 OK"), "{answer}");
        let seconds = waited.as_secs_f64();
        assert!((8.0..14.0).contains(&seconds), "{}: {seconds} s", String::from_utf8_lossy(beginning));
    }
    assert!(dripping.join().unwrap() < Duration::from_secs(14), "each byte does not begin the time anew");
    assert!(serves(&program).await);
}

/// R-U-Dead-Yet: a body that comes a byte at a time, or not at all.
#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), None);
    let head = "POST /api/auth/log-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n\r\n{";
    let mut silent = connect(&program);
    silent.write_all(head.as_bytes()).unwrap();
    let mut drip = connect(&program);
    drip.write_all(head.as_bytes()).unwrap();
    let mut writing = drip.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        let (sender, stop) = std::sync::mpsc::channel::<()>();
        let bytes = std::thread::spawn(move || {
            while stop
                .recv_timeout(Duration::from_millis(300))
                .is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout)
                && writing.write_all(b" ").is_ok()
            {}
        });
        let ended = until_closed(&mut drip);
        drop(sender);
        bytes.join().unwrap();
        ended
    });
    let silent = std::thread::spawn(move || until_closed(&mut silent));
    assert!(serves(&program).await, "others are served meanwhile");
    for ended in [silent, dripping] {
        let (answer, waited) = ended.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("too slowly"), "{answer}");
        assert!((18.0..26.0).contains(&waited.as_secs_f64()), "{waited:?}");
    }
}

#[tokio::test]
async fn a_giant_head_is_answered_431_and_a_giant_body_413() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), None);
    let many: String = (0..150).fold(String::new(), |text, number| format!("{text}X-{number}: a\r\n"));
    for head in [
        format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "a".repeat(200_000)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(40_000)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
    ] {
        let mut stream = connect(&program);
        // The answer may come, and the connection end, before all is sent.
        let _ = stream.write_all(head.as_bytes());
        let (answer, waited) = until_closed(&mut stream);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        // Where more was sent than is read, the reset that follows may overtake the answer.
        assert!(["431", "414", ""].contains(&status), "{answer}");
        assert!(waited < Duration::from_secs(5));
    }
    // Exactly at the limit of what is read, the answer arrives for certain.
    let mut stream = connect(&program);
    let most = format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    stream.write_all(most.as_bytes()).unwrap();
    assert!(until_closed(&mut stream).0.starts_with("HTTP/1.1 431 "));
    let good = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: a={}\r\n\r\n",
        "a".repeat(12_000)
    );
    let mut stream = connect(&program);
    stream.write_all(good.as_bytes()).unwrap();
    assert!(until_closed(&mut stream).0.starts_with("HTTP/1.1 200 "), "what cookies need passes");

    let mut stream = connect(&program);
    let post = "POST /api/auth/log-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n";
    stream.write_all(post.as_bytes()).unwrap();
    let _ = stream.write_all("a".repeat(70_000).as_bytes());
    let (answer, _) = until_closed(&mut stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(serves(&program).await);
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start_with(folder.path(), None, &[("VESTIBULE_MAX_CONNECTIONS", "40")]);
    let mut held: Vec<TcpStream> = (0..10).map(|_| connect(&program)).collect();
    for stream in &mut held {
        assert!(healthy(stream), "a fourth is served");
        read_ok(stream);
    }
    let mut eleventh = connect(&program);
    let _ = eleventh.write_all(GET.as_bytes());
    let (answer, waited) = until_closed(&mut eleventh);
    assert!(answer.is_empty() && waited < Duration::from_secs(5), "{answer}");
    held.pop();
    let began = now();
    while !serves(&program).await {
        assert!(began.elapsed() < Duration::from_secs(10), "a place that was left is free");
    }
}

#[tokio::test]
async fn a_trusted_proxy_may_have_all_and_who_is_idle_leaves_when_it_is_crowded() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("VESTIBULE_MAX_CONNECTIONS", "16"), ("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1")];
    let program = Program::start_with(folder.path(), None, &settings);
    // More than there may be, and all of them stay open on this side.
    let mut held = Vec::new();
    for number in 0..48 {
        let mut stream = connect(&program);
        assert!(healthy(&mut stream), "connection {number}");
        held.push(stream);
    }
    assert!(serves(&program).await);
    // Those that say nothing at all take their places for ten seconds; who comes then waits and is served.
    let silent: Vec<_> = (0..16).map(|_| connect(&program)).collect();
    let mut waiting = connect(&program);
    let began = now();
    assert!(healthy(&mut waiting), "it waited for a place");
    assert!(began.elapsed() < Duration::from_secs(15));
    drop(silent);
}

/// The system's own limit on open files comes first: the program neither ends nor runs hot, and goes on when it can.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_more_open_files_is_no_end_and_no_heat() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let settings = [("VESTIBULE_MAX_CONNECTIONS", "1000"), ("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1")];
    let program =
        Program::start_logging(folder.path(), None, &settings, std::fs::File::create(&log).unwrap());
    let limited =
        Command::new("prlimit").args(["--pid", &program.pid().to_string(), "--nofile=64:64"]).status();
    assert!(limited.expect("util-linux is installed").success());
    let held: Vec<_> = (0..100).map(|_| connect(&program)).collect();
    let before = cpu_ticks(program.pid());
    let mut waiting = connect(&program);
    assert!(healthy(&mut waiting), "it waited until the silent ones were sent away");
    let used = cpu_ticks(program.pid()) - before;
    assert!(used < 300, "{used} ticks of 10 ms");
    drop(held);
    assert!(serves(&program).await);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("no connection can be taken"), "{log}");
    assert!(log.matches("no connection can be taken").count() < 20, "and not at every attempt");
}

/// User and system time of a process.
#[cfg(target_os = "linux")]
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Over HTTP/2 one connection would carry many bodies at once, and pings would keep alive who takes no answer: without TLS, where
/// no browser speaks it, there is none.
#[tokio::test]
async fn http_2_is_not_spoken_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), None);
    // The preface and empty settings, and the same asked for by an upgrade.
    let mut stream = connect(&program);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let (answer, waited) = until_closed(&mut stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    let mut stream = connect(&program);
    let upgrade = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).unwrap();
    let (answer, _) = until_closed(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 200 "), "it is answered as it is: {answer}");
}

/// Request smuggling: where a proxy and the server disagree where a request ends, what a stranger wrote into the body of one is
/// taken for somebody else's next. Whatever can be read in two ways is refused, and the connection with it. Where there is both a
/// length and an encoding, the encoding holds and the connection ends, as RFC 9112 (6.3) has it; here the body is then empty, and
/// that is refused too.
#[tokio::test]
async fn a_request_whose_end_can_be_read_in_two_ways_is_refused_with_its_connection() {
    const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), None);
    let post = "POST /api/auth/log-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let chunk = format!("0\r\n\r\n{SMUGGLED}");
    for (what, request) in [
        (
            "CL.TE",
            format!("{post}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}", chunk.len()),
        ),
        ("TE.CL", format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{chunk}")),
        (
            "two lengths",
            format!("{post}Content-Length: 0\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()),
        ),
        ("a list of lengths", format!("{post}Content-Length: 0, {}\r\n\r\n{SMUGGLED}", SMUGGLED.len())),
        ("a signed length", format!("{post}Content-Length: +0\r\n\r\n{SMUGGLED}")),
        ("a length of another base", format!("{post}Content-Length: 0x0\r\n\r\n{SMUGGLED}")),
        ("an encoding that is not chunked", format!("{post}Transfer-Encoding: identity\r\n\r\n{SMUGGLED}")),
        ("chunked and more", format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n{chunk}")),
        (
            "an encoding of HTTP/1.0",
            format!("{}Transfer-Encoding: chunked\r\n\r\n{chunk}", post.replace("1.1", "1.0")),
        ),
        ("a blank before the colon", format!("{post}Transfer-Encoding : chunked\r\n\r\n{chunk}")),
        ("a folded line", format!("{post}X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n{chunk}")),
        ("a folded encoding", format!("{post}Transfer-Encoding:\r\n chunked\r\n\r\n{chunk}")),
        ("a lone carriage return", format!("{post}X-A: b\rTransfer-Encoding: chunked\r\n\r\n{chunk}")),
        (
            "a chunk whose size ends with a line feed",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n0\n\r\n{SMUGGLED}"),
        ),
        ("a chunk of no size", format!("{post}Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n{SMUGGLED}")),
    ] {
        let mut stream = connect(&program);
        stream.write_all(request.as_bytes()).unwrap();
        let (answer, waited) = until_closed(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{what}: what was smuggled is no request: {answer}"
        );
        assert!(waited < Duration::from_secs(5), "{what}: {waited:?}");
    }
    // A line may end without a carriage return, as RFC 9112 (2.2) lets it; where the request ends does not depend on that.
    let bare = format!("{post}Content-Length: {}\r\nConnection: close\r\n\r\n{SMUGGLED}", SMUGGLED.len());
    let mut stream = connect(&program);
    stream.write_all(bare.replacen("\r\n", "\n", 6).as_bytes()).unwrap();
    let (answer, _) = until_closed(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
    assert!(serves(&program).await);
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("VESTIBULE_MAX_CONNECTIONS", "16"), ("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1")];
    let program = Program::start_with(folder.path(), None, &settings);
    for part in ["", "GET / HT", "POST /log-in HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nema"] {
        for _ in 0..20 {
            let mut stream = connect(&program);
            stream.write_all(part.as_bytes()).unwrap();
            // Half open: nothing more comes from here, and the other side learns of it.
            stream.shutdown(Shutdown::Write).unwrap();
            let (answer, waited) = until_closed(&mut stream);
            assert!(!answer.contains(" 200 ") && waited < Duration::from_secs(5), "{answer}");
        }
    }
    assert_eq!(Client::new().sign_up(&program.origin, "ann").await.unwrap().0, 201);
}

#[cfg(unix)]
#[tokio::test]
async fn who_is_idle_does_not_hold_up_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), None);
    let mut idle = connect(&program);
    assert!(healthy(&mut idle));
    read_ok(&mut idle);
    let _new = connect(&program);
    let began = now();
    assert!(Command::new("kill").arg(program.pid().to_string()).status().unwrap().success());
    assert!(program.wait().success());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_address_of_the_metrics_has_the_same_door() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let program = Program::start_with(folder.path(), None, &[("VESTIBULE_METRICS_LISTEN", &listen)]);
    let (status, text) = Client::new().get(&format!("http://{listen}"), "/metrics").await.unwrap();
    assert!(status == 200 && text.contains("vestibule_mails_waiting"), "{text}");
    let held: Vec<_> = (0..16).map(|_| TcpStream::connect(&listen).unwrap()).collect();
    let mut seventeenth = TcpStream::connect(&listen).unwrap();
    seventeenth.set_read_timeout(Some(LONG)).unwrap();
    let (answer, waited) = until_closed(&mut seventeenth);
    assert!(answer.is_empty() && waited < Duration::from_secs(5), "{answer}");
    drop((held, program));
}
