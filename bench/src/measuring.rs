use std::cell::Cell;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::load;

/// What all measurements share.
pub struct Bench {
    /// The site, built as for a release.
    pub program: PathBuf,
    /// The PostgreSQL server.
    pub postgres: String,
    /// Only as long as it takes to see that everything runs.
    pub is_quick: bool,
    pub runtime: tokio::runtime::Runtime,
    pub scratch: tempfile::TempDir,
    pub made: Cell<u32>,
}

/// What was measured of one promise.
pub struct Line {
    pub name: String,
    pub measured: String,
    /// What is promised.
    pub asked: String,
    /// Nothing for what is only told.
    pub holds: Option<bool>,
    pub figures: Value,
}

impl Bench {
    /// How many times each of those that are compared is measured, in turn.
    pub fn rounds(&self) -> usize {
        if self.is_quick { 3 } else { 7 }
    }

    /// How long a round is.
    pub fn round(&self) -> Duration {
        Duration::from_secs(if self.is_quick { 1 } else { 4 })
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn new_folder(&self) -> Result<PathBuf> {
        let folder = self.scratch.path().join(self.next().to_string());
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub fn new_database(&self) -> Result<String> {
        let number = self.next();
        let letters: String =
            number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        self.block_on(load::new_database(&self.postgres, &format!("bench_{letters}")))
    }

    fn next(&self) -> u32 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }
}
