use async_trait::async_trait;

use super::deployment::Deployment;

/// One thing that is proven. Its file says how.
#[async_trait]
pub(crate) trait Check: Send + Sync {
    /// Its name, for scripts: small letters and `_`. It stays.
    fn name(&self) -> &'static str;

    /// What it looks at, in one line.
    fn about(&self) -> &'static str;

    /// Looks. There is always at least one finding.
    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding>;
}

/// How something stands, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was not looked at, for a reason that is told. Neither good nor bad.
    Skipped,
    /// As it should be.
    Good,
    /// It works, and something should be done about it.
    Warning,
    /// It does not work, or somebody may do what they must not.
    Failure,
}

impl Outcome {
    /// The word for scripts.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub outcome: Outcome,
    /// What was seen, or why nothing was looked at.
    pub what: String,
    /// What to do about it. There is one for every warning and every failure.
    pub way_out: Option<String>,
}

impl Finding {
    pub(crate) fn good(what: impl Into<String>) -> Self {
        Self { outcome: Outcome::Good, what: what.into(), way_out: None }
    }

    pub(crate) fn warning(what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warning, what: what.into(), way_out: Some(way_out.into()) }
    }

    pub(crate) fn failure(what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failure, what: what.into(), way_out: Some(way_out.into()) }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, what: why.into(), way_out: None }
    }
}

/// The worst of all.
pub(crate) fn worst(findings: &[Finding]) -> Outcome {
    findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Skipped)
}
