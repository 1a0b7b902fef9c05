use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use vestibule::models::LeakFingerprint;
use vestibule::ports::BreachedPasswords;
use xorf::{BinaryFuse16, Descriptor, Filter as _};

const MAGIC: &[u8; 16] = b"vestibule leaks\n";
/// Goes up when a reader of the release before would misread the file.
const VERSION: u32 = 1;
/// One for each first byte of a fingerprint, so that building needs the memory of one part and not of all.
const SHARDS: usize = 256;
/// The magic, the version, how many passwords there are, how many bytes follow.
const HEADER_BYTES: usize = 16 + 4 + 8 + 8;
/// Seed and three lengths of a part, and how many fingerprints follow.
const SHARD_HEADER_BYTES: usize = 8 + 4 * 3 + 4;
const CHECKSUM_BYTES: usize = 32;

/// The leaked passwords of a file, in memory: 256 binary fuse filters of 16-bit fingerprints, about 2.5 bytes a password.
///
/// A password that is in it is always found. Of others, one in 65,536 is too (2⁻¹⁶), and somebody has to think of
/// another one.
pub struct Filter {
    shards: Vec<BinaryFuse16>,
    entries: u64,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// Another kind of file.
    #[error("it is not a file that `passwords build` made")]
    Foreign,
    /// Of another release.
    #[error("it is of version {0}, and this release reads version 1")]
    Version(u32),
    /// Shorter or longer than it says.
    #[error("it is cut short or something was added: it has {is} bytes and should have {should_be}")]
    Length {
        /// How many there are.
        is: u64,
        /// How many there should be.
        should_be: u64,
    },
    /// Its checksum is another.
    #[error("it is damaged: its checksum is not that of its content")]
    Damaged,
}

impl Filter {
    /// Reads a file, and with it the checksum of all of it.
    pub fn read(path: &Path) -> Result<Self, FilterError> {
        let file = File::open(path).map_err(FilterError::Unreadable)?;
        let length = file.metadata().map_err(FilterError::Unreadable)?.len();
        Self::read_from(BufReader::with_capacity(1 << 20, file), length)
    }

    fn read_from(file: impl Read, length: u64) -> Result<Self, FilterError> {
        let mut input = Checked { inner: file, checksum: Sha256::new() };
        if length < (HEADER_BYTES + CHECKSUM_BYTES) as u64 {
            return Err(FilterError::Foreign);
        }
        if input.array::<16>()? != *MAGIC {
            return Err(FilterError::Foreign);
        }
        let version = u32::from_le_bytes(input.array()?);
        if version != VERSION {
            return Err(FilterError::Version(version));
        }
        let entries = u64::from_le_bytes(input.array()?);
        let body = u64::from_le_bytes(input.array()?);
        let should_be = body.saturating_add((HEADER_BYTES + CHECKSUM_BYTES) as u64);
        if length != should_be {
            return Err(FilterError::Length { is: length, should_be });
        }

        // A length that is read before the checksum is known to be right never takes more memory than the file has bytes.
        let mut left = body;
        let mut shards = Vec::with_capacity(SHARDS);
        for _ in 0..SHARDS {
            shards.push(input.shard(&mut left)?);
        }
        let checksum: [u8; CHECKSUM_BYTES] = input.checksum.finalize_reset().into();
        if left != 0 || input.array::<CHECKSUM_BYTES>()? != checksum {
            return Err(FilterError::Damaged);
        }
        Ok(Self { shards, entries })
    }

    /// Whether a password is in it, or one of the few that are taken for one.
    pub fn has(&self, password: &LeakFingerprint) -> bool {
        let key = password.key();
        let shard = &self.shards[shard_of(key)];
        // A part without passwords would take one in 65,536 for one of its own like any other; it need not.
        !shard.fingerprints.is_empty() && shard.contains(&key)
    }

    /// How many passwords it was made of.
    pub fn entries(&self) -> u64 {
        self.entries
    }
}

#[async_trait]
impl BreachedPasswords for Filter {
    // Three places in memory are looked at: there is nothing to wait for.
    async fn contain(&self, password: &LeakFingerprint) -> bool {
        self.has(password)
    }
}

fn shard_of(key: u64) -> usize {
    usize::from(key.to_be_bytes()[0])
}

/// Reads, and sums up what it read.
struct Checked<R> {
    inner: R,
    checksum: Sha256,
}

impl<R: Read> Checked<R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FilterError> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).map_err(FilterError::Unreadable)?;
        self.checksum.update(bytes);
        Ok(bytes)
    }

    fn shard(&mut self, left: &mut u64) -> Result<BinaryFuse16, FilterError> {
        *left = left.checked_sub(SHARD_HEADER_BYTES as u64).ok_or(FilterError::Damaged)?;
        let seed = u64::from_le_bytes(self.array()?);
        let [segment_length, segment_length_mask, segment_count_length, count] =
            [self.array()?, self.array()?, self.array()?, self.array()?].map(u32::from_le_bytes);
        *left = left.checked_sub(u64::from(count) * 2).ok_or(FilterError::Damaged)?;
        let mut bytes = vec![0; count as usize * 2];
        self.inner.read_exact(&mut bytes).map_err(FilterError::Unreadable)?;
        self.checksum.update(&bytes);
        let fingerprints = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let descriptor = Descriptor { seed, segment_length, segment_length_mask, segment_count_length };
        let shard = BinaryFuse16 { descriptor, fingerprints };
        if is_sound(&shard) { Ok(shard) } else { Err(FilterError::Damaged) }
    }
}

