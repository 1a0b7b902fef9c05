use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use vestibule::ports::{Clock, OsRandom, SystemClock};
use vestibule::services::{Administrator, note_restore};
use vestibule_sql::{
    Database, DatabaseUrl, EmbeddedFile, KEPT_BY_EACH_DATABASE, MIGRATIONS, PostgresServer, SchemaState,
    SqlStore,
};

use super::office::confirm;
use super::output::{print_json, print_line};
use crate::app::App;
use crate::backups::archive::{self, Manifest, Origin};
use crate::backups::draft::{Draft, folder_of, mark, new_private_file};
use crate::backups::object_store::ObjectStore;
use crate::backups::places::bucket_and_rest;
use crate::backups::progress::Progress;
use crate::backups::sealing::Sealed;
use crate::backups::{embedded, postgres};
use crate::failure::{Failure, with_causes};
use crate::house::{OF_A_LATER_RELEASE, difference, migrate};
use crate::interruption;
use crate::secret_file::existing_secret_keys;
use crate::settings::Settings;

/// What is to be restored, and how.
pub(crate) struct Asked {
    pub file: String,
    pub check: bool,
    pub identity: Option<PathBuf>,
    pub unproven: bool,
    pub yes: bool,
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    /// Migrations that brought the restored schema up to date.
    applied: Vec<String>,
    /// Migrations that are still to be applied, where the settings forbid that it is done by itself.
    missing: Vec<String>,
    /// Where the old database is, if it could not be read any more.
    aside: Option<PathBuf>,
}

/// Puts a backup in the place of the database, or rehearses that.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    asked: Asked,
    json: bool,
) -> Result<ExitCode, Failure> {
    // What is read then ends, and all that was begun is removed or undone.
    interruption::listen();
    let done = restore(app, settings, asked, json).await;
    done.map_err(|failure| interruption::stopped().unwrap_or(failure))
}

async fn restore(app: &App, settings: &Settings, asked: Asked, json: bool) -> Result<ExitCode, Failure> {
    let progress = Progress::new(json);
    let (backup, _fetched) = fetch(settings, &asked, progress).await?;
    let (told, _) = archive::read(&backup, progress, "verifying", |_| Ok(std::io::sink()))?;
    let keys = existing_secret_keys(settings)?.map(|keys| keys.derive());
    let origin = told.origin(keys.as_ref());
    if !asked.unproven {
        expect_proven(origin, backup.name())?;
    }
    let manifest = told.manifest;
    expect_restorable(app, settings, &manifest)?;
    let work = Work { app, settings, backup: &backup, manifest: &manifest, progress };
    let outcome = match (PostgresServer::of(&settings.database_url), settings.database_url.file()) {
        (Some(server), _) if asked.check => work.rehearse_on_postgres(&server).await?,
        (Some(server), _) => work.restore_on_postgres(&server, asked.yes).await?,
        (None, Some(_)) if asked.check => work.rehearse_embedded().await?,
        (None, file) => work.restore_embedded(file.unwrap_or(Path::new("")), asked.yes).await?,
    };
    tell(settings, &asked, origin, &manifest, &outcome, json)?;
    Ok(ExitCode::SUCCESS)
}

/// The backup's file, and, where that had to be fetched, the folder that it is in.
async fn fetch(
    settings: &Settings,
    asked: &Asked,
    progress: Progress,
) -> Result<(Sealed, Option<Draft>), Failure> {
    let identity = asked.identity.clone();
    let Some((bucket, object)) = bucket_and_rest(&asked.file) else {
        if settings.database_url.file().is_none() {
            // What goes into PostgreSQL does so while it is read again, and psql does what it says. So it is read again from where
            // nobody else can write: whoever may write to the folder of backups could put other statements there meanwhile.
            let draft = Draft::within(&std::env::temp_dir()).map_err(Failure::because)?;
            let path = draft.join("backup");
            let mut copy = new_private_file(&path).map_err(Failure::because)?;
            let mut file = std::fs::File::open(&asked.file).map_err(|error| {
                Failure::with_way_out(
                    format!("the backup {} cannot be read: {error}", asked.file),
                    "Look whether it is there and may be read by this user.",
                )
            })?;
            std::io::copy(&mut file, &mut copy).map_err(|error| {
                Failure::with_way_out(
                    format!("the backup cannot be copied to {}: {error}", path.display()),
                    "Set TMPDIR to a folder with room for it.",
                )
            })?;
            return Ok((Sealed::new(path, asked.file.clone(), identity)?, Some(draft)));
        }
        return Ok((Sealed::new(PathBuf::from(&asked.file), asked.file.clone(), identity)?, None));
    };
    let (prefix, name) = object.rsplit_once('/').unwrap_or(("", object));
    let draft = Draft::within(&std::env::temp_dir()).map_err(Failure::because)?;
    let path = draft.join("backup");
    ObjectStore::open(&settings.backup, bucket, prefix)?.get(name, &path, progress).await?;
    Ok((Sealed::new(path, asked.file.clone(), identity)?, Some(draft)))
}

