//! HTTP/2 (RFC 9113), which is spoken over TLS alone. One connection carries several requests at a time, so what limits a
//! connection of HTTP/1 is not enough here: `docs/adr/0029-http-2-with-limits.md`.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;

use super::MAX_HEAD_BYTES;

/// Requests at a time. A page of ours has fewer parts than that, and who opens more waits.
const MAX_STREAMS: u32 = 16;
/// Bodies of requests at a time on one connection, as each may take 64 KiB of memory: the others wait for their turn.
const BODIES_AT_A_TIME: usize = 2;
/// What the other side may send before we have read it: of one body, and of all.
const WINDOW: u32 = 64 * 1024;
/// What of an answer waits here for the other side to take it.
const MAX_WAITING: usize = 64 * 1024;
/// Requests that are taken back before we have seen them, and those that we take back ourselves. Who causes more ends the
/// connection (CVE-2023-44487, CVE-2025-8671).
const MAX_RESETS: usize = 16;
/// How long nobody may take any more of one answer. A client tells what it has taken by halves of its window, 32 KiB mostly, so
/// that is longer than for a connection.
pub(super) const FOR_TAKING: Duration = Duration::from_mins(1);

pub(super) fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 2)
        .max_send_buf_size(MAX_WAITING)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS);
    builder
}

