use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use crate::breached_passwords::Sources;
use crate::failure::Failure;
use crate::settings::SettingError;

pub(crate) const NAME: &str = "configuration";

/// What `config check` says. Settings that are wrong end the command before any other check: `commands/doctor.rs` tells
/// them under this name.
pub(super) struct Configuration;

#[async_trait]
impl Check for Configuration {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "The settings can be read, agree with each other, and none is odd"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let settings = deployment.settings;
        let mut findings: Vec<Finding> = settings
            .warnings
            .iter()
            .map(|warning| {
                Finding::warning(
                    warning,
                    "`config show` tells where each setting comes from; docs/configuration.md what it does.",
                )
            })
            .collect();
        if let Err(error) = Sources::open(settings) {
            findings.push(of_failure(error, "Look at the file that the setting names."));
        }
        if findings.is_empty() {
            findings.push(Finding::good("the settings are good"));
        }
        findings
    }
}

/// A wrong setting as a finding.
pub(crate) fn of_wrong_setting(error: &SettingError) -> Finding {
    Finding::failure(error.to_string(), &error.way_out)
}

/// What would stop the start, as a finding. `way_out` is for what has none of its own.
pub(super) fn of_failure(failure: Failure, way_out: &str) -> Finding {
    match failure {
        Failure::Setting(error) => of_wrong_setting(&error),
        Failure::Other { what, way_out: own } => {
            Finding::failure(what, own.unwrap_or_else(|| way_out.to_owned()))
        }
        Failure::OfALaterRelease { what, way_out } => Finding::failure(what, way_out),
        Failure::NobodyReads => Finding::skipped("nobody reads the answer"),
        Failure::Stopped(_) => Finding::skipped("it was stopped"),
    }
}
