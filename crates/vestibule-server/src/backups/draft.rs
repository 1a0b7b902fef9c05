use std::path::{Path, PathBuf};

use vestibule::ports::{OsRandom, Random};

/// A folder for what is not finished, readable by its owner alone. It goes when this is dropped.
pub(crate) struct Draft(PathBuf);

impl Draft {
    /// One in a folder.
    pub(crate) fn within(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join(format!(".vestibule-draft-{}", mark()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }

    /// A place in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("what is left in {} can be removed: {error}", self.0.display());
        }
    }
}

/// Letters that nothing else is named with.
pub(crate) fn mark() -> String {
    format!("{:016x}", u64::from_be_bytes((&OsRandom as &dyn Random).bytes()))
}

/// Makes a new file, its owner's only.
pub(crate) fn new_private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Gives a file another name, in the place of the one that had it, and sees to it that a power cut does not take that back.
pub(crate) fn put_in_place(file: &Path, place: &Path) -> std::io::Result<()> {
    std::fs::File::open(file)?.sync_all()?;
    std::fs::rename(file, place)?;
    #[cfg(unix)]
    std::fs::File::open(folder_of(place))?.sync_all()?;
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
