use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use vestibule::models::{SecretKey, SecretKeys};
use vestibule::ports::{OsRandom, Random};

use crate::exposed_file::refuse_exposed;
use crate::failure::Failure;
use crate::settings::Settings;

const FILE_NAME: &str = "secret.key";
/// Where the key is kept when the database is on another machine.
const DEFAULT_FOLDER: &str = "data";

/// The secret keys of the settings; in development, where none is set, the one kept beside the embedded database,
/// which is made the first time. The settings refuse to be without one on https.
pub(crate) fn secret_keys(settings: &Settings) -> Result<SecretKeys, Failure> {
    if let Some(keys) = &settings.secret_keys {
        return Ok(keys.clone());
    }
    let path = path(settings);
    refuse_exposed(&path, "VESTIBULE_SECRET_KEY", None)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    keep_or_make(folder, &path).map(SecretKeys::from).map_err(|error| unkept(&path, &error))
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
    let folder = settings.database_url.file().and_then(Path::parent).map_or_else(
        || PathBuf::from(DEFAULT_FOLDER),
        |folder| {
            if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
        },
    );
    folder.join(FILE_NAME)
}

fn unkept(path: &Path, error: &std::io::Error) -> Failure {
    Failure::with_way_out(
        format!("the secret key in {} cannot be kept: {error}", path.display()),
        "Make the folder writable, or set VESTIBULE_SECRET_KEY.",
    )
}

fn keep_or_make(folder: &Path, path: &Path) -> std::io::Result<SecretKey> {
    if path.exists() {
        return kept(path);
    }
    std::fs::create_dir_all(folder)?;
    let key = SecretKey::generate(&OsRandom);
    // Written in full under another name and then linked: of several servers that start at once, each sees
    // either no key or a whole one.
    // A name of chance: in two containers on one volume both processes may have the same number.
    let mark = u64::from_be_bytes((&OsRandom as &dyn Random).bytes());
    let draft = path.with_extension(format!("{mark:x}.draft"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(key.to_base64().as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => kept(path),
        Err(error) => Err(error),
    }
}

fn kept(path: &Path) -> std::io::Result<SecretKey> {
    let text = std::fs::read_to_string(path)?;
    SecretKey::parse(&text).map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data").join(FILE_NAME);
        let made = keep_or_make(path.parent().unwrap(), &path).unwrap();
        let kept = keep_or_make(path.parent().unwrap(), &path).unwrap();
        assert_eq!(made.to_base64(), kept.to_base64());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "damaged").unwrap();
        assert!(keep_or_make(folder.path(), &path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "damaged");
    }
}
