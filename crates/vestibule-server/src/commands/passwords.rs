use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use vestibule::models::{CandidatePassword, PasswordError};
use vestibule::ports::{
    BreachedPasswords, Clock, HashingPlan, HashingSlots, OsRandom, PasswordHasher, Standing, SystemClock,
};

use super::add_user::read_password;
use super::output::{print_json, print_line};
use crate::breached_passwords::{BuildError, Sources, build};
use crate::command_line::PasswordsAction;
use crate::failure::{Failure, with_causes};
use crate::settings::Settings;

/// Does something about leaked passwords. No database is touched.
pub(crate) async fn run(
    settings: &Settings,
    action: PasswordsAction,
    json: bool,
) -> Result<ExitCode, Failure> {
    match action {
        PasswordsAction::Build { list, file, min_count } => build_filter(&list, &file, min_count, json),
        PasswordsAction::Check => check(settings, json).await,
    }
}

#[expect(clippy::print_stderr, reason = "progress stands beside the answer of a command")]
fn build_filter(list: &Path, file: &Path, min_count: u64, json: bool) -> Result<ExitCode, Failure> {
    let began = SystemClock.now();
    let built = build(list, file, min_count, |percent| {
        let after = (SystemClock.now() - began).whole_seconds();
        eprintln!("{percent:>3} % of {} read, after {after} s", list.display());
    });
    let built = built.map_err(|error| {
        let way_out = match error {
            BuildError::List(_) => "Give the list's file; docs/looking-after-the-site.md says where to get one.",
            BuildError::File(_) => "Give a place for the file where there is room and you may write.",
            BuildError::SameFile => "Give another name for the file.",
            BuildError::Line(_) | BuildError::Ntlm | BuildError::NoCounts | BuildError::Empty => {
                "Give a list with `SHA1:COUNT` on each line, or with a password on each line and without --min-count."
            }
        };
        Failure::with_way_out(with_causes(&error), way_out)
    })?;
    if json {
        print_json(&json!({ "passwords": built.entries, "bytes": built.bytes, "left_out": built.left_out }))?;
    } else {
        print_line(&format!(
            "{} has {} passwords in {} bytes; {} lines were left out. Set VESTIBULE_BREACHED_PASSWORDS to it.",
            file.display(),
            built.entries,
            built.bytes,
            built.left_out
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says of a password what would be said to it as a new one, and who knows it. Exits with 1 where it would be refused.
async fn check(settings: &Settings, json: bool) -> Result<ExitCode, Failure> {
    let sources = Sources::open(settings)?;
    let password = read_password()?;
    let candidate = CandidatePassword::parse(&password, None, None, &settings.site_name);
    let judged = match candidate {
        Err(refused) => Err(refused),
        Ok(candidate) => {
            let slot = HashingSlots::start(
                HashingPlan::new(settings.hash_parameters, NonZeroUsize::MIN),
                Arc::new(OsRandom),
            );
            slot.judge(candidate, Standing::Stranger).await.map_err(Failure::because)?
        }
    };
    let (refused, known_by) = match judged {
        Err(PasswordError::Breached) => (Some(PasswordError::Breached), Some("the built-in list")),
        Err(refused) => (Some(refused), None),
        Ok(strong) => {
            let fingerprint = strong.fingerprint();
            let known_by = match (&sources.filter, &sources.api) {
                (Some(filter), _) if filter.has(&fingerprint) => Some("VESTIBULE_BREACHED_PASSWORDS"),
                (_, Some(api)) if api.contain(&fingerprint).await => Some("VESTIBULE_BREACHED_PASSWORDS_API"),
                _ => None,
            };
            (known_by.map(|_| PasswordError::Breached), known_by)
        }
    };
    let is_good = refused.is_none();
    let said = refused.map(|refused| refused.to_string());
    if json {
        print_json(&json!({ "is_good": is_good, "message": said, "known_by": known_by }))?;
    } else {
        let from = known_by.map(|known_by| format!(" ({known_by})")).unwrap_or_default();
        print_line(
            &said.map_or_else(|| "This password would be taken.".to_owned(), |said| format!("{said}{from}")),
        )?;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
