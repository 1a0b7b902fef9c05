use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use crate::exposed_file::exposure;
use crate::secret_file;
use crate::settings::{KEYS, Settings};

/// Whether files with secrets are open to others on this machine. The server refuses to start with some of them; here are all.
pub(super) struct FileRights;

#[async_trait]
impl Check for FileRights {
    fn name(&self) -> &'static str {
        "file_rights"
    }

    fn about(&self) -> &'static str {
        "The database's file and files with secrets can be read by their owner and group alone, nobody else can put others in their places, and they have one owner"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let mut files = files_with_secrets(deployment.settings);
        // A private key is named by its path, and the path itself is no secret.
        let key = deployment.shown("TLS_KEY").map(PathBuf::from);
        files.extend(key.filter(|key| key.is_file()));
        let mut findings: Vec<Finding> = files.iter().filter_map(|file| of_file(file)).collect();
        let folder = |file: &PathBuf| Some(std::fs::canonicalize(file).ok()?.parent()?.to_owned());
        let folders: BTreeSet<PathBuf> = files.iter().filter_map(folder).collect();
        findings.extend(folders.iter().filter_map(|folder| of_folder(folder)));
        findings.extend(deployment.settings.database_url.file().and_then(of_owners));
        if findings.is_empty() {
            findings.push(match files.len() {
                0 => Finding::skipped("there are no such files: settings and database are elsewhere"),
                number => Finding::good(format!("files that nobody else can read or replace: {number}")),
            });
        }
        findings
    }
}

/// Those that are there.
fn files_with_secrets(settings: &Settings) -> Vec<PathBuf> {
    let named = settings.shown.iter().filter_map(|shown| {
        let key = KEYS.iter().find(|key| key.variable() == shown.variable)?;
        shown.source.strip_prefix("file ").filter(|_| key.is_secret).map(PathBuf::from)
    });
    let own = settings.database_url.file().map(side_files).into_iter().flatten();
    let files = named.chain(own).chain([secret_file::path(settings)]);
    files.filter(|file| file.exists()).collect()
}

/// The file of an embedded database, and those that SQLite keeps beside it.
fn side_files(database: &Path) -> Vec<PathBuf> {
    ["", "-wal", "-shm"]
        .iter()
        .map(|ending| {
            let mut path = database.as_os_str().to_owned();
            path.push(ending);
            PathBuf::from(path)
        })
        .collect()
}

fn of_file(file: &Path) -> Option<Finding> {
    let exposure = exposure(file)?;
    Some(Finding::failure(
        format!("{} holds secrets, and {exposure}", file.display()),
        format!("Let only the server read it: `chmod 600 {}`.", file.display()),
    ))
}

/// Who can write into a folder can put another file in the place of one that they cannot read.
#[cfg(unix)]
fn of_folder(folder: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    const WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let mode = std::fs::metadata(folder).ok()?.permissions().mode();
    (mode & WRITE != 0 && mode & STICKY == 0).then(|| {
        Finding::failure(
            format!(
                "everybody on this machine can replace the files in {} (its rights are {:o})",
                folder.display(),
                mode & 0o7777
            ),
            format!("Take that right away: `chmod o-w {}`.", folder.display()),
        )
    })
}

#[cfg(not(unix))]
fn of_folder(_: &Path) -> Option<Finding> {
    None
}

/// A command run by root may have left a file that the server cannot write.
#[cfg(unix)]
fn of_owners(database: &Path) -> Option<Finding> {
    use std::os::unix::fs::MetadataExt;
    let owner = |path: &Path| std::fs::metadata(path).ok().map(|data| data.uid());
    let expected = owner(database)?;
    let other =
        side_files(database).into_iter().find(|file| owner(file).is_some_and(|owner| owner != expected))?;
    Some(Finding::failure(
        format!(
            "{} belongs to another user than {}, and the server cannot write it",
            other.display(),
            database.display()
        ),
        format!(
            "Give both the server's user: `chown --reference={} {}`.",
            database.display(),
            other.display()
        ),
    ))
}

#[cfg(not(unix))]
fn of_owners(_: &Path) -> Option<Finding> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn a_folder_in_which_everybody_can_write_is_told_unless_it_is_sticky() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, is_told) in
            [(0o700, false), (0o755, false), (0o775, false), (0o777, true), (0o1777, false)]
        {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let finding = of_folder(folder.path());
            assert_eq!(finding.is_some(), is_told, "{mode:o}");
            assert!(finding.is_none_or(|finding| finding.outcome == Outcome::Failure));
        }
    }
}
