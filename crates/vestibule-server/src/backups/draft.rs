use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use time::{Duration, OffsetDateTime};
use vestibule::ports::{Clock, OsRandom, Random, SystemClock};

/// How the folders are named in which something is made.
const NAME: &str = ".vestibule-draft-";
/// The file in such a folder that is locked for as long as somebody is at work there.
const LOCK: &str = ".in-use";
/// A folder without that file is one that is just being made, or one that was left so.
const LEFT_AFTER: Duration = Duration::days(1);

/// A folder for what is not finished, readable by its owner alone. It goes when this is dropped, or, where this program was killed, when
/// the next one is made beside it.
pub(crate) struct Draft {
    folder: PathBuf,
    _lock: File,
}

impl Draft {
    /// One in a folder.
    pub(crate) fn within(folder: &Path) -> std::io::Result<Self> {
        sweep(folder);
        let path = folder.join(format!("{NAME}{}", mark()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        // Locked before it has its name, so that nobody finds it without a lock.
        let unnamed = path.join(format!("{LOCK}.new"));
        let lock = new_private_file(&unnamed)?;
        lock.lock()?;
        std::fs::rename(&unnamed, path.join(LOCK))?;
        Ok(Self { folder: path, _lock: lock })
    }

    /// A place in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Removes what programs left in a folder that were killed. It may hold all accounts.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_draft = entry.file_name().to_string_lossy().starts_with(NAME)
            && entry.metadata().is_ok_and(|data| data.is_dir() && is_ours(&data));
        if !is_draft || !is_left(&entry.path()) {
            continue;
        }
        match std::fs::remove_dir_all(entry.path()) {
            Ok(()) => tracing::info!("removed what a killed command left in {}", entry.path().display()),
            Err(error) => {
                tracing::warn!("what is left in {} can be removed: {error}", entry.path().display());
            }
        }
    }
}

fn is_left(draft: &Path) -> bool {
    match File::open(draft.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let made = std::fs::metadata(draft).and_then(|data| data.modified());
            made.is_ok_and(|made| SystemClock.now() - OffsetDateTime::from(made) > LEFT_AFTER)
        }
        Err(_) => false,
    }
}

/// The folder of temporary files has others' things too.
#[cfg(unix)]
fn is_ours(data: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(data) == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_ours(_: &std::fs::Metadata) -> bool {
    true
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!("what is left in {} can be removed: {error}", self.folder.display());
        }
    }
}

/// Letters that nothing else is named with.
pub(crate) fn mark() -> String {
    format!("{:016x}", u64::from_be_bytes((&OsRandom as &dyn Random).bytes()))
}

/// Makes a new file, its owner's only.
pub(crate) fn new_private_file(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Gives a file another name, in the place of the one that had it, and sees to it that a power cut does not take that back.
pub(crate) fn put_in_place(file: &Path, place: &Path) -> std::io::Result<()> {
    File::open(file)?.sync_all()?;
    std::fs::rename(file, place)?;
    #[cfg(unix)]
    File::open(folder_of(place))?.sync_all()?;
    Ok(())
}

/// The folder in which a file is.
pub(crate) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// How many bytes can still be written in a folder, where the system tells.
#[cfg(unix)]
pub(crate) fn room_in(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
pub(crate) fn room_in(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_program_left_is_removed_and_what_others_are_at_stays() {
        let folder = tempfile::tempdir().unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        let at_work = Draft::within(folder.path()).unwrap();
        let left = folder.path().join(format!("{NAME}0"));
        let begun = folder.path().join(format!("{NAME}1"));
        let others = folder.path().join("notes");
        for path in [&left, &begun, &others] {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("dump"), "accounts").unwrap();
        }
        std::fs::write(left.join(LOCK), "").unwrap();
        let next = Draft::within(folder.path()).unwrap();
        assert!(!left.exists() && begun.exists() && others.exists() && at_work.folder.exists());
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        File::open(&begun).unwrap().set_modified(long_ago).unwrap();
        drop((at_work, Draft::within(folder.path()).unwrap()));
        assert!(!begun.exists(), "nobody has been at it for a day");
        assert_eq!(names(), 2, "what is none of ours, and the one that is at work");
        drop(next);
        assert_eq!(names(), 1);
    }
}
