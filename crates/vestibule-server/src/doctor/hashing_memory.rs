use async_trait::async_trait;

use super::check::{Check, Finding};
use super::configuration::of_failure;
use super::deployment::Deployment;
use crate::house::hashing_slots;

/// Whether passwords can be hashed within the memory that there is, as the start looks at it.
pub(super) struct HashingMemory;

#[async_trait]
impl Check for HashingMemory {
    fn name(&self) -> &'static str {
        "hashing_memory"
    }

    fn about(&self) -> &'static str {
        "The memory that this process may use has room for hashing a password on every core (or in `VESTIBULE_HASH_SLOTS`)"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let settings = deployment.settings;
        let slots = match hashing_slots(settings) {
            Ok(slots) => slots.get(),
            Err(failure) => return vec![of_failure(failure, "Give the server more memory.")],
        };
        let wanted = settings.hash_slots.map_or_else(
            || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            std::num::NonZeroUsize::get,
        );
        let mebibytes = u64::from(settings.hash_parameters.memory_kib()) / 1024;
        if slots < wanted {
            return vec![Finding::warning(
                format!(
                    "there is memory for {slots} hashes of {mebibytes} MiB at a time, and {wanted} cores would do more"
                ),
                "Give the server more memory, or lower VESTIBULE_HASH_MEMORY_KIB (19456 is the least).",
            )];
        }
        vec![Finding::good(format!("there is memory for {slots} hashes of {mebibytes} MiB at a time"))]
    }
}
