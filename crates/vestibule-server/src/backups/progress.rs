use std::io::{IsTerminal, Read, Write};

use crate::failure::note;
use crate::interruption;

/// Tells a person at a terminal how far long work is. Scripts and logs are told nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    is_told: bool,
}

impl Progress {
    /// Told on standard error, unless that is no terminal or the answer is for a script.
    pub(crate) fn new(json: bool) -> Self {
        Self { is_told: !json && std::io::stderr().is_terminal() }
    }

    /// Says what begins.
    pub(crate) fn step(self, what: &str) {
        if self.is_told {
            note(what);
        }
    }

    /// Says, as it is read, how much of something is done.
    pub(crate) fn read<R: Read>(self, from: R, what: &'static str, bytes: u64) -> ToldRead<R> {
        ToldRead { from, told: self.bytes(what, bytes) }
    }

    /// Says how many bytes of something are done.
    pub(crate) fn bytes(self, what: &'static str, bytes: u64) -> ToldBytes {
        ToldBytes { progress: self, what, bytes, done: 0, percent: None }
    }
}

/// How many bytes are done.
pub(crate) struct ToldBytes {
    progress: Progress,
    what: &'static str,
    bytes: u64,
    done: u64,
    percent: Option<u64>,
}

impl ToldBytes {
    /// So many more.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        let percent = (self.done.saturating_mul(100)).checked_div(self.bytes).unwrap_or(100).min(100);
        if self.progress.is_told && self.percent != Some(percent) {
            self.percent = Some(percent);
            // Over the same line, which ends with the work. Where nobody reads that, there is nobody to tell.
            let end = if percent == 100 { "\n" } else { "" };
            drop(write!(std::io::stderr().lock(), "\r{} {percent} %{end}", self.what));
        }
    }
}

/// A reader that tells how far it is, and fails once the command was stopped: what copies a database does not wait for anything
/// else meanwhile.
pub(crate) struct ToldRead<R> {
    from: R,
    told: ToldBytes,
}

impl<R: Read> Read for ToldRead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if interruption::stopped().is_some() {
            return Err(std::io::Error::other("it was stopped"));
        }
        let read = self.from.read(buffer)?;
        self.told.add(read as u64);
        Ok(read)
    }
}
