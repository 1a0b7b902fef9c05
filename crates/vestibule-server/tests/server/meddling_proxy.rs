//! A reverse proxy that speaks https and, where a test tells it, does what proxies do that are set up wrongly.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The name that the certificates are for.
pub const HOST: &str = "site.test";
/// Where the proxy comes from, so that a server can tell it from other programs of this machine. Linux has all of 127.0.0.0/8.
pub const ADDRESS: &str = "127.0.0.2";

/// What it does beside passing on. The default is right.
#[derive(Clone, Default)]
pub struct Meddling {
    /// Answers are without it.
    pub drops: Option<&'static str>,
    /// What is put in the place of a part of `Set-Cookie`.
    pub rewrites_cookies: Option<(&'static str, &'static str)>,
    /// The first answer of each path is given again and again.
    pub caches: bool,
    /// The clock is so many seconds ahead.
    pub clock_is_ahead: i64,
    /// What becomes of `X-Forwarded-For`.
    pub forwarded_for: ForwardedFor,
    /// Plain http is served in place of being sent to https.
    pub serves_plain_http: bool,
}

/// What becomes of `X-Forwarded-For`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The address that the proxy sees is added.
    #[default]
    Added,
    /// It is passed on as the client wrote it.
    AsSent,
    /// It is removed.
    Removed,
}

/// The proxy. It ends with the test.
pub struct Proxy {
    pub port: u16,
    pub http_port: u16,
    state: Arc<Mutex<Shared>>,
    authority: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

struct Shared {
    meddling: Meddling,
    upstream: String,
    kept: BTreeMap<String, (StatusCode, HeaderMap, Bytes)>,
    acceptor: TlsAcceptor,
}

impl Proxy {
    /// Starts on ports of its own, before no server yet.
    pub async fn start() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        // Authorities of one name would be taken for one another.
        let name = format!("the authority of {}", folder.path().display());
        parameters.distinguished_name.push(DnType::CommonName, name);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let acceptor = acceptor(&authority, HOST, Duration::days(90));
        let shared = Shared {
            meddling: Meddling::default(),
            upstream: String::new(),
            kept: BTreeMap::default(),
            acceptor,
        };
        let state = Arc::new(Mutex::new(shared));
        let client = reqwest::Client::builder()
            .local_address(ADDRESS.parse::<IpAddr>().unwrap())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let tls = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (port, http_port) = (tls.local_addr().unwrap().port(), plain.local_addr().unwrap().port());
        let router = Router::new().fallback(pass_on).with_state((Arc::clone(&state), client.clone()));
        tokio::spawn(serve_tls(tls, router, Arc::clone(&state)));
        let redirecting = Router::new().fallback(redirect).with_state((Arc::clone(&state), client, port));
        let service = redirecting.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(plain, service).await });
        Self { port, http_port, state, authority, folder }
    }

    /// The address that the certificate vouches for.
    pub fn origin(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }

    /// The file with the authority that vouches for it.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// From now on requests are passed on there.
    pub fn lead_to(&self, upstream: &str) {
        upstream.clone_into(&mut self.state.lock().unwrap().upstream);
    }

    /// From now on it meddles so.
    pub fn meddle(&self, meddling: Meddling) {
        let mut state = self.state.lock().unwrap();
        state.kept.clear();
        state.meddling = meddling;
    }

    /// From now on it shows another certificate, which is good for so long.
    pub fn show_certificate(&self, host: &str, left: Duration) {
        self.state.lock().unwrap().acceptor = acceptor(&self.authority, host, left);
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates are judged by the program's real clock")]
fn acceptor(authority: &CertifiedIssuer<'static, KeyPair>, host: &str, left: Duration) -> TlsAcceptor {
    let mut parameters = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let now = OffsetDateTime::now_utc();
    parameters.not_before = now + left - Duration::days(90);
    parameters.not_after = now + left;
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve_tls(listener: TcpListener, router: Router, state: Arc<Mutex<Shared>>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let acceptor = state.lock().unwrap().acceptor.clone();
        let router = router.clone().layer(Extension(ConnectInfo(peer)));
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let service = TowerToHyperService::new(router);
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

type Passing = (Arc<Mutex<Shared>>, reqwest::Client);

async fn redirect(
    State((state, client, port)): State<(Arc<Mutex<Shared>>, reqwest::Client, u16)>,
    peer: ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    if state.lock().unwrap().meddling.serves_plain_http {
        return pass_on(State((state, client)), peer, request).await;
    }
    let target = format!("https://{HOST}:{port}{}", request.uri());
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, target)]).into_response()
}

async fn pass_on(
    State((state, client)): State<Passing>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (meddling, upstream) = {
        let state = state.lock().unwrap();
        (state.meddling.clone(), state.upstream.clone())
    };
    let path = request.uri().to_string();
    if meddling.caches
        && let Some((status, headers, body)) = state.lock().unwrap().kept.get(&path).cloned()
    {
        return (status, headers, body).into_response();
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let sent = headers.remove("x-forwarded-for");
    let forwarded = match meddling.forwarded_for {
        ForwardedFor::Added => {
            let sent = sent.map(|sent| format!("{}, ", sent.to_str().unwrap())).unwrap_or_default();
            Some(HeaderValue::from_str(&format!("{sent}{}", peer.ip())).unwrap())
        }
        ForwardedFor::AsSent => sent,
        ForwardedFor::Removed => None,
    };
    if let Some(forwarded) = forwarded {
        headers.insert("x-forwarded-for", forwarded);
    }
    let asked = client.request(parts.method, format!("{upstream}{path}")).headers(headers).body(body);
    let Ok(answer) = asked.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let status = answer.status();
    let mut headers = answer.headers().clone();
    let body = answer.bytes().await.unwrap();
    headers.remove(header::TRANSFER_ENCODING);
    if let Some(name) = meddling.drops {
        headers.remove(name);
    }
    if let Some((from, to)) = meddling.rewrites_cookies {
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        headers.remove(header::SET_COOKIE);
        for cookie in cookies {
            let cookie = cookie.to_str().unwrap().replace(from, to);
            headers.append(header::SET_COOKIE, HeaderValue::from_str(&cookie).unwrap());
        }
    }
    if meddling.clock_is_ahead != 0 {
        let rfc = &time::format_description::well_known::Rfc2822;
        let date = OffsetDateTime::parse(headers["date"].to_str().unwrap(), rfc).unwrap();
        let date = (date + Duration::seconds(meddling.clock_is_ahead)).format(rfc).unwrap();
        headers.insert(header::DATE, HeaderValue::from_str(&date.replace("+0000", "GMT")).unwrap());
    }
    if meddling.caches {
        state.lock().unwrap().kept.insert(path, (status, headers.clone(), body.clone()));
    }
    (status, headers, Body::from(body)).into_response()
}
