use async_trait::async_trait;
use vestibule::ports::{Stopwatch, SystemStopwatch};

use super::check::{Check, Finding};
use super::deployment::{Deployment, unreadable};

/// A question to the database is a part of every request.
const SLOW: std::time::Duration = std::time::Duration::from_millis(100);

/// Whether the database answers.
pub(super) struct Database;

#[async_trait]
impl Check for Database {
    fn name(&self) -> &'static str {
        "database"
    }

    fn about(&self) -> &'static str {
        "The database is there, lets the server in, and answers within 100 ms"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let database = match deployment.database() {
            Ok(database) => database,
            Err(finding) => return vec![finding.clone()],
        };
        // The first one may open a connection.
        if let Err(error) = database.ping().await {
            return unreadable(error);
        }
        let stopwatch = SystemStopwatch::start();
        if let Err(error) = database.ping().await {
            return unreadable(error);
        }
        let took = stopwatch.elapsed();
        let url = &deployment.settings.database_url;
        if took > SLOW {
            return vec![Finding::warning(
                format!("{url} took {} ms to answer the smallest question", took.as_millis()),
                "Put server and database into one network, and see what else uses the database's machine.",
            )];
        }
        vec![Finding::good(format!("{url} answers ({:.1} ms)", took.as_secs_f64() * 1000.0))]
    }
}
