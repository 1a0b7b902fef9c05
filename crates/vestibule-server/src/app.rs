use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches};
use utoipa::openapi::OpenApi;
use vestibule::ports::PersonalData;
use vestibule_sql::{AccountHooks, Database, MIGRATIONS, Migrations};
use vestibule_web::{DefaultLayout, Layout, Routes, Vestibule};

use crate::backups::places::Retention;
use crate::breached_passwords::Sources;
use crate::certificates::files;
use crate::command_line::{Command, CommandLine, ConfigAction};
use crate::failure::Failure;
use crate::settings::{Settings, TlsSetting};
use crate::{commands, telemetry};

/// What an application adds to accounts.
pub struct App {
    /// The name of the program, for its help.
    pub name: &'static str,
    /// One line about it, for its help.
    pub about: &'static str,
    /// The site's name, as people know it. The setting `VESTIBULE_SITE_NAME` goes before it.
    pub site_name: &'static str,
    /// What stands around the pages.
    pub layout: Arc<dyn Layout>,
    /// The application's own tables.
    pub migrations: Vec<Migrations>,
    /// The application's own routes.
    pub routes: fn(&Vestibule, &Database) -> Routes,
    /// What the application keeps of a user in tables of its own, for their export.
    pub personal_data: fn(&Database) -> Vec<Arc<dyn PersonalData>>,
    /// What the application does when somebody gets an account, confirms their address or goes: on its pages, and by its command line.
    pub hooks: fn(&Database) -> Vec<Arc<dyn AccountHooks>>,
    /// What the application's own API looks like, for `/api/openapi.json`.
    pub openapi: Option<fn() -> OpenApi>,
}

impl App {
    /// Accounts alone: no pages but those of accounts, no tables but theirs.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            about: "Accounts for your website: sign-up, log-in and sessions beside your application.",
            site_name: "Vestibule",
            layout: Arc::new(DefaultLayout),
            migrations: Vec::new(),
            routes: |vestibule, _| Routes::new(vestibule.clone()),
            personal_data: |_| Vec::new(),
            hooks: |_| Vec::new(),
            openapi: None,
        }
    }

    /// All tables, in the order in which they are made: the application's may refer to those of accounts.
    pub(crate) fn all_migrations(&self) -> Vec<Migrations> {
        [MIGRATIONS].into_iter().chain(self.migrations.iter().copied()).collect()
    }
}

/// Does what the command line asks, and says in plain words what went wrong if something did.
///
/// The exit code is 0 when all went well, 1 when something failed, 2 for a command line that cannot be read and
/// 78 (`EX_CONFIG` of `sysexits.h`) for a wrong setting.
pub fn run(app: &App) -> ExitCode {
    let command = command(app);
    let line = CommandLine::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    match act(app, line) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

/// The command line under the application's own name.
pub(crate) fn command(app: &App) -> clap::Command {
    CommandLine::command().name(app.name).about(app.about)
}

fn act(app: &App, line: CommandLine) -> Result<ExitCode, Failure> {
    let json = line.json;
    if let Some(Command::Completions { shell }) = line.command {
        return commands::completions::run(app, shell);
    }
    if let Some(Command::Openapi) = line.command {
        return commands::openapi::run(app);
    }
    let settings = Settings::load(line.config.as_deref(), app.site_name);
    if let Some(Command::Doctor(arguments)) = line.command {
        return commands::doctor::run(app, settings, &arguments, json);
    }
    let settings = settings?;
    let command = line.command.unwrap_or(Command::Serve);
    if let Command::Config { action } = command {
        if matches!(action, ConfigAction::Check) {
            Sources::open(&settings)?;
            if let TlsSetting::Files(files) = &settings.tls {
                files::read(files).map_err(|error| error.of(&settings))?;
            }
        }
        return commands::config::run(&action, &settings, json);
    }
    let is_serving = matches!(command, Command::Serve);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::because)?;
    let within_runtime = runtime.enter();
    let traces = settings.traces.as_ref().filter(|_| is_serving).map(|setting| (setting, app.name));
    // Sends what was traced until the end.
    let _telemetry = telemetry::start(settings.log_format, is_serving, traces)?;
    drop(within_runtime);
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    runtime.block_on(async {
        match command {
            Command::Serve => commands::serve::run(app, &settings).await,
            Command::Migrate { check, plan, sql } => {
                let asked = commands::migrate::Asked { check, plan, sql };
                commands::migrate::run(app, &settings, asked, json).await
            }
            Command::Backup { file, to, keep, keep_days } => {
                let retention = Retention { keep, keep_days };
                let asked = commands::backup::Asked { file, to, retention };
                commands::backup::run(app, &settings, asked, json).await
            }
            Command::Restore { file, check, identity, unproven, yes } => {
                let asked = commands::restore::Asked { file, check, identity, unproven, yes };
                commands::restore::run(app, &settings, asked, json).await
            }
            Command::Move { to } => commands::move_database::run(app, &settings, &to, json).await,
            Command::Health => commands::check_health::run(&settings, json).await,
            Command::User { action } => commands::user::run(app, &settings, action, json).await,
            Command::Session { action } => commands::manage_sessions::run(app, &settings, action, json).await,
            Command::Mail { action } => commands::manage_mails::run(app, &settings, action, json).await,
            Command::Audit { action } => commands::audit_trail::run(app, &settings, action, json).await,
            Command::Keys { action } => commands::rotate_keys::run(app, &settings, action, json).await,
            Command::ServiceKey { action } => {
                commands::manage_service_keys::run(app, &settings, action, json).await
            }
            Command::Passwords { action } => commands::passwords::run(&settings, action, json).await,
            Command::Hash { action } => commands::calibrate_hash::run(&settings, action, json).await,
            Command::Config { .. } | Command::Completions { .. } | Command::Openapi | Command::Doctor(_) => {
                unreachable!("answered above")
            }
        }
    })
}