/// Whether a look-up stays within the fingerprints: it looks into three neighbouring segments.
fn is_sound(shard: &BinaryFuse16) -> bool {
    let BinaryFuse16 { descriptor, fingerprints } = shard;
    let length = descriptor.segment_length;
    fingerprints.is_empty()
        || (length.is_power_of_two()
            && descriptor.segment_length_mask == length - 1
            && descriptor.segment_count_length.is_multiple_of(length)
            && u64::from(descriptor.segment_count_length) + 2 * u64::from(length)
                <= fingerprints.len() as u64)
}

/// Makes a file, part by part in the order of the fingerprints. Until it is finished it stands under another name, so
/// that a server never reads half of one.
pub struct FilterBuilder {
    path: PathBuf,
    draft: PathBuf,
    body: BufWriter<File>,
    keys: Vec<u64>,
    shard: usize,
    entries: u64,
    body_bytes: u64,
}

impl FilterBuilder {
    /// Begins.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".draft");
        let draft = PathBuf::from(name);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&draft)?;
        let mut body = BufWriter::with_capacity(1 << 20, file);
        // Its place; what stands there is known in the end.
        body.write_all(&[0; HEADER_BYTES])?;
        let path = path.to_owned();
        Ok(Self { path, draft, body, keys: Vec::new(), shard: 0, entries: 0, body_bytes: 0 })
    }

    /// Forgets all that it was given.
    pub fn restart(&mut self) -> std::io::Result<()> {
        self.body.seek(SeekFrom::Start(0))?;
        self.body.get_mut().set_len(0)?;
        self.body.write_all(&[0; HEADER_BYTES])?;
        self.keys.clear();
        (self.shard, self.entries, self.body_bytes) = (0, 0, 0);
        Ok(())
    }

    /// Takes a password. `false` where it comes before the part that is being made, which is over then: the list is not in
    /// order.
    pub fn add(&mut self, key: u64) -> std::io::Result<bool> {
        let shard = shard_of(key);
        if shard < self.shard {
            return Ok(false);
        }
        while self.shard < shard {
            self.finish_shard()?;
        }
        self.keys.push(key);
        Ok(true)
    }

    fn finish_shard(&mut self) -> std::io::Result<()> {
        self.keys.sort_unstable();
        self.keys.dedup();
        let made = if self.keys.is_empty() {
            None
        } else {
            Some(BinaryFuse16::try_from(&self.keys).map_err(std::io::Error::other)?)
        };
        let empty =
            Descriptor { seed: 0, segment_length: 0, segment_length_mask: 0, segment_count_length: 0 };
        let (descriptor, fingerprints) =
            made.as_ref().map_or((&empty, &[][..]), |made| (&made.descriptor, &made.fingerprints));
        let count = u32::try_from(fingerprints.len()).map_err(std::io::Error::other)?;
        self.body.write_all(&descriptor.seed.to_le_bytes())?;
        let lengths = [
            descriptor.segment_length,
            descriptor.segment_length_mask,
            descriptor.segment_count_length,
            count,
        ];
        for number in lengths {
            self.body.write_all(&number.to_le_bytes())?;
        }
        for fingerprint in fingerprints {
            self.body.write_all(&fingerprint.to_le_bytes())?;
        }
        self.entries += self.keys.len() as u64;
        self.body_bytes += (SHARD_HEADER_BYTES + fingerprints.len() * 2) as u64;
        self.keys.clear();
        self.shard += 1;
        Ok(())
    }

    /// Writes header and checksum and puts the file in its place. Gives how many passwords it has, and bytes.
    pub fn finish(mut self) -> std::io::Result<(u64, u64)> {
        while self.shard < SHARDS {
            self.finish_shard()?;
        }
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&self.entries.to_le_bytes());
        header.extend_from_slice(&self.body_bytes.to_le_bytes());
        self.body.seek(SeekFrom::Start(0))?;
        self.body.write_all(&header)?;
        self.body.seek(SeekFrom::Start(0))?;
        let file = self.body.get_mut();
        let mut checksum = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => checksum.update(&buffer[..read]),
            }
        }
        file.write_all(&checksum.finalize())?;
        file.sync_all()?;
        std::fs::rename(&self.draft, &self.path)?;
        Ok((self.entries, self.body_bytes + (HEADER_BYTES + CHECKSUM_BYTES) as u64))
    }

    /// Whether no password was taken so far.
    pub fn is_empty(&self) -> bool {
        self.entries == 0 && self.keys.is_empty()
    }

    /// Throws away what was made.
    pub fn abandon(self) {
        // It is a draft, and whoever comes next writes over it.
        let _ = std::fs::remove_file(&self.draft);
    }
}
