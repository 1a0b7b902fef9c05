use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// What can be asked of the program.
#[derive(Parser)]
#[command(
    version,
    after_help = "Settings come from vestibule.toml in the current folder and from the environment, which goes \
                  first: VESTIBULE_LISTEN, VESTIBULE_PUBLIC_URL, VESTIBULE_DATABASE_URL, VESTIBULE_SECRET_KEY and \
                  others. `config show` lists all of them with their values and where these come from; \
                  docs/configuration.md explains them."
)]
pub(crate) struct CommandLine {
    /// Read the settings from this file instead of vestibule.toml.
    #[arg(long, global = true, value_name = "FILE", env = "VESTIBULE_CONFIG")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
#[expect(clippy::doc_markdown, reason = "these texts are the help, which is no Markdown")]
pub(crate) enum Command {
    /// Serve the site. This is what is done without a command.
    ///
    /// The database is opened, its schema brought up to date (unless VESTIBULE_MIGRATE is off) and the site served on
    /// VESTIBULE_LISTEN. Ctrl-C or SIGTERM stops it: it takes no new connections, finishes the requests under way
    /// within ten seconds and exits.
    Serve,

    /// Bring the database's schema up to date.
    ///
    /// Safe beside running servers and when several are started at once. Doing it twice changes nothing.
    Migrate {
        /// Change nothing; exit with 1 when something is missing.
        #[arg(long)]
        check: bool,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },

    /// Do something with one user.
    User {
        #[command(subcommand)]
        action: UserAction,
    },

    /// Look at the settings.
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigAction {
    /// Check the settings and say what is wrong. Exits with 78 if something is.
    Check,
    /// Show every setting, its value and where that comes from. Secrets are hidden.
    Show {
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum UserAction {
    /// Print a link as a mail would carry it, to hand to a person whom no mail reaches.
    ///
    /// The link is good once and ends the links before it. It goes to standard output alone, so that it can be piped.
    #[command(group(clap::ArgGroup::new("purpose").required(true)))]
    Link {
        /// The user's address.
        email: String,
        /// A link that confirms the address.
        #[arg(long, group = "purpose")]
        confirm: bool,
        /// A link that lets its holder choose a new password.
        #[arg(long, group = "purpose")]
        reset: bool,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
}
