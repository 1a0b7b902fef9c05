use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use vestibule::models::LeakFingerprint;

use super::FilterBuilder;

/// A new password has at least so many characters, so shorter ones need no place in the filter.
const MIN_CHARACTERS: usize = 12;
/// Progress is told so often on the way.
const STEPS: u64 = 20;

/// What was made of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// Passwords in the filter, each once.
    pub entries: u64,
    /// The size of the file, and about what it takes in memory.
    pub bytes: u64,
    /// Lines that were left out: seen too seldom, too short to be anybody's password here, or no text.
    pub left_out: u64,
}

/// Why no file was made of a list.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The list cannot be read.
    #[error("the list cannot be read")]
    List(#[source] std::io::Error),
    /// The file cannot be written.
    #[error("the file cannot be written")]
    File(#[source] std::io::Error),
    /// A line that is not as the others.
    #[error("line {0} of the list is not SHA1:COUNT, as the first is")]
    Line(u64),
    /// Fingerprints of another kind.
    #[error("the list has NTLM hashes; it must be the one with SHA-1")]
    Ntlm,
    /// A plain list says nothing of how often a password was seen.
    #[error("the list does not say how often each password was seen, so --min-count cannot be kept")]
    NoCounts,
    /// Nothing was left.
    #[error("the list has no password to keep")]
    Empty,
    /// It would overwrite what it reads.
    #[error("the list and the file are the same")]
    SameFile,
}

/// What the lines of a list are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `SHA1:COUNT`, as Have I Been Pwned gives them, or `SHA1`.
    Hashes,
    /// The passwords themselves.
    Passwords,
}

/// Makes a filter of a list. `progress` is told the parts of a hundred that are read, now and then.
///
/// A list in the order of its hashes, as Have I Been Pwned gives it, takes the memory of one part in 256. Any other
/// takes 8 bytes for each password.
pub fn build(
    list: &Path,
    file: &Path,
    min_count: u64,
    mut progress: impl FnMut(u64),
) -> Result<Built, BuildError> {
    if let (Ok(list), Ok(file)) = (list.canonicalize(), file.canonicalize())
        && list == file
    {
        return Err(BuildError::SameFile);
    }
    let mut builder = FilterBuilder::create(file).map_err(BuildError::File)?;
    let left_out = match fill(&mut builder, list, min_count, &mut progress) {
        Ok(left_out) if !builder.is_empty() => left_out,
        failed => {
            builder.abandon();
            return Err(failed.err().unwrap_or(BuildError::Empty));
        }
    };
    let (entries, bytes) = builder.finish().map_err(BuildError::File)?;
    Ok(Built { entries, bytes, left_out })
}

/// Takes all passwords of a list, and gives how many lines were left out.
fn fill(
    builder: &mut FilterBuilder,
    list: &Path,
    min_count: u64,
    progress: &mut impl FnMut(u64),
) -> Result<u64, BuildError> {
    let done = read(list, min_count, progress, |key| builder.add(key))?;
    if done.is_in_order {
        return Ok(done.left_out);
    }
    let mut all = Vec::new();
    let done = read(list, min_count, progress, |key| {
        all.push(key);
        Ok(true)
    })?;
    all.sort_unstable();
    builder.restart().map_err(BuildError::File)?;
    for key in all {
        builder.add(key).map_err(BuildError::File)?;
    }
    Ok(done.left_out)
}

struct Done {
    is_in_order: bool,
    left_out: u64,
}

/// Reads a list line by line until `keep` says that it is not in order.
fn read(
    list: &Path,
    min_count: u64,
    progress: &mut impl FnMut(u64),
    mut keep: impl FnMut(u64) -> std::io::Result<bool>,
) -> Result<Done, BuildError> {
    let file = File::open(list).map_err(BuildError::List)?;
    let length = file.metadata().map_err(BuildError::List)?.len();
    let mut lines = BufReader::with_capacity(1 << 20, file);
    let (mut line, mut number, mut bytes, mut told, mut left_out) = (Vec::new(), 0, 0, 0, 0);
    let mut form = None;
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(BuildError::List)?;
        if read == 0 {
            return Ok(Done { is_in_order: true, left_out });
        }
        number += 1;
        bytes += read as u64;
        if bytes * STEPS / length.max(1) > told {
            told = bytes * STEPS / length.max(1);
            progress(told * 100 / STEPS);
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        let form = match form {
            Some(form) => form,
            None => *form.insert(form_of(text, min_count)?),
        };
        match key_of(text, form, min_count).map_err(|()| BuildError::Line(number))? {
            None => left_out += 1,
            Some(key) => {
                if !keep(key).map_err(BuildError::File)? {
                    return Ok(Done { is_in_order: false, left_out });
                }
            }
        }
    }
}

/// What the first line tells of all.
fn form_of(first: &[u8], min_count: u64) -> Result<Form, BuildError> {
    let (hash, count) = halves(first);
    let is_hexadecimal = hash.iter().all(u8::is_ascii_hexdigit);
    match (hash.len(), is_hexadecimal, count) {
        (40, true, None) if min_count > 1 => Err(BuildError::NoCounts),
        (40, true, _) => Ok(Form::Hashes),
        (32, true, Some(count)) if count.iter().all(u8::is_ascii_digit) => Err(BuildError::Ntlm),
        _ if min_count > 1 => Err(BuildError::NoCounts),
        _ => Ok(Form::Passwords),
    }
}

/// The key of a line; nothing where the line is left out.
fn key_of(line: &[u8], form: Form, min_count: u64) -> Result<Option<u64>, ()> {
    match form {
        Form::Hashes => {
            let (hash, count) = halves(line);
            let key = LeakFingerprint::from_hex(hash).ok_or(())?.key();
            let count: u64 = match count {
                None => 1,
                Some(digits) => std::str::from_utf8(digits).map_err(drop)?.parse().map_err(drop)?,
            };
            Ok((count >= min_count).then_some(key))
        }
        Form::Passwords => {
            let password = std::str::from_utf8(line).ok();
            let password = password.filter(|password| password.chars().count() >= MIN_CHARACTERS);
            Ok(password.map(|password| LeakFingerprint::of(password).key()))
        }
    }
}

fn halves(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) => (&line[..colon], Some(&line[colon + 1..])),
        None => (line, None),
    }
}
