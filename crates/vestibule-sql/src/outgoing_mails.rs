use async_trait::async_trait;
use time::{Date, OffsetDateTime};
use vestibule::models::{
    BrokenMail, ClaimedMail, EmailAddress, MailCounts, MailKind, MailOutcome, MailState, MailUrgency,
    OutgoingMail, OutgoingMailId, TrackedMail, UserId,
};
use vestibule::repository::{ClaimError, MailFilter, OutgoingMails, StoreError};

use crate::database::{At, Connection, Id};
use crate::store::{BrokenRow, Count, client};

/// The statement of `claim_mail`, and for PostgreSQL the same that passes over mails which another worker is claiming
/// in this moment. SQLite has one writer at a time and no such clause.
macro_rules! claim_mail {
    ($lock:literal) => {
        concat!(
            "
            UPDATE outgoing_mails
            SET attempts = attempts + 1, next_attempt_at = $3
            WHERE id = (
                SELECT id
                FROM outgoing_mails
                WHERE finished_at IS NULL AND next_attempt_at <= $2 AND urgency <= $1
                    -- Whether it is among the kinds that are known.
                    AND replace($4, '/' || kind || '/', '') <> $4
                ORDER BY urgency, next_attempt_at, id
                LIMIT 1
                ",
            $lock,
            "
            )
            RETURNING id, kind, user_id, recipient, created_at, ip, user_agent, attempts, uncounted_attempts"
        )
    };
}

#[derive(sqlx::FromRow)]
struct CreatedAt {
    created_at: At,
}

