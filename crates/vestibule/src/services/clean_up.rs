use time::Duration;

use crate::Accounts;
use crate::models::AuditEventId;
use crate::repository::StoreError;

/// How many rows one statement removes: few enough that nobody waits for it.
const BATCH: u32 = 1_000;
/// A sent mail is remembered until every older one of its kind was sent or given up, so that no older link can end a
/// newer one.
const SENT_MAILS_KEPT: Duration = Duration::days(3);
/// How long an operator can look at a mail that could not be delivered. One that found no way in all that time, because
/// none was set, would tell of something long forgotten.
const DEAD_MAILS_KEPT: Duration = Duration::days(30);
/// How long a person finds a session that is over in their export, and an operator can look one up. One that was revoked
/// because somebody had a copy of its cookie stays at least until no cookie of it can be good.
const SESSIONS_KEPT: Duration = Duration::days(30);
/// As long as a browser keeps the cookie.
const DEVICES_KEPT: Duration = Duration::days(400);

/// How many rows were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanedUp {
    /// Sessions that were long over.
    pub sessions: u64,
    /// Links whose time was over.
    pub tokens: u64,
    /// Sign-ups that were not confirmed in time.
    pub sign_ups: u64,
    /// Invitations that nobody used in time.
    pub invitations: u64,
    /// Mails that were sent or given up, and quotas of past days.
    pub mails: u64,
    /// Events older than the retention.
    pub events: u64,
    /// Browsers that did not come back.
    pub devices: u64,
    /// Quotas that are full again.
    pub buckets: u64,
    /// Keys whose last token has expired.
    pub keys: u64,
    /// Ends of sessions whose last token has expired.
    pub revocations: u64,
}

impl Accounts {
    /// Removes one batch of everything whose time is over. Where a count reaches the size of a batch there may be more.
    pub async fn clean_up(&self) -> Result<CleanedUp, StoreError> {
        let now = self.clock.now();
        let mut repository = self.store.alone();
        let keys = match self.live_keys.ring().first_needed_generation(now) {
            Some(generation) => repository.delete_signing_keys_before(generation).await?,
            None => 0,
        };
        let revoked_before = now - self.revocations_kept_for();
        Ok(CleanedUp {
            keys,
            revocations: repository.delete_old_revocations(revoked_before, BATCH).await?,
            sessions: repository.delete_old_sessions(now - SESSIONS_KEPT, now, BATCH).await?,
            tokens: repository.delete_expired_tokens(now, BATCH).await?,
            sign_ups: repository.delete_expired_sign_up_attempts(now, BATCH).await?,
            invitations: repository.delete_expired_invitations(now, BATCH).await?,
            mails: repository.delete_old_mails(now - SENT_MAILS_KEPT, now - DEAD_MAILS_KEPT, BATCH).await?,
            events: repository
                .delete_old_audit_events(AuditEventId::lowest_at(now - self.policy.audit_retention), BATCH)
                .await?,
            devices: repository.delete_old_devices(now - DEVICES_KEPT, BATCH).await?,
            buckets: repository.delete_full_buckets(now, BATCH).await?,
        })
    }
}

impl CleanedUp {
    /// Whether there may be more to remove.
    pub fn may_be_more(&self) -> bool {
        let batch = u64::from(BATCH);
        let Self {
            sessions,
            tokens,
            sign_ups,
            invitations,
            mails,
            events,
            devices,
            buckets,
            keys,
            revocations,
        } = *self;
        [sessions, tokens, sign_ups, invitations, mails, events, devices, buckets, keys, revocations]
            .into_iter()
            .any(|count| count >= batch)
    }
}
