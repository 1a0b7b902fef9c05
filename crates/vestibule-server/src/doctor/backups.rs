use std::path::Path;
use std::time::SystemTime;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::check::{Check, Finding};
use super::deployment::Deployment;

/// A backup a day, with room for one that takes its time.
const OLDEST: Duration = Duration::hours(26);
/// What is still being written, or was left half-way.
const UNFINISHED: [&str; 3] = [".part", ".draft", ".tmp"];

/// Whether there is a backup of today.
pub(super) struct Backups;

#[async_trait]
impl Check for Backups {
    fn name(&self) -> &'static str {
        "backups"
    }

    fn about(&self) -> &'static str {
        "The newest file in the folder of `--backups` is not empty and no older than 26 hours"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        // A setting of that name may come; the flag goes before it.
        let named = deployment.shown("BACKUP_FOLDER").filter(|value| !value.is_empty()).map(Path::new);
        let Some(folder) = deployment.options.backups.as_deref().or(named) else {
            return vec![Finding::skipped(
                "where backups are is not known: name their folder with --backups FOLDER",
            )];
        };
        vec![match newest(folder) {
            Ok(newest) => judge(folder, newest.as_ref(), deployment.now()),
            Err(error) => Finding::failure(
                format!("the folder of backups {} cannot be read: {error}", folder.display()),
                "Name the folder with --backups, and run this as somebody who may read it.",
            ),
        }]
    }
}

struct Backup {
    name: String,
    bytes: u64,
    made_at: OffsetDateTime,
}

/// The newest finished file. What stands in folders below is not looked at.
fn newest(folder: &Path) -> std::io::Result<Option<Backup>> {
    let mut newest: Option<(SystemTime, Backup)> = None;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let data = std::fs::metadata(entry.path())?;
        if !data.is_file() || name.starts_with('.') || UNFINISHED.iter().any(|ending| name.ends_with(ending))
        {
            continue;
        }
        let at = data.modified()?;
        if newest.as_ref().is_none_or(|(newest, _)| *newest < at) {
            newest = Some((at, Backup { name, bytes: data.len(), made_at: at.into() }));
        }
    }
    Ok(newest.map(|(_, backup)| backup))
}

fn judge(folder: &Path, newest: Option<&Backup>, now: OffsetDateTime) -> Finding {
    const WAY_OUT: &str = "See why the job that makes them did not: `systemctl status` or the log of cron. Make one by hand, and see that it can be restored.";
    let Some(Backup { name, bytes, made_at }) = newest else {
        return Finding::failure(format!("there is no backup in {}", folder.display()), WAY_OUT);
    };
    if *bytes == 0 {
        return Finding::failure(format!("the newest backup, {name}, is empty"), WAY_OUT);
    }
    let age = now - *made_at;
    let told = format!("the newest backup, {name}, is {} hours old ({bytes} bytes)", age.whole_hours());
    if age > OLDEST { Finding::warning(told, WAY_OUT) } else { Finding::good(told) }
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn the_newest_finished_file_is_judged_by_its_age_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, age: u64| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - age);
            std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        };
        let now = OffsetDateTime::from_unix_timestamp(1_000_000).unwrap();
        let told = || {
            let finding = judge(folder.path(), newest(folder.path()).unwrap().as_ref(), now);
            (finding.outcome, finding.what)
        };
        assert_eq!(told().0, Outcome::Failure, "there is none");
        write("old", "x", 27 * 3600);
        assert_eq!(told().0, Outcome::Warning);
        write("half.part", "x", 60);
        write(".hidden", "x", 60);
        assert!(told().1.contains("old"), "what is not finished does not count");
        write("new", "x", 3600);
        assert_eq!(told().0, Outcome::Good);
        write("newest", "", 60);
        assert_eq!(told().0, Outcome::Failure, "an empty one");
    }
}