#[async_trait]
impl OutgoingMails for Connection {
    async fn insert_outgoing_mail(&mut self, mail: &OutgoingMail) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO outgoing_mails
                (id, kind, user_id, recipient, created_at, ip, user_agent,
                 urgency, attempts, next_attempt_at, reason)
            VALUES
                ($1, $2, $3, $4, $5, $6, $7, $8, 0, $5, '')";
        self.write(SQL)
            .bind(Id(mail.id.as_uuid()))
            .bind(mail.kind.as_str())
            .bind(mail.user_id.map(|id| Id(id.as_uuid())))
            .bind(mail.recipient.as_str().to_owned())
            .bind(At(mail.created_at))
            .bind(mail.client.ip().map(|ip| ip.to_string()))
            .bind(mail.client.user_agent().map(str::to_owned))
            .bind(mail.kind.urgency().rank())
            .execute()
            .await?;
        Ok(())
    }

    async fn claim_mail(
        &mut self,
        urgency: MailUrgency,
        now: OffsetDateTime,
        lease_end: OffsetDateTime,
    ) -> Result<Option<ClaimedMail>, ClaimError> {
        let sql = if self.has_row_locks() { claim_mail!("FOR UPDATE SKIP LOCKED") } else { claim_mail!("") };
        let row: Option<ClaimedMailRow> = self
            .write(sql)
            .bind(urgency.rank())
            .bind(At(now))
            .bind(At(lease_end))
            .bind(MailKind::ALL.map(|kind| format!("/{}/", kind.as_str())).concat())
            .optional()
            .await?;
        row.map(|row| row.read().map_err(ClaimError::Broken)).transpose()
    }

    async fn has_newer_mail(&mut self, mail: &OutgoingMail) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT COUNT(*) AS count
            FROM outgoing_mails
            WHERE id > $1 AND kind = $2
                AND (user_id = $3 OR (recipient = $4 AND (user_id IS NULL OR $3 IS NULL)))";
        let row: Option<Count> = self
            .read(SQL)
            .bind(Id(mail.id.as_uuid()))
            .bind(mail.kind.as_str())
            .bind(mail.user_id.map(|id| Id(id.as_uuid())))
            .bind(mail.recipient.as_str().to_owned())
            .optional()
            .await?;
        Ok(row.is_some_and(|row| row.count > 0))
    }

    async fn end_link_mails(
        &mut self,
        user: UserId,
        email: &EmailAddress,
        only: Option<MailKind>,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<Vec<OutgoingMail>, StoreError> {
        const SQL: &str = "
            UPDATE outgoing_mails
            SET outcome = $4, reason = $5, finished_at = $6
            WHERE finished_at IS NULL
                AND (user_id = $1 OR (user_id IS NULL AND recipient = $2))
                AND kind IN ($7, $8, $9)
                AND ($3 IS NULL OR kind = $3)
            RETURNING id, kind, user_id, recipient, created_at, ip, user_agent";
        let mut statement = self
            .write(SQL)
            .bind(Id(user.as_uuid()))
            .bind(email.as_str().to_owned())
            .bind(only.map(MailKind::as_str))
            .bind(MailOutcome::Moot.as_str())
            .bind(reason.to_owned())
            .bind(At(now));
        for kind in MailKind::WITH_LINKS_OF_ACCOUNTS {
            statement = statement.bind(kind.as_str());
        }
        let rows: Vec<OutgoingMailRow> = statement.all().await?;
        Ok(rows.into_iter().map(OutgoingMail::try_from).collect::<Result<_, _>>()?)
    }

    async fn finish_mail(
        &mut self,
        mail: OutgoingMailId,
        attempt: u32,
        outcome: MailOutcome,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE outgoing_mails
            SET outcome = $3, reason = $4, finished_at = $5
            WHERE id = $1 AND attempts = $2 AND finished_at IS NULL";
        let finished = self
            .write(SQL)
            .bind(Id(mail.as_uuid()))
            .bind(i64::from(attempt))
            .bind(outcome.as_str())
            .bind(reason.to_owned())
            .bind(At(now))
            .execute()
            .await?;
        Ok(finished == 1)
    }

    async fn delete_mail(&mut self, mail: OutgoingMailId, attempt: u32) -> Result<bool, StoreError> {
        const SQL: &str =
            "DELETE FROM outgoing_mails WHERE id = $1 AND attempts = $2 AND finished_at IS NULL";
        let deleted = self.write(SQL).bind(Id(mail.as_uuid())).bind(i64::from(attempt)).execute().await?;
        Ok(deleted == 1)
    }

    async fn postpone_mail(
        &mut self,
        mail: OutgoingMailId,
        attempt: u32,
        until: OffsetDateTime,
        reason: &str,
        counts: bool,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE outgoing_mails
            SET next_attempt_at = $3, reason = $4, uncounted_attempts = uncounted_attempts + $5
            WHERE id = $1 AND attempts = $2 AND finished_at IS NULL";
        let postponed = self
            .write(SQL)
            .bind(Id(mail.as_uuid()))
            .bind(i64::from(attempt))
            .bind(At(until))
            .bind(reason.to_owned())
            .bind(i64::from(!counts))
            .execute()
            .await?;
        Ok(postponed == 1)
    }

    async fn take_mail_quota(&mut self, quota: &str, day: Date, at_most: u32) -> Result<bool, StoreError> {
        const SQL: &str = "
            INSERT INTO mail_quotas AS quotas
                (quota, day, used)
            SELECT
                $1, $2, 1
            WHERE $3 > 0
            ON CONFLICT (quota, day) DO UPDATE SET used = quotas.used + 1 WHERE quotas.used < $3";
        let taken = self
            .write(SQL)
            .bind(quota.to_owned())
            .bind(day.to_string())
            .bind(i64::from(at_most))
            .execute()
            .await?;
        Ok(taken == 1)
    }

    async fn give_back_mail_quota(&mut self, quota: &str, day: Date) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE mail_quotas
            SET used = used - 1
            WHERE quota = $1 AND day = $2 AND used > 0";
        self.write(SQL).bind(quota.to_owned()).bind(day.to_string()).execute().await?;
        Ok(())
    }

    async fn list_outgoing_mails(&mut self, limit: u32) -> Result<Vec<OutgoingMail>, StoreError> {
        const SQL: &str = "
            SELECT id, kind, user_id, recipient, created_at, ip, user_agent
            FROM outgoing_mails
            WHERE finished_at IS NULL
            ORDER BY id
            LIMIT $1";
        let rows: Vec<OutgoingMailRow> = self.read(SQL).bind(i64::from(limit)).all().await?;
        Ok(rows.into_iter().map(OutgoingMail::try_from).collect::<Result<_, _>>()?)
    }

    async fn find_mails(&mut self, filter: MailFilter, limit: u32) -> Result<Vec<TrackedMail>, StoreError> {
        const SQL: &str = "
            SELECT
                id, kind, user_id, recipient, created_at, ip, user_agent, attempts, uncounted_attempts,
                next_attempt_at, finished_at, coalesce(outcome, 'waiting') AS state, reason
            FROM outgoing_mails
            WHERE ($1 IS NULL OR coalesce(outcome, 'waiting') = $1) AND ($2 IS NULL OR id < $2)
            ORDER BY id DESC
            LIMIT $3";
        let (mut found, mut below) = (Vec::new(), filter.below);
        loop {
            let wanted = limit - u32::try_from(found.len()).unwrap_or(limit);
            let rows: Vec<TrackedMailRow> = self
                .read(SQL)
                .bind(filter.state.map(MailState::as_str))
                .bind(below.map(|id| Id(id.as_uuid())))
                .bind(i64::from(wanted))
                .all()
                .await?;
            below = rows.last().map(|row| OutgoingMailId::from(row.mail.id.0));
            if add_readable(rows, &mut found, wanted) {
                return Ok(found);
            }
        }
    }

    async fn list_mails_of(
        &mut self,
        user: UserId,
        to: Option<&EmailAddress>,
        below: Option<OutgoingMailId>,
        limit: u32,
    ) -> Result<Vec<TrackedMail>, StoreError> {
        const SQL: &str = "
            SELECT
                id, kind, user_id, recipient, created_at, ip, user_agent, attempts, uncounted_attempts,
                next_attempt_at, finished_at, coalesce(outcome, 'waiting') AS state, reason
            FROM outgoing_mails
            WHERE (user_id = $1 OR (user_id IS NULL AND recipient = $2)) AND ($3 IS NULL OR id < $3)
            ORDER BY id DESC
            LIMIT $4";
        let (mut found, mut below) = (Vec::new(), below);
        loop {
            let wanted = limit - u32::try_from(found.len()).unwrap_or(limit);
            let rows: Vec<TrackedMailRow> = self
                .read(SQL)
                .bind(Id(user.as_uuid()))
                .bind(to.map(|email| email.as_str().to_owned()))
                .bind(below.map(|id| Id(id.as_uuid())))
                .bind(i64::from(wanted))
                .all()
                .await?;
            below = rows.last().map(|row| OutgoingMailId::from(row.mail.id.0));
            if add_readable(rows, &mut found, wanted) {
                return Ok(found);
            }
        }
    }

    async fn retry_mail(
        &mut self,
        mail: OutgoingMailId,
        now: OffsetDateTime,
        lease_end: OffsetDateTime,
    ) -> Result<Option<OutgoingMail>, StoreError> {
        const SQL: &str = "
            UPDATE outgoing_mails
            SET finished_at = NULL, outcome = NULL, uncounted_attempts = attempts, next_attempt_at = $2
            WHERE id = $1 AND (outcome = 'dead' OR (finished_at IS NULL AND next_attempt_at > $3))
            RETURNING id, kind, user_id, recipient, created_at, ip, user_agent";
        let row: Option<OutgoingMailRow> =
            self.write(SQL).bind(Id(mail.as_uuid())).bind(At(now)).bind(At(lease_end)).optional().await?;
        Ok(row.map(OutgoingMail::try_from).transpose()?)
    }

    async fn count_mails(&mut self) -> Result<MailCounts, StoreError> {
        const WAITING: &str = "SELECT COUNT(*) AS count FROM outgoing_mails WHERE finished_at IS NULL";
        const DEAD: &str =
            "SELECT COUNT(*) AS count FROM outgoing_mails WHERE finished_at IS NOT NULL AND outcome = 'dead'";
        let waiting: Option<Count> = self.read(WAITING).optional().await?;
        let dead: Option<Count> = self.read(DEAD).optional().await?;
        let count = |row: Option<Count>| row.map_or(0, |row| row.count.unsigned_abs());
        Ok(MailCounts { waiting: count(waiting), dead: count(dead) })
    }

    async fn find_when_the_oldest_mail_came(&mut self) -> Result<Option<OffsetDateTime>, StoreError> {
        const SQL: &str =
            "SELECT created_at FROM outgoing_mails WHERE finished_at IS NULL ORDER BY created_at LIMIT 1";
        let oldest: Option<CreatedAt> = self.read(SQL).optional().await?;
        Ok(oldest.map(|row| row.created_at.0))
    }

    async fn delete_reset_requests_to(&mut self, recipient: &EmailAddress) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM outgoing_mails WHERE recipient = $1 AND user_id IS NULL AND kind = $2";
        self.write(SQL)
            .bind(recipient.as_str().to_owned())
            .bind(MailKind::ResetPassword.as_str())
            .execute()
            .await?;
        Ok(())
    }

    async fn delete_old_mails(
        &mut self,
        sent_before: OffsetDateTime,
        dead_before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        const MAILS: &str = "
            DELETE FROM outgoing_mails
            WHERE id IN (
                SELECT id
                FROM outgoing_mails
                WHERE finished_at < $2
                    OR (finished_at < $1 AND outcome <> 'dead')
                    OR (finished_at IS NULL AND created_at < $2)
                LIMIT $3
            )";
        const QUOTAS: &str = "
            DELETE FROM mail_quotas
            WHERE (quota, day) IN (SELECT quota, day FROM mail_quotas WHERE day < $1 LIMIT $2)";
        let mails = self
            .write(MAILS)
            .bind(At(sent_before))
            .bind(At(dead_before))
            .bind(i64::from(limit))
            .execute()
            .await?;
        let quotas =
            self.write(QUOTAS).bind(sent_before.date().to_string()).bind(i64::from(limit)).execute().await?;
        Ok(mails.max(quotas))
    }
}