/// Refuses what nobody can tell the maker of: who may write where backups are kept could put one there with an admin of their own.
fn expect_proven(origin: Origin, name: &str) -> Result<(), Failure> {
    match origin {
        Origin::Proven => Ok(()),
        Origin::Unproven => Err(Failure::with_way_out(
            format!("nothing proves who made the backup {name}: it was made without VESTIBULE_SECRET_KEY"),
            "Nothing was changed. If you are sure where it comes from, add --unproven.",
        )),
        Origin::Foreign => Err(Failure::with_way_out(
            format!("the backup {name} was not made with a VESTIBULE_SECRET_KEY that is set here"),
            "Nothing was changed. Set the key that the site had then; an older one goes behind the newest, after a comma. If it is lost and you are sure where the backup comes from, add --unproven.",
        )),
    }
}

/// Refuses what belongs to another database or to a later release.
fn expect_restorable(app: &App, settings: &Settings, manifest: &Manifest) -> Result<(), Failure> {
    let engine = settings.database_url.engine();
    if manifest.engine() != Some(engine) {
        let kind = manifest.engine().map_or(manifest.database.as_str(), |engine| engine.as_str());
        return Err(Failure::with_way_out(
            format!("the backup is one of {kind}, and VESTIBULE_DATABASE_URL leads to {}", engine.as_str()),
            "Restore it where it comes from; `move` copies an embedded database to PostgreSQL.",
        ));
    }
    for migrations in app.all_migrations() {
        let applied = manifest.applied(migrations.table);
        let later = migrations.unknown(engine, &applied);
        if !later.is_empty() {
            let names: Vec<String> =
                later.iter().map(|one| format!("{:04} {}", one.version, one.description)).collect();
            return Err(Failure::OfALaterRelease {
                what: format!(
                    "the backup's schema is of a later release than this program: {}",
                    names.join(", ")
                ),
                way_out: format!(
                    "Restore it with {} {} or later. Nothing was changed.",
                    manifest.program, manifest.version
                ),
            });
        }
        let state = migrations.compare(engine, &applied);
        if let (SchemaState::Changed(_), Some(difference)) = (&state, difference(&state)) {
            return Err(Failure::with_way_out(
                format!("the backup's schema: {difference}"),
                OF_A_LATER_RELEASE,
            ));
        }
    }
    Ok(())
}

/// What every way of restoring needs.
struct Work<'a> {
    app: &'a App,
    settings: &'a Settings,
    backup: &'a Sealed,
    manifest: &'a Manifest,
    progress: Progress,
}

