use time::OffsetDateTime;

use super::SealedSecret;

/// What a certificate is known by in an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateName {
    /// The certificate authority, by the address of its ACME directory.
    pub authority: String,
    /// The names in it, sorted and separated by commas.
    pub names: String,
}

/// A certificate that was ordered (RFC 8555), as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCertificate {
    /// What it is known by.
    pub name: CertificateName,
    /// The chain in PEM, the server's own certificate first.
    pub chain: String,
    /// Its private key in PEM, encrypted.
    pub private_key: SealedSecret,
    /// When it was ordered.
    pub issued_at: OffsetDateTime,
    /// Until when it is good.
    pub expires_at: OffsetDateTime,
}

/// An account at a certificate authority, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAcmeAccount {
    /// The authority, by the address of its directory.
    pub authority: String,
    /// Its number and private key, encrypted.
    pub credentials: SealedSecret,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// What a certificate authority wants to find at a name, to see that who orders has that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeChallenge {
    /// Chosen by the authority.
    pub token: String,
    /// The name that is asked about.
    pub name: String,
    /// The answer: the token and the account's thumbprint (RFC 8555, 8.1). No secret.
    pub key_authorization: String,
    /// When it was set.
    pub created_at: OffsetDateTime,
    /// When it is surely over.
    pub expires_at: OffsetDateTime,
}

/// The right to order a certificate, which one server has at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderLease {
    /// How many attempts before this one failed in a row.
    pub failures: u32,
}
