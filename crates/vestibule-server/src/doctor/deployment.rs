use std::net::SocketAddr;
use std::path::PathBuf;

use time::OffsetDateTime;
use vestibule::models::EmailAddress;
use vestibule::ports::{Clock, SystemClock};
use vestibule::repository::{Repository, Store};
use vestibule_sql::{Database, SqlStore};

use super::check::Finding;
use super::names::Names;
use super::visit::PublicSite;
use crate::app::App;
use crate::failure::with_causes;
use crate::house::is_embedded_missing;
use crate::settings::Settings;

/// What is asked beside the settings.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The name server to ask in place of the system's.
    pub dns_server: Option<SocketAddr>,
    /// The port of plain http.
    pub http_port: u16,
    /// The domain by which CAA records name the certificate authority.
    pub certificate_authority: Option<String>,
    /// Where the provider's DKIM keys are.
    pub dkim_selectors: Vec<String>,
    /// Who gets a test mail.
    pub send_test_mail: Option<EmailAddress>,
    /// Where backups are.
    pub backups: Option<PathBuf>,
    /// Whether no log-in is tried.
    pub without_log_in: bool,
}

/// A deployment as checks see it.
pub(crate) struct Deployment<'a> {
    pub app: &'a App,
    pub settings: &'a Settings,
    pub options: &'a Options,
    pub names: Names,
    pub site: PublicSite,
    clock: SystemClock,
    database: Result<Database, Finding>,
}

impl<'a> Deployment<'a> {
    /// Opens what is there, and makes nothing.
    pub(crate) async fn open(app: &'a App, settings: &'a Settings, options: &'a Options) -> Self {
        let names = Names::open(options.dns_server);
        let site = PublicSite::open(settings, &names).await;
        let database = open_database(app, settings).await;
        Self { app, settings, options, names, site, clock: SystemClock, database }
    }

    /// The database, or why there is none.
    pub(crate) fn database(&self) -> Result<&Database, &Finding> {
        self.database.as_ref()
    }

    /// The same for checks that have nothing to look at without it.
    pub(crate) fn database_or_skip(&self) -> Result<&Database, Vec<Finding>> {
        self.database
            .as_ref()
            .map_err(|_| vec![Finding::skipped("the database cannot be read (see `database`)")])
    }

    /// What is kept in it.
    pub(crate) fn repository(&self) -> Result<Box<dyn Repository>, Vec<Finding>> {
        let database = self.database_or_skip()?;
        Ok(SqlStore::new(database.clone()).alone())
    }

    /// The time on this machine.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// A setting as it is shown, where there is one of that name.
    pub(crate) fn shown(&self, name: &str) -> Option<&str> {
        let shown =
            self.settings.shown.iter().find(|shown| shown.variable.strip_prefix("VESTIBULE_") == Some(name));
        shown.map(|shown| shown.value.as_str())
    }

    /// Lets go of the database.
    pub(crate) async fn close(self) {
        if let Ok(database) = &self.database {
            database.close().await;
        }
    }
}

/// Opens a database that is there: one that is not must not be made. Its rights are another check's.
async fn open_database(app: &App, settings: &Settings) -> Result<Database, Finding> {
    if is_embedded_missing(settings) {
        return Err(Finding::failure(
            format!("there is no database {}", settings.database_url),
            format!(
                "Run this in the folder of the site, or set VESTIBULE_DATABASE_URL. `{} migrate` makes a new one.",
                app.name
            ),
        ));
    }
    let way_out = "Check VESTIBULE_DATABASE_URL, and that the database runs and can be reached from here.";
    let opened = Database::connect(&settings.database_url).await;
    opened.map_err(|error| Finding::failure(with_causes(&error), way_out))
}

/// What is said where a question to the database failed.
pub(crate) fn unreadable(error: impl std::error::Error) -> Vec<Finding> {
    vec![Finding::failure(
        with_causes(&error),
        "Look at `database` and `schema`: the database must answer and have this release's tables.",
    )]
}