impl Work<'_> {
    async fn restore_embedded(&self, path: &Path, yes: bool) -> Result<Outcome, Failure> {
        // Not the link to it: the server may go another way to the same file.
        let database = EmbeddedFile::behind(path);
        let path = database.path();
        let lock = database.lock_alone().map_err(Failure::because)?;
        let Some(_lock) = lock else { return Err(self.in_use()) };
        if path.exists() {
            // What cannot be read may be all that there is.
            let rows = database.count_rows().await.ok();
            self.ask_before_replacing(rows.as_ref(), yes)?;
        }
        let restored = EmbeddedFile::new(embedded::with_end(path, ".restoring"));
        // Of one that was killed. Nobody else is at it: there is the lock.
        embedded::remove(&restored).map_err(Failure::because)?;
        let done = self.restore_beside(&database, &restored).await;
        // Also after a failure: it holds all accounts.
        embedded::remove(&restored).map_err(Failure::because)?;
        done
    }

    async fn restore_beside(
        &self,
        database: &EmbeddedFile,
        restored: &EmbeddedFile,
    ) -> Result<Outcome, Failure> {
        let mut outcome = self.unpack_and_check(restored).await?;
        give_to_the_same_owner(database.path(), restored.path()).map_err(|error| {
            Failure::with_way_out(
                format!("the restored database cannot be given to the owner of the old one: {error}"),
                "Nothing was changed. Run it as the user that the server runs as.",
            )
        })?;
        outcome.aside = embedded::take_over(database, restored).await?;
        Ok(outcome)
    }

    async fn rehearse_embedded(&self) -> Result<Outcome, Failure> {
        let draft = Draft::within(&std::env::temp_dir()).map_err(Failure::because)?;
        self.unpack_and_check(&EmbeddedFile::new(draft.join("rehearsal.db"))).await
    }

    /// Makes a whole, checked database of the release's schema out of the backup, without sessions and links of then.
    async fn unpack_and_check(&self, restored: &EmbeddedFile) -> Result<Outcome, Failure> {
        let file = new_private_file(restored.path()).map_err(Failure::because)?;
        let file = archive::read_again(self.backup, self.manifest, self.progress, file)?;
        file.sync_all().map_err(Failure::because)?;
        drop(file);
        self.progress.step("checking");
        embedded::check(restored, self.manifest).await?;
        restored.end_restored().await.map_err(Failure::because)?;
        let outcome = self.bring_up_to_date(&DatabaseUrl::of_file(restored.path())).await?;
        restored.settle().await.map_err(Failure::because)?;
        Ok(outcome)
    }

    async fn restore_on_postgres(&self, server: &PostgresServer, yes: bool) -> Result<Outcome, Failure> {
        let held = server.hold().await.map_err(|error| postgres::unanswered(&error))?;
        let (schema, rows) = (held.schema.clone(), held.rows.clone());
        held.close().await.map_err(|error| postgres::unanswered(&error))?;
        self.expect_schema(&schema)?;
        if server.count_servers().await.map_err(|error| postgres::unanswered(&error))? > 0 {
            return Err(self.in_use());
        }
        self.ask_before_replacing(Some(&rows), yes)?;
        postgres::put_back(server, self.backup, self.manifest, self.progress)?;
        self.bring_up_to_date(&self.settings.database_url).await
    }

    async fn rehearse_on_postgres(&self, server: &PostgresServer) -> Result<Outcome, Failure> {
        let name = format!("vestibule_rehearsal_{}", mark());
        let scratch = server.make_scratch(&name).await.map_err(|error| {
            Failure::with_way_out(
                format!("a scratch database cannot be made: {}", with_causes(&error)),
                "Give VESTIBULE_DATABASE_URL a user with the right CREATEDB for the rehearsal, or a throw-away server.",
            )
        })?;
        let outcome = match postgres::put_back(&scratch, self.backup, self.manifest, self.progress) {
            Ok(()) => self.bring_up_to_date(&scratch.url()).await,
            Err(failure) => Err(failure),
        };
        server.drop_scratch(&name).await.map_err(|error| {
            Failure::with_way_out(
                format!("the scratch database cannot be removed: {}", with_causes(&error)),
                format!("Remove it: DROP DATABASE {name}."),
            )
        })?;
        outcome
    }

    fn expect_schema(&self, schema: &str) -> Result<(), Failure> {
        let backed_up = self.manifest.schema.as_deref().unwrap_or("public");
        if backed_up == schema {
            return Ok(());
        }
        Err(Failure::with_way_out(
            format!("the backup is of the schema {backed_up}, and VESTIBULE_DATABASE_URL leads to {schema}"),
            "Set its search_path to the same schema: ?options=-csearch_path=NAME.",
        ))
    }

    /// Brings the restored schema to that of this release, as a start would, and writes down what was done.
    async fn bring_up_to_date(&self, url: &DatabaseUrl) -> Result<Outcome, Failure> {
        let database = Database::connect(url).await.map_err(Failure::because)?;
        let mut outcome = Outcome::default();
        for migrations in self.app.all_migrations() {
            let planned = database.planned_migrations(&migrations).await.map_err(Failure::because)?;
            let names = planned.into_iter().map(|one| one.name);
            if self.settings.migrate {
                migrate(&database, &migrations).await?;
                outcome.applied.extend(names);
            } else {
                outcome.missing.extend(names);
            }
        }
        // A trail of an older release may not take the event; the answer tells what is missing.
        if database.schema_state(&MIGRATIONS).await.map_err(Failure::because)? == SchemaState::Expected {
            let detail = format!("of {}", self.manifest.created_at);
            let (store, now) = (SqlStore::new(database.clone()), SystemClock.now());
            let by = Administrator::at_the_command_line();
            note_restore(&store, &OsRandom, &by, detail, now).await.map_err(Failure::because)?;
        }
        database.close().await;
        Ok(outcome)
    }

    /// Asks, where there is something to lose. None is a database that cannot be read.
    fn ask_before_replacing(&self, rows: Option<&BTreeMap<String, u64>>, yes: bool) -> Result<(), Failure> {
        let noted = self.app.all_migrations().into_iter().map(|migrations| migrations.table);
        let noted: Vec<&str> = noted.chain(KEPT_BY_EACH_DATABASE).collect();
        // What was migrated is nobody's data.
        let count = |rows: &BTreeMap<String, u64>| -> u64 {
            rows.iter().filter(|(table, _)| !noted.contains(&table.as_str())).map(|(_, rows)| rows).sum()
        };
        let lost = rows.map(count);
        let what = match lost {
            Some(0) => return Ok(()),
            Some(lost) => format!("the {lost} rows"),
            None => "what cannot be read any more".to_owned(),
        };
        if yes {
            return Ok(());
        }
        confirm(&format!(
            "Replace {what} in {} by the {} rows of {}?",
            self.settings.database_url,
            count(&self.manifest.rows),
            self.manifest.created_at,
        ))
    }

    fn in_use(&self) -> Failure {
        Failure::with_way_out(
            format!("the database {} is in use", self.settings.database_url),
            "Stop the servers first. Nothing was changed.",
        )
    }
}

