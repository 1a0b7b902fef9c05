use std::num::NonZeroUsize;

use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use crate::commands::serve::open_files_limit;

/// Half are for connections: a small site's worth.
const FEW: usize = 1024;

/// Whether the system lets a process have enough open files for its connections. The server's own limit may be another one:
/// its service sets it.
pub(super) struct OpenFiles;

#[async_trait]
impl Check for OpenFiles {
    fn name(&self) -> &'static str {
        "open_files"
    }

    fn about(&self) -> &'static str {
        "This process may have 1024 files open, and more than `VESTIBULE_MAX_CONNECTIONS` (a service may have another limit)"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        vec![judge(open_files_limit(), deployment.settings.max_connections.map(NonZeroUsize::get))]
    }
}

fn judge(limit: Option<usize>, connections: Option<usize>) -> Finding {
    const WAY_OUT: &str =
        "Raise it where the server is started: `LimitNOFILE=` of its systemd unit, `ulimit -n` of its shell.";
    let Some(limit) = limit else { return Finding::good("the system sets no limit") };
    if let Some(connections) = connections.filter(|connections| *connections >= limit) {
        return Finding::failure(
            format!(
                "{connections} connections (VESTIBULE_MAX_CONNECTIONS) do not fit into {limit} open files"
            ),
            WAY_OUT,
        );
    }
    if limit < FEW {
        return Finding::warning(format!("no more than {limit} files may be open"), WAY_OUT);
    }
    Finding::good(format!("{limit} files may be open"))
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn connections_must_fit_into_the_open_files() {
        for (limit, connections, outcome) in [
            (None, None, Outcome::Good),
            (Some(1024), None, Outcome::Good),
            (Some(256), None, Outcome::Warning),
            (Some(4096), Some(5000), Outcome::Failure),
            (Some(4096), Some(2000), Outcome::Good),
        ] {
            assert_eq!(judge(limit, connections).outcome, outcome, "{limit:?} {connections:?}");
        }
    }
}
