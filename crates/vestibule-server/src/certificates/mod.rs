//! The certificates that this server speaks TLS with, where no proxy does: read from files that somebody else renews, or
//! ordered from a certificate authority.

pub(crate) mod acme;
pub(crate) mod challenges;
pub(crate) mod files;
pub(crate) mod keeper;

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// What is spoken over TLS, as both sides agree on in the handshake (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
/// HTTP/2 over TLS (RFC 9113, 3.2).
pub(crate) const HTTP_2: &[u8] = b"h2";

/// A certificate with its chain and its private key, which fit each other.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pair: Arc<CertifiedKey>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

/// Why texts are no certificate to serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateError {
    /// The chain cannot be read.
    #[error("{0}")]
    Chain(String),
    /// The key cannot be read.
    #[error("{0}")]
    Key(String),
    /// Each can be read, and they are not of each other.
    #[error("the private key is not that of the certificate")]
    NotAPair,
}

impl Certificate {
    /// Reads a chain, the server's own certificate first, and its private key (PKCS#8, PKCS#1 or SEC 1), both in PEM.
    pub(crate) fn parse(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| CertificateError::Chain(format!("it is not whole PEM ({error})")))?;
        let Some(own) = chain.first() else {
            return Err(CertificateError::Chain("there is no certificate in it".to_owned()));
        };
        let (_, parsed) = x509_parser::parse_x509_certificate(own)
            .map_err(|error| CertificateError::Chain(format!("it holds no certificate ({error})")))?;
        let validity = parsed.validity();
        let (not_before, not_after) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| CertificateError::Key(format!("there is no private key in it ({error})")))?;
        let pair = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::NotAPair,
            error => CertificateError::Key(format!("it cannot be used ({error})")),
        })?;
        Ok(Self { pair: Arc::new(pair), not_before, not_after })
    }

    /// Until when it is good.
    pub(crate) fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// The certificate itself (DER), by which it is told from others.
    fn own(&self) -> &[u8] {
        self.pair.cert.first().map(AsRef::as_ref).unwrap_or_default()
    }

    /// When another one is to be ordered: when a third of its life is left, and up to a thirtieth earlier, so that not all
    /// certificates of one day are renewed in one minute. All servers come to the same moment.
    pub(crate) fn renew_at(&self) -> OffsetDateTime {
        let chance = Sha256::digest(self.own())[0];
        self.not_after - self.lifetime() / 3 - self.lifetime() / 30 * i32::from(chance) / 256
    }

    /// How long it is good in all.
    pub(crate) fn lifetime(&self) -> Duration {
        self.not_after - self.not_before
    }

    /// Whether browsers take it for a host.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        let Ok(own) = self.pair.end_entity_cert().and_then(ParsedCertificate::try_from) else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(host).is_ok_and(|name| verify_server_name(&own, &name).is_ok())
    }
}

/// The certificate that is served at this moment: none before the first one was ordered.
#[derive(Debug, Default)]
pub(crate) struct Served(RwLock<Option<Certificate>>);

impl Served {
    /// Serves another one from the next handshake on. Connections that are open stay as they are.
    pub(crate) fn replace(&self, certificate: Certificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
    }

    /// The one that is served.
    pub(crate) fn current(&self) -> Option<Certificate> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Served {
    /// Whatever name is asked for: there is one certificate, and who asks for another name sees that it is not for that.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current().map(|certificate| certificate.pair)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.own() == other.own()
    }
}

/// How TLS is spoken: 1.2 and 1.3, with rustls' own choice of what is sound, and no early data, which could be replayed.
pub(crate) fn tls_config(served: Arc<Served>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(served);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    config
}
