use std::path::Path;

use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;
/// With less, nothing can be written any more soon.
const FAR_TOO_LITTLE: u64 = 200 * MIB;
/// With less, or with less than a tenth of a small disk, it is time.
const LITTLE: u64 = GIB;
const LITTLE_OF_A_SMALL_DISK: u64 = 10 * GIB;

/// Whether there is room where things are written.
pub(super) struct DiskSpace;

#[async_trait]
impl Check for DiskSpace {
    fn name(&self) -> &'static str {
        "disk_space"
    }

    fn about(&self) -> &'static str {
        "The disks of the embedded database and of backups have room: 1 GiB (200 MiB: failure), a tenth where that is less than 10 GiB, and a twentieth of their inodes"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let database = deployment.settings.database_url.file().and_then(Path::parent);
        let folders = database.into_iter().chain(deployment.options.backups.as_deref());
        let folders =
            folders.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let findings: Vec<Finding> = folders.filter(|folder| folder.exists()).map(of_folder).collect();
        if findings.is_empty() {
            return vec![Finding::skipped(
                "nothing is written to a disk of this machine: PostgreSQL's is looked after there",
            )];
        }
        findings
    }
}

/// The room on a disk.
#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix is asked for it"))]
struct Room {
    bytes: u64,
    all_bytes: u64,
    inodes: u64,
    all_inodes: u64,
}

#[cfg(unix)]
fn of_folder(folder: &Path) -> Finding {
    match rustix::fs::statvfs(folder) {
        Ok(disk) => {
            let room = Room {
                bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
                all_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
                inodes: disk.f_favail,
                all_inodes: disk.f_files,
            };
            judge(folder, &room)
        }
        Err(error) => Finding::skipped(format!("the disk of {} tells nothing: {error}", folder.display())),
    }
}

#[cfg(not(unix))]
fn of_folder(_: &Path) -> Finding {
    Finding::skipped("this system is not asked for it")
}

#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix is asked for it"))]
fn judge(folder: &Path, room: &Room) -> Finding {
    const WAY_OUT: &str = "Make room (old backups, logs, images of containers) or enlarge the disk. A full one refuses every log-in.";
    let tenth = room.all_bytes / 10;
    let told =
        format!("{}: {} MiB of {} MiB are free", folder.display(), room.bytes / MIB, room.all_bytes / MIB);
    if room.bytes < FAR_TOO_LITTLE {
        return Finding::failure(told, WAY_OUT);
    }
    if room.bytes < LITTLE || (room.bytes < tenth && room.bytes < LITTLE_OF_A_SMALL_DISK) {
        return Finding::warning(told, WAY_OUT);
    }
    // Some file systems count none.
    if room.all_inodes > 0 && room.inodes < room.all_inodes / 20 {
        return Finding::warning(
            format!("{}: {} of {} inodes are free", folder.display(), room.inodes, room.all_inodes),
            "Remove small files: there are too many of them.",
        );
    }
    Finding::good(told)
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn little_room_is_judged_by_bytes_shares_and_inodes() {
        for (bytes, all_bytes, inodes, outcome) in [
            (50 * GIB, 2000 * GIB, 100, Outcome::Good),
            (5 * GIB, 20 * GIB, 100, Outcome::Good),
            (5 * GIB, 200 * GIB, 100, Outcome::Warning),
            (900 * MIB, 2 * GIB, 100, Outcome::Warning),
            (100 * MIB, 20 * GIB, 100, Outcome::Failure),
            (0, 20 * GIB, 100, Outcome::Failure),
            (50 * GIB, 100 * GIB, 4, Outcome::Warning),
        ] {
            let room = Room { bytes, all_bytes, inodes, all_inodes: 100 };
            assert_eq!(judge(Path::new("/data"), &room).outcome, outcome, "{bytes} of {all_bytes}");
        }
        assert_ne!(of_folder(Path::new(".")).outcome, Outcome::Skipped, "a real disk tells");
    }
}
