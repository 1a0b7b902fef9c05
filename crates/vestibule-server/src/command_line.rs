use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands::doctor::DoctorArguments;

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

    /// Answer in JSON, for scripts.
    #[arg(long, global = true)]
    pub json: bool,

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
        #[arg(long, conflicts_with = "plan")]
        check: bool,
        /// Change nothing; tell what would be done.
        #[arg(long)]
        plan: bool,
        /// Tell it in SQL.
        #[arg(long, requires = "plan")]
        sql: bool,
    },

    /// Write all that is in the database into a file.
    ///
    /// Beside a running server, which goes on writing; what is written is one moment's state. The file is a .tar.gz of a
    /// manifest (release, schema, rows of each table, SHA-256 of the dump) and a dump (a SQLite file, or pg_dump's custom
    /// format), readable by its owner alone, and encrypted for VESTIBULE_BACKUP_RECIPIENT where that is set. A backup that
    /// failed leaves no file. VESTIBULE_SECRET_KEY is not in it: keep it elsewhere, for without it nobody gets in.
    #[command(after_help = "Examples:\n  \
        site backup before-upgrade.backup.tar.gz\n  \
        site backup --to /mnt/backups --keep 14\n  \
        site backup --to s3://backups/site --keep 7 --keep-days 90")]
    Backup {
        /// The file to make. Only another backup is replaced.
        #[arg(required_unless_present = "to", conflicts_with = "to")]
        file: Option<PathBuf>,
        /// Keep it in this folder, or in s3://BUCKET/PREFIX, under a name with the time.
        #[arg(long, value_name = "PLACE")]
        to: Option<String>,
        /// Then remove older ones of there, but for so many of the newest.
        #[arg(long, requires = "to", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
        /// Then remove those of there that are older than so many days. With --keep, what either of them keeps stays.
        #[arg(long, requires = "to", value_name = "DAYS")]
        keep_days: Option<u32>,
    },

    /// Put a backup in the place of all that is in the database.
    ///
    /// Servers must be stopped. Everything is verified before anything is touched: checksums, manifest, and that this release
    /// knows the schema. An embedded database is made and checked beside the old one and takes its place in one step; PostgreSQL
    /// gets everything in one transaction. Whatever goes wrong, the old data stay. A backup of an older release is brought up to
    /// date. Where there are data, it asks.
    #[command(after_help = "Examples:\n  \
        site restore --check /mnt/backups/site-20260501T030000Z.backup.tar.gz     # a rehearsal, which touches nothing\n  \
        site restore before-upgrade.backup.tar.gz\n  \
        site restore s3://backups/site/site-20260501T030000Z.backup.tar.gz.age --identity backup.key")]
    Restore {
        /// The backup: a file, or s3://BUCKET/NAME.
        file: String,
        /// Rehearse it: restore into a scratch database, check that, remove it.
        #[arg(long)]
        check: bool,
        /// The file with the secret key (AGE-SECRET-KEY-1…) that an encrypted backup is for.
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// Take it without the proof that it was made with this site's VESTIBULE_SECRET_KEY: because that is lost, and you are
        /// sure where the backup comes from.
        #[arg(long)]
        unproven: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },

    /// Copy an embedded database to PostgreSQL.
    ///
    /// All tables, those of the site included, in one transaction, and each is compared before that commits. The target must
    /// be empty, servers must be stopped, and the embedded database stays as it is. Afterwards set VESTIBULE_DATABASE_URL to the
    /// new address. A password in the address can be seen by other users of the machine while this runs: PGPASSWORD or
    /// PGPASSFILE hide it.
    #[command(after_help = "Example:\n  \
        PGPASSFILE=site.pgpass site move --to \"postgres://site@db.example.com/site?sslmode=verify-full\"")]
    Move {
        /// The new database: postgres://USER@HOST/DATABASE.
        #[arg(long, value_name = "URL")]
        to: String,
    },

    /// Say whether the server that these settings start is ready. Exits with 1 if not.
    ///
    /// It is asked at VESTIBULE_LISTEN, on this machine, for /readyz. Meant for containers and scripts: no other program is
    /// needed.
    Health,

    /// Look after users. What is done here holds for their next request, also on servers that run.
    User {
        #[command(subcommand)]
        action: UserAction,
    },

    /// Look after a user's sessions.
    Session {
        #[command(subcommand)]
        action: SessionAction,
    },

    /// Look after the mails that are to be sent.
    Mail {
        #[command(subcommand)]
        action: MailAction,
    },

    /// Read who did what, when and from where.
    Audit {
        #[command(subcommand)]
        action: AuditAction,
    },

    /// Look after the keys that sign access tokens.
    ///
    /// Browsers and programs prove with an access token who they are; its signature is made with a key that lies, encrypted
    /// under VESTIBULE_SECRET_KEY, in the database. Other programs verify it with the public half, from
    /// /.well-known/jwks.json. To give VESTIBULE_SECRET_KEY itself a successor, see docs/looking-after-the-site.md.
    Keys {
        #[command(subcommand)]
        action: KeysAction,
    },

    /// Look after the keys by which programs beside the site are let in.
    ///
    /// A service that verifies access tokens by itself, such as a wiki or a shop, shows one as
    /// `Authorization: Bearer vestibule_sk_…` to learn which sessions ended (scope revocations:read) or whose a token is
    /// (users:read). A key opens nothing else, and no user's access token opens what a key does. See docs/service-keys.md.
    ServiceKey {
        #[command(subcommand)]
        action: ServiceKeyAction,
    },

    /// Look after how passwords are hashed.
    Hash {
        #[command(subcommand)]
        action: HashAction,
    },

    /// Refuse passwords that were found in leaks.
    Passwords {
        #[command(subcommand)]
        action: PasswordsAction,
    },

    /// Look at the settings.
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },

    /// Prove that the site works as it stands, and say the way out of whatever does not.
    ///
    /// Run it on the server, as the server's user and with its settings, once after a change and each day by a timer. It looks at
    /// settings, files, database, DNS, certificate, what visitors get through all proxies, mail, backups and the machine. It
    /// changes nothing, but for one failed log-in of nobody in the audit trail (--without-log-in leaves that out).
    ///
    /// Exits with 0 when all is good, 3 with warnings, 1 with failures, 78 with a wrong setting.
    Doctor(DoctorArguments),

    /// Print what the API looks like: OpenAPI 3.1, in JSON.
    ///
    /// The running server tells the same at /api/openapi.json, and people at /api/docs. A client in another language can
    /// be generated from it.
    Openapi,

    /// Print a script that completes the commands in a shell.
    ///
    /// For bash: `site completions bash > ~/.local/share/bash-completion/completions/site`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
