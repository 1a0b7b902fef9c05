use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vestibule::models::{BackupProof, ServerKeys};
use vestibule_sql::{AppliedMigration, Engine};

use super::progress::Progress;
use super::sealing::{Kind, Seal, Sealed};
use crate::failure::{Failure, with_causes};

/// The form of the archive. Another number is for one that this program cannot read.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// The HMAC of the manifest, where whoever made the backup had a secret key.
const PROOF: &str = "manifest.hmac";
const MAX_PROOF_BYTES: u64 = 1024;
/// More than that describes no database of ours.
const MAX_MANIFEST_BYTES: u64 = 16 * 1024 * 1024;
/// So much is moved at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// What a backup says of itself. It lies before the dump, in a `.tar.gz` that every system can unpack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The form of the archive.
    pub format: u32,
    /// The program that made it, and its version.
    pub program: String,
    pub version: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// The schema of PostgreSQL in which the tables are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// What was applied, by the table that notes it.
    pub migrations: BTreeMap<String, Vec<NotedMigration>>,
    /// How many rows each table has.
    pub rows: BTreeMap<String, u64>,
    /// The dump.
    pub dump: Dump,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NotedMigration {
    pub version: i64,
    pub description: String,
    /// SHA-384 of its text, in hexadecimal.
    pub checksum: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dump {
    /// The name of its file in the archive.
    pub name: String,
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// The manifest of a dump that is in a file.
    pub(crate) fn of_dump(engine: Engine, file: &Path, progress: Progress) -> std::io::Result<Self> {
        let mut hashed = Hashed::new(std::io::sink());
        let opened = File::open(file)?;
        let bytes = opened.metadata()?.len();
        std::io::copy(&mut progress.read(opened, "hashing", bytes), &mut hashed)?;
        let (bytes, sha256) = hashed.told();
        let (database, name) = match engine {
            Engine::Sqlite => ("sqlite", "database.sqlite"),
            Engine::Postgres => ("postgres", "database.pgdump"),
        };
        Ok(Self {
            format: FORMAT,
            program: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            database: database.to_owned(),
            schema: None,
            created_at: String::new(),
            migrations: BTreeMap::new(),
            rows: BTreeMap::new(),
            dump: Dump { name: name.to_owned(), bytes, sha256 },
        })
    }

    /// Which database the dump is of.
    pub(crate) fn engine(&self) -> Option<Engine> {
        match self.database.as_str() {
            "sqlite" => Some(Engine::Sqlite),
            "postgres" => Some(Engine::Postgres),
            _ => None,
        }
    }

    /// All rows.
    pub(crate) fn all_rows(&self) -> u64 {
        self.rows.values().sum()
    }

    /// What was applied of one part of an application.
    pub(crate) fn applied(&self, table: &str) -> Vec<AppliedMigration> {
        let noted = self.migrations.get(table).into_iter().flatten();
        noted
            .map(|noted| AppliedMigration {
                version: noted.version,
                description: noted.description.clone(),
                checksum: from_hex(&noted.checksum),
            })
            .collect()
    }

    pub(crate) fn note(&mut self, table: &str, applied: &[AppliedMigration]) {
        let noted = applied.iter().map(|applied| NotedMigration {
            version: applied.version,
            description: applied.description.clone(),
            checksum: in_hex(&applied.checksum),
        });
        self.migrations.insert(table.to_owned(), noted.collect());
    }
}

/// What a backup's proof is worth here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was made with one of the secret keys that are set.
    Proven,
    /// It has no proof.
    Unproven,
    /// It has one by a key that is not set, or one that somebody made up.
    Foreign,
}

/// What was read of a backup.
#[derive(Debug)]
pub(crate) struct Told {
    pub manifest: Manifest,
    /// The manifest as it is written there.
    text: Vec<u8>,
    proof: Option<String>,
}

impl Told {
    /// Whether it was made with one of some keys. All of the backup is as it was then: the manifest has the digest of the dump.
    pub(crate) fn origin(&self, keys: Option<&ServerKeys>) -> Origin {
        let Some(proof) = &self.proof else { return Origin::Unproven };
        match (BackupProof::parse(proof), keys) {
            (Some(proof), Some(keys)) if proof.is_of(&self.text, keys) => Origin::Proven,
            _ => Origin::Foreign,
        }
    }
}

/// Writes manifest, its proof and the dump into an archive.
pub(crate) fn write(
    manifest: &Manifest,
    keys: Option<&ServerKeys>,
    dump: &Path,
    into: Seal,
    progress: Progress,
) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(into, Compression::default()));
    let text = serde_json::to_vec_pretty(manifest)?;
    archive.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
    if let Some(keys) = keys {
        let proof = BackupProof::make(&text, keys).to_string();
        archive.append_data(&mut header(proof.len() as u64), PROOF, proof.as_bytes())?;
    }
    let mut dump_file = progress.read(File::open(dump)?, "packing", manifest.dump.bytes);
    archive.append_data(&mut header(manifest.dump.bytes), &manifest.dump.name, &mut dump_file)?;
    archive.into_inner()?.finish()?.finish()
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header
}

