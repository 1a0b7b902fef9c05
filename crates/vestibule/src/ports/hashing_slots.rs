use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use futures_channel::oneshot;
use phc::{Output, ParamsString, Salt};
use subtle::ConstantTimeEq;

use super::{Argon2Parameters, HasherError, Judgement, Overloaded, PasswordHasher, Random};
use crate::models::{CandidatePassword, Password, PasswordHash};

/// How many checks may wait for one slot. At about 25 ms a hash the last in the queue waits under a second,
/// which a person still takes for an answer; beyond that an honest "busy" is better than a page that hangs.
const QUEUE_PER_SLOT: usize = 32;
/// What a refused caller is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A slot with nothing to do for this long gives its memory back to the system.
const IDLE_BEFORE_RELEASE: Duration = Duration::from_secs(10);
/// RFC 9106, section 3.1: 128 bits of salt are enough for every use.
const SALT_BYTES: usize = 16;
/// RFC 9106, section 4: a 256-bit tag.
const OUTPUT_BYTES: usize = 32;

/// Argon2id in a fixed set of threads, each with memory of its own that it uses again and again.
///
/// A flood of log-ins therefore costs `slots × memory` and not more: allocating per request was measured to
/// grow a server to gigabytes. The place in the queue belongs to the work and not to the request, so a client
/// that hangs up does not make room for its next attempt while the first is still being computed.
pub struct HashingSlots {
    queue: Sender<Job>,
    parameters: Argon2Parameters,
    random: Arc<dyn Random>,
    decoy: PasswordHash,
}

enum Job {
    Judge {
        candidate: CandidatePassword,
        answer: oneshot::Sender<Judgement>,
    },
    Hash {
        password: Password,
        salt: [u8; SALT_BYTES],
        answer: oneshot::Sender<Result<PasswordHash, HasherError>>,
    },
    Match {
        password: Password,
        hash: PasswordHash,
        answer: oneshot::Sender<Result<bool, HasherError>>,
    },
}

impl HashingSlots {
    /// Starts `slots` threads, which end when this value is dropped. One slot a core is the most that helps.
    ///
    /// # Panics
    /// When the system refuses a thread.
    pub fn start(parameters: Argon2Parameters, slots: NonZeroUsize, random: Arc<dyn Random>) -> Self {
        let (queue, jobs) = crossbeam_channel::bounded(QUEUE_PER_SLOT * slots.get());
        for slot in 0..slots.get() {
            let jobs = jobs.clone();
            std::thread::Builder::new()
                .name(format!("hash-{slot}"))
                .spawn(move || work(parameters, &jobs))
                .expect("the system gives a thread for each hashing slot");
        }
        let decoy = decoy(parameters, &*random);
        Self { queue, parameters, random, decoy }
    }

    fn enqueue(&self, job: Job) -> Result<(), HasherError> {
        self.queue.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => Overloaded { retry_after: RETRY_AFTER }.into(),
            TrySendError::Disconnected(_) => HasherError::Failed("every hashing thread has ended".into()),
        })
    }
}

#[async_trait]
impl PasswordHasher for HashingSlots {
    async fn judge(&self, candidate: CandidatePassword) -> Result<Judgement, HasherError> {
        let (answer, judged) = oneshot::channel();
        self.enqueue(Job::Judge { candidate, answer })?;
        judged.await.map_err(|_| thread_ended())
    }

    async fn hash(&self, password: Password) -> Result<PasswordHash, HasherError> {
        let (answer, made) = oneshot::channel();
        self.enqueue(Job::Hash { password, salt: self.random.bytes(), answer })?;
        made.await.map_err(|_| thread_ended())?
    }