#[expect(clippy::doc_markdown, reason = "these texts are the help, which is no Markdown")]
pub(crate) enum KeysAction {
    /// List the keys, and what each does.
    ///
    /// waiting: it is published, so that others learn it, and does not sign yet. signing: new tokens are signed with it.
    /// verifying: another one signs, and the tokens of this one are still good. over: its last token has expired; the
    /// clean-up removes it within the hour.
    List,
    /// Make a new key. Nobody notices: it is published at once and signs after fifteen minutes, when all who keep the
    /// public keys for a while have learnt it.
    ///
    /// The key before it verifies until the last token that it signed has expired (VESTIBULE_ACCESS_TTL later), and goes
    /// then by itself. Servers that run need no restart. Once or twice a year is often enough, and whenever somebody left
    /// who could read both the database and the secret key.
    ///
    /// With --now for a key that somebody else may have: the new one signs at once, and all keys before it are thrown
    /// away. Servers that run follow within 30 seconds. Nobody is logged out: browsers refresh by themselves. Programs that
    /// hold an access token need a new one. A program that verifies tokens by itself takes old ones until it fetches the
    /// public keys again, which is ten minutes at most, if it keeps to what is said beside them. Who has the key had the
    /// secret key too: give that a successor as well.
    Rotate {
        /// Sign with the new key at once, and end all others.
        #[arg(long)]
        now: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum HashAction {
    /// Measure what a hash may cost on this machine, and print the lines for the settings.
    ///
    /// The dearer a hash, the longer somebody who has stolen the database must guess, and the fewer log-ins this machine can
    /// take. A tenth of a second is what people do not notice and leaves ten log-ins a second to each core; so much memory is
    /// suggested as fills that time with two passes, and more passes only where there is no more memory: memory is what an
    /// attacker's hardware has least of. All slots together get at most half of the memory that the server may use.
    ///
    /// Run it on the server itself, while it has little else to do. It takes a few seconds and touches no database. Passwords
    /// are hashed anew with the new cost as their owners log in.
    Calibrate {
        /// How long one hash should take, all slots at work.
        #[arg(long, default_value = "100ms", value_parser = humantime::parse_duration)]
        target: std::time::Duration,
    },
}

#[derive(Subcommand)]
#[expect(clippy::doc_markdown, reason = "these texts are the help, which is no Markdown")]
pub(crate) enum PasswordsAction {
    /// Make a file for VESTIBULE_BREACHED_PASSWORDS from a list of leaked passwords.
    ///
    /// The list has a line for each: SHA1:COUNT, as the one of Have I Been Pwned, or the password itself. The file has
    /// about 2.5 bytes a password and takes as much memory in the server; one in 65,536 good passwords is refused with
    /// the leaked ones. Making it takes a few megabytes where the list is ordered by its hashes, as Have I Been Pwned's
    /// is, else 8 bytes a password.
    Build {
        /// The list.
        list: PathBuf,
        /// The file to make. One that is there is replaced.
        file: PathBuf,
        /// Only passwords that were seen so often or more.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        min_count: u64,
    },
    /// Say whether a password would be taken. It is read from standard input. Exits with 1 if not.
    Check,
}

#[derive(Subcommand)]
pub(crate) enum ConfigAction {
    /// Check the settings and say what is wrong. Exits with 78 if something is.
    Check,
    /// Show every setting, its value and where that comes from. Secrets are hidden.
    Show,
}

#[derive(Subcommand)]
#[expect(clippy::doc_markdown, reason = "these texts are the help, which is no Markdown")]
pub(crate) enum UserAction {
    /// Make an account. The password is read from standard input.
    ///
    /// On a terminal it is asked for and not shown; else its first line is taken: `echo "$PASSWORD" | site user add
    /// ann@example.com --name Ann`. No mail is sent.
    Add {
        /// The address.
        email: String,
        /// How they are called.
        #[arg(long)]
        name: String,
        /// Their role.
        #[arg(long, default_value = "user")]
        role: String,
        /// Mail to the address is known to reach them: it counts as confirmed.
        #[arg(long)]
        confirmed: bool,
    },
    /// Print a link by which one person may sign up, where VESTIBULE_SIGN_UP is invite.
    ///
    /// The link is good once, for the address if one is given, and goes to standard output alone, so that it can be piped.
    Invite {
        /// The one address that may sign up with it.
        email: Option<String>,
        /// How long it is good: 12h, 7d; 90d at most.
        #[arg(long, default_value = "7d", value_parser = crate::settings::duration)]
        expires: time::Duration,
        /// The role that they will have.
        #[arg(long, default_value = "user")]
        role: String,
    },
    /// List the invitations that can still be used.
    Invitations,
    /// End an invitation before it is used.
    RevokeInvitation {
        /// Its id, as `user invitations` shows it.
        id: uuid::Uuid,
    },
    /// List users, who came last first.
    List {
        /// Only those with these letters in their name or address.
        words: Option<String>,
        /// Only those of this role.
        #[arg(long)]
        role: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show one user.
    Show {
        /// The user's address.
        email: String,
    },
    /// Give a user another role. The last admin stays one.
    SetRole {
        /// The user's address.
        email: String,
        /// The role: user, admin, or one of VESTIBULE_ROLES.
        role: String,
    },
    /// Shut a user out: sessions, links and a change of the address that is under way end. The account and what belongs to it stay.
    Disable {
        /// The user's address.
        email: String,
    },
    /// Let a disabled user log in again.
    Enable {
        /// The user's address.
        email: String,
    },
    /// Delete a user and everything that belongs to them. This cannot be undone.
    Delete {
        /// The user's address.
        email: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
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
    },
}

#[derive(Subcommand)]
pub(crate) enum SessionAction {
    /// List where a user is logged in.
    List {
        /// The user's address.
        email: String,
    },
    /// End a user's sessions. Before it ends all of them it asks; a script says --yes.
    Revoke {
        /// The user's address.
        email: String,
        /// Only the session of this id.
        #[arg(long)]
        id: Option<uuid::Uuid>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum ServiceKeyAction {
    /// Make a key, and print it once.
    ///
    /// The key goes to standard output alone, so that it can be piped into a file of secrets; what is stored of it is a hash.
    /// Give each program a key of its own: so you see which one still uses it, and revoke one without the others.
    #[command(after_help = "Examples:\n  \
        site service-key add wiki --scope revocations:read\n  \
        site service-key add shop --scope revocations:read --scope users:read --expires 90d > shop.key")]
    Add {
        /// What the program is called, for people: 1 to 100 characters.
        name: String,
        /// What the key may do. Give it once for each.
        #[arg(long = "scope", required = true, value_name = "SCOPE", value_parser = scopes())]
        scopes: Vec<String>,
        /// How long it is good: 90d, 3650d at most. Without it until it is revoked.
        #[arg(long, value_name = "DURATION", value_parser = crate::settings::duration)]
        expires: Option<time::Duration>,
    },
    /// List the keys, newest first, with what each may do and when it was last used (to the minute).
    List,
    /// End a key: the next request with it is refused. It asks; a script says --yes.
    Revoke {
        /// Its id, as `service-key list` shows it.
        id: uuid::Uuid,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum MailAction {
    /// List mails with what became of them, newest first.
    List {
        /// Only those in this state.
        #[arg(long, value_parser = ["waiting", "sent", "moot", "dead"])]
        state: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Try mails again at once: those named or, without a name, all that were given up or wait for long.
    Retry {
        /// The mails' ids, as `mail list` shows them.
        ids: Vec<uuid::Uuid>,
    },
}

#[derive(Subcommand)]
#[expect(clippy::doc_markdown, reason = "these texts are the help, which is no Markdown")]
pub(crate) enum AuditAction {
    /// Print the newest events, the newest last. With --json one object a line.
    Tail {
        /// So many of them.
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100_000))]
        lines: u32,
        /// Go on with what happens from now on, until Ctrl-C.
        #[arg(long, short)]
        follow: bool,
        /// Only what concerns this user.
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        /// Only what is of this kind, such as log_in_failed.
        #[arg(long, value_parser = kinds())]
        kind: Option<String>,
    },
}

/// What service keys may do, for the help and for what a typo is told.
fn scopes() -> clap::builder::PossibleValuesParser {
    let value = |scope: vestibule::models::ServiceScope| {
        clap::builder::PossibleValue::new(scope.as_str()).help(scope.about())
    };
    vestibule::models::ServiceScope::ALL.map(value).into()
}

/// The kinds of events, for the help and for what a typo is told.
fn kinds() -> clap::builder::PossibleValuesParser {
    vestibule::models::AuditEventKind::ALL.map(vestibule::models::AuditEventKind::as_str).into()
}