/// A command of root's must not lock the server out of its own database. Where there is no old one, the folder tells whose the server's
/// files are.
#[cfg(unix)]
fn give_to_the_same_owner(old: &Path, new: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let before = std::fs::metadata(old).ok();
    let owned =
        before.as_ref().map_or_else(|| std::fs::metadata(folder_of(old)), |before| Ok(before.clone()))?;
    // By the file itself and not by its name: whoever owns the folder could put a link to another file there.
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
    let new = std::fs::File::from(rustix::fs::open(new, flags, rustix::fs::Mode::empty())?);
    let made = new.metadata()?;
    if (owned.uid(), owned.gid()) != (made.uid(), made.gid()) {
        match fchown(&new, Some(owned.uid()), Some(owned.gid())) {
            // Whoever is not root gives no file away; in a folder of somebody else's it stays theirs.
            Err(error) if before.is_none() && error.kind() == std::io::ErrorKind::PermissionDenied => {}
            given => given?,
        }
    }
    before.map_or(Ok(()), |before| new.set_permissions(before.permissions()))
}

#[cfg(not(unix))]
fn give_to_the_same_owner(_: &Path, _: &Path) -> std::io::Result<()> {
    Ok(())
}

fn tell(
    settings: &Settings,
    asked: &Asked,
    origin: Origin,
    manifest: &Manifest,
    outcome: &Outcome,
    json: bool,
) -> Result<(), Failure> {
    if json {
        return print_json(&json!({
            "backup": asked.file,
            "restored": !asked.check,
            "created_at": manifest.created_at,
            "proven": origin == Origin::Proven,
            "program": manifest.program,
            "version": manifest.version,
            "database": manifest.database,
            "tables": manifest.rows.len(),
            "rows": manifest.all_rows(),
            "sessions_ended": manifest.rows.get("sessions").copied().unwrap_or(0),
            "applied": outcome.applied,
            "missing": outcome.missing,
            "set_aside": outcome.aside.as_ref().map(|path| path.display().to_string()),
        }));
    }
    let (rows, tables) = (manifest.all_rows(), manifest.rows.len());
    let of = format!("{rows} rows of {tables} tables, of {}", manifest.created_at);
    if asked.check {
        print_line(&format!(
            "The backup is good: {of}. It was restored into a scratch database, checked and removed."
        ))?;
    } else {
        print_line(&format!("{} is restored: {of}.", settings.database_url))?;
        print_line(
            "Everybody is logged out. Links and invitations of before are void, and mails that waited are not sent: see docs/backups.md.",
        )?;
    }
    for name in &outcome.applied {
        print_line(&format!("  brought up to date: {name}"))?;
    }
    for name in &outcome.missing {
        print_line(&format!("  not applied yet, as VESTIBULE_MIGRATE is off: {name}"))?;
    }
    if let Some(aside) = &outcome.aside {
        print_line(&format!("The old database could not be read and is in {}.", aside.display()))?;
    }
    Ok(())
}
