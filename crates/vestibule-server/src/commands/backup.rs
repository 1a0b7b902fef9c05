use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use vestibule::ports::{Clock, SystemClock};
use vestibule_sql::{Database, PostgresServer};
use vestibule_web::moments::iso;

use super::office::existing_database;
use super::output::{print_json, print_line};
use crate::app::App;
use crate::backups::archive::{self, Manifest};
use crate::backups::draft::{Draft, folder_of, new_private_file, put_in_place};
use crate::backups::places::{Place, Retention, Sorted, name_of};
use crate::backups::progress::Progress;
use crate::backups::sealing::{Seal, Sealed};
use crate::backups::{embedded, postgres};
use crate::failure::{Failure, note};
use crate::interruption::{self, or_stopped};
use crate::secret_file::existing_secret_keys;
use crate::settings::Settings;

/// Where a backup is to be, and which of the older ones there stay.
pub(crate) struct Asked {
    pub file: Option<PathBuf>,
    pub to: Option<String>,
    pub retention: Retention,
}

/// Makes a backup. A signal ends it: what was begun is removed, and the code is that of a program which the signal has ended.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    asked: Asked,
    json: bool,
) -> Result<ExitCode, Failure> {
    interruption::listen();
    // Whatever failed because of the signal is told as that.
    make(app, settings, asked, json).await.map_err(|failure| interruption::stopped().unwrap_or(failure))
}

