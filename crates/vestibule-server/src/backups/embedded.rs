use std::path::{Path, PathBuf};

use vestibule_sql::EmbeddedFile;

use super::archive::Manifest;
use super::draft::{mark, put_in_place};
use super::progress::Progress;
use crate::failure::Failure;

/// Copies an embedded database into a new file, and looks whether the copy is whole.
pub(crate) async fn copy(database: &Path, into: &Path, progress: Progress) -> Result<Manifest, Failure> {
    super::draft::new_private_file(into).map_err(Failure::because)?;
    EmbeddedFile::new(database).copy_to(into).await.map_err(Failure::because)?;
    let copy = EmbeddedFile::new(into);
    copy.check().await.map_err(|error| {
        Failure::with_way_out(
            crate::failure::with_causes(&error),
            "The database itself is damaged. Restore a backup of before, or save what can be read with `sqlite3 FILE .recover`.",
        )
    })?;
    let mut manifest =
        Manifest::of_dump(vestibule_sql::Engine::Sqlite, into, progress).map_err(Failure::because)?;
    manifest.rows = copy.count_rows().await.map_err(Failure::because)?;
    Ok(manifest)
}

/// Whether a restored file is whole and has the rows that its manifest tells of.
pub(crate) async fn check(file: &EmbeddedFile, manifest: &Manifest) -> Result<(), Failure> {
    let way_out = "Nothing was changed. Take another backup.";
    let refused = |error| Failure::with_way_out(crate::failure::with_causes(&error), way_out);
    file.check().await.map_err(refused)?;
    let rows = file.count_rows().await.map_err(refused)?;
    if rows == manifest.rows {
        return Ok(());
    }
    let differing = manifest.rows.iter().find(|(table, count)| rows.get(*table) != Some(count));
    let table = differing.map_or("a table that it does not tell of", |(table, _)| table.as_str());
    Err(Failure::with_way_out(
        format!("the backup's rows are not those that its manifest tells of ({table})"),
        way_out,
    ))
}

/// Puts a file in the place of the database. Whoever calls it has the database's lock. A database that cannot be read any more
/// is set aside; its new name is given.
pub(crate) async fn take_over(
    database: &EmbeddedFile,
    restored: &EmbeddedFile,
) -> Result<Option<PathBuf>, Failure> {
    let mut aside = None;
    if database.path().exists()
        && let Err(error) = database.settle().await
    {
        tracing::warn!("the database that is replaced cannot be read: {error}");
        let damaged = with_end(database.path(), &format!(".damaged-{}", mark()));
        for log in database.log_files().iter().filter(|log| log.exists()) {
            let end = log.extension().unwrap_or_default().to_string_lossy();
            let end = end.rsplit('-').next().unwrap_or_default();
            std::fs::rename(log, with_end(&damaged, &format!("-{end}"))).map_err(Failure::because)?;
        }
        // A second name first, so that at no moment there is no database.
        std::fs::hard_link(database.path(), &damaged).map_err(Failure::because)?;
        aside = Some(damaged);
    }
    put_in_place(restored.path(), database.path()).map_err(|error| {
        Failure::with_way_out(
            format!("the restored database cannot be put in its place: {error}"),
            "The old one is still there. Look at the rights of its folder.",
        )
    })?;
    Ok(aside)
}

/// Removes a file and all that lies beside it.
pub(crate) fn remove(file: &EmbeddedFile) -> std::io::Result<()> {
    for path in file.files_beside().iter().map(PathBuf::as_path).chain([file.path()]) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A path with more at its end.
pub(crate) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
