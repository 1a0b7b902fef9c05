use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use sha2::{Digest, Sha256};
use vestibule::models::AcmeChallenge;
use vestibule::ports::{Clock, SystemClock};
use vestibule::repository::{Certificates, StoreError};
use vestibule_sql::Database;

use crate::failure::with_causes;

/// The protocol in which a certificate authority asks in a handshake (RFC 8737).
pub(crate) const TLS_ALPN_01: &[u8] = b"acme-tls/1";

/// The challenges that wait to be asked for. They are read from the database at each question, for the authority may come to
/// another server than the one that orders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Challenges {
    database: Database,
    domains: Arc<[String]>,
}

impl Challenges {
    /// Those about some names. About others the database is not asked.
    pub(crate) fn new(database: Database, domains: &[String]) -> Self {
        Self { database, domains: domains.into() }
    }

    /// The answer to HTTP-01 (RFC 8555, 8.3).
    pub(crate) async fn key_authorization(&self, token: &str) -> Option<String> {
        let found = self.database.alone().find_acme_challenge(token, SystemClock.now()).await;
        told(found).map(|challenge| challenge.key_authorization)
    }

    /// The answer to TLS-ALPN-01 (RFC 8737): a handshake with a certificate of our own that holds the digest of the answer.
    pub(crate) async fn answer(&self, name: &str) -> Option<ServerConfig> {
        if !self.domains.iter().any(|domain| domain == name) {
            return None;
        }
        let found = self.database.alone().find_acme_challenge_about(name, SystemClock.now()).await;
        let challenge = told(found)?;
        handshake(&challenge)
            .inspect_err(|cause| {
                tracing::warn!(cause, "a challenge of a certificate authority cannot be answered");
            })
            .ok()
    }
}

fn told(found: Result<Option<AcmeChallenge>, StoreError>) -> Option<AcmeChallenge> {
    found.unwrap_or_else(|error| {
        tracing::warn!(
            cause = with_causes(&error),
            "the challenges of certificate authorities cannot be read"
        );
        None
    })
}

fn handshake(challenge: &AcmeChallenge) -> Result<ServerConfig, String> {
    let digest = Sha256::digest(&challenge.key_authorization);
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let mut params = CertificateParams::new([challenge.name.clone()]).map_err(|error| error.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    let provider = Arc::new(default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(str::to_owned)
        .and_then(|key| provider.key_provider.load_private_key(key).map_err(|error| error.to_string()))?;
    // Without rustls' own look at it: the extension is critical, and no client but an authority knows it.
    let pair = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![TLS_ALPN_01.to_vec()];
    Ok(config)
}