#[derive(sqlx::FromRow)]
struct OutgoingMailRow {
    id: Id,
    kind: String,
    user_id: Option<Id>,
    recipient: String,
    created_at: At,
    ip: Option<String>,
    user_agent: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ClaimedMailRow {
    #[sqlx(flatten)]
    mail: OutgoingMailRow,
    attempts: i64,
    uncounted_attempts: i64,
}

#[derive(sqlx::FromRow)]
struct TrackedMailRow {
    #[sqlx(flatten)]
    mail: OutgoingMailRow,
    attempts: i64,
    uncounted_attempts: i64,
    next_attempt_at: At,
    finished_at: Option<At>,
    state: String,
    reason: String,
}

impl TryFrom<OutgoingMailRow> for OutgoingMail {
    type Error = BrokenRow;

    fn try_from(row: OutgoingMailRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "outgoing_mails";
        Ok(Self {
            id: OutgoingMailId::from(row.id.0),
            kind: MailKind::from_word(&row.kind)
                .ok_or_else(|| BrokenRow::new(TABLE, "kind", "no known kind of mail"))?,
            user_id: row.user_id.map(|id| UserId::from(id.0)),
            recipient: EmailAddress::parse(&row.recipient)
                .map_err(|error| BrokenRow::new(TABLE, "recipient", error))?,
            created_at: row.created_at.0,
            client: client(TABLE, row.ip.as_deref(), row.user_agent.as_deref())?,
        })
    }
}

impl TryFrom<TrackedMailRow> for TrackedMail {
    type Error = BrokenRow;

