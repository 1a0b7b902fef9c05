//! Hashes passwords with each implementation in turn, and prints how fast each is: `cargo run --release [SECONDS]` in this folder,
//! with `--features wiping` or `--features parallel` besides. First all must give what the reference implementation gives.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const ROUNDS: usize = 5;
const PASSWORD: &[u8] = b"copper window thursday";
const SALT: [u8; 16] = [7; 16];

/// From the reference implementation's own tests (`test.c`): KiB, passes, password, salt, and the hash in hexadecimal.
const VECTORS: [(u32, u32, &[u8], &[u8], &str); 2] = [
    (256, 2, b"password", b"somesalt", "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
    (65536, 2, b"password", b"somesalt", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
];

/// Hashes a password with a salt.
type Hash = Box<dyn FnMut(&[u8], &[u8]) -> [u8; 32]>;

/// An implementation, which is made anew for each thread.
struct Implementation {
    name: &'static str,
    /// For so many KiB and passes.
    start: fn(u32, u32) -> Hash,
    /// libsodium takes salts of 16 bytes alone, and the vectors' have 8.
    takes_any_salt: bool,
}

const ALL: [Implementation; 6] = [
    Implementation { name: "argon2, its memory used again", start: rustcrypto_again, takes_any_salt: true },
    Implementation { name: "argon2, new memory each time", start: rustcrypto_anew, takes_any_salt: true },
    Implementation {
        name: "argon2-rust, its memory used again",
        start: argon2_rust_again,
        takes_any_salt: true,
    },
    Implementation {
        name: "argon2-rust, new memory each time",
        start: argon2_rust_anew,
        takes_any_salt: true,
    },
    Implementation { name: "rust-argon2", start: rust_argon2, takes_any_salt: true },
    Implementation { name: "libsodium", start: libsodium, takes_any_salt: false },
];

fn main() {
    let seconds = std::env::args().nth(1).map_or(1.0, |text| text.parse().expect("a number of seconds"));
    let lasts = Duration::from_secs_f64(seconds);
    let agreed = (ALL[0].start)(MEMORY_KIB, PASSES)(PASSWORD, &SALT);
    for implementation in &ALL {
        for (memory, passes, password, salt, expected) in VECTORS {
            if implementation.takes_any_salt {
                let hash = (implementation.start)(memory, passes)(password, salt);
                assert_eq!(hex(&hash), expected, "{}", implementation.name);
            }
        }
        let mut hash = (implementation.start)(MEMORY_KIB, PASSES);
        for _ in 0..3 {
            assert_eq!(hash(PASSWORD, &SALT), agreed, "{}", implementation.name);
        }
    }
    println!("All give the same, and what the reference implementation gives.");
    println!(
        "{MEMORY_KIB} KiB, {PASSES} passes, one lane; argon2-rust uses {:?}.\n",
        argon2_rust::detected_backend()
    );

    println!("{:<38} {:>11} {:>7} {:>13} {:>7}", "", "one thread", "", "two threads", "");
    let mut rates = vec![(Vec::new(), Vec::new()); ALL.len()];
    for _ in 0..ROUNDS {
        for (implementation, (one, two)) in ALL.iter().zip(&mut rates) {
            one.push(rate(implementation, 1, lasts));
            two.push(rate(implementation, 2, lasts));
        }
    }
    let medians: Vec<_> = rates.into_iter().map(|(one, two)| (median(one), median(two))).collect();
    for (implementation, (one, two)) in ALL.iter().zip(&medians) {
        println!(
            "{:<38} {one:>9.1}/s {:>7.2} {two:>11.1}/s {:>7.2}",
            implementation.name,
            one / medians[0].0,
            two / medians[0].1
        );
    }
}

fn rate(implementation: &Implementation, threads: usize, lasts: Duration) -> f64 {
    let start = implementation.start;
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            std::thread::spawn(move || {
                let mut hash = start(MEMORY_KIB, PASSES);
                let (began, mut hashes) = (Instant::now(), 0.0);
                while began.elapsed() < lasts {
                    std::hint::black_box(hash(PASSWORD, &SALT));
                    hashes += 1.0;
                }
                hashes / began.elapsed().as_secs_f64()
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("hashing does not fail")).sum()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn rustcrypto(memory: u32, passes: u32) -> argon2::Argon2<'static> {
    let params = argon2::Params::new(memory, passes, 1, Some(32)).expect("good parameters");
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
}

fn rustcrypto_again(memory: u32, passes: u32) -> Hash {
    let argon2 = rustcrypto(memory, passes);
    let mut blocks = vec![argon2::Block::default(); argon2.params().block_count()];
    Box::new(move |password, salt| {
        let mut out = [0; 32];
        argon2.hash_password_into_with_memory(password, salt, &mut out, &mut blocks).expect("good input");
        out
    })
}

fn rustcrypto_anew(memory: u32, passes: u32) -> Hash {
    let argon2 = rustcrypto(memory, passes);
    Box::new(move |password, salt| {
        let mut out = [0; 32];
        argon2.hash_password_into(password, salt, &mut out).expect("good input");
        out
    })
}

fn argon2_rust(memory: u32, passes: u32) -> argon2_rust::Argon2 {
    let params = argon2_rust::Params::builder()
        .memory(argon2_rust::params::Memory::kib(u64::from(memory)))
        .passes(passes)
        .lanes(1)
        .tag_len(argon2_rust::params::TagLen::bytes(32))
        .build()
        .expect("good parameters");
    argon2_rust::Argon2::new(argon2_rust::Algorithm::Argon2id, argon2_rust::Version::V0x13, params)
}

fn argon2_rust_again(memory: u32, passes: u32) -> Hash {
    let mut hasher = argon2_rust(memory, passes).hasher();
    Box::new(move |password, salt| {
        let mut out = [0; 32];
        hasher.hash_into(password, salt, &mut out).expect("good input");
        out
    })
}

fn argon2_rust_anew(memory: u32, passes: u32) -> Hash {
    let argon2 = argon2_rust(memory, passes);
    Box::new(move |password, salt| {
        let mut out = [0; 32];
        argon2.hash_into(password, salt, &mut out).expect("good input");
        out
    })
}

fn rust_argon2(memory: u32, passes: u32) -> Hash {
    Box::new(move |password, salt| {
        let config = rust_argon2::Config {
            hash_length: 32,
            lanes: 1,
            mem_cost: memory,
            time_cost: passes,
            variant: rust_argon2::Variant::Argon2id,
            version: rust_argon2::Version::Version13,
            ..rust_argon2::Config::original()
        };
        let hash = rust_argon2::hash_raw(password, salt, &config).expect("good input");
        hash.try_into().expect("32 bytes")
    })
}

fn libsodium(memory: u32, passes: u32) -> Hash {
    Box::new(move |password, salt| {
        let memory = usize::try_from(memory).expect("a size") * 1024;
        let hash =
            libsodium_rs::crypto_pwhash::argon2id::pwhash(32, password, salt, u64::from(passes), memory);
        hash.expect("good input").try_into().expect("32 bytes")
    })
}
