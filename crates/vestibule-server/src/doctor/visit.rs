use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::check::Finding;
use super::names::Names;
use crate::failure::with_causes;
use crate::https_client::USER_AGENT;
use crate::settings::{Settings, TlsSetting};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A log-in waits for a slot and is hashed.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// More than any page that is asked for.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// The site as its visitors reach it: by the public URL, through the name servers, over the network.
///
/// Nothing secret is ever sent there, so a certificate that is not good stops no visit: `certificate` tells of it, and the
/// other checks still say what they see.
pub(crate) struct PublicSite {
    host: String,
    authority: String,
    port: u16,
    is_https: bool,
    addresses: Result<Vec<IpAddr>, String>,
    verifier: Result<Arc<WebPkiServerVerifier>, String>,
    provider: Arc<CryptoProvider>,
    first: OnceCell<Result<IpAddr, String>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The address that this machine spoke from.
    pub from: IpAddr,
}

impl Answer {
    /// A header as text; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What a TLS server showed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shown {
    /// Its own certificate and those that it sent after it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Why a browser would refuse it; nothing where it would not.
    pub refused: Option<rustls::Error>,
}

impl PublicSite {
    /// Looks the public URL's host up. Nothing is connected yet.
    pub(crate) async fn open(settings: &Settings, names: &Names) -> Self {
        let url = &settings.public_url;
        let host = url.host().trim_matches(['[', ']']).to_owned();
        let origin = url.origin();
        let authority =
            origin.split_once("://").map_or(origin.as_str(), |(_, authority)| authority).to_owned();
        let is_https = url.is_https();
        let port = authority
            .strip_prefix(url.host())
            .and_then(|rest| rest.strip_prefix(':'))
            .and_then(|port| port.parse().ok())
            .unwrap_or(if is_https { 443 } else { 80 });
        let addresses = match host.parse() {
            Ok(address) => Ok(vec![address]),
            // No name server is asked for this machine's own name.
            Err(_) if url.is_loopback() => tokio::net::lookup_host((host.as_str(), port))
                .await
                .map(|found| found.map(|address| address.ip()).collect())
                .map_err(|error| format!("{host} cannot be resolved: {error}")),
            Err(_) => names.addresses(&host).await,
        };
        let provider = Arc::new(ring::default_provider());
        let verifier = verifier(Arc::clone(&provider));
        let first = OnceCell::new();
        Self { host, authority, port, is_https, addresses, verifier, provider, first }
    }

    /// The same site at one of the server's own addresses, by TLS where it speaks that itself.
    pub(crate) fn at(settings: &Settings, address: SocketAddr) -> Self {
        let host = settings.public_url.host().trim_matches(['[', ']']).to_owned();
        let provider = Arc::new(ring::default_provider());
        let verifier = verifier(Arc::clone(&provider));
        Self {
            authority: settings.public_url.host().to_owned(),
            host,
            port: address.port(),
            is_https: settings.tls != TlsSetting::Off,
            addresses: Ok(vec![address.ip()]),
            verifier,
            provider,
            first: OnceCell::new(),
        }
    }