/// Whether a file is a backup, as far as one can see without a key.
pub(crate) fn is_backup(file: &Path) -> bool {
    match Kind::of(file) {
        Ok(Kind::Sealed) => true,
        Ok(Kind::Open) => File::open(file).is_ok_and(|file| {
            let mut archive = tar::Archive::new(GzDecoder::new(file));
            let first = archive.entries().ok().and_then(|mut entries| entries.next()?.ok());
            first.is_some_and(|first| first.path().is_ok_and(|path| path.as_os_str() == MANIFEST))
        }),
        _ => false,
    }
}

/// Reads an archive to its end, hands the dump over, and finds out whether anything of it is not as it was written. `begin` is
/// told the manifest and gives what takes the dump; nobody may believe what was handed over before this has ended well, and nobody
/// may act on it before the origin was looked at.
pub(crate) fn read<W: Write>(
    sealed: &Sealed,
    progress: Progress,
    what: &'static str,
    begin: impl FnOnce(&Manifest) -> Result<W, Failure>,
) -> Result<(Told, W), Failure> {
    // What unseals it is no longer being read by then, and can be asked how it ended.
    read_unsealed(sealed, progress, what, begin).map_err(|trouble| match trouble {
        Trouble::Other(failure) => failure,
        Trouble::Damaged(problem) => sealed.refusal().err().unwrap_or_else(|| {
            Failure::with_way_out(
                format!("the backup {} is damaged: {problem}", sealed.name()),
                "Nothing was changed. Take another backup.",
            )
        }),
    })
}

/// Why an archive was not read to its end.
enum Trouble {
    Damaged(String),
    Other(Failure),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Damaged(with_causes(&error))
    }
}

fn read_unsealed<W: Write>(
    sealed: &Sealed,
    progress: Progress,
    what: &'static str,
    begin: impl FnOnce(&Manifest) -> Result<W, Failure>,
) -> Result<(Told, W), Trouble> {
    let damaged = |problem: &str| Trouble::Damaged(problem.to_owned());
    let mut archive = tar::Archive::new(GzDecoder::new(sealed.open().map_err(Trouble::Other)?));
    let mut entries = archive.entries()?;
    let mut first = entries.next().ok_or_else(|| damaged("it is empty"))??;
    if first.path()?.as_os_str() != MANIFEST || first.size() > MAX_MANIFEST_BYTES {
        return Err(damaged("it does not begin with a manifest"));
    }
    let mut text = Vec::new();
    first.read_to_end(&mut text)?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| damaged(&format!("its manifest: {error}")))?;
    if manifest.format != FORMAT {
        return Err(Trouble::Other(Failure::with_way_out(
            format!(
                "the backup {} has the form {}, and this program knows {FORMAT}",
                sealed.name(),
                manifest.format
            ),
            format!("Take the release that made it: {} {}.", manifest.program, manifest.version),
        )));
    }
    drop(first);
    let mut next = entries.next().ok_or_else(|| damaged("there is no dump in it"))??;
    let mut proof = None;
    if next.path()?.as_os_str() == PROOF {
        let mut text = String::new();
        (&mut next).take(MAX_PROOF_BYTES).read_to_string(&mut text)?;
        proof = Some(text);
        next = entries.next().ok_or_else(|| damaged("there is no dump in it"))??;
    }
    let dump = next;
    if dump.path()?.to_str() != Some(&manifest.dump.name) {
        return Err(damaged("there is another file in the place of its dump"));
    }
    let mut hashed = Hashed::new(begin(&manifest).map_err(Trouble::Other)?);
    let mut dump = progress.read(dump, what, manifest.dump.bytes);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = dump.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hashed.write_all(&buffer[..read]).map_err(|error| {
            Trouble::Other(Failure::with_way_out(
                format!("the dump cannot be written: {}", with_causes(&error)),
                "Nothing was changed. Look whether the disk is full.",
            ))
        })?;
    }
    if hashed.told() != (manifest.dump.bytes, manifest.dump.sha256.clone()) {
        return Err(damaged("its dump is not the one that the manifest tells of"));
    }
    let into = hashed.into;
    drop(dump);
    if let Some(entry) = entries.next() {
        entry?;
        return Err(damaged("there is more in it than a manifest and a dump"));
    }
    // To the end: there are the sums that tell whether what came before is whole.
    let mut rest = archive.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink())?;
    rest.into_inner().finish().map_err(Trouble::Other)?;
    Ok((Told { manifest, text, proof }, into))
}

/// Reads a verified backup once more, as it is restored. Whoever may write to its file could have put another one there since.
pub(crate) fn read_again<W: Write>(
    sealed: &Sealed,
    verified: &Manifest,
    progress: Progress,
    into: W,
) -> Result<W, Failure> {
    let begin = |manifest: &Manifest| {
        if manifest == verified {
            return Ok(into);
        }
        Err(Failure::with_way_out(
            format!("the backup {} was replaced while it was read", sealed.name()),
            "Nothing was changed. Look who can write there.",
        ))
    };
    read(sealed, progress, "restoring", begin).map(|(_, into)| into)
}

/// Counts and hashes what goes through it.
struct Hashed<W> {
    into: W,
    bytes: u64,
    hash: Sha256,
}

impl<W> Hashed<W> {
    fn new(into: W) -> Self {
        Self { into, bytes: 0, hash: Sha256::new() }
    }

    fn told(&self) -> (u64, String) {
        (self.bytes, in_hex(&self.hash.clone().finalize()))
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.into.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.into.flush()
    }
}

fn in_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What is no hexadecimal gives nothing, which equals no checksum.
fn from_hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    bytes.unwrap_or_default()
}