    async fn matches(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, HasherError> {
        let is_decoy = hash.is_none();
        let (answer, compared) = oneshot::channel();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        self.enqueue(Job::Match { password, hash, answer })?;
        let is_equal = compared.await.map_err(|_| thread_ended())??;
        // Nobody knows a password of the decoy, and even so it must never let anyone in.
        Ok(is_equal && !is_decoy)
    }

    fn is_outdated(&self, hash: &PasswordHash) -> bool {
        hash.parsed().ok().and_then(|phc| Params::try_from(&phc).ok()).is_none_or(|params| {
            params.m_cost() < self.parameters.memory_kib() || params.t_cost() < self.parameters.passes()
        })
    }
}

/// One thread's life: take a job, do it, answer; let go of the memory when nothing comes.
fn work(parameters: Argon2Parameters, jobs: &Receiver<Job>) {
    let mut memory = Memory::default();
    loop {
        match jobs.recv_timeout(IDLE_BEFORE_RELEASE) {
            Ok(job) => {
                // A panic in a library that reads strangers' passwords must cost one answer and not the slot: a
                // thread that ended would be missed until the next start.
                let run = AssertUnwindSafe(|| job.run(parameters, &mut memory));
                if std::panic::catch_unwind(run).is_err() {
                    memory.release();
                }
            }
            Err(RecvTimeoutError::Timeout) => memory.release(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Job {
    fn run(self, parameters: Argon2Parameters, memory: &mut Memory) {
        // Where nobody waits for an answer any more, nothing is done: the queue is not made longer by those who hung
        // up. A send can fail only for that reason, and then there is nobody to tell.
        match self {
            Self::Judge { candidate, answer } if !answer.is_canceled() => {
                let _ = answer.send(candidate.judge());
            }
            Self::Hash { password, salt, answer } if !answer.is_canceled() => {
                let _ = answer.send(hash(&password, salt, parameters, memory));
            }
            Self::Match { password, hash, answer } if !answer.is_canceled() => {
                let _ = answer.send(matches(&password, &hash, parameters, memory));
            }
            Self::Judge { .. } | Self::Hash { .. } | Self::Match { .. } => {}
        }
    }
}

fn hash(
    password: &Password,
    salt: [u8; SALT_BYTES],
    parameters: Argon2Parameters,
    memory: &mut Memory,
) -> Result<PasswordHash, HasherError> {
    let params = params_of(parameters);
    let mut output = [0; OUTPUT_BYTES];
    argon2id(&params, password, &salt, &mut output, memory)?;
    Ok(encode(&params, &salt, &output))
}

fn matches(
    password: &Password,
    hash: &PasswordHash,
    parameters: Argon2Parameters,
    memory: &mut Memory,
) -> Result<bool, HasherError> {
    let stored = hash.parsed().map_err(failed)?;
    let params = Params::try_from(&stored).map_err(failed)?;
    let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
        return Err(HasherError::Failed("the stored hash has no salt or no output".into()));
    };
    let mut output = vec![0; expected.as_bytes().len()];
    argon2id(&params, password, salt.as_ref(), &mut output, memory)?;
    let is_equal: bool = output.ct_eq(expected.as_bytes()).into();
    if !is_equal && let Some(missing) = missing_work(&params, parameters) {
        argon2id(&missing, password, salt.as_ref(), &mut [0; OUTPUT_BYTES], memory)?;
    }
    Ok(is_equal)
}

/// The work that an older, cheaper hash costs less than the decoy. Without it a refusal would come faster for an
/// account that has not logged in since the cost was raised than for an address that nobody has.
fn missing_work(stored: &Params, today: Argon2Parameters) -> Option<Params> {
    let work = |memory: u32, passes: u32| u64::from(memory) * u64::from(passes);
    let missing =
        work(today.memory_kib(), today.passes()).checked_sub(work(stored.m_cost(), stored.t_cost()))?;
    let passes = missing.div_ceil(u64::from(today.memory_kib())).max(1);
    let memory = u32::try_from(missing / passes).ok().filter(|memory| *memory >= Params::MIN_M_COST)?;
    Params::new(memory, u32::try_from(passes).ok()?, 1, Some(OUTPUT_BYTES)).ok()
}

fn argon2id(
    params: &Params,
    password: &Password,
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Memory,
) -> Result<(), HasherError> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(
            password.as_bytes(),
            salt,
            output,
            memory.blocks(params.block_count()),
        )
        .map_err(failed)
}

/// A hash in the right form whose output is chance: no password leads to it.
fn decoy(parameters: Argon2Parameters, random: &dyn Random) -> PasswordHash {
    encode(&params_of(parameters), &random.bytes::<SALT_BYTES>(), &random.bytes::<OUTPUT_BYTES>())
}

fn encode(params: &Params, salt: &[u8], output: &[u8]) -> PasswordHash {
    let phc = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).expect("three numbers fit a parameter string"),
        salt: Some(Salt::new(salt).expect("16 bytes are a salt")),
        hash: Some(Output::new(output).expect("32 bytes are an output")),
    };
    PasswordHash::parse(phc.to_string()).expect("what was just encoded can be parsed")
}

fn params_of(parameters: Argon2Parameters) -> Params {
    Params::new(parameters.memory_kib(), parameters.passes(), 1, Some(OUTPUT_BYTES))
        .expect("parameters between floor and ceiling are valid for Argon2")
}

fn thread_ended() -> HasherError {
    HasherError::Failed("a hashing thread ended early".into())
}

fn failed(error: impl std::fmt::Display) -> HasherError {
    HasherError::Failed(error.to_string())
}

/// The working memory of one slot.
#[derive(Default)]
struct Memory(Vec<Block>);

impl Memory {
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::default());
        }
        &mut self.0[..count]
    }

    fn release(&mut self) {
        self.0 = Vec::new();
    }
}
