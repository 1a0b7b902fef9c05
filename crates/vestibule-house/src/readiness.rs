use async_trait::async_trait;
use vestibule_sql::{Database, Migrations, SchemaState};
use vestibule_web::Readiness;

use crate::causes::with_causes;

/// Ready while the database answers and has the expected schema.
pub struct DatabaseReadiness {
    database: Database,
    migrations: Vec<Migrations>,
}

impl DatabaseReadiness {
    /// The readiness of a database with these parts of a schema.
    pub fn new(database: Database, migrations: Vec<Migrations>) -> Self {
        Self { database, migrations }
    }
}

#[async_trait]
impl Readiness for DatabaseReadiness {
    async fn check(&self) -> Result<(), String> {
        if let Err(error) = self.database.ping().await {
            tracing::warn!(cause = with_causes(&error), "the database does not answer");
            return Err("the database does not answer".into());
        }
        for migrations in &self.migrations {
            let state = self.database.schema_state(migrations).await.map_err(|error| {
                tracing::warn!(cause = with_causes(&error), "the schema cannot be read");
                "the schema cannot be read".to_owned()
            })?;
            if let Some(difference) = difference(&state) {
                return Err(format!("the schema is not the expected one: {difference}"));
            }
        }
        Ok(())
    }
}

/// What a schema lacks, in words; nothing where it is as expected.
pub fn difference(state: &SchemaState) -> Option<String> {
    match state {
        SchemaState::Expected => None,
        SchemaState::Missing(missing) => Some(format!("not applied yet: {}", missing.join(", "))),
        SchemaState::Changed(name) => {
            Some(format!("{name} was applied with another text than this program's"))
        }
        SchemaState::TooNew(names) => {
            Some(format!("of a later release, which this one cannot work with: {}", names.join(", ")))
        }
    }
}
