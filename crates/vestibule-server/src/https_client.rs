use std::sync::Arc;

use axum::body::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::failure::with_causes;

/// Asks other machines by HTTP. The system's certificates are trusted, no redirect is followed, nothing is repeated, and
/// who asks sets the limit of time.
#[derive(Clone)]
pub(crate) struct HttpsClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// How this program calls itself.
pub(crate) const USER_AGENT: &str = concat!("vestibule/", env!("CARGO_PKG_VERSION"));

impl HttpsClient {
    /// A client.
    ///
    /// # Errors
    /// In words, where the system has no certificates to trust.
    pub(crate) fn new() -> Result<Self, String> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| error.to_string())?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// A client that trusts the certificates of a text (PEM) and no others.
    ///
    /// # Errors
    /// In words, where there are none in it.
    pub(crate) fn trusting(pem: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(pem) {
            let root = root.map_err(|error| format!("it is not whole PEM ({error})"))?;
            roots.add(root).map_err(|error| format!("it holds what is no certificate ({error})"))?;
        }
        if roots.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Asks, and gives the answer with a body that is still to be read.
    ///
    /// # Errors
    /// In words, with all causes.
    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let answer = self.0.request(request).await.map_err(|error| with_causes(&error))?;
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.map_err(|error| with_causes(&error)).boxed_unsync(),
        })
    }
}

/// What was answered.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: UnsyncBoxBody<Bytes, String>,
}

impl Answer {
    /// Reads on in the body; none at its end.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Reads the body, where it is of at most so many bytes.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn body(self, max_bytes: usize) -> Result<Bytes, String> {
        let body = Limited::new(self.body, max_bytes).collect().await;
        body.map(Collected::to_bytes).map_err(|error| with_causes(&*error))
    }
}
