use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use futures_channel::oneshot;
use phc::{Output, ParamsString, Salt};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::hashing_queue::{Queue, Turn};
use super::{
    Argon2Parameters, HasherError, HashingLoad, Judgement, Overloaded, PasswordHasher, Random, Standing,
    SystemStopwatch,
};
use crate::models::{CandidatePassword, Password, PasswordHash};

/// What a hash of the least cost takes on an ordinary server: the guess from which the queue starts, until it has measured.
const GUESS_AT_THE_FLOOR: Duration = Duration::from_millis(25);
/// What a judgement takes at first guess. The worst takes 130 ms, a usual one a few.
const GUESS_OF_A_JUDGEMENT: Duration = Duration::from_millis(20);
/// RFC 9106, section 3.1: 128 bits of salt are enough for every use.
const SALT_BYTES: usize = 16;
/// RFC 9106, section 4: a 256-bit tag.
const OUTPUT_BYTES: usize = 32;

/// Held while a hash is compared that takes more memory than today's do. Whoever has lowered the cost for a smaller machine
/// must not have it killed by several log-ins of long ago at once.
static DEAR: Mutex<()> = Mutex::new(());

/// Argon2id in a fixed set of threads, each with memory of its own that it uses again and again.
///
/// A flood of log-ins therefore costs `slots × memory` and not more: allocating per request was measured to
/// grow a server to gigabytes. Hashes of days when they were dearer are compared one at a time, and their memory is given back
/// at once. The place in the queue belongs to the work and not to the request, so a client
/// that hangs up does not make room for its next attempt while the first is still being computed.
///
/// Passwords are judged in one more thread, with a queue of its own. A judgement takes as long as several hashes and anybody
/// may ask for one, so in one queue with log-ins it could keep people out who only want to log in.
pub struct HashingSlots {
    hashing: Arc<Queue<HashJob>>,
    judging: Arc<Queue<JudgeJob>>,
    parameters: Argon2Parameters,
    random: Arc<dyn Random>,
    decoy: PasswordHash,
}

/// How passwords are to be hashed.
#[derive(Debug, Clone, Copy)]
pub struct HashingPlan {
    /// The cost of one.
    pub parameters: Argon2Parameters,
    /// How many at the same time. One a core is the most that helps.
    pub slots: NonZeroUsize,
    /// How long somebody may wait for their turn. Who would wait longer is told at once when to come back: an honest "busy"
    /// is better than a page that hangs.
    pub max_wait: Duration,
    /// What each thread does first: it may lower its own priority, so that a flood of log-ins does not slow down the rest.
    pub on_thread_start: fn(),
}

impl HashingPlan {
    /// A wait of a second, which a person still takes for an answer, and threads like any other.
    pub fn new(parameters: Argon2Parameters, slots: NonZeroUsize) -> Self {
        Self { parameters, slots, max_wait: Duration::from_secs(1), on_thread_start: || {} }
    }
}

enum HashJob {
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

struct JudgeJob {
    candidate: CandidatePassword,
    answer: oneshot::Sender<Result<Judgement, HasherError>>,
}

impl HashingSlots {
    /// Starts as many threads as there are slots and one that judges, which end when this value is dropped.
    ///
    /// # Panics
    /// When the system refuses a thread.
    pub fn start(plan: HashingPlan, random: Arc<dyn Random>) -> Self {
        let HashingPlan { parameters, slots, max_wait, on_thread_start } = plan;
        let stopwatch = Arc::new(SystemStopwatch::start());
        let guess = GUESS_AT_THE_FLOOR.mul_f64(work_of(parameters) / work_of(Argon2Parameters::FLOOR));
        let hashing = Arc::new(Queue::new(slots.get(), max_wait, guess, stopwatch.clone()));
        let judging = Arc::new(Queue::new(1, max_wait, GUESS_OF_A_JUDGEMENT, stopwatch));
        for slot in 0..slots.get() {
            let queue = Arc::clone(&hashing);
            spawn(format!("hash-{slot}"), on_thread_start, move || work(parameters, &queue));
        }
        let queue = Arc::clone(&judging);
        spawn("judge".to_owned(), on_thread_start, move || judge(&queue));
        let decoy = decoy(parameters, &*random);
        Self { hashing, judging, parameters, random, decoy }
    }
}

/// Dropping ends the threads, after what they are at.
impl Drop for HashingSlots {
    fn drop(&mut self) {
        self.hashing.close();
        self.judging.close();
    }
}

#[async_trait]
impl PasswordHasher for HashingSlots {
    async fn judge(&self, candidate: CandidatePassword, whose: Standing) -> Result<Judgement, HasherError> {
        let (answer, judged) = oneshot::channel();
        self.judging.admit(JudgeJob { candidate, answer }, whose)?;
        judged.await.map_err(|_| thread_ended())?
    }

