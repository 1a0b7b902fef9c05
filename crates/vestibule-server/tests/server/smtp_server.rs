//! A mail server that does what a test tells it: takes mails, refuses, hangs, hangs up.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What the server does.
#[derive(Clone, Default)]
pub struct Manners {
    /// Answers to a command, by its first letters, in place of the usual ones; `DOT` is the end of a message.
    pub answers: Vec<(&'static str, &'static str)>,
    /// The command at which it falls silent, until it is told to behave otherwise.
    pub hangs_at: Option<&'static str>,
    /// The command at which it hangs up without a word; `BODY` is the first line of a message.
    pub drops_at: Option<&'static str>,
    /// A command that it takes its time to answer.
    pub is_slow_at: Option<(&'static str, Duration)>,
    /// Whether it refuses every message and quotes the whole of it, as a filter does that says what it dislikes.
    pub quotes_what_it_refuses: bool,
    /// Whether it offers STARTTLS.
    pub offers_starttls: bool,
    /// Whether it speaks TLS from the first byte.
    pub is_implicit: bool,
}

/// The server. Its clones are the same one.
#[derive(Clone)]
pub struct SmtpServer {
    pub port: u16,
    state: Arc<Mutex<State>>,
    folder: Arc<TempDir>,
}

#[derive(Default)]
struct State {
    manners: Manners,
    messages: Vec<String>,
    lines: Vec<String>,
}

impl SmtpServer {
    /// Starts on a port of its own.
    pub async fn start(manners: Manners) -> Self {
        Self::start_on(0, manners).await
    }

    /// Starts on a given port.
    pub async fn start_on(port: u16, manners: Manners) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let state = Arc::new(Mutex::new(State { manners, ..State::default() }));
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::clone(&state),
            folder: Arc::new(folder),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state), acceptor.clone()));
            }
        });
        server
    }

    /// From now on it behaves otherwise.
    pub fn behave(&self, manners: Manners) {
        self.state.lock().unwrap().manners = manners;
    }

    /// The mails that it answered for.
    pub fn messages(&self) -> Vec<String> {
        self.state.lock().unwrap().messages.clone()
    }

    /// Every line that it was sent, with `TLS` where encryption began.
    pub fn lines(&self) -> Vec<String> {
        self.state.lock().unwrap().lines.clone()
    }

    /// The certificate that vouches for it.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>, acceptor: TlsAcceptor) {
    let is_implicit = state.lock().unwrap().manners.is_implicit;
    if is_implicit {
        if let Ok(stream) = acceptor.accept(stream).await {
            state.lock().unwrap().lines.push("TLS".into());
            let _ = converse(BufReader::new(stream), &state, true).await;
        }
        return;
    }
    // Where the conversation asks for TLS, the plain stream comes back.
    if let Ok(Some(stream)) = converse(BufReader::new(stream), &state, true).await
        && let Ok(stream) = acceptor.accept(stream.into_inner()).await
    {
        state.lock().unwrap().lines.push("TLS".into());
        let _ = converse(BufReader::new(stream), &state, false).await;
    }
}

/// Speaks until the client leaves (`None`) or asks for TLS.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    state: &Mutex<State>,
    greets: bool,
) -> std::io::Result<Option<BufReader<S>>> {
    if greets {
        let manners = manners_at(state, "GREETING").await;
        let greeting = answer_to(&manners, "GREETING", "220 ready");
        stream.write_all(format!("{greeting}\r\n").as_bytes()).await?;
    }
    let mut message: Option<String> = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        let is_end = message.is_some() && line == ".";
        let command = match (&message, is_end) {
            (Some(_), true) => "DOT".to_owned(),
            (Some(_), false) => "BODY".to_owned(),
            (None, _) => line.to_ascii_uppercase(),
        };
        if message.is_none() {
            state.lock().unwrap().lines.push(line.clone());
        }
        let manners = manners_at(state, &command).await;
        if manners.drops_at.is_some_and(|at| command.starts_with(at)) {
            return Ok(None);
        }
        if let Some((_, time)) = manners.is_slow_at.filter(|(at, _)| command.starts_with(at)) {
            tokio::time::sleep(time).await;
        }
        if let Some(text) = message.as_mut().filter(|_| !is_end) {
            text.push_str(&line);
            text.push('\n');
            continue;
        }
        let offer = if manners.offers_starttls && greets { "250-STARTTLS\r\n" } else { "" };
        let usual = match command.split(' ').next().unwrap_or_default() {
            "EHLO" => format!("250-test\r\n{offer}250-AUTH PLAIN LOGIN\r\n250 8BITMIME"),
            "STARTTLS" => "220 go on".to_owned(),
            "AUTH" => "235 welcome".to_owned(),
            "DATA" => "354 go on".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => "250 ok".to_owned(),
        };
        let answer = answer_to(&manners, &command, &usual);
        if is_end {
            let text = message.take().unwrap_or_default();
            if manners.quotes_what_it_refuses {
                for line in text.lines() {
                    stream.write_all(format!("554-5.7.1 {line}\r\n").as_bytes()).await?;
                }
                stream.write_all(b"554 5.7.1 we do not like it\r\n").await?;
                stream.flush().await?;
                continue;
            }
            if answer.starts_with('2') {
                // Before the answer: who answers has taken the responsibility.
                state.lock().unwrap().messages.push(text);
            }
        } else if command == "DATA" && answer.starts_with('3') {
            message = Some(String::new());
        }
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        stream.flush().await?;
        if command == "STARTTLS" && answer.starts_with('2') {
            return Ok(Some(stream));
        }
    }
}

/// What it does about a command, once it does anything.
async fn manners_at(state: &Mutex<State>, command: &str) -> Manners {
    loop {
        let manners = state.lock().unwrap().manners.clone();
        if !manners.hangs_at.is_some_and(|at| command.starts_with(at)) {
            return manners;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn answer_to(manners: &Manners, command: &str, usual: &str) -> String {
    let own = manners.answers.iter().find(|(own, _)| command.starts_with(own));
    own.map_or_else(|| usual.to_owned(), |(_, answer)| (*answer).to_owned())
}
