use crate::{cargo, say};

const GIB: u64 = 1024 * 1024 * 1024;
/// What `cargo xtask ci` writes on a bare machine, as measured, and a little more.
const WANTED: u64 = 15 * GIB;
/// With less, it may be the disk that made something fail: linkers write into mapped files, and a full disk ends them
/// with a bus error that says nothing of it.
const NEXT_TO_NONE: u64 = GIB;

/// Tells where there may not be room enough for what is going to be written, before it takes minutes to see it.
pub fn tell_where_little() {
    if let Some(free) = free().filter(|free| *free < WANTED && !is_built()) {
        say::warning(&little(free));
    }
}

/// The same after something failed, where a full disk may be why.
pub fn tell_where_next_to_none() {
    if let Some(free) = free().filter(|free| *free < NEXT_TO_NONE) {
        say::warning(&little(free));
    }
}

/// The bytes that can still be written to the repository's disk, where it tells.
fn free() -> Option<u64> {
    let disk = rustix::fs::statvfs(cargo::root()).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether most of it is there from an earlier run: `cargo xtask` itself makes `target/debug`.
fn is_built() -> bool {
    ["target/debug/bench", "target/fuzz"].iter().all(|folder| cargo::root().join(folder).exists())
}

#[expect(clippy::cast_precision_loss, reason = "read by people")]
fn little(free: u64) -> String {
    let in_gib = |bytes: u64| bytes as f64 / GIB as f64;
    format!(
        "{:.1} GiB are free on the disk of {}, and a whole run writes {:.0}.\n\
         `cargo clean` here and in other projects makes room; so do old images of containers.",
        in_gib(free),
        cargo::root().display(),
        in_gib(WANTED)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_the_repository_tells_its_room_and_little_of_it_is_told_in_gib() {
        assert!(free().is_some_and(|bytes| bytes > 0));
        let told = little(GIB / 2);
        assert!(told.starts_with("0.5 GiB are free on the disk of /"), "{told}");
        assert!(told.contains("writes 15.\n"), "{told}");
    }
}
