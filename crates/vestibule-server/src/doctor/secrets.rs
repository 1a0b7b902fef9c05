use async_trait::async_trait;

use super::check::{Check, Finding};
use super::configuration::of_failure;
use super::deployment::{Deployment, unreadable};
use crate::secret_file::existing_secret_keys;

/// Whether the secret keys are there and are the ones that the database was used with. Short, repeated, printed and typed ones
/// are wrong settings already.
pub(super) struct Secrets;

#[async_trait]
impl Check for Secrets {
    fn name(&self) -> &'static str {
        "secrets"
    }

    fn about(&self) -> &'static str {
        "`VESTIBULE_SECRET_KEY` is long, of chance, no example, not repeated, and opens the signing keys of the database"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let keys = match existing_secret_keys(deployment.settings) {
            Ok(Some(keys)) => keys,
            Ok(None) => {
                return vec![Finding::skipped(
                    "there is none yet: the first start makes one for development",
                )];
            }
            Err(failure) => return vec![of_failure(failure, WAY_OUT)],
        };
        let Ok(mut repository) = deployment.repository() else {
            return vec![Finding::good(
                "the secret key is long and of chance; whether it is the database's, only the database could say",
            )];
        };
        let sealed = match repository.list_signing_keys().await {
            Ok(sealed) => sealed,
            Err(error) => return unreadable(error),
        };
        let keys = keys.derive();
        let closed = sealed.iter().filter(|key| key.open(&keys).is_err()).count();
        if closed > 0 {
            return vec![Finding::failure(
                format!(
                    "{closed} of {} signing keys in the database cannot be opened with the secret key",
                    sealed.len()
                ),
                WAY_OUT,
            )];
        }
        vec![Finding::good(format!(
            "the secret key is long and of chance, and opens the signing keys ({})",
            sealed.len()
        ))]
    }
}

const WAY_OUT: &str =
    "Set the VESTIBULE_SECRET_KEY that the database was used with, or add it at the end of the list.";