async fn make(app: &App, settings: &Settings, asked: Asked, json: bool) -> Result<ExitCode, Failure> {
    let progress = Progress::new(json);
    let recipients = &settings.backup.recipients;
    let is_sealed = !recipients.is_empty();
    let now = SystemClock.now();
    let name = name_of(app.name, now, is_sealed)?;
    // What is asked for wrongly is refused before the work.
    let place = match (&asked.file, &asked.to) {
        (None, Some(to)) => Some(Place::open(to, &settings.backup)?),
        _ => None,
    };
    let file = asked.file.unwrap_or_else(|| PathBuf::from(&name));
    let folder = match &place {
        None => {
            expect_replaceable(&file)?;
            folder_of(&file).to_owned()
        }
        Some(Place::Folder(folder)) => folder.clone(),
        Some(Place::Store(_)) => std::env::temp_dir(),
    };
    // None is made: it would be no other machine's, and prove nothing there.
    let keys = existing_secret_keys(settings)?.map(|keys| keys.derive());
    let database = existing_database(app, settings).await?;
    let drafted_in = |folder: &Path| {
        Draft::within(folder).map_err(|error| {
            Failure::with_way_out(
                format!("nothing can be written in {}: {error}", folder.display()),
                "Give another place, or look at its rights.",
            )
        })
    };
    let draft = drafted_in(&folder)?;
    // Who is not to read the backup must not find the dump beside it, whatever becomes of this program meanwhile.
    let private =
        settings.database_url.file().map_or_else(std::env::temp_dir, |file| folder_of(file).to_owned());
    let unsealed = if is_sealed { Some(drafted_in(&private)?) } else { None };

    progress.step("copying the database");
    let dump = unsealed.as_ref().unwrap_or(&draft).join("dump");
    let mut manifest = or_stopped(dump_of(settings, &dump, progress)).await?;
    app.name.clone_into(&mut manifest.program);
    manifest.created_at = iso(now);
    note_migrations(app, &database, &mut manifest).await?;
    database.close().await;

    let finished = draft.join(&name);
    let seal = Seal::new(new_private_file(&finished).map_err(Failure::because)?, recipients)?;
    archive::write(&manifest, keys.as_ref(), &dump, seal, progress).map_err(|error| {
        Failure::with_way_out(
            format!("the backup could not be written: {error}"),
            "Look whether the disk is full, and whether VESTIBULE_BACKUP_RECIPIENT is right.",
        )
    })?;
    if !is_sealed {
        // What was written is what can be read. Of a sealed one only its recipient can say that.
        let written = Sealed::new(finished.clone(), name.clone(), None)?;
        archive::read(&written, progress, "verifying", |_| Ok(std::io::sink()))?;
    }
    let bytes = std::fs::metadata(&finished).map_err(Failure::because)?.len();
    let (kept_as, found) = if let (Some(place), Some(to)) = (&place, &asked.to) {
        place.put(&finished, &name, progress).await?;
        let found = place.clear(app.name, asked.retention, now).await?;
        (format!("{}/{name}", to.trim_end_matches('/')), found)
    } else {
        put_in_place(&finished, &file).map_err(Failure::because)?;
        (file.display().to_string(), Sorted::default())
    };
    let is_readable_there = matches!(place, Some(Place::Store(_))) && !is_sealed;
    tell_doubts(&found, is_readable_there, keys.is_some());
    if json {
        print_json(&json!({
            "backup": kept_as,
            "bytes": bytes,
            "created_at": manifest.created_at,
            "database": manifest.database,
            "encrypted": is_sealed,
            "proven": keys.is_some(),
            "tables": manifest.rows.len(),
            "rows": manifest.all_rows(),
            "sha256": manifest.dump.sha256,
            "removed": found.doomed,
            "in_future": found.in_future,
        }))?;
    } else {
        let sealed = if is_sealed { ", encrypted" } else { "" };
        print_line(&format!(
            "{} is backed up: {} rows of {} tables, in {kept_as} ({}{sealed}).",
            settings.database_url,
            manifest.all_rows(),
            manifest.rows.len(),
            size_in_words(bytes),
        ))?;
        for name in found.doomed {
            print_line(&format!("{name} is removed: it need not be kept any longer."))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says beside the answer what is to be thought of.
fn tell_doubts(found: &Sorted, is_readable_there: bool, is_proven: bool) {
    if is_readable_there {
        note(
            "The backup is not encrypted: whoever can read that store can read all accounts. Set VESTIBULE_BACKUP_RECIPIENT.",
        );
    }
    for name in &found.in_future {
        note(&format!(
            "{name} is dated later than now: this machine's clock was wrong, or is. It stays and does not count; look at the clock, then rename or remove it.",
        ));
    }
    if !is_proven {
        note(
            "Nothing proves who made the backup, so `restore` wants --unproven for it. Set the site's VESTIBULE_SECRET_KEY here too.",
        );
    }
}

async fn dump_of(settings: &Settings, into: &Path, progress: Progress) -> Result<Manifest, Failure> {
    match PostgresServer::of(&settings.database_url) {
        Some(server) => postgres::dump(&server, into, progress).await,
        None => embedded::copy(settings.database_url.file().unwrap_or(Path::new("")), into, progress).await,
    }
}

async fn note_migrations(app: &App, database: &Database, manifest: &mut Manifest) -> Result<(), Failure> {
    for migrations in app.all_migrations() {
        let applied = database.applied_migrations(&migrations).await.map_err(Failure::because)?;
        manifest.note(migrations.table, &applied);
    }
    Ok(())
}

/// Refuses to write over what is no backup: the database itself, by a slip of the hand.
fn expect_replaceable(file: &Path) -> Result<(), Failure> {
    if !file.exists() || archive::is_backup(file) {
        return Ok(());
    }
    Err(Failure::with_way_out(
        format!("there is {}, and it is no backup", file.display()),
        "Give the name of a file that is not there.",
    ))
}

/// Bytes as people say them.
fn size_in_words(bytes: u64) -> String {
    let (unit, word) = match bytes {
        0..1_048_576 => (1024, "KiB"),
        1_048_576..1_073_741_824 => (1_048_576, "MiB"),
        _ => (1_073_741_824, "GiB"),
    };
    let tenths = bytes.saturating_mul(10).div_ceil(unit);
    format!("{}.{} {word}", tenths / 10, tenths % 10)
}