/// The turns of bodies on one connection.
pub(super) fn turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BODIES_AT_A_TIME))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::{Request, StatusCode};
    use axum::routing::{get, post};
    use h2::client::{self, SendRequest};
    use h2::{PingPong, SendStream};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::watch;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;
    use vestibule_web::TrustedProxies;

    use super::super::hold_many;
    use super::super::patience::Patience;
    use super::super::places::{Limits, Places};
    use super::*;

    /// The preface and settings of a client (RFC 9113, 3.4), and an acknowledgement of ours.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const GOAWAY: u8 = 7;

    struct Held {
        places: Places,
        task: JoinHandle<()>,
        stop: watch::Sender<bool>,
    }

    /// A connection that HTTP/2 was agreed on for, in memory.
    async fn hold() -> (DuplexStream, Held) {
        let (stop, stopped) = watch::channel(false);
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/much", get(|| async { "much ".repeat(100_000) }))
            .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(200)).await }))
            .route("/echo", post(|body: Bytes| async move { body.len().to_string() }));
        let places = Places::new(Limits::new(16, TrustedProxies::default()));
        let peer = SocketAddr::from(([192, 0, 2, 7], 4711));
        let place = places.take().await.for_address(peer.ip()).expect("there is room");
        let (ours, theirs) = duplex(256 * 1024);
        let patience = Patience::begin(place.crowd());
        let task = tokio::spawn(hold_many(theirs, peer, router, (place, patience), stopped));
        (ours, Held { places, task, stop })
    }

    async fn client(window: u32) -> (SendRequest<Bytes>, PingPong, Held) {
        let (stream, held) = hold().await;
        let mut builder = client::Builder::new();
        let (sender, mut connection) = builder.initial_window_size(window).handshake(stream).await.unwrap();
        let pings = connection.ping_pong().unwrap();
        tokio::spawn(async move { drop(connection.await) });
        (sender, pings, held)
    }

    fn request(method: &str, path: &str) -> Request<()> {
        Request::builder().method(method).uri(format!("https://site.example{path}")).body(()).unwrap()
    }

    async fn get_all(sender: &SendRequest<Bytes>, path: &str) -> Result<(StatusCode, Vec<u8>), h2::Error> {
        let mut sender = sender.clone().ready().await?;
        let (answer, _) = sender.send_request(request("GET", path), true)?;
        let (parts, mut body) = answer.await?.into_parts();
        let mut bytes = Vec::new();
        while let Some(some) = body.data().await {
            let some = some?;
            body.flow_control().release_capacity(some.len())?;
            bytes.extend_from_slice(&some);
        }
        Ok((parts.status, bytes))
    }

    /// Begins to post, and sends nothing of the body yet.
    async fn begin_post(sender: &SendRequest<Bytes>) -> (JoinHandle<Option<StatusCode>>, SendStream<Bytes>) {
        let mut sender = sender.clone().ready().await.unwrap();
        let (answer, body) = sender.send_request(request("POST", "/echo"), false).unwrap();
        (tokio::spawn(async move { Some(answer.await.ok()?.status()) }), body)
    }

    /// A frame (RFC 9113, 4.1).
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// `GET` of a path, as a whole request: method, scheme and path of the static table (RFC 7541), and who is asked.
    fn get_frame(stream: u32, path: &str) -> Vec<u8> {
        let mut block = vec![0x82, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
        block.extend_from_slice(path.as_bytes());
        block.extend_from_slice(b"\x01\x01x");
        frame(HEADERS, 0x05, stream, &block)
    }

    /// The kinds of all frames that come, with stream and payload, until the other side closes.
    async fn frames(mut stream: DuplexStream) -> Vec<(u8, u32, Vec<u8>)> {
        let mut frames = Vec::new();
        let mut head = [0; 9];
        while stream.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; length as usize];
            if stream.read_exact(&mut payload).await.is_err() {
                break;
            }
            frames.push((head[3], number, payload));
        }
        frames
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_answered_side_by_side_and_a_large_answer_comes_whole() {
        let (sender, _, _held) = client(65_535).await;
        let began = Instant::now();
        let (slow, much, small) =
            tokio::join!(get_all(&sender, "/slow"), get_all(&sender, "/much"), get_all(&sender, "/"));
        assert_eq!(slow.unwrap().0, StatusCode::OK);
        assert_eq!(much.unwrap().1.len(), 500_000);
        assert_eq!(small.unwrap().1, b"hello");
        assert_eq!(began.elapsed().as_secs(), 200, "a handler may take its time");
    }

    #[tokio::test(start_paused = true)]
    async fn sixteen_requests_are_under_way_and_the_seventeenth_is_refused() {
        let (sender, _, _held) = client(65_535).await;
        get_all(&sender, "/").await.unwrap();
        assert_eq!(sender.current_max_send_streams(), 16, "who keeps to it is told");

        let (mut stream, held) = hold().await;
        stream.write_all(PREFACE).await.unwrap();
        for number in 0..20 {
            stream.write_all(&get_frame(2 * number + 1, "/slow")).await.unwrap();
        }
        // It closes when all were answered and no other comes.
        let frames = frames(stream).await;
        held.task.await.unwrap();
        let refused = frames.iter().filter(|(kind, _, why)| *kind == RST_STREAM && why == &[0, 0, 0, 7]);
        let answered = frames.iter().filter(|(kind, ..)| *kind == HEADERS);
        assert_eq!((refused.count(), answered.count()), (4, 16), "REFUSED_STREAM");
    }

    #[tokio::test(start_paused = true)]
    async fn pings_keep_nobody_from_being_idle() {
        let (sender, mut pings, held) = client(65_535).await;
        get_all(&sender, "/").await.unwrap();
        let began = Instant::now();
        while pings.ping(h2::Ping::opaque()).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let seconds = began.elapsed().as_secs();
        assert!((75..=85).contains(&seconds), "{seconds}");
        held.task.await.unwrap();
        assert!(held.places.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_opens_a_connection_and_only_pings_has_ten_seconds() {
        let (_sender, mut pings, held) = client(65_535).await;
        let began = Instant::now();
        while pings.ping(h2::Ping::opaque()).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(began.elapsed().as_secs() <= 12, "{:?}", began.elapsed());
        held.task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_no_answer_is_let_go_whatever_else_they_do() {
        // No room for a single byte.
        let (sender, mut pings, held) = client(0).await;
        let stuck = tokio::spawn({
            let sender = sender.clone();
            async move { get_all(&sender, "/much").await }
        });
        let began = Instant::now();
        while pings.ping(h2::Ping::opaque()).await.is_ok() {
            // Others of its requests are answered all the time, with no body.
            let _ = get_all(&sender, "/none").await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let seconds = began.elapsed().as_secs();
        assert!((60..=70).contains(&seconds), "{seconds}");
        assert!(stuck.await.unwrap().is_err());
        held.task.await.unwrap();
        assert!(held.places.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_come_two_at_a_time_and_each_has_its_twenty_seconds() {
        let (sender, mut pings, _held) = client(65_535).await;
        let mut posts = Vec::new();
        for _ in 0..3 {
            posts.push(begin_post(&sender).await);
        }
        let (third, mut body) = posts.pop().unwrap();
        body.send_data(Bytes::from_static(b"quick"), true).unwrap();
        let began = Instant::now();
        pings.ping(h2::Ping::opaque()).await.unwrap();
        // The third is whole, and waits for its turn behind two that never come.
        assert_eq!(third.await.unwrap(), Some(StatusCode::OK));
        assert_eq!(began.elapsed().as_secs(), 20);
        for (answer, body) in posts {
            assert_eq!(answer.await.unwrap(), Some(StatusCode::BAD_REQUEST), "too slow");
            drop(body);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_requests_back_as_fast_as_they_can_is_sent_away() {
        let (mut stream, held) = hold().await;
        let mut flood = PREFACE.to_vec();
        for number in 0..500 {
            flood.extend(get_frame(2 * number + 1, "/slow"));
            flood.extend(frame(RST_STREAM, 0, 2 * number + 1, &[0, 0, 0, 8]));
        }
        let _ = stream.write_all(&flood).await;
        let frames = frames(stream).await;
        let (_, _, why) = frames.iter().rfind(|(kind, ..)| *kind == GOAWAY).expect("it is told");
        assert_eq!(why[4..8], [0, 0, 0, 11], "ENHANCE_YOUR_CALM");
        held.task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn headers_that_are_too_large_are_not_read() {
        let (sender, _, _held) = client(65_535).await;
        let mut sender = sender.ready().await.unwrap();
        let mut large = request("GET", "/");
        for number in 0..20 {
            let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
            large.headers_mut().insert(name, "a".repeat(1000).parse().unwrap());
        }
        let (answer, _) = sender.send_request(large, true).unwrap();
        match answer.await {
            Ok(answer) => assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Err(error) => assert!(error.is_reset() || error.is_go_away(), "{error}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_answered_before_the_stop_and_no_other_is_begun() {
        let (sender, _, held) = client(65_535).await;
        let slow = tokio::spawn({
            let sender = sender.clone();
            async move { get_all(&sender, "/slow").await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        held.stop.send_replace(true);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(get_all(&sender, "/").await.is_err());
        assert_eq!(slow.await.unwrap().unwrap().0, StatusCode::OK);
        held.task.await.unwrap();
    }
}
