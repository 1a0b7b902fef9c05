use std::path::{Path, PathBuf};

use vestibule::models::SecretKeys;
use vestibule_house::secret_file::{keep_or_make_at, path_beside};

use crate::exposed_file::refuse_exposed;
use crate::failure::Failure;
use crate::settings::Settings;

/// The secret keys of the settings; in development, where none is set, the one kept beside the embedded database,
/// which is made the first time. The settings refuse to be without one on https.
pub(crate) fn secret_keys(settings: &Settings) -> Result<SecretKeys, Failure> {
    if let Some(keys) = &settings.secret_keys {
        return Ok(keys.clone());
    }
    let path = path(settings);
    refuse_exposed(&path, "VESTIBULE_SECRET_KEY", None)?;
    keep_or_make_at(&path).map(SecretKeys::from).map_err(|error| unkept(&path, &error))
}

/// The same where they are there; none is made.
pub(crate) fn existing_secret_keys(settings: &Settings) -> Result<Option<SecretKeys>, Failure> {
    let path = path(settings);
    if settings.secret_keys.is_none() && !path.exists() {
        return Ok(None);
    }
    secret_keys(settings).map(Some)
}

/// Where the key of development is kept.
pub(crate) fn path(settings: &Settings) -> PathBuf {
    path_beside(settings.database_url.file())
}

fn unkept(path: &Path, error: &std::io::Error) -> Failure {
    Failure::with_way_out(
        format!("the secret key in {} cannot be kept: {error}", path.display()),
        "Make the folder writable, or set VESTIBULE_SECRET_KEY.",
    )
}
