use std::path::{Path, PathBuf};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::draft::put_in_place;
use super::object_store::ObjectStore;
use super::progress::Progress;
use super::sealing::Kind;
use crate::failure::Failure;
use crate::settings::BackupSettings;

const IN_NAMES: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");
const OPEN_END: &str = ".backup.tar.gz";
const SEALED_END: &str = ".backup.tar.gz.age";

/// Clocks of several machines differ by less.
const FUTURE_BEGINS: Duration = Duration::minutes(10);

/// Where many backups are kept.
pub(crate) enum Place {
    Folder(PathBuf),
    Store(Box<ObjectStore>),
}

/// Which of the backups at a place stay.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Retention {
    /// So many of the newest.
    pub keep: Option<u32>,
    /// Those that are not older than so many days.
    pub keep_days: Option<u32>,
}

/// What was found among the backups of a place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    /// Those that need not stay, oldest first.
    pub doomed: Vec<String>,
    /// Those that are dated later than now: a clock was wrong, or is. They stay, and take nobody's place.
    pub in_future: Vec<String>,
}

impl Place {
    /// The place of a `--to`.
    pub(crate) fn open(text: &str, settings: &BackupSettings) -> Result<Self, Failure> {
        if let Some((bucket, prefix)) = bucket_and_rest(text) {
            return ObjectStore::open(settings, bucket, prefix).map(|store| Self::Store(Box::new(store)));
        }
        if text.contains("://") {
            return Err(Failure::with_way_out(
                format!("{text} is no place for backups"),
                "Give a folder, or s3://BUCKET/PREFIX.",
            ));
        }
        let folder = PathBuf::from(text);
        if !folder.is_dir() {
            return Err(Failure::with_way_out(
                format!("there is no folder {text}"),
                "Make it, with `mkdir --mode=700`, or mount the disk that it is on.",
            ));
        }
        Ok(Self::Folder(folder))
    }

    /// Takes a finished archive.
    pub(crate) async fn put(&self, archive: &Path, name: &str, progress: Progress) -> Result<(), Failure> {
        match self {
            Self::Folder(folder) => put_in_place(archive, &folder.join(name)).map_err(Failure::because),
            Self::Store(store) => store.put(archive, name, progress).await,
        }
    }

    /// Removes the backups of `program` that need not stay, and says what it found. Everything else there is none of its business.
    pub(crate) async fn clear(
        &self,
        program: &str,
        retention: Retention,
        now: OffsetDateTime,
    ) -> Result<Sorted, Failure> {
        let names = match self {
            Self::Folder(folder) => names_in(folder).map_err(Failure::because)?,
            Self::Store(store) => store.list().await?,
        };
        let sorted = retention.sort(program, names, now);
        for name in &sorted.doomed {
            match self {
                Self::Folder(folder) => {
                    std::fs::remove_file(folder.join(name)).map_err(Failure::because)?;
                }
                Self::Store(store) => store.delete(name).await?,
            }
        }
        Ok(sorted)
    }
}

/// The bucket and what is behind it, of a `s3://…`.
pub(crate) fn bucket_and_rest(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("s3://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// What a backup of now is called.
pub(crate) fn name_of(program: &str, now: OffsetDateTime, is_sealed: bool) -> Result<String, Failure> {
    let moment = now.format(IN_NAMES).map_err(Failure::because)?;
    let end = if is_sealed { SEALED_END } else { OPEN_END };
    Ok(format!("{program}-{moment}{end}"))
}

/// When a backup of this name was made; none where the name is not one that [`name_of`] gave.
fn moment_of(program: &str, name: &str) -> Option<OffsetDateTime> {
    let rest = name.strip_prefix(program)?.strip_prefix('-')?;
    let moment = rest.strip_suffix(SEALED_END).or_else(|| rest.strip_suffix(OPEN_END))?;
    Some(PrimitiveDateTime::parse(moment, IN_NAMES).ok()?.assume_utc())
}

/// The names of files that are archives, whatever else may have such a name.
fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_archive =
            entry.file_type()?.is_file() && Kind::of(&entry.path()).is_ok_and(|kind| kind != Kind::Something);
        if let (true, Ok(name)) = (is_archive, entry.file_name().into_string()) {
            names.push(name);
        }
    }
    Ok(names)
}