    /// The host, an address without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn is_https(&self) -> bool {
        self.is_https
    }

    /// Whether the host is a name, and not an address.
    pub(crate) fn has_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// What the host's name resolves to; the address that it is.
    pub(crate) fn addresses(&self) -> &Result<Vec<IpAddr>, String> {
        &self.addresses
    }

    /// The first address that takes connections.
    ///
    /// # Errors
    /// In words, where there is none.
    pub(crate) async fn first_address(&self) -> Result<IpAddr, String> {
        let find = async {
            let addresses = self.addresses.as_ref().map_err(Clone::clone)?;
            let mut problem = format!("{} has no address", self.host);
            for address in addresses {
                match connect(*address, self.port).await {
                    Ok(_) => return Ok(*address),
                    Err(error) => problem = in_words(*address, self.port, &error),
                }
            }
            Err(problem)
        };
        self.first.get_or_init(|| find).await.clone()
    }

    /// Asks for a path by GET.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, Vec<Finding>> {
        self.visit(Method::GET, path, headers, Bytes::new()).await
    }

    /// Sends something, and gives what is answered; a finding where nobody answers.
    pub(crate) async fn visit(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, Vec<Finding>> {
        let skipped = |_| vec![Finding::skipped("the site cannot be reached from here (see `reachable`)")];
        let address = self.first_address().await.map_err(skipped)?;
        self.visit_at(address, method, path, headers, body).await.map_err(|problem| {
            vec![Finding::failure(
                format!("no answer from {}{path}: {problem}", self.authority),
                "See that the server runs and that the proxy before it, if there is one, passes requests on to it.",
            )]
        })
    }

    /// The same at one of the addresses.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn visit_at(
        &self,
        address: IpAddr,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "*/*");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
            request = request.header(header::USER_AGENT, format!("{USER_AGENT} doctor"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let stream =
            connect(address, self.port).await.map_err(|error| in_words(address, self.port, &error))?;
        let from = stream.local_addr().map_err(|error| error.to_string())?.ip();
        if !self.is_https {
            return ask(stream, request, from).await;
        }
        let (stream, _) = self.begin_tls(stream, rustls::DEFAULT_VERSIONS).await?;
        ask(stream, request, from).await
    }

    /// Asks for the front page in plain http, at another port than the public URL's.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn get_plain(&self, address: IpAddr, port: u16) -> Result<Answer, String> {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let authority = if port == 80 { host } else { format!("{host}:{port}") };
        let request = Request::get("/log-in")
            .header(header::HOST, authority)
            .header(header::USER_AGENT, format!("{USER_AGENT} doctor"))
            .body(Full::new(Bytes::new()))
            .map_err(|error| error.to_string())?;
        let stream = connect(address, port).await.map_err(|error| in_words(address, port, &error))?;
        let from = stream.local_addr().map_err(|error| error.to_string())?.ip();
        ask(stream, request, from).await
    }

    /// Shakes hands by TLS at one of the addresses, in one of these versions.
    ///
    /// # Errors
    /// In words, where nobody shakes.
    pub(crate) async fn shake_hands(
        &self,
        address: IpAddr,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Shown, String> {
        let stream =
            connect(address, self.port).await.map_err(|error| in_words(address, self.port, &error))?;
        let (_, shown) = self.begin_tls(stream, versions).await?;
        Ok(shown)
    }

    async fn begin_tls(
        &self,
        stream: TcpStream,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<(TlsStream<TcpStream>, Shown), String> {
        let verifier = self.verifier.clone()?;
        let witness = Arc::new(Witness { verifier, shown: Mutex::default() });
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
        let shaking = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = tokio::time::timeout(ANSWER_LIMIT, shaking)
            .await
            .map_err(|_| "TLS did not begin in time".to_owned())?
            .map_err(|error| format!("TLS did not begin: {error}"))?;
        let shown = witness.shown.lock().map(|shown| shown.clone()).unwrap_or_default();
        Ok((stream, shown))
    }
}

/// Connects.
///
/// # Errors
/// Why not.
pub(super) async fn connect(address: IpAddr, port: u16) -> std::io::Result<TcpStream> {
    let connecting = TcpStream::connect(SocketAddr::new(address, port));
    tokio::time::timeout(CONNECT_LIMIT, connecting).await.unwrap_or_else(|_| {
        Err(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {} s", CONNECT_LIMIT.as_secs()),
        ))
    })
}

/// Why nobody answered, with where.
pub(super) fn in_words(address: IpAddr, port: u16, error: &std::io::Error) -> String {
    format!("{} takes no connection: {error}", SocketAddr::new(address, port))
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
    from: IpAddr,
) -> Result<Answer, String> {
    let asking = async {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| with_causes(&error))?;
        // It ends with the connection, which ends with the answer.
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|error| with_causes(&error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        connection.abort();
        let body = body.map_err(|error| with_causes(&*error))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body, from })
    };
    tokio::time::timeout(ANSWER_LIMIT, asking)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_LIMIT.as_secs())))
}

/// Judges certificates as browsers of this system do; why not, where the system has none to trust.
fn verifier(provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|error| {
        format!("this system trusts no certificate authority ({error}): install its package ca-certificates")
    })
}

/// Takes every certificate and notes whether a browser would. It is the server's own all the same: the signature of the
/// handshake is verified.
#[derive(Debug)]
struct Witness {
    verifier: Arc<WebPkiServerVerifier>,
    shown: Mutex<Shown>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = self.verifier.verify_server_cert(own, others, name, ocsp, now).err();
        let chain = std::iter::once(own).chain(others).map(|certificate| certificate.clone().into_owned());
        if let Ok(mut shown) = self.shown.lock() {
            *shown = Shown { chain: chain.collect(), refused };
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
