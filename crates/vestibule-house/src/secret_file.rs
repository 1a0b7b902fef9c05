//! The secret key of development, where none is set: made the first time and kept beside the database, for its owner only.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use vestibule::models::SecretKey;
use vestibule::ports::{OsRandom, Random};

const FILE_NAME: &str = "secret.key";
/// Where the key is kept when the database is on another machine.
const DEFAULT_FOLDER: &str = "data";

/// Where the key is kept: beside the file of an embedded database, or in `data/`.
pub fn path_beside(database_file: Option<&Path>) -> PathBuf {
    let folder = database_file.and_then(Path::parent).map_or_else(
        || PathBuf::from(DEFAULT_FOLDER),
        |folder| {
            if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
        },
    );
    folder.join(FILE_NAME)
}

/// The key of a file, which is made where it is missing, with its folder. A damaged one is an error and is not replaced.
pub fn keep_or_make_at(path: &Path) -> std::io::Result<SecretKey> {
    keep_or_make(path.parent().unwrap_or(Path::new(".")), path)
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
