use std::sync::{Arc, Mutex, PoisonError};

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
use crate::serving::Seldom;

/// The protocol in which a certificate authority asks in a handshake (RFC 8737).
pub(crate) const TLS_ALPN_01: &[u8] = b"acme-tls/1";

/// The challenges that wait to be asked for. They are read from the database at each question, for the authority may come to
/// another server than the one that orders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Challenges {
    database: Database,
    domains: Arc<[String]>,
    /// Any stranger can ask, as often as they like: what goes wrong is told once in a minute.
    complaints: Arc<Mutex<Seldom>>,
}

impl Challenges {
    /// Those about some names. About others the database is not asked.
    pub(crate) fn new(database: Database, domains: &[String]) -> Self {
        Self { database, domains: domains.into(), complaints: Arc::default() }
    }

    /// The answer to HTTP-01 (RFC 8555, 8.3).
    pub(crate) async fn key_authorization(&self, token: &str) -> Option<String> {
        let found = self.database.alone().find_acme_challenge(token, SystemClock.now()).await;
        self.told(found).map(|challenge| challenge.key_authorization)
    }

    /// The answer to TLS-ALPN-01 (RFC 8737): a handshake with a certificate of our own that holds the digest of the answer.
    pub(crate) async fn answer(&self, name: &str) -> Option<ServerConfig> {
        if !self.domains.iter().any(|domain| domain == name) {
            return None;
        }
        let found = self.database.alone().find_acme_challenge_about(name, SystemClock.now()).await;
        let challenge = self.told(found)?;
        handshake(&challenge)
            .inspect_err(|cause| {
                if self.is_time_to_complain() {
                    tracing::warn!(cause, "a challenge of a certificate authority cannot be answered");
                }
            })
            .ok()
    }

    fn told(&self, found: Result<Option<AcmeChallenge>, StoreError>) -> Option<AcmeChallenge> {
        found.unwrap_or_else(|error| {
            if self.is_time_to_complain() {
                tracing::warn!(
                    cause = with_causes(&error),
                    "the challenges of certificate authorities cannot be read"
                );
            }
            None
        })
    }

    fn is_time_to_complain(&self) -> bool {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).is_due()
    }
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use vestibule_sql::DatabaseUrl;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn strangers_who_ask_while_the_database_is_away_do_not_fill_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::of_file(&folder.path().join("a.db"));
        let database = Database::connect(&url).await.unwrap();
        database.close().await;
        let challenges = Challenges::new(database, &["example.com".to_owned()]);
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _told = tracing::subscriber::set_default(subscriber);
        for _ in 0..50 {
            assert!(challenges.key_authorization("token").await.is_none());
            assert!(challenges.clone().answer("example.com").await.is_none());
            assert!(challenges.answer("elsewhere.example").await.is_none());
        }
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("challenges of certificate authorities cannot be read").count(), 1, "{log}");
    }
}
