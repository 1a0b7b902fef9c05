use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use vestibule::models::Password;
use vestibule::ports::{
    Argon2Parameters, HashingPlan, HashingSlots, OsRandom, PasswordHasher, Standing, Stopwatch,
    SystemStopwatch,
};

use super::output::{print_json, print_line};
use crate::command_line::HashAction;
use crate::failure::Failure;
use crate::memory::MemoryLimit;
use crate::settings::Settings;

/// How many hashes each slot makes in one measurement. The best round counts: what else the machine does only makes it slower.
const HASHES: u32 = 3;
const ROUNDS: u32 = 2;
/// How often the guess is corrected by what was measured.
const CORRECTIONS: u32 = 2;
/// Where nothing says how much memory there is.
const UNKNOWN_MEMORY: u64 = 512 * 1024 * 1024;
const MIB_IN_KIB: u64 = 1024;

/// Measures, and says what to set.
pub(crate) async fn run(settings: &Settings, action: HashAction, json: bool) -> Result<ExitCode, Failure> {
    let HashAction::Calibrate { target } = action;
    let slots = settings
        .hash_slots
        .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let limit = MemoryLimit::of_this_process();
    let share = limit.as_ref().map_or(UNKNOWN_MEMORY, MemoryLimit::for_hashing);
    let ceiling = ceiling_kib(share, slots);
    let mut chosen = Argon2Parameters::FLOOR;
    let mut took = measure(chosen, slots).await?;
    for _ in 0..CORRECTIONS {
        let better = choose(chosen, took, target, ceiling);
        if better == chosen {
            break;
        }
        chosen = better;
        took = measure(chosen, slots).await?;
    }
    let current = settings.hash_parameters;
    let current_took = if current == chosen { took } else { measure(current, slots).await? };

    let a_second = 1.0 / took.as_secs_f64();
    let all_a_second = a_second * f64::from(u32::try_from(slots.get()).unwrap_or(u32::MAX));
    let mebibytes = u64::from(chosen.memory_kib()) * u64::try_from(slots.get()).unwrap_or(1) / MIB_IN_KIB;
    if json {
        print_json(&json!({
            "memory_kib": chosen.memory_kib(),
            "passes": chosen.passes(),
            "slots": slots,
            "milliseconds": milliseconds(took),
            "hashes_per_second_per_slot": tenths(a_second),
            "hashes_per_second": tenths(all_a_second),
            "memory_needed_mib": mebibytes,
            "memory_limit_mib": limit.as_ref().map(MemoryLimit::mebibytes),
            "current": {
                "memory_kib": current.memory_kib(),
                "passes": current.passes(),
                "milliseconds": milliseconds(current_took),
            },
            "settings": {
                "VESTIBULE_HASH_MEMORY_KIB": chosen.memory_kib().to_string(),
                "VESTIBULE_HASH_PASSES": chosen.passes().to_string(),
            },
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_line(&format!(
        "One hash takes {:.0} ms with {} MiB and {} passes, {slots} at a time: {:.1} a second and slot, {:.1} in all.",
        milliseconds(took),
        u64::from(chosen.memory_kib()) / MIB_IN_KIB,
        chosen.passes(),
        a_second,
        all_a_second,
    ))?;
    let of = limit.map_or_else(String::new, |limit| {
        format!(" of the {} MiB that {} allows", limit.mebibytes(), limit.by)
    });
    print_line(&format!("Hashing needs up to {mebibytes} MiB{of}."))?;
    print_line(&format!(
        "Today's settings, {} MiB and {} passes, take {:.0} ms.",
        u64::from(current.memory_kib()) / MIB_IN_KIB,
        current.passes(),
        milliseconds(current_took)
    ))?;
    if took > target * 2 {
        print_line(
            "That is more than was asked for, and already the least that is safe: this machine is slow, or busy.",
        )?;
    }
    print_line("\nIn vestibule.toml:\n")?;
    print_line(&format!("hash_memory_kib = {}\nhash_passes = {}", chosen.memory_kib(), chosen.passes()))?;
    print_line("\nor in the environment:\n")?;
    print_line(&format!(
        "VESTIBULE_HASH_MEMORY_KIB={}\nVESTIBULE_HASH_PASSES={}",
        chosen.memory_kib(),
        chosen.passes()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The most memory of one hash, so that all slots fit into their share; in whole mebibytes, and never below the floor.
fn ceiling_kib(share: u64, slots: NonZeroUsize) -> u32 {
    let each = share / u64::try_from(slots.get()).unwrap_or(u64::MAX) / 1024;
    let whole = each / MIB_IN_KIB * MIB_IN_KIB;
    u32::try_from(whole)
        .unwrap_or(u32::MAX)
        .clamp(Argon2Parameters::FLOOR.memory_kib(), Argon2Parameters::CEILING.memory_kib())
}

/// What should take the target's time, where these parameters took this: time grows with memory times passes.
fn choose(
    measured: Argon2Parameters,
    took: Duration,
    target: Duration,
    ceiling_kib: u32,
) -> Argon2Parameters {
    let (floor, most) = (Argon2Parameters::FLOOR, Argon2Parameters::CEILING);
    let work = f64::from(measured.memory_kib()) * f64::from(measured.passes()) * target.as_secs_f64()
        / took.as_secs_f64().max(1e-6);
    let wanted = whole(work / f64::from(floor.passes())) / 1024 * 1024;
    let memory = wanted.clamp(floor.memory_kib(), ceiling_kib);
    // More passes only where memory is at its end.
    let passes = if wanted > ceiling_kib { whole(work / f64::from(memory)) } else { floor.passes() };
    let passes = passes.clamp(floor.passes(), most.passes());
    Argon2Parameters::new(memory, passes).unwrap_or(floor)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates, which is meant"
)]
fn whole(number: f64) -> u32 {
    number.round() as u32
}

/// How long one hash takes while all slots are at work, which they are when it matters.
async fn measure(parameters: Argon2Parameters, slots: NonZeroUsize) -> Result<Duration, Failure> {
    // Nobody waits here, and nobody may be sent away.
    let plan = HashingPlan { max_wait: Duration::MAX, ..HashingPlan::new(parameters, slots) };
    let hasher = Arc::new(HashingSlots::start(plan, Arc::new(OsRandom)));
    let mut best = Duration::MAX;
    // The first round is for the memory, which is had from the system only once.
    for round in 0..=ROUNDS {
        let stopwatch = SystemStopwatch::start();
        let mut under_way = JoinSet::new();
        for _ in 0..slots.get() {
            let hasher = Arc::clone(&hasher);
            under_way.spawn(async move {
                for _ in 0..if round == 0 { 1 } else { HASHES } {
                    let password = Password::parse("a password to measure with").expect("it is a password");
                    hasher.hash(password, Standing::Stranger).await?;
                }
                Ok::<_, vestibule::ports::HasherError>(())
            });
        }
        while let Some(done) = under_way.join_next().await {
            done.map_err(Failure::because)?.map_err(Failure::because)?;
        }
        if round > 0 {
            best = best.min(stopwatch.elapsed() / HASHES);
        }
    }
    Ok(best)
}

fn milliseconds(took: Duration) -> f64 {
    tenths(took.as_secs_f64() * 1000.0)
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(100);

    fn chosen(floor_took: u64, ceiling_mib: u32) -> (u32, u32) {
        let took = Duration::from_millis(floor_took);
        let chosen = choose(Argon2Parameters::FLOOR, took, TARGET, ceiling_mib * 1024);
        (chosen.memory_kib() / 1024, chosen.passes())
    }

    #[test]
    fn memory_fills_the_time_and_passes_only_where_there_is_no_more_memory() {
        assert_eq!(chosen(25, 1024), (76, 2));
        assert_eq!(chosen(25, 38), (38, 4));
        assert_eq!(chosen(10, 19), (19, 20));
        assert_eq!(chosen(1, 64), (64, 59));
    }

    #[test]
    fn never_below_the_floor_however_slow_the_machine() {
        assert_eq!(chosen(2000, 1024), (19, 2));
        assert_eq!(chosen(100, 1024), (19, 2));
    }

    #[test]
    fn all_slots_fit_into_their_share() {
        let slots = NonZeroUsize::new(4).unwrap();
        assert_eq!(ceiling_kib(256 * 1024 * 1024, slots), 64 * 1024);
        assert_eq!(ceiling_kib(16 * 1024 * 1024, slots), 19 * 1024, "the floor is the floor");
        assert_eq!(ceiling_kib(u64::MAX, slots), 1024 * 1024);
    }
}