impl Retention {
    /// Whether anything is ever removed.
    pub(crate) fn is_any(self) -> bool {
        self.keep.is_some() || self.keep_days.is_some()
    }

    /// Which of the names are of backups that are neither among the newest nor young enough. The newest of all always stays.
    fn sort(self, program: &str, names: Vec<String>, now: OffsetDateTime) -> Sorted {
        let mut dated: Vec<_> =
            names.into_iter().filter_map(|name| Some((moment_of(program, &name)?, name))).collect();
        dated.sort();
        let future = dated.partition_point(|(made, _)| *made <= now + FUTURE_BEGINS);
        let name = |(_, name)| name;
        let in_future = dated.split_off(future).into_iter().map(name).collect();
        if !self.is_any() {
            return Sorted { doomed: Vec::new(), in_future };
        }
        let newest = usize::try_from(self.keep.unwrap_or(1).max(1)).unwrap_or(usize::MAX);
        dated.truncate(dated.len().saturating_sub(newest));
        if let Some(days) = self.keep_days {
            dated.retain(|(made, _)| now - *made > Duration::days(i64::from(days)));
        }
        Sorted { doomed: dated.into_iter().map(name).collect(), in_future }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-05-10 03:00 UTC);

    fn doomed(keep: Option<u32>, keep_days: Option<u32>) -> Vec<String> {
        let days = [1, 3, 5, 9].map(|day| name_of("site", NOW.replace_day(day).unwrap(), day == 3).unwrap());
        let others = [
            "site-20260101T030000Z.backup.tar.gz.part",
            "site-20260101T030000Z.tar.gz",
            "site-20261301T030000Z.backup.tar.gz",
            "site-old-20260101T030000Z.backup.tar.gz",
            "other-20260101T030000Z.backup.tar.gz",
            "photos.tar.gz",
        ];
        let names = days.into_iter().chain(others.map(str::to_owned)).collect();
        let sorted = Retention { keep, keep_days }.sort("site", names, NOW);
        assert!(sorted.in_future.is_empty());
        sorted.doomed
    }

    #[test]
    fn a_backup_of_the_future_takes_nobodys_place() {
        let names = |days: &[u8]| -> Vec<String> {
            days.iter().map(|day| name_of("site", NOW.replace_day(*day).unwrap(), false).unwrap()).collect()
        };
        let sorted =
            Retention { keep: Some(2), keep_days: None }.sort("site", names(&[1, 5, 9, 20, 21]), NOW);
        assert_eq!(sorted, Sorted { doomed: names(&[1]), in_future: names(&[20, 21]) });
        let sorted = Retention { keep: None, keep_days: Some(0) }.sort("site", names(&[20, 21]), NOW);
        assert_eq!(sorted, Sorted { doomed: Vec::new(), in_future: names(&[20, 21]) });
        let sorted = Retention::default().sort("site", names(&[1, 20]), NOW);
        assert_eq!(sorted, Sorted { doomed: Vec::new(), in_future: names(&[20]) });
        let soon = name_of("site", NOW + Duration::minutes(9), false).unwrap();
        assert!(Retention::default().sort("site", vec![soon], NOW).in_future.is_empty(), "clocks differ");
    }

    #[test]
    fn only_own_backups_go_and_only_those_that_neither_number_nor_age_keeps() {
        let (first, third, fifth) = (
            "site-20260501T030000Z.backup.tar.gz",
            "site-20260503T030000Z.backup.tar.gz.age",
            "site-20260505T030000Z.backup.tar.gz",
        );
        assert!(doomed(None, None).is_empty());
        assert_eq!(doomed(Some(2), None), [first, third]);
        assert_eq!(doomed(Some(1), None), [first, third, fifth]);
        assert_eq!(doomed(Some(0), None), [first, third, fifth], "the newest stays");
        assert_eq!(doomed(None, Some(6)), [first, third]);
        assert_eq!(doomed(Some(3), Some(6)), [first]);
        assert_eq!(doomed(None, Some(0)), [first, third, fifth], "the newest stays");
        assert!(doomed(Some(9), Some(0)).is_empty());
    }
}
