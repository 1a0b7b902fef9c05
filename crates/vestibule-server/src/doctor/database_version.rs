use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::{Deployment, unreadable};

/// The oldest major version of PostgreSQL that the project still supports.
const OLDEST_POSTGRES: u32 = 14;
/// The first SQLite with `RETURNING`.
const OLDEST_SQLITE: (u32, u32) = (3, 35);

/// Whether the database's release is one that this program works with.
pub(super) struct DatabaseVersion;

#[async_trait]
impl Check for DatabaseVersion {
    fn name(&self) -> &'static str {
        "database_version"
    }

    fn about(&self) -> &'static str {
        "PostgreSQL is version 14 or newer; SQLite, which is built in, 3.35 or newer"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let database = match deployment.database_or_skip() {
            Ok(database) => database,
            Err(skipped) => return skipped,
        };
        let is_postgres = deployment.settings.database_url.file().is_none();
        let sql = if is_postgres { "SHOW server_version" } else { "SELECT sqlite_version()" };
        let row: Option<(String,)> = match database.alone().read(sql).optional().await {
            Ok(row) => row,
            Err(error) => return unreadable(error),
        };
        let (version,) = row.unwrap_or_default();
        vec![if is_postgres { of_postgres(&version) } else { of_sqlite(&version) }]
    }
}

fn of_postgres(version: &str) -> Finding {
    match leading_number(version) {
        Some(major) if major >= OLDEST_POSTGRES => Finding::good(format!("PostgreSQL {version}")),
        Some(_) => Finding::failure(
            format!("PostgreSQL {version} is older than {OLDEST_POSTGRES}"),
            "Upgrade it with pg_upgrade, or dump it and load that into a newer one. Back it up before.",
        ),
        None => unknown("PostgreSQL", version),
    }
}

fn of_sqlite(version: &str) -> Finding {
    let mut parts = version.split('.').map(leading_number);
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST_SQLITE => {
            Finding::good(format!("SQLite {version}"))
        }
        (Some(_), Some(_)) => Finding::failure(
            format!("SQLite {version} is too old for this program"),
            "Use a release of this program, which brings its own SQLite.",
        ),
        _ => unknown("SQLite", version),
    }
}

fn unknown(name: &str, version: &str) -> Finding {
    Finding::warning(
        format!("{name} says that its version is {version:?}, which says nothing"),
        "See that it is a release of the project, and not something that only speaks its protocol.",
    )
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn versions_are_read_as_the_databases_write_them() {
        for (finding, outcome) in [
            (of_postgres("17.2 (Debian 17.2-1.pgdg120+1)"), Outcome::Good),
            (of_postgres("14.0"), Outcome::Good),
            (of_postgres("18beta1"), Outcome::Good),
            (of_postgres("13.18"), Outcome::Failure),
            (of_postgres("9.6.24"), Outcome::Failure),
            (of_postgres("CockroachDB"), Outcome::Warning),
            (of_sqlite("3.46.1"), Outcome::Good),
            (of_sqlite("3.34.0"), Outcome::Failure),
            (of_sqlite(""), Outcome::Warning),
        ] {
            assert_eq!(finding.outcome, outcome, "{}", finding.what);
        }
    }
}
