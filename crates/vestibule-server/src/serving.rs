//! The door: takes connections and speaks HTTP over them, with a limit to everything that a stranger could draw out.
//! Why it is not `axum::serve` is told in `docs/adr/0018-own-accept-loop.md`.

mod body;
mod handshake;
mod http2;
mod patience;
mod places;
mod undisturbed;
mod watched;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper::server::conn::http2::Connection as Http2Connection;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower::Service as _;

use self::body::{Answering, Arriving};
use self::patience::{Patience, Waiting};
use self::places::Place;
use self::undisturbed::Undisturbed;
use self::watched::Watched;
use crate::certificates::HTTP_2;

pub(crate) use self::handshake::Tls;
pub(crate) use self::places::{Limits, Places};

/// The head of a request, all its headers together: cookies of ours are under 2 KiB. More is answered with 431.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request. More are answered with 431.
const MAX_HEADERS: usize = 100;
/// How long the last words of a connection may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long to wait after the system refused to take a connection: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// What goes on and on is logged that often.
const SELDOM: Duration = Duration::from_mins(1);

/// An address that is served.
pub(crate) struct Door {
    /// Where connections come from.
    pub listener: TcpListener,
    /// What answers.
    pub router: Router,
    /// The places for connections. Doors may share them.
    pub places: Arc<Places>,
    /// The TLS that is spoken; none for plain http.
    pub tls: Option<Tls>,
}

/// Serves until `stopped` says so, then finishes what is under way.
pub(crate) async fn serve(door: Door, stopped: watch::Receiver<bool>) {
    let Door { listener, router, places, tls } = door;
    let (everybody, here) = watch::channel(());
    let mut stopping = stopped.clone();
    let mut asked_to_stop = pin!(stopping.wait_for(|is_stopping| *is_stopping));
    let mut refused = Seldom::default();
    loop {
        let next = async {
            let place = places.take().await;
            let (stream, peer) = accept(&listener, &places).await;
            (place, stream, peer)
        };
        let (place, stream, peer) = tokio::select! {
            next = next => next,
            _ = &mut asked_to_stop => break,
        };
        let Some(place) = place.for_address(peer.ip()) else {
            // Dropped, and so closed. One address must not take what is there for all.
            if refused.is_due() {
                tracing::warn!(client.ip = %peer.ip().to_canonical(), "more connections from one address than it may have");
            }
            continue;
        };
        // Small answers go out at once instead of waiting for more (Nagle).
        let _ = stream.set_nodelay(true);
        let (router, tls, stopped, here) = (router.clone(), tls.clone(), stopped.clone(), here.clone());
        tokio::spawn(async move {
            let patience = Patience::begin(place.crowd());
            match tls {
                None => hold(stream, peer, router, (place, patience), stopped).await,
                Some(tls) => {
                    // The place is taken and the time runs before anything is computed for a stranger.
                    let Some(stream) = tls.shake_hands(stream, &patience, stopped.clone()).await else {
                        return;
                    };
                    if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
                        hold_many(stream, peer, router, (place, patience), stopped).await;
                    } else {
                        hold(stream, peer, router, (place, patience), stopped).await;
                    }
                }
            }
            drop(here);
        });
    }
    drop(listener);
    drop(here);
    everybody.closed().await;
}

