//! How much memory there is, and how much of it is for hashing passwords.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use vestibule::ports::Argon2Parameters;

/// Of the memory that the server may use, hashing gets at most a half: the rest is for connections, requests, the database's
/// cache and the system. Past its limit a server is killed, and a flood of log-ins must not bring that about.
const SHARE_OF_HASHING: u64 = 2;
const KIB: u64 = 1024;
const MIB: u64 = 1024 * 1024;

/// The memory that this process may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoryLimit {
    pub bytes: u64,
    /// What sets the limit.
    pub by: String,
}

/// How many hashes fit, beside how many are wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SlotsThatFit {
    /// As many as are wanted.
    All(NonZeroUsize),
    /// Fewer, for a reason.
    Fewer(NonZeroUsize, String),
    /// Not even one, or fewer than somebody asked for.
    TooMany(String),
}

impl MemoryLimit {
    /// What the system says: the memory of the machine, or less where a control group (a container, a unit of systemd) allows
    /// less. Nothing where the system has no such files.
    pub(crate) fn of_this_process() -> Option<Self> {
        Self::read(Path::new("/"))
    }

    fn read(root: &Path) -> Option<Self> {
        let machine = memory_of_the_machine(root);
        machine.into_iter().chain(memory_of_control_groups(root)).min_by_key(|limit| limit.bytes)
    }

    pub(crate) fn mebibytes(&self) -> u64 {
        self.bytes / MIB
    }

    /// What hashing may use of it.
    pub(crate) fn for_hashing(&self) -> u64 {
        self.bytes / SHARE_OF_HASHING
    }

    /// How many slots of this cost fit. `is_asked_for` says that their number is a setting and no guess.
    pub(crate) fn slots(
        &self,
        parameters: Argon2Parameters,
        wanted: NonZeroUsize,
        is_asked_for: bool,
    ) -> SlotsThatFit {
        let memory = u64::from(parameters.memory_kib()) * KIB;
        let fitting = usize::try_from(self.for_hashing() / memory).unwrap_or(usize::MAX);
        if fitting >= wanted.get() {
            return SlotsThatFit::All(wanted);
        }
        let why = format!(
            "{wanted} passwords hashed at a time take {} MiB, and of the {} MiB that {} allows at most half is for hashing",
            memory * u64::try_from(wanted.get()).unwrap_or(u64::MAX) / MIB,
            self.mebibytes(),
            self.by,
        );
        match NonZeroUsize::new(fitting) {
            Some(fitting) if !is_asked_for => SlotsThatFit::Fewer(fitting, why),
            _ => SlotsThatFit::TooMany(why),
        }
    }
}

fn memory_of_the_machine(root: &Path) -> Option<MemoryLimit> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(MemoryLimit { bytes: kib * KIB, by: "the machine".to_owned() })
}

/// The limits of the control group and of all above it, of version 2 and 1: the least of them holds. Inside of a container
/// the path that the process is told may not be there, and then the limit is at the top.
fn memory_of_control_groups(root: &Path) -> Vec<MemoryLimit> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mount = root.join("sys/fs/cgroup");
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (mount, file) = if controllers.is_empty() {
            (mount.clone(), "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            (mount.join("memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        let group = PathBuf::from(group.trim_start_matches('/'));
        for folder in group.ancestors() {
            let path = mount.join(folder).join(file);
            let bytes = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            limits
                .extend(bytes.map(|bytes| MemoryLimit { bytes, by: format!("the control group ({file})") }));
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Argon2Parameters = Argon2Parameters::FLOOR;

    fn system(files: &[(&str, &str)]) -> Option<MemoryLimit> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        MemoryLimit::read(root.path())
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        4194304 kB\nMemFree:          100 kB\n");

    #[test]
    fn the_least_of_the_machine_and_its_control_groups_is_the_limit() {
        let v2 = ("proc/self/cgroup", "0::/system.slice/site.service\n");
        let v1 = ("proc/self/cgroup", "12:cpu,cpuacct:/a\n4:memory:/docker/abc\n1:name=systemd:/x\n");
        let none = "9223372036854771712";
        for (files, mebibytes, by) in [
            (vec![MEMINFO], 4096, "the machine"),
            (vec![MEMINFO, v2, ("sys/fs/cgroup/system.slice/memory.max", "max\n")], 4096, "the machine"),
            (
                vec![MEMINFO, v2, ("sys/fs/cgroup/system.slice/site.service/memory.max", "536870912\n")],
                512,
                "the control group (memory.max)",
            ),
            (
                vec![
                    MEMINFO,
                    v2,
                    ("sys/fs/cgroup/system.slice/site.service/memory.max", "536870912"),
                    ("sys/fs/cgroup/system.slice/memory.max", "268435456"),
                ],
                256,
                "the control group (memory.max)",
            ),
            // In a container the path is that of the host, and the limit lies at the top.
            (
                vec![MEMINFO, v1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n")],
                128,
                "the control group (memory.limit_in_bytes)",
            ),
            (vec![MEMINFO, v1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", none)], 4096, "the machine"),
        ] {
            let limit = system(&files).unwrap();
            assert_eq!((limit.mebibytes(), limit.by.as_str()), (mebibytes, by), "{files:?}");
        }
        assert_eq!(system(&[]), None, "a system without such files sets no limit");
        assert_eq!(system(&[("proc/meminfo", "nonsense"), v2]), None);
    }

    #[test]
    fn slots_fit_into_half_of_the_memory() {
        let limit = |mebibytes: u64| MemoryLimit { bytes: mebibytes * MIB, by: "the machine".to_owned() };
        let wanted = |number: usize| NonZeroUsize::new(number).unwrap();
        assert_eq!(limit(512).slots(FLOOR, wanted(8), false), SlotsThatFit::All(wanted(8)));
        let SlotsThatFit::Fewer(fitting, why) = limit(128).slots(FLOOR, wanted(8), false) else { panic!() };
        assert!(fitting == wanted(3) && why.contains("152 MiB") && why.contains("128 MiB"), "{why}");
        assert!(matches!(limit(128).slots(FLOOR, wanted(8), true), SlotsThatFit::TooMany(_)), "as a setting");
        assert!(matches!(limit(128).slots(FLOOR, wanted(3), true), SlotsThatFit::All(_)));
        assert!(matches!(limit(37).slots(FLOOR, wanted(1), false), SlotsThatFit::TooMany(_)), "not even one");
    }
}
