use std::fmt;

use url::Url;
use vestibule::models::PublicUrl;
use zeroize::Zeroizing;

use super::{SettingError, Sources};

/// Who can read backups, and where they may be kept.
#[derive(Debug, Clone)]
pub struct BackupSettings {
    /// For whom backups are encrypted; nobody, where they are not.
    pub recipients: Vec<String>,
    /// The address of an S3-compatible store; none for Amazon's.
    pub s3_endpoint: Option<Url>,
    /// Its region.
    pub s3_region: String,
    /// The key to it.
    pub s3_key: Option<ObjectStoreKey>,
}

/// The key to an S3-compatible store. Its secret is not printed.
#[derive(Clone)]
pub struct ObjectStoreKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
}

impl fmt::Debug for ObjectStoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectStoreKey({})", self.id)
    }
}

impl BackupSettings {
    pub(super) fn from_sources(sources: &Sources) -> Result<Self, SettingError> {
        let id = sources.value("BACKUP_S3_KEY_ID");
        let secret = sources.value("BACKUP_S3_SECRET");
        let s3_key = match (id, secret) {
            (Some(id), Some(secret)) => Some(ObjectStoreKey {
                id: id.text.to_string(),
                secret: Zeroizing::new(secret.text.to_string()),
            }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(sources
                    .error("BACKUP_S3_SECRET", "it is missing, while VESTIBULE_BACKUP_S3_KEY_ID is set"));
            }
            (None, Some(_)) => {
                return Err(sources
                    .error("BACKUP_S3_KEY_ID", "it is missing, while VESTIBULE_BACKUP_S3_SECRET is set"));
            }
        };
        if sources.value("BACKUP_RECIPIENT").is_some_and(|set| is_secret_key(&set.text)) {
            let problem = "it is a secret key, and belongs where no server is".to_owned();
            return Err(SettingError { problem, ..sources.error("BACKUP_RECIPIENT", "") });
        }
        Ok(Self {
            recipients: sources.optional_with("BACKUP_RECIPIENT", recipients)?.unwrap_or_default(),
            s3_endpoint: sources.optional_with("BACKUP_S3_ENDPOINT", endpoint)?,
            s3_region: sources.parse_with("BACKUP_S3_REGION", |text| Ok(text.to_owned()))?,
            s3_key,
        })
    }
}

fn is_secret_key(text: &str) -> bool {
    text.to_ascii_uppercase().contains("AGE-SECRET-KEY")
}

/// Public keys of age, of ssh, or of a plugin of age. What they are worth `age` finds out.
fn recipients(text: &str) -> Result<Vec<String>, String> {
    let recipients: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
    let is_public = |one: &String| one.starts_with("age1") || one.starts_with("ssh-");
    if recipients.iter().all(is_public) { Ok(recipients) } else { Err("it is no public key of age".into()) }
}

fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty();
    // Plain http goes nowhere but where the site's own could.
    let is_safe = url.scheme() == "https" || PublicUrl::parse(text.trim_end_matches('/')).is_ok();
    if has_more || !is_safe || !url.has_host() {
        return Err("it must be https, without user, path and `?`".into());
    }
    Ok(url)
}
