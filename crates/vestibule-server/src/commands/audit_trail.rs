use std::collections::BTreeSet;
use std::process::ExitCode;

use time::Duration;
use vestibule::models::{AuditEvent, AuditEventId, AuditEventKind};
use vestibule::repository::AuditFilter;

use super::office::Office;
use super::output::{event_json, event_line, print_json, print_line};
use crate::app::App;
use crate::command_line::AuditAction;
use crate::failure::Failure;
use crate::settings::Settings;

/// How often it is looked for what is new.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
/// So many events are read at a time.
const STEP: u32 = 1000;
/// An event's id tells when it happened, and it is seen when its transaction commits: after events that happened later. For
/// so long it is waited for; no transaction takes as long, nor are the clocks of two servers so far apart.
const OVERLAP: Duration = Duration::minutes(2);

/// Prints the newest events and, where that is wanted, what comes.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    action: AuditAction,
    json: bool,
) -> Result<ExitCode, Failure> {
    let AuditAction::Tail { lines, follow, user, kind } = action;
    let office = Office::open_to_read(app, settings).await?;
    let told = tail(&office, lines, follow, user.as_deref(), kind.as_deref(), json).await;
    office.close().await;
    told.map(|()| ExitCode::SUCCESS)
}

async fn tail(
    office: &Office,
    lines: u32,
    follow: bool,
    user: Option<&str>,
    kind: Option<&str>,
    json: bool,
) -> Result<(), Failure> {
    let user = match user {
        None => None,
        Some(email) => Some(office.user(email).await?.id),
    };
    let filter =
        AuditFilter { kind: kind.and_then(AuditEventKind::from_word), user, ..AuditFilter::default() };
    let mut seen = Seen::default();
    if follow {
        // What there is already is not new, whether or not it is among the lines that are asked for.
        seen.new_of(list(office, since(horizon(office), filter), STEP).await?, horizon(office));
    }
    let mut events = list(office, filter, lines).await?;
    events.reverse();
    seen.note(&events);
    tell(&events, json)?;
    if !follow {
        return Ok(());
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
        let horizon = horizon(office);
        let mut new = what_is_new(office, filter, &mut seen, horizon).await?;
        new.reverse();
        tell(&new, json)?;
        seen.forget_below(horizon);
    }
}

/// What was not told, newest first. Where more came since the last time than is read at a time, it is read on.
async fn what_is_new(
    office: &Office,
    filter: AuditFilter<'_>,
    seen: &mut Seen,
    horizon: AuditEventId,
) -> Result<Vec<AuditEvent>, Failure> {
    let mut new = Vec::new();
    let mut page = since(horizon, filter);
    loop {
        let events = list(office, page, STEP).await?;
        page.below = events.last().map(|event| event.id);
        let found = events.len();
        let fresh = seen.new_of(events, horizon);
        let may_be_more = found == STEP as usize && fresh.len() == found;
        new.extend(fresh);
        if !may_be_more {
            return Ok(new);
        }
    }
}

/// Nothing that is older than the horizon is read, second by second.
fn since(horizon: AuditEventId, filter: AuditFilter<'_>) -> AuditFilter<'_> {
    AuditFilter { from: Some(horizon), ..filter }
}

/// What happened before is not waited for.
fn horizon(office: &Office) -> AuditEventId {
    AuditEventId::lowest_at(office.accounts.now() - OVERLAP)
}

/// The newest events, the newest first.
async fn list(office: &Office, filter: AuditFilter<'_>, limit: u32) -> Result<Vec<AuditEvent>, Failure> {
    Ok(office.accounts.list_audit_events(filter, limit).await.map_err(Failure::because)?.items)
}

/// Which events were told, of those that are not beyond the horizon.
#[derive(Default)]
struct Seen(BTreeSet<AuditEventId>);

impl Seen {
    /// Those that were not told and are not beyond the horizon. They count as told from now on.
    fn new_of(&mut self, events: Vec<AuditEvent>, horizon: AuditEventId) -> Vec<AuditEvent> {
        events.into_iter().filter(|event| event.id >= horizon && self.0.insert(event.id)).collect()
    }

    fn note(&mut self, events: &[AuditEvent]) {
        self.0.extend(events.iter().map(|event| event.id));
    }

    fn forget_below(&mut self, horizon: AuditEventId) {
        self.0 = self.0.split_off(&horizon);
    }
}

fn tell(events: &[AuditEvent], json: bool) -> Result<(), Failure> {
    for event in events {
        if json {
            print_json(&event_json(event))?;
        } else {
            print_line(&event_line(event))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use time::macros::datetime;
    use vestibule::models::{Actor, Client};
    use vestibule::ports::OsRandom;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);

    fn event(seconds: i64) -> AuditEvent {
        let created_at = NOON + Duration::seconds(seconds);
        AuditEvent {
            id: AuditEventId::new(created_at, &OsRandom),
            kind: AuditEventKind::LoggedIn,
            user_id: None,
            actor: Actor::Visitor,
            detail: String::new(),
            created_at,
            client: Client::default(),
        }
    }

    #[test]
    fn an_event_that_is_committed_late_is_told_once() {
        let horizon = AuditEventId::lowest_at(NOON);
        let (before, early, late, next) = (event(-1), event(1), event(2), event(3));
        let mut seen = Seen::default();
        assert_eq!(seen.new_of(vec![next.clone(), early.clone()], horizon), [next.clone(), early.clone()]);
        let all = vec![next, late.clone(), early, before.clone()];
        assert_eq!(seen.new_of(all.clone(), horizon), [late], "it has a lower id than what was told");
        assert!(seen.new_of(all, horizon).is_empty());
        assert!(seen.new_of(vec![before], horizon).is_empty(), "what room made visible is not new");
    }

    #[test]
    fn what_is_beyond_the_horizon_is_forgotten() {
        let mut seen = Seen::default();
        seen.note(&[event(1), event(2), event(3)]);
        seen.forget_below(AuditEventId::lowest_at(NOON + Duration::seconds(2)));
        assert_eq!(seen.0.len(), 2);
    }
}
