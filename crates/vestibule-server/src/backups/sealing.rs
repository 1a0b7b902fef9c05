//! Encryption with age (<https://age-encryption.org>), by its own program: the library would bring more than a hundred
//! crates, and the program is what is at hand on the day when a backup must be opened without us.

use std::cell::RefCell;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use crate::failure::Failure;

/// How a file begins that is sealed.
const AGE: &[u8] = b"age-encryption.org/v1";
/// How a file begins that is not.
const GZIP: &[u8] = &[0x1f, 0x8b];
const MISSING: &str = "Install it: `apt-get install age` on Debian and Ubuntu, `dnf install age` on Fedora, `brew install age` on macOS.";

/// What a file is, by how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sealed,
    Open,
    Something,
}

impl Kind {
    /// Of a file that can be read.
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let mut begin = Vec::new();
        File::open(path)?.take(AGE.len() as u64).read_to_end(&mut begin)?;
        Ok(match begin.as_slice() {
            AGE => Self::Sealed,
            begin if begin.starts_with(GZIP) => Self::Open,
            _ => Self::Something,
        })
    }
}

/// Takes an archive, and lets only those read it for whom it is sealed.
pub(crate) struct Seal {
    file: File,
    age: Option<(Child, ChildStdin, ChildStderr)>,
}

impl Seal {
    /// One that writes into a file: as it is, or sealed for recipients (`age1…`).
    pub(crate) fn new(file: File, recipients: &[String]) -> Result<Self, Failure> {
        if recipients.is_empty() {
            return Ok(Self { file, age: None });
        }
        let mut age = Command::new("age");
        age.arg("--encrypt");
        for recipient in recipients {
            age.args(["--recipient", recipient]);
        }
        let output = file.try_clone().map_err(Failure::because)?;
        let mut child = start(age.stdin(Stdio::piped()).stdout(output))?;
        let (Some(input), Some(told)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(Failure::with_way_out("`age` cannot be spoken to", MISSING));
        };
        Ok(Self { file, age: Some((child, input, told)) })
    }

    /// Waits until all is on the disk.
    pub(crate) fn finish(self) -> std::io::Result<()> {
        if let Some((child, input, told)) = self.age {
            drop(input);
            wait(child, told, Ended::ByItself).map_err(std::io::Error::other)?;
        }
        self.file.sync_all()
    }
}

impl Write for Seal {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        match &mut self.age {
            None => self.file.write(buffer),
            Some((_, input, _)) => input.write(buffer),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.age {
            None => self.file.flush(),
            Some((_, input, _)) => input.flush(),
        }
    }
}

/// A backup's file, which may be sealed.
pub(crate) struct Sealed {
    path: PathBuf,
    name: String,
    kind: Kind,
    identity: Option<PathBuf>,
    /// The program that unseals it, while it is read.
    age: RefCell<Option<(Child, ChildStderr)>>,
}

impl Sealed {
    /// A file, by the name that it is told of, and the identity (a file with `AGE-SECRET-KEY-1…`) of one for whom it may be
    /// sealed.
    pub(crate) fn new(path: PathBuf, name: String, identity: Option<PathBuf>) -> Result<Self, Failure> {
        let kind = Kind::of(&path).map_err(|error| {
            Failure::with_way_out(
                format!("the backup {name} cannot be read: {error}"),
                "Look at the name of the file.",
            )
        })?;
        match (kind, &identity) {
            (Kind::Something, _) => Err(Failure::with_way_out(
                format!("{name} is no backup"),
                "A backup is a file that `backup` made. Nothing was changed.",
            )),
            (Kind::Sealed, None) => Err(Failure::with_way_out(
                format!("the backup {name} is encrypted"),
                "Add --identity FILE, with the secret key (AGE-SECRET-KEY-1…) of its recipient.",
            )),
            _ => Ok(Self { path, name, kind, identity, age: RefCell::default() }),
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is encrypted.
    pub(crate) fn is_sealed(&self) -> bool {
        self.kind == Kind::Sealed
    }

    /// Reads it from the beginning, unsealed.
    pub(super) fn open(&self) -> Result<Unsealing<'_>, Failure> {
        let file = File::open(&self.path).map_err(Failure::because)?;
        let Some(identity) = self.identity.as_ref().filter(|_| self.is_sealed()) else {
            return Ok(Unsealing { sealed: self, from: From::File(file) });
        };
        let mut age = Command::new("age");
        age.arg("--decrypt").arg("--identity").arg(identity);
        let mut child = start(age.stdin(file).stdout(Stdio::piped()))?;
        let (Some(output), Some(told)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Failure::with_way_out("`age` cannot be spoken to", MISSING));
        };
        self.age.replace(Some((child, told)));
        Ok(Unsealing { sealed: self, from: From::Age(output) })
    }

    /// Why it could not be unsealed, where that is so.
    pub(super) fn refusal(&self) -> Result<(), Failure> {
        let Some((child, told)) = self.age.take() else { return Ok(()) };
        wait(child, told, Ended::OrGivenUp).map_err(|told| {
            Failure::with_way_out(
                format!("the backup {} cannot be decrypted: {told}", self.name),
                "Nothing was changed. Give the identity of a recipient that it was encrypted for.",
            )
        })
    }
}

/// A backup that is being read.
pub(super) struct Unsealing<'a> {
    sealed: &'a Sealed,
    from: From,
}

enum From {
    File(File),
    Age(ChildStdout),
}

impl Unsealing<'_> {
    /// Whether what was read is all, and nobody changed it.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        std::io::copy(&mut self, &mut std::io::sink()).map_err(Failure::because)?;
        self.sealed.refusal()
    }
}

impl Read for Unsealing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.from {
            From::File(file) => file.read(buffer),
            From::Age(output) => output.read(buffer),
        }
    }
}

fn start(age: &mut Command) -> Result<Child, Failure> {
    age.stderr(Stdio::piped()).spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::with_way_out(
            "backups are encrypted by the program `age`, which is not on this machine",
            MISSING,
        ),
        _ => Failure::with_way_out(format!("`age` cannot be started: {error}"), MISSING),
    })
}

/// Which ends are good ones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// That of a program that did all its work: a signal in the midst of it leaves a backup that cannot be read.
    ByItself,
    /// That, or the signal for one to whom nobody listened any more.
    OrGivenUp,
}

/// Waits for the end, and gives what was told where it is a bad one.
fn wait(mut child: Child, mut told: ChildStderr, good: Ended) -> Result<(), String> {
    let mut words = String::new();
    drop(told.read_to_string(&mut words));
    match child.wait() {
        Ok(status) if status.success() || (status.code().is_none() && good == Ended::OrGivenUp) => Ok(()),
        Ok(_) => Err(words.lines().next().unwrap_or("`age` failed").to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
