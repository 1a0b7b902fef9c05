use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::private_file::{folder_of, make_private_folder, private_file_beside};
use super::restored::{ENDED, FEED, RENEWED_IN_SQLITE};
use super::{SQLITE_BUSY_TIMEOUT, tables};

/// More of them are told by nobody read.
const MAX_PROBLEMS: usize = 5;

/// The file of an embedded database, as one that is copied, checked and replaced.
#[derive(Debug, Clone)]
pub struct EmbeddedFile(PathBuf);

/// What is wrong with the file of an embedded database.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedFileError {
    /// It cannot be opened or read.
    #[error("the database file {path} cannot be read")]
    Database {
        /// The file.
        path: String,
        /// Why.
        source: sqlx::Error,
    },
    /// It can, and what it holds is broken.
    #[error("the database file {path} is damaged: {problem}")]
    Damaged {
        /// The file.
        path: String,
        /// What SQLite found.
        problem: String,
    },
    /// It, or what lies beside it, cannot be opened, locked or removed.
    #[error("the database file {path} cannot be worked with")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl EmbeddedFile {
    /// The file of a path, whether there is one or not.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The file that a path leads to: behind links, and whatever way it is written. Every way to it is then one lock, and who
    /// replaces it replaces the file and not the link to it.
    pub fn behind(path: &Path) -> Self {
        Self(real_path(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Keeps all programs from opening the database for as long as the answer is held. None where one has it open.
    pub fn lock_alone(&self) -> Result<Option<File>, EmbeddedFileError> {
        let locked =
            make_private_folder(&self.0).and_then(|()| lock_file(&self.0)).and_then(|file| {
                match file.try_lock() {
                    Ok(()) => Ok(Some(file)),
                    Err(TryLockError::WouldBlock) => Ok(None),
                    Err(TryLockError::Error(error)) => Err(error),
                }
            });
        locked.map_err(|source| EmbeddedFileError::File { path: self.0.display().to_string(), source })
    }

    /// Copies the database as it is at one moment, while others write, into a new file or an empty one.
    pub async fn copy_to(&self, target: &Path) -> Result<(), EmbeddedFileError> {
        let mut connection = self.open(SqliteConnectOptions::new()).await?;
        let target = target.to_str().ok_or_else(|| EmbeddedFileError::File {
            path: target.display().to_string(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "its name is no Unicode text"),
        })?;
        // One statement reads one state of the database, and writers do not wait for readers.
        sqlx::query("VACUUM INTO $1")
            .bind(target)
            .execute(&mut connection)
            .await
            .map_err(|error| self.unread(error))?;
        connection.close().await.map_err(|error| self.unread(error))
    }

    /// How many rows each table has.
    pub async fn count_rows(&self) -> Result<BTreeMap<String, u64>, EmbeddedFileError> {
        let mut connection = self.open(SqliteConnectOptions::new()).await?;
        let counted = tables::count_sqlite_rows(&mut connection).await.map_err(|error| self.unread(error))?;
        connection.close().await.map_err(|error| self.unread(error))?;
        Ok(counted)
    }

    /// Reads everything, and finds out whether anything is broken: pages, indexes, and references to rows that are not there.
    pub async fn check(&self) -> Result<(), EmbeddedFileError> {
        let mut connection = self.open(SqliteConnectOptions::new()).await?;
        let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_all(&mut connection)
            .await
            .map_err(|error| self.unread(error))?;
        let mut problems: Vec<String> = found.into_iter().filter(|found| found != "ok").collect();
        let lost = sqlx::query("PRAGMA foreign_key_check")
            .fetch_all(&mut connection)
            .await
            .map_err(|error| self.unread(error))?;
        problems.extend(lost.iter().map(|row| {
            let name = |column: usize| row.try_get::<String, _>(column).unwrap_or_default();
            format!("a row of {} refers to one of {} that is not there", name(0), name(2))
        }));
        connection.close().await.map_err(|error| self.unread(error))?;
        if problems.is_empty() {
            return Ok(());
        }
        let more = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(EmbeddedFileError::Damaged {
            path: self.0.display().to_string(),
            problem: format!("{}{more}", problems.join("; ")),
        })
    }

    /// Ends what must not live again in a restored database: sessions, links, and mails that wait.
    pub async fn end_restored(&self) -> Result<(), EmbeddedFileError> {
        let mut connection = self.open(SqliteConnectOptions::new()).await?;
        let ended = async {
            let mut transaction = connection.begin().await?;
            let there = tables::sqlite_tables(&mut transaction).await?;
            for (table, condition) in ENDED.iter().filter(|(table, _)| there.iter().any(|name| name == table))
            {
                let sql = format!("DELETE FROM {} WHERE {condition}", tables::quoted(table));
                sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
            }
            if there.iter().any(|name| name == FEED) {
                sqlx::query(RENEWED_IN_SQLITE).execute(&mut *transaction).await?;
            }
            transaction.commit().await
        };
        ended.await.map_err(|error| self.unread(error))?;
        connection.close().await.map_err(|error| self.unread(error))
    }

    /// Writes what lies beside the file into it, so that it alone is the database. Whoever calls it has the lock.
    pub async fn settle(&self) -> Result<(), EmbeddedFileError> {
        // The last connection that closes writes the log into the file and removes it.
        let mut connection = self.open(SqliteConnectOptions::new()).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut connection)
            .await
            .map_err(|error| self.unread(error))?;
        connection.close().await.map_err(|error| self.unread(error))?;
        for beside in self.log_files() {
            match std::fs::metadata(&beside) {
                Ok(file) if file.len() > 0 && beside.as_os_str().to_string_lossy().ends_with("-wal") => {
                    return Err(EmbeddedFileError::Damaged {
                        path: self.0.display().to_string(),
                        problem: "what was written last cannot be written into it".into(),
                    });
                }
                Ok(_) => std::fs::remove_file(&beside).map_err(|source| EmbeddedFileError::File {
                    path: beside.display().to_string(),
                    source,
                })?,
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// What SQLite keeps beside the file while it is open or was not closed.
    pub fn log_files(&self) -> [PathBuf; 3] {
        ["-wal", "-shm", "-journal"].map(|end| beside(&self.0, end))
    }

    /// All that may lie beside the file: SQLite's files and the locks of this library.
    pub fn files_beside(&self) -> [PathBuf; 5] {
        ["-wal", "-shm", "-journal", ".in-use.lock", ".migrate.lock"].map(|end| beside(&self.0, end))
    }

    async fn open(&self, options: SqliteConnectOptions) -> Result<SqliteConnection, EmbeddedFileError> {
        let options = options.filename(&self.0).busy_timeout(SQLITE_BUSY_TIMEOUT).create_if_missing(false);
        SqliteConnection::connect_with(&options).await.map_err(|error| self.unread(error))
    }

    fn unread(&self, source: sqlx::Error) -> EmbeddedFileError {
        EmbeddedFileError::Database { path: self.0.display().to_string(), source }
    }
}

/// Says that a program has the database open, for as long as the answer is held. None where one is replacing it.
pub(super) fn share(database: &Path) -> std::io::Result<Option<File>> {
    let file = lock_file(database)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A file of its own, which stays when the database's file is replaced. Who could open it could hold the lock.
fn lock_file(database: &Path) -> std::io::Result<File> {
    let database = real_path(database);
    private_file_beside(&database, &beside(&database, ".in-use.lock"))
}

/// A path without links. Of a file that is not there yet, the real folder and its name; of a link to such a one, what it leads to.
pub(super) fn real_path(path: &Path) -> PathBuf {
    if let Ok(real) = std::fs::canonicalize(path) {
        return real;
    }
    let led = std::fs::read_link(path).map(|target| folder_of(path).join(target));
    let path = led.unwrap_or_else(|_| path.to_owned());
    match (std::fs::canonicalize(folder_of(&path)), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(end);
    PathBuf::from(name)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_way_to_a_database_is_one_lock() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let real = folder.join("real");
        std::fs::create_dir(&real).unwrap();
        symlink("real", folder.join("linked")).unwrap();
        symlink("real/a.db", folder.join("a.db")).unwrap();
        for is_there in [false, true] {
            if is_there {
                std::fs::write(real.join("a.db"), "").unwrap();
            }
            let ways =
                ["real/a.db", "linked/a.db", "linked/../real/./a.db", "a.db"].map(|way| folder.join(way));
            for way in &ways {
                let held = EmbeddedFile::new(way).lock_alone().unwrap().unwrap();
                for other in &ways {
                    assert!(share(other).unwrap().is_none(), "{way:?} {other:?} {is_there}");
                }
                drop(held);
                assert_eq!(EmbeddedFile::behind(way).path(), real.canonicalize().unwrap().join("a.db"));
            }
        }
    }
}
