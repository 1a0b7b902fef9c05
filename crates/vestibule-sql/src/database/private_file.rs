use std::path::Path;

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the folder of a file for the owner only, where it is missing.
pub(super) fn make_private_folder(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    Ok(())
}

/// Opens a file, which is its owner's only where it had to be made. SQLite gives its side files (`-wal`, `-shm`) the rights of
/// the file.
pub(super) fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens a file beside a database, which belongs to whom the database does where it had to be made: else a command of root's would
/// lock the server out. Where there is no database yet, its folder tells. Whoever is not root makes it for themselves.
pub(super) fn private_file_beside(database: &Path, path: &Path) -> std::io::Result<std::fs::File> {
    // Known to be new by the making: a name that is looked at before could be a link to something else a moment later.
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return private_file(path),
        made => made?,
    };
    #[cfg(unix)]
    if let Ok(owned) = std::fs::metadata(database).or_else(|_| std::fs::metadata(folder_of(database))) {
        use std::os::unix::fs::MetadataExt;
        drop(std::os::unix::fs::fchown(&file, Some(owned.uid()), Some(owned.gid())));
    }
    Ok(file)
}
