use std::path::Path;

/// Where who runs containers puts secrets. Docker mounts them readable by all, into a container that has no other users.
#[cfg(unix)]
const MOUNTED_SECRETS: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// What is wrong with the rights of a file, in words. Its group is the owner's own choice: that is how systemd, Docker and
/// Kubernetes hand secrets to a user that is not root. A file counts as open to everybody only where everybody can get to it:
/// one in a folder of the owner's alone is not.
#[cfg(unix)]
pub fn exposure(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    const READ: u32 = 0o004;
    const WRITE: u32 = 0o002;
    const PASS: u32 = 0o001;
    let mode = |path: &Path| Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777);
    let rights = mode(path)?;
    let what = match rights & (READ | WRITE) {
        0 => return None,
        READ => "read",
        _ => "change",
    };
    let is_plain = !path.components().any(|part| part == std::path::Component::ParentDir);
    if what == "read" && is_plain && MOUNTED_SECRETS.iter().any(|folder| path.starts_with(folder)) {
        return None;
    }
    let real = std::fs::canonicalize(path).ok()?;
    let can_be_reached =
        real.ancestors().skip(1).all(|folder| mode(folder).is_some_and(|mode| mode & PASS != 0));
    can_be_reached.then(|| format!("everybody on this machine can {what} it (its rights are {rights:o})"))
}

/// Elsewhere rights are another matter.
#[cfg(not(unix))]
pub fn exposure(_: &Path) -> Option<String> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_everybody_can_read_or_change_is_refused_and_a_group_is_the_owners_choice() {
        let folder = tempfile::tempdir().unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let file = folder.path().join("secret");
        std::fs::write(&file, "").unwrap();
        for (folder_mode, mode, word) in [
            (0o755, 0o644, Some("read")),
            (0o755, 0o444, Some("read")),
            (0o755, 0o602, Some("change")),
            (0o755, 0o666, Some("change")),
            (0o711, 0o604, Some("read")),
            (0o755, 0o600, None),
            (0o755, 0o640, None),
            (0o755, 0o440, None),
            (0o700, 0o644, None),
            (0o750, 0o666, None),
        ] {
            set(folder.path(), folder_mode);
            set(&file, mode);
            let told = exposure(&file);
            let fits = match word {
                Some(word) => told.as_ref().is_some_and(|told| told.contains(word)),
                None => told.is_none(),
            };
            assert!(fits, "{folder_mode:o} {mode:o}: {told:?}");
        }
        assert_eq!(exposure(&folder.path().join("missing")), None, "what is not there is told elsewhere");
    }

    #[test]
    fn a_link_is_as_open_as_what_it_leads_to() {
        let (open, closed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(open.path(), 0o755);
        set(closed.path(), 0o700);
        for (of, expected) in [(&open, true), (&closed, false)] {
            let file = of.path().join("secret");
            std::fs::write(&file, "").unwrap();
            set(&file, 0o644);
            let link = open.path().join(if expected { "to-open" } else { "to-closed" });
            std::os::unix::fs::symlink(&file, &link).unwrap();
            assert_eq!(exposure(&link).is_some(), expected);
        }
    }
}