    async fn hash(&self, password: Password, whose: Standing) -> Result<PasswordHash, HasherError> {
        let (answer, made) = oneshot::channel();
        self.hashing.admit(HashJob::Hash { password, salt: self.random.bytes(), answer }, whose)?;
        made.await.map_err(|_| thread_ended())?
    }

    async fn matches(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        whose: Standing,
    ) -> Result<bool, HasherError> {
        let is_decoy = hash.is_none();
        let (answer, compared) = oneshot::channel();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        self.hashing.admit(HashJob::Match { password, hash, answer }, whose)?;
        let is_equal = compared.await.map_err(|_| thread_ended())??;
        // Nobody knows a password of the decoy, and even so it must never let anyone in.
        Ok(is_equal && !is_decoy)
    }

    fn is_outdated(&self, hash: &PasswordHash) -> bool {
        hash.parsed().ok().and_then(|phc| Params::try_from(&phc).ok()).is_none_or(|params| {
            (params.m_cost(), params.t_cost()) != (self.parameters.memory_kib(), self.parameters.passes())
        })
    }

    fn room_for_a_stranger(&self) -> Result<(), Overloaded> {
        self.hashing.room(Standing::Stranger)
    }

    fn load(&self) -> Option<HashingLoad> {
        Some(HashingLoad { hashing: self.hashing.counts(), judging: self.judging.counts() })
    }
}

fn work_of(parameters: Argon2Parameters) -> f64 {
    f64::from(parameters.memory_kib()) * f64::from(parameters.passes())
}

fn spawn(name: String, first: fn(), then: impl FnOnce() + Send + 'static) {
    let run = move || {
        first();
        then();
    };
    std::thread::Builder::new()
        .name(name)
        .spawn(run)
        .expect("the system gives a thread for each hashing slot and one that judges");
}

/// One hashing thread's life: take a job, do it, answer; let go of the memory when nothing comes.
fn work(parameters: Argon2Parameters, queue: &Queue<HashJob>) {
    let mut memory = Memory::default();
    loop {
        match queue.next() {
            Turn::Work(job) => measured(queue, || {
                // A panic in a library that reads strangers' passwords must cost one answer and not the slot: a
                // thread that ended would be missed until the next start.
                let run = AssertUnwindSafe(|| job.run(parameters, &mut memory));
                std::panic::catch_unwind(run).unwrap_or_else(|_| {
                    memory.release();
                    true
                })
            }),
            Turn::Refuse(job, overloaded) => job.refuse(overloaded),
            Turn::Rest => memory.release(),
            Turn::End => return,
        }
    }
}

/// The judging thread's life.
fn judge(queue: &Queue<JudgeJob>) {
    loop {
        match queue.next() {
            Turn::Work(job) => measured(queue, || {
                let run = AssertUnwindSafe(|| job.run());
                std::panic::catch_unwind(run).unwrap_or(true)
            }),
            // A send can fail only where nobody waits for the answer any more.
            Turn::Refuse(job, overloaded) => drop(job.answer.send(Err(overloaded.into()))),
            Turn::Rest => {}
            Turn::End => return,
        }
    }
}

/// Does one job and tells the queue how long it took, if anything was done.
fn measured<J>(queue: &Queue<J>, job: impl FnOnce() -> bool) {
    let began = queue.elapsed();
    let was_done = job();
    let took = queue.elapsed().saturating_sub(began);
    queue.done(was_done.then_some(took));
}

impl HashJob {
    /// Whether anything was done. Where nobody waits for an answer any more, nothing is: the queue is not made longer by
    /// those who hung up. A send can fail only for that reason, and then there is nobody to tell.
    fn run(self, parameters: Argon2Parameters, memory: &mut Memory) -> bool {
        match self {
            Self::Hash { password, salt, answer } if !answer.is_canceled() => {
                let _ = answer.send(hash(&password, salt, parameters, memory));
                true
            }
            Self::Match { password, hash, answer } if !answer.is_canceled() => {
                let _ = answer.send(matches(&password, &hash, parameters, memory));
                true
            }
            Self::Hash { .. } | Self::Match { .. } => false,
        }
    }

    fn refuse(self, overloaded: Overloaded) {
        match self {
            Self::Hash { answer, .. } => drop(answer.send(Err(overloaded.into()))),
            Self::Match { answer, .. } => drop(answer.send(Err(overloaded.into()))),
        }
    }
}

impl JudgeJob {
    fn run(self) -> bool {
        let is_wanted = !self.answer.is_canceled();
        if is_wanted {
            let _ = self.answer.send(Ok(self.candidate.judge()));
        }
        is_wanted
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
    if params.m_cost() > parameters.memory_kib() {
        let _one_at_a_time = DEAR.lock().unwrap_or_else(PoisonError::into_inner);
        argon2id(&params, password, salt.as_ref(), &mut output, memory)?;
        memory.release();
    } else {
        argon2id(&params, password, salt.as_ref(), &mut output, memory)?;
    }
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

    /// What is left of a password's hash in it is wiped, before others get the memory.
    fn release(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
        self.0 = Vec::new();
    }
}
