use std::path::Path;

pub(crate) use vestibule_house::exposure;

use crate::settings::SettingError;

/// Refuses a file with secrets that everybody on this machine can read or change. `key` and `source_name` say which setting
/// led to it.
pub(crate) fn refuse_exposed(
    path: &Path,
    key: &str,
    source_name: Option<String>,
) -> Result<(), SettingError> {
    let Some(exposure) = exposure(path) else { return Ok(()) };
    Err(SettingError {
        key: key.to_owned(),
        source_name,
        problem: format!("{} holds secrets, and {exposure}", path.display()),
        way_out: format!(
            "Let only the server read it: `chmod 600 {}`, and `chown` to its user.",
            path.display()
        ),
    })
}