    fn try_from(row: TrackedMailRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "outgoing_mails";
        Ok(Self {
            mail: row.mail.try_into()?,
            state: MailState::from_word(&row.state)
                .ok_or_else(|| BrokenRow::new(TABLE, "outcome", "no known outcome"))?,
            attempts: tries(row.attempts, row.uncounted_attempts),
            next_attempt_at: row.next_attempt_at.0,
            finished_at: row.finished_at.map(|at| at.0),
            reason: row.reason,
        })
    }
}

impl ClaimedMailRow {
    fn read(self) -> Result<ClaimedMail, BrokenMail> {
        let id = OutgoingMailId::from(self.mail.id.0);
        // It grows by one with each claim and every claim takes a moment: it does not get there.
        let attempt = u32::try_from(self.attempts).unwrap_or(u32::MAX);
        let tries = tries(self.attempts, self.uncounted_attempts);
        match OutgoingMail::try_from(self.mail) {
            Ok(mail) => Ok(ClaimedMail { mail, attempt, tries }),
            Err(broken) => Err(BrokenMail { id, attempt, problem: broken.to_string() }),
        }
    }
}

/// Adds the rows of a page that can be read. One that cannot, or is of a later release's kind, must not hide the others from
/// who asks for them; the log names it. Whether that is all: as many as were `wanted` are there, or there are no more.
fn add_readable(rows: Vec<TrackedMailRow>, found: &mut Vec<TrackedMail>, wanted: u32) -> bool {
    let is_last = u32::try_from(rows.len()).is_ok_and(|count| count < wanted);
    let before = found.len();
    found.extend(rows.into_iter().filter_map(|row| TrackedMail::try_from(row).ok()));
    is_last || found.len() - before >= wanted as usize
}

/// How many attempts count. The release before this one sets `attempts` back and knows no others: then all do.
fn tries(attempts: i64, uncounted: i64) -> u32 {
    u32::try_from((attempts - uncounted).max(0)).unwrap_or(u32::MAX)
}
