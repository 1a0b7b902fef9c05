use time::{Date, Duration, Time};

use crate::Accounts;
use crate::models::{AuditEventId, AuditEventKind, MailCounts};
use crate::repository::StoreError;

/// How many days are counted.
const DAYS: i32 = 30;

/// Numbers for who looks after the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// How many users there are.
    pub users: u64,
    /// How many sessions are alive.
    pub sessions: u64,
    /// How many mails wait and how many were given up.
    pub mails: MailCounts,
    /// The last thirty days in UTC, oldest first and each of them, today included.
    pub days: Vec<DayCounts>,
}

/// What happened on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCounts {
    /// The day, in UTC.
    pub day: Date,
    /// How many signed up.
    pub sign_ups: u64,
    /// How many logged in.
    pub log_ins: u64,
    /// How many log-ins failed.
    pub failures: u64,
    /// How many sessions could be used on it, of those that nobody has ended since.
    pub sessions: u64,
}

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadCount {
    /// Users.
    pub users: u64,
    /// Sessions that can be used.
    pub sessions: u64,
}

impl Accounts {
    /// How many users and sessions there are.
    pub async fn count_heads(&self) -> Result<HeadCount, StoreError> {
        let mut store = self.store.alone();
        let users = store.count_users().await?;
        Ok(HeadCount { users, sessions: store.count_sessions(self.clock.now()).await? })
    }

    /// How the site is doing. Of days beyond the audit trail's retention there are only sessions.
    pub async fn statistics(&self) -> Result<Statistics, StoreError> {
        use AuditEventKind::{LogInFailed, LoggedIn, SignedUp};
        let now = self.clock.now();
        let first = now.date() - Duration::days(i64::from(DAYS) - 1);
        let start = first.with_time(Time::MIDNIGHT).assume_utc();
        let from = AuditEventId::lowest_at(start);
        let mut store = self.store.alone();
        let counts = store.count_audit_events([SignedUp, LoggedIn, LogInFailed], from).await?;
        let count = |day, kind| {
            counts.iter().find(|count| count.day == day && count.kind == kind).map_or(0, |count| count.count)
        };
        let sessions = store.count_sessions_by_days(start).await?;
        let alive_on = |day: Date| -> u64 {
            let alive = sessions.iter().filter(|each| each.first <= day && day <= each.last);
            alive.map(|each| each.count).sum()
        };
        let days = (0..DAYS)
            .map(|number| first + Duration::days(i64::from(number)))
            .map(|day| DayCounts {
                day,
                sign_ups: count(day, SignedUp),
                log_ins: count(day, LoggedIn),
                failures: count(day, LogInFailed),
                sessions: alive_on(day),
            })
            .collect();
        Ok(Statistics {
            users: store.count_users().await?,
            sessions: store.count_sessions(now).await?,
            mails: store.count_mails().await?,
            days,
        })
    }
}
