//! Argon2id and nothing else, as fast as all cores go: what log-ins are compared with.

use std::time::Duration;

use anyhow::{Context, Result};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use vestibule::ports::{Argon2Parameters, Stopwatch, SystemStopwatch};

/// How many hashes a second all cores make, with the implementation, the parameters and the memory of the program's.
pub fn rate(lasts: Duration) -> Result<f64> {
    let cores = std::thread::available_parallelism()?.get();
    let cost = Argon2Parameters::FLOOR;
    let params =
        Params::new(cost.memory_kib(), cost.passes(), 1, Some(32)).context("the program's parameters")?;
    let threads: Vec<_> = (0..cores)
        .map(|_| {
            let params = params.clone();
            std::thread::spawn(move || one_thread(&params, lasts))
        })
        .collect();
    let mut rate = 0.0;
    for thread in threads {
        rate += thread.join().ok().context("a thread that hashes ended early")?;
    }
    Ok(rate)
}

fn one_thread(params: &Params, lasts: Duration) -> f64 {
    let mut memory = vec![Block::default(); params.block_count()];
    let (mut hashes, mut output) = (0.0, [0; 32]);
    let stopwatch = SystemStopwatch::start();
    while stopwatch.elapsed() < lasts {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into_with_memory(b"copper window thursday", &[7; 16], &mut output, &mut memory)
            .expect("parameters, salt and memory fit");
        hashes += 1.0;
    }
    hashes / stopwatch.elapsed().as_secs_f64()
}
