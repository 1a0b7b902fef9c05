use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::postgres::id;
use crate::{apt, environment};

const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_ctl"];
const MISSING: &str = "PostgreSQL's server programs (initdb, postgres, pg_ctl) are not on this machine. Install them:\n  \
    Debian, Ubuntu:  sudo apt-get install postgresql\n  \
    Fedora:          sudo dnf install postgresql-server\n  \
    macOS:           brew install postgresql\n\
    or set VESTIBULE_TEST_POSTGRES_URL to a throw-away server, such as postgres://postgres@127.0.0.1:5432/postgres";

/// The folder of the server programs. Where there is none, Debian's package is installed, if this process may do that.
pub fn find_or_install() -> Result<PathBuf> {
    if let Some(programs) = find() {
        return Ok(programs);
    }
    apt::install("PostgreSQL", &["postgresql"], MISSING)?;
    find().context(MISSING)
}

/// Whether this process is root, as which PostgreSQL does not run and apt-get does.
pub fn is_root() -> Result<bool> {
    Ok(id(&["-u"])? == 0)
}

/// What is on the path goes before the places where packages put it: whoever put it there chose a version.
fn find() -> Option<PathBuf> {
    let path = environment::variable("PATH").unwrap_or_default();
    let debian = newest_first(Path::new("/usr/lib/postgresql"), "");
    let homebrew = ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"]
        .into_iter()
        .flat_map(|place| newest_first(Path::new(place), "postgresql@"));
    let configured = Command::new("pg_config")
        .arg("--bindir")
        .output()
        .ok()
        .and_then(|told| String::from_utf8(told.stdout).ok())
        .map(|told| PathBuf::from(told.trim()));
    std::env::split_paths(&path)
        .chain(debian)
        .chain(configured)
        .chain(homebrew)
        .find_map(|folder| complete(&folder))
}

/// The folders `bin` of the versions below `place`, whose names are `prefix` and a number.
fn newest_first(place: &Path, prefix: &str) -> Vec<PathBuf> {
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.strip_prefix(prefix)?.parse::<u32>().ok();
    let mut folders: Vec<_> = std::fs::read_dir(place)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|folder| version(folder).is_some())
        .collect();
    folders.sort_by_key(|folder| Reverse(version(folder)));
    folders.into_iter().map(|folder| folder.join("bin")).collect()
}

/// Where `initdb` of this folder really is, if the other programs are there too: a client alone does not do, nor does a
/// wrapper of one program.
fn complete(folder: &Path) -> Option<PathBuf> {
    let initdb = folder.join("initdb").canonicalize().ok()?;
    let folder = initdb.parent()?;
    PROGRAMS.iter().all(|program| folder.join(program).is_file()).then(|| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder_with(programs: &[&str]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for program in programs {
            std::fs::write(folder.path().join(program), "").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_counts_only_with_all_programs() {
        let server = folder_with(&PROGRAMS);
        assert_eq!(complete(server.path()), Some(server.path().canonicalize().unwrap()));
        assert_eq!(complete(folder_with(&["postgres", "pg_ctl"]).path()), None);
        assert_eq!(complete(folder_with(&["initdb"]).path()), None);
    }

    #[test]
    fn a_link_to_initdb_leads_to_its_folder() {
        let server = folder_with(&PROGRAMS);
        let links = folder_with(&[]);
        std::os::unix::fs::symlink(server.path().join("initdb"), links.path().join("initdb")).unwrap();
        assert_eq!(complete(links.path()), Some(server.path().canonicalize().unwrap()));
    }

    #[test]
    fn the_newest_version_goes_first_and_other_folders_are_left_out() {
        let place = TempDir::new().unwrap();
        for name in ["postgresql@9", "postgresql@17", "postgresql@16", "postgresql", "libpq@18"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        let bin = |name: &str| place.path().join(name).join("bin");
        let expected = [bin("postgresql@17"), bin("postgresql@16"), bin("postgresql@9")];
        assert_eq!(newest_first(place.path(), "postgresql@"), expected);
    }
}
