use std::path::Path;
use std::time::SystemTime;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::check::{Check, Finding};
use super::deployment::Deployment;

/// A backup a day, with room for one that takes its time.
const OLDEST: Duration = Duration::hours(26);
/// Clocks of several machines differ by less.
const FUTURE_BEGINS: Duration = Duration::minutes(10);
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
        let now = deployment.now();
        match newest(folder, now) {
            Ok((newest, in_future)) => {
                let future = in_future.map(|name| {
                    Finding::warning(
                        format!("{name} in {} is of later than now, and not counted", folder.display()),
                        "A clock was wrong, or this machine's is. Look at the clock, then remove the file.",
                    )
                });
                future.into_iter().chain([judge(folder, newest.as_ref(), now)]).collect()
            }
            Err(error) => vec![Finding::failure(
                format!("the folder of backups {} cannot be read: {error}", folder.display()),
                "Name the folder with --backups, and run this as somebody who may read it.",
            )],
        }
    }
}

struct Backup {
    name: String,
    bytes: u64,
    made_at: OffsetDateTime,
}

/// The newest finished file, and one of those that are of later than now, if there are any. What stands in folders below is not looked
/// at.
fn newest(folder: &Path, now: OffsetDateTime) -> std::io::Result<(Option<Backup>, Option<String>)> {
    let mut newest: Option<(SystemTime, Backup)> = None;
    let mut in_future = None;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let data = std::fs::metadata(entry.path())?;
        if !data.is_file() || name.starts_with('.') || UNFINISHED.iter().any(|ending| name.ends_with(ending))
        {
            continue;
        }
        let at = data.modified()?;
        if OffsetDateTime::from(at) > now + FUTURE_BEGINS {
            in_future = Some(name);
            continue;
        }
        if newest.as_ref().is_none_or(|(newest, _)| *newest < at) {
            newest = Some((at, Backup { name, bytes: data.len(), made_at: at.into() }));
        }
    }
    Ok((newest.map(|(_, backup)| backup), in_future))
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
            let (newest, in_future) = newest(folder.path(), now).unwrap();
            let finding = judge(folder.path(), newest.as_ref(), now);
            assert_eq!(in_future.is_some(), folder.path().join("later").exists());
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
        let later = folder.path().join("later");
        std::fs::write(&later, "x").unwrap();
        assert!(told().1.contains("new,"), "what is of later than now says nothing of today");
        std::fs::remove_file(later).unwrap();
        write("newest", "", 60);
        assert_eq!(told().0, Outcome::Failure, "an empty one");
    }
}