/// The next connection. That the system cannot give one is no reason to end, nor to ask it as fast as one can.
async fn accept(listener: &TcpListener, places: &Places) -> (tokio::net::TcpStream, SocketAddr) {
    let mut pause = PAUSES.0;
    let mut told = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Mostly that no more files can be opened: whoever is idle leaves.
                places.tell_that_it_is_crowded();
                if !told {
                    tracing::error!(cause = %error, "no connection can be taken; trying again");
                    told = true;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

/// Whether the other side was gone before it was taken: nothing is wrong here.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

/// Speaks HTTP over a connection for as long as there is something to say. Where TLS is spoken, `io` is what it carries: what
/// is no data of HTTP, such as a new key, makes nobody wait longer.
async fn hold<I>(
    io: I,
    peer: SocketAddr,
    router: Router,
    (place, patience): (Place, Patience),
    mut stopped: watch::Receiver<bool>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(Watched::new(io, patience.clone(), place));
    let service = {
        let patience = patience.clone();
        service_fn(move |request| answer(router.clone(), peer, request, &patience, None))
    };
    let connection = builder().serve_connection(io, service).with_upgrades();
    converse(connection, UpgradeableConnection::graceful_shutdown, &patience, &mut stopped).await;
}

/// The same over HTTP/2, where several requests are under way at a time.
async fn hold_many<I>(
    io: I,
    peer: SocketAddr,
    router: Router,
    (place, patience): (Place, Patience),
    mut stopped: watch::Receiver<bool>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    patience.expect_many();
    let io = TokioIo::new(Watched::new(io, patience.clone(), place));
    let turns = http2::turns();
    let service = {
        let patience = patience.clone();
        service_fn(move |request| answer(router.clone(), peer, request, &patience, Some(Arc::clone(&turns))))
    };
    let connection = http2::builder().serve_connection(io, service);
    converse(connection, Http2Connection::graceful_shutdown, &patience, &mut stopped).await;
}

/// Lets a connection go on until it ends, was waited for long enough, or the program is asked to stop. `end` is how one says
/// that no request is taken any more.
async fn converse<C: Future>(
    connection: C,
    end: impl Fn(Pin<&mut C>),
    patience: &Patience,
    stopped: &mut watch::Receiver<bool>,
) {
    let mut connection = pin!(connection);
    let why = loop {
        let why = tokio::select! {
            biased;
            // First, for a connection that a stranger keeps busy uses up what a task may do at a time: it would else never be let
            // go, and a program that serves it could not stop (starvation).
            why = Undisturbed::new(interrupted(patience, stopped)) => why,
            // Whatever went wrong is the other side's affair: it hung up, or spoke no HTTP.
            _ = connection.as_mut() => return,
        };
        // A request that is here by now is answered: a proxy sends a POST that is lost no second time.
        if ends_now(connection.as_mut()).await {
            return;
        }
        if matches!(why, Interruption::Stopping) || patience.is_over() {
            break why;
        }
    };
    match why {
        Interruption::OutOfPatience(over) if !over.deserves_a_farewell() => {}
        Interruption::OutOfPatience(_) => {
            end(connection.as_mut());
            let _ = tokio::time::timeout(FAREWELL, connection).await;
        }
        Interruption::Stopping => {
            end(connection.as_mut());
            let _ = connection.await;
        }
    }
}

/// Lets a future go on once, and says whether that was its end.
async fn ends_now<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

/// Why a connection does not go on.
enum Interruption {
    OutOfPatience(Waiting),
    Stopping,
}

async fn interrupted(patience: &Patience, stopped: &mut watch::Receiver<bool>) -> Interruption {
    tokio::select! {
        over = patience.over() => Interruption::OutOfPatience(over),
        _ = stopped.wait_for(|is_stopping| *is_stopping) => Interruption::Stopping,
    }
}

/// HTTP/1. In the clear there is nothing else: no browser speaks HTTP/2 without TLS (`docs/adr/0018-own-accept-loop.md`).
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        // Most answers are short: to copy them behind their head costs less than to hand over two pieces.
        .writev(false)
        // It counts idle time too, and begins with the first byte alone: `Patience` counts what there is.
        .header_read_timeout(None);
    builder
}

/// Has a request answered. No `async fn`: it would keep the request twice.
fn answer(
    mut router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
    patience: &Patience,
    turns: Option<Arc<Semaphore>>,
) -> impl Future<Output = Result<Response<Answering>, Infallible>> + use<> {
    let work = patience.work();
    let mut request = request.map(|body| {
        // Most requests have none, and nothing to wait for.
        if body.is_end_stream() { Body::empty() } else { Body::new(Arriving::new(body, turns)) }
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    // A router is always ready.
    let answered = router.call(request);
    async move { Ok(answered.await?.map(|body| Answering::new(body, work))) }
}

/// Says no more than once a minute that it is time to say something.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Option<Instant>);

impl Seldom {
    pub(crate) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.0.is_none_or(|last| now - last >= SELDOM);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use vestibule_web::TrustedProxies;

    use super::places::Limits;
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    /// Answers are larger than what the other side takes at once.
    const PIPE: usize = 1024;

    /// A connection to a door, in memory: its time is moved by the runtime whenever everybody waits.
    async fn connect(places: &Places) -> (DuplexStream, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
        let (stop, stopped) = watch::channel(false);
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/much", get(|| async { "much ".repeat(100_000) }))
            .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(200)).await }))
            .route("/echo", post(|body: String| async { body }));
        let peer = SocketAddr::from(([192, 0, 2, 7], 4711));
        let place = places.take().await.for_address(peer.ip()).expect("there is room");
        let (ours, theirs) = duplex(PIPE);
        let patience = Patience::begin(place.crowd());
        let held = tokio::spawn(hold(theirs, peer, router, (place, patience), stopped));
        (ours, stop, held)
    }

    fn places() -> Places {
        Places::new(Limits::new(16, TrustedProxies::default()))
    }

    /// Reads until the answer that says hello has come.
    async fn hello(stream: &mut DuplexStream) {
        let mut seen = Vec::new();
        while !seen.ends_with(b"hello") {
            seen.push(stream.read_u8().await.unwrap());
        }
    }

    /// A connection that has had one answer, and is idle.
    async fn greeted(places: &Places) -> (DuplexStream, watch::Sender<bool>) {
        let (mut stream, stop, _) = connect(places).await;
        stream.write_all(GET).await.unwrap();
        hello(&mut stream).await;
        (stream, stop)
    }

    async fn seconds_until_closed(stream: &mut DuplexStream) -> (u64, String) {
        let began = Instant::now();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        (began.elapsed().as_secs(), String::from_utf8_lossy(&rest).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_waited_for_longer_between_requests_than_within_one() {
        let places = places();
        let (mut stream, _stop, _) = connect(&places).await;
        assert_eq!(seconds_until_closed(&mut stream).await.0, 10, "nothing was ever said");

        let (mut stream, _stop, _) = connect(&places).await;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(9)).await;
            stream.write_all(GET).await.unwrap();
            hello(&mut stream).await;
        }
        tokio::time::sleep(Duration::from_secs(70)).await;
        stream.write_all(GET).await.unwrap();
        hello(&mut stream).await;
        assert_eq!(seconds_until_closed(&mut stream).await.0, 75, "no other request came");

        let (mut stream, _stop) = greeted(&places).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        stream.write_all(b"GET / HT").await.unwrap();
        assert_eq!(seconds_until_closed(&mut stream).await.0, 10, "the rest of a request did not come");
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_may_take_its_time() {
        let (mut stream, _stop, _) = connect(&places()).await;
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let (seconds, answer) = seconds_until_closed(&mut stream).await;
        assert!(seconds == 200 && answer.starts_with("HTTP/1.1 200 OK"), "{seconds} {answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_the_answer_is_let_go_and_leaves_the_place() {
        let places = places();
        let (mut stream, _stop, held) = connect(&places).await;
        stream.write_all(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let began = Instant::now();
        held.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 30);
        assert!(places.is_empty());
        drop(stream);

        // Who takes it, however slowly, gets it.
        let (mut stream, _stop, _) = connect(&places).await;
        stream.write_all(b"GET /much HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut taken = 0;
        let mut some = [0; PIPE];
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            match stream.read(&mut some).await.unwrap() {
                0 => break,
                count => taken += count,
            }
        }
        assert!(taken > 500_000, "{taken}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_twenty_seconds_and_one_more_for_each_kib() {
        let head =
            |length: usize| format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        let (mut stream, _stop, _) = connect(&places()).await;
        stream.write_all(head(10).as_bytes()).await.unwrap();
        let (seconds, answer) = seconds_until_closed(&mut stream).await;
        assert!(seconds == 20 && answer.starts_with("HTTP/1.1 400"), "{seconds} {answer}");

        // Half a KiB a second is too slow: 20 s and what came by then.
        for (bytes_a_second, is_taken) in [(512, false), (2048, true)] {
            let (mut stream, _stop, _) = connect(&places()).await;
            stream.write_all(head(60_000).as_bytes()).await.unwrap();
            let mut sent = 0;
            while sent < 60_000 {
                let some = bytes_a_second.min(60_000 - sent);
                if stream.write_all(&vec![b'a'; some]).await.is_err() {
                    break;
                }
                sent += some;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            let expected = if is_taken { b"HTTP/1.1 200" } else { b"HTTP/1.1 400" };
            assert_eq!(&answer, expected, "{bytes_a_second} bytes a second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_others_wait_who_is_idle_leaves_and_who_is_served_stays() {
        let places = places();
        let (mut idle, _stop) = greeted(&places).await;
        let (mut busy, _stop_too, _) = connect(&places).await;
        busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        places.tell_that_it_is_crowded();
        assert_eq!(seconds_until_closed(&mut idle).await.0, 0);
        assert!(seconds_until_closed(&mut busy).await.1.starts_with("HTTP/1.1 200 OK"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_with_the_stop_or_the_crowd_is_answered() {
        for is_stop in [true, false] {
            let places = places();
            let (mut stream, stop) = greeted(&places).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            // Both before the connection is looked at again.
            stream.write_all(GET).await.unwrap();
            if is_stop {
                stop.send_replace(true);
            } else {
                places.tell_that_it_is_crowded();
            }
            let (seconds, answer) = seconds_until_closed(&mut stream).await;
            assert!(seconds == 0 && answer.ends_with("hello"), "{is_stop} {seconds} {answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_request_that_comes_with_the_crowd_has_the_time_of_one() {
        let places = places();
        let (mut stream, _stop) = greeted(&places).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stream.write_all(b"GET / HT").await.unwrap();
        places.tell_that_it_is_crowded();
        assert_eq!(seconds_until_closed(&mut stream).await.0, 10);
    }

    /// One that always has something to do uses up what a task may do at a time, and leaves nothing for what is looked at after it.
    #[tokio::test]
    async fn a_connection_that_is_never_at_rest_hears_that_the_program_stops() {
        let (stop, mut stopped) = watch::channel(false);
        let place = places().take().await;
        let patience = Patience::begin(place.crowd());
        let is_ended = std::cell::Cell::new(false);
        let flood = async {
            while !is_ended.get() {
                tokio::task::consume_budget().await;
            }
        };
        let heard = converse(flood, |_| is_ended.set(true), &patience, &mut stopped);
        let stopping = async {
            tokio::task::yield_now().await;
            stop.send_replace(true);
        };
        let both = async { tokio::join!(heard, stopping) };
        tokio::time::timeout(Duration::from_secs(10), both).await.expect("it stops");
        assert!(is_ended.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_idle_at_once_and_the_busy_when_they_are_done() {
        let places = places();
        let (mut idle, stop) = greeted(&places).await;
        stop.send_replace(true);
        assert_eq!(seconds_until_closed(&mut idle).await.0, 0);
        let (mut busy, stop, _) = connect(&places).await;
        busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.send_replace(true);
        let (seconds, answer) = seconds_until_closed(&mut busy).await;
        assert!(seconds == 199 && answer.starts_with("HTTP/1.1 200 OK"), "{seconds} {answer}");
    }
}
