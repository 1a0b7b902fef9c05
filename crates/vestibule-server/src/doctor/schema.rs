use async_trait::async_trait;
use vestibule_sql::SchemaState;

use super::check::{Check, Finding};
use super::deployment::{Deployment, unreadable};
use crate::house::difference;

/// Whether the database has the tables of this release.
pub(super) struct Schema;

#[async_trait]
impl Check for Schema {
    fn name(&self) -> &'static str {
        "schema"
    }

    fn about(&self) -> &'static str {
        "The database has the tables that this release works with: all migrations are applied, with the same text"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let database = match deployment.database_or_skip() {
            Ok(database) => database,
            Err(skipped) => return skipped,
        };
        let mut findings = Vec::new();
        for migrations in deployment.app.all_migrations() {
            let state = match database.schema_state(&migrations).await {
                Ok(state) => state,
                Err(error) => return unreadable(error),
            };
            let Some(difference) = difference(&state) else { continue };
            findings.push(match state {
                SchemaState::Changed(_) => {
                    Finding::failure(difference, "Run the release that made this schema, or a later one.")
                }
                _ => Finding::failure(
                    difference,
                    format!(
                        "Run `{} migrate`, or start the server with VESTIBULE_MIGRATE=on.",
                        deployment.app.name
                    ),
                ),
            });
        }
        if findings.is_empty() {
            findings.push(Finding::good("it is up to date"));
        }
        findings
    }
}
