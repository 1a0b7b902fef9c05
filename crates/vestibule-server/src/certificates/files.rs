use std::path::Path;

use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::{Certificate, CertificateError};
use crate::exposed_file::refuse_exposed;
use crate::settings::{CertificateFiles, SettingError, Settings};

/// Files are far smaller. Whoever named a wrong one should not have it read into memory.
const MAX_BYTES: u64 = 1024 * 1024;
/// Who renews certificates by a program does it earlier.
const SOON: Duration = Duration::days(7);

/// A certificate as it was read, with what it was read from, so that a change is noticed.
pub(crate) struct ReadFiles {
    pub certificate: Certificate,
    pub fingerprint: Fingerprint,
}

/// Stands for the texts of both files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

/// What is wrong with which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FilesError {
    /// A file that cannot be taken: the setting that names it, and why.
    Wrong(&'static str, String),
    /// The key is open to everybody.
    Exposed(SettingError),
}

impl FilesError {
    /// The same as an error of the settings.
    pub(crate) fn of(self, settings: &Settings) -> SettingError {
        match self {
            Self::Wrong(name, problem) => settings.error(name, &problem),
            Self::Exposed(error) => error,
        }
    }

    /// The same in one line.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Wrong(name, problem) => format!("VESTIBULE_{name}: {problem}"),
            Self::Exposed(error) => error.to_string(),
        }
    }
}

/// What is in both files at this moment.
pub(crate) fn fingerprint(files: &CertificateFiles) -> Result<Fingerprint, FilesError> {
    let (chain, key) = texts(files)?;
    Ok(fingerprint_of(&chain, &key))
}

/// Reads both files.
pub(crate) fn read(files: &CertificateFiles) -> Result<ReadFiles, FilesError> {
    let (chain, key) = texts(files)?;
    let certificate = Certificate::parse(&chain, &key).map_err(|error| {
        let (name, path) = match error {
            CertificateError::Chain(_) => ("TLS_CERTIFICATE", &files.certificate),
            CertificateError::Key(_) | CertificateError::NotAPair => ("TLS_KEY", &files.key),
        };
        FilesError::Wrong(name, format!("{}: {error}", path.display()))
    })?;
    Ok(ReadFiles { certificate, fingerprint: fingerprint_of(&chain, &key) })
}

/// What browsers would not take, or not for long, in words.
pub(crate) fn doubts(certificate: &Certificate, host: &str, now: OffsetDateTime) -> Option<String> {
    let until = certificate.not_after();
    if until <= now {
        return Some(format!("the certificate is over since {until}: browsers refuse it"));
    }
    if !certificate.is_for(host) {
        return Some(format!("the certificate is not for {host}: browsers refuse it"));
    }
    // Of a short-lived one the last sixth: half of the third in which it should have been renewed.
    (until - now < SOON.min(certificate.lifetime() / 6))
        .then(|| format!("the certificate ends at {until}, and nobody has renewed it"))
}

fn fingerprint_of(chain: &[u8], key: &[u8]) -> Fingerprint {
    let mut digest = Sha256::new();
    digest.update((chain.len() as u64).to_be_bytes());
    digest.update(chain);
    digest.update(key);
    Fingerprint(digest.finalize().into())
}

/// What a file holds: perhaps a private key.
type Text = Zeroizing<Vec<u8>>;

/// The texts of certificate and key.
fn texts(files: &CertificateFiles) -> Result<(Text, Text), FilesError> {
    refuse_exposed(&files.key, "VESTIBULE_TLS_KEY", None).map_err(FilesError::Exposed)?;
    Ok((text("TLS_CERTIFICATE", &files.certificate)?, text("TLS_KEY", &files.key)?))
}

fn text(name: &'static str, path: &Path) -> Result<Text, FilesError> {
    let wrong = |problem: String| FilesError::Wrong(name, format!("{}: {problem}", path.display()));
    let cannot = |error: std::io::Error| wrong(format!("it cannot be read: {error}"));
    if std::fs::metadata(path).map_err(cannot)?.len() > MAX_BYTES {
        return Err(wrong("it is too large for a certificate or a key".to_owned()));
    }
    std::fs::read(path).map(Zeroizing::new).map_err(cannot)
}
