use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::models::{AcmeChallenge, CertificateName, OrderLease, SealedAcmeAccount, SealedCertificate};

/// The certificates that servers order themselves. They are no part of accounts: the runner asks for them, and each statement
/// holds by itself.
#[async_trait]
pub trait Certificates {
    /// All certificates of an authority, that which is good longest first.
    async fn list_certificates(&mut self, authority: &str) -> Result<Vec<SealedCertificate>, StoreError>;

    /// Keeps a certificate in the place of the one of that name.
    async fn replace_certificate(&mut self, certificate: &SealedCertificate) -> Result<(), StoreError>;

    /// Puts another sealed form of a private key in the place of one, unless that was replaced meanwhile.
    async fn replace_sealed_certificate_key(
        &mut self,
        before: &SealedCertificate,
        after: &SealedCertificate,
    ) -> Result<bool, StoreError>;

    /// Finds the account at an authority.
    async fn find_acme_account(&mut self, authority: &str) -> Result<Option<SealedAcmeAccount>, StoreError>;

    /// Keeps an account in the place of the one at that authority.
    async fn replace_acme_account(&mut self, account: &SealedAcmeAccount) -> Result<(), StoreError>;

    /// Takes the right to order a certificate until a moment; nothing while another server has it, or while a failure is
    /// waited after, unless `at_once`.
    async fn lease_order(
        &mut self,
        name: &CertificateName,
        holder: Uuid,
        now: OffsetDateTime,
        until: OffsetDateTime,
        at_once: bool,
    ) -> Result<Option<OrderLease>, StoreError>;

    /// Gives the right back: with the number of failures in a row, and when to try again. It tells whether the holder still
    /// had it.
    async fn end_order(
        &mut self,
        name: &CertificateName,
        holder: Uuid,
        now: OffsetDateTime,
        failures: u32,
        next_attempt_at: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Lets all servers know the answer to a challenge.
    async fn insert_acme_challenge(&mut self, challenge: &AcmeChallenge) -> Result<(), StoreError>;

    /// Finds a challenge by its token (HTTP-01).
    async fn find_acme_challenge(
        &mut self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<Option<AcmeChallenge>, StoreError>;

    /// Finds the latest challenge about a name (TLS-ALPN-01).
    async fn find_acme_challenge_about(
        &mut self,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<Option<AcmeChallenge>, StoreError>;

    /// Removes a challenge.
    async fn delete_acme_challenge(&mut self, token: &str) -> Result<(), StoreError>;

    /// Removes certificates and challenges that are over since before a moment.
    async fn delete_certificates_over_before(&mut self, moment: OffsetDateTime) -> Result<u64, StoreError>;
}
