use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::models::{
    ConfirmsSignUp, EmailAddress, OneTimeTokenHash, OutgoingMailId, PasswordHash, PersonName, SignUpAttempt,
    SignUpAttemptId, SignUpBrowserHash,
};
use vestibule::repository::{SignUpAttempts, StoreError};

use crate::database::{At, Connection, Id};
use crate::store::{BrokenRow, bytes32, client};

/// More than ever wait with one address of one network. Both databases take an offset only behind a limit.
const ALL: i64 = 10_000;

#[async_trait]
impl SignUpAttempts for Connection {
    async fn insert_sign_up_attempt(
        &mut self,
        attempt: &SignUpAttempt,
        at_most: u32,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            INSERT INTO sign_up_attempts
                (id, name, email, password_hash, browser_hash, mail_id, mails, is_declined,
                 created_at, expires_at, ip, user_agent, network)
            SELECT
                $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
            WHERE (SELECT COUNT(*) FROM sign_up_attempts WHERE network = $13 AND expires_at > $9) < $14";
        let inserted = self
            .write(SQL)
            .bind(Id(attempt.id.as_uuid()))
            .bind(attempt.name.as_str().to_owned())
            .bind(attempt.email.as_str().to_owned())
            .bind(attempt.password_hash.as_str().to_owned())
            .bind(attempt.browser.as_bytes().to_vec())
            .bind(Id(attempt.mail_id.as_uuid()))
            .bind(i64::from(attempt.mails))
            .bind(attempt.is_declined)
            .bind(At(attempt.created_at))
            .bind(At(attempt.expires_at))
            .bind(attempt.client.ip().map(|ip| ip.to_string()))
            .bind(attempt.client.user_agent().map(str::to_owned))
            .bind(attempt.client.network())
            .bind(i64::from(at_most))
            .execute()
            .await?;
        Ok(inserted == 1)
    }

    async fn delete_sign_up_attempt_of(&mut self, browser: SignUpBrowserHash) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM sign_up_attempts WHERE browser_hash = $1";
        self.write(SQL).bind(browser.as_bytes().to_vec()).execute().await?;
        Ok(())
    }

    async fn trim_sign_up_attempts(
        &mut self,
        email: &EmailAddress,
        keep: SignUpAttemptId,
        others: u32,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            DELETE FROM sign_up_attempts
            WHERE id IN (
                SELECT id
                FROM sign_up_attempts
                WHERE email = $1 AND id <> $2 AND network = (SELECT network FROM sign_up_attempts WHERE id = $2)
                ORDER BY id
                LIMIT $3 OFFSET $4
            )";
        self.write(SQL)
            .bind(email.as_str().to_owned())
            .bind(Id(keep.as_uuid()))
            .bind(ALL)
            .bind(i64::from(others))
            .execute()
            .await?;
        Ok(())
    }

    async fn find_sign_up_attempt_of(
        &mut self,
        browser: SignUpBrowserHash,
        now: OffsetDateTime,
    ) -> Result<Option<SignUpAttempt>, StoreError> {
        const SQL: &str = "
            SELECT
                id, name, email, password_hash, browser_hash, mail_id, mails, is_declined,
                created_at, expires_at, ip, user_agent
            FROM sign_up_attempts
            WHERE browser_hash = $1 AND expires_at > $2";
        let row: Option<SignUpAttemptRow> =
            self.read(SQL).bind(browser.as_bytes().to_vec()).bind(At(now)).optional().await?;
        Ok(row.map(SignUpAttempt::try_from).transpose()?)
    }

    async fn find_sign_up_attempt_by_mail(
        &mut self,
        mail: OutgoingMailId,
        now: OffsetDateTime,
    ) -> Result<Option<SignUpAttempt>, StoreError> {
        const SQL: &str = "
            SELECT
                id, name, email, password_hash, browser_hash, mail_id, mails, is_declined,
                created_at, expires_at, ip, user_agent
            FROM sign_up_attempts
            WHERE mail_id = $1 AND expires_at > $2";
        let row: Option<SignUpAttemptRow> =
            self.read(SQL).bind(Id(mail.as_uuid())).bind(At(now)).optional().await?;
        Ok(row.map(SignUpAttempt::try_from).transpose()?)
    }

    async fn find_sign_up_attempt(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsSignUp>,
        now: OffsetDateTime,
    ) -> Result<Option<SignUpAttempt>, StoreError> {
        const SQL: &str = "
            SELECT
                id, name, email, password_hash, browser_hash, mail_id, mails, is_declined,
                created_at, expires_at, ip, user_agent
            FROM sign_up_attempts
            WHERE token_hash = $1 AND expires_at > $2";
        let row: Option<SignUpAttemptRow> =
            self.read(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).optional().await?;
        Ok(row.map(SignUpAttempt::try_from).transpose()?)
    }

    async fn put_sign_up_token(
        &mut self,
        mail: OutgoingMailId,
        claim: u32,
        hash: OneTimeTokenHash<ConfirmsSignUp>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        // A worker whose lease ran out must not end the link that the next one has sent.
        const SQL: &str = "
            UPDATE sign_up_attempts
            SET token_hash = $2
            WHERE mail_id = $1 AND expires_at > $3 AND NOT is_declined
                AND NOT EXISTS (
                    SELECT 1 FROM outgoing_mails AS mail
                    WHERE mail.id = $1 AND (mail.attempts <> $4 OR mail.finished_at IS NOT NULL)
                )";
        let put = self
            .write(SQL)
            .bind(Id(mail.as_uuid()))
            .bind(hash.as_bytes().to_vec())
            .bind(At(now))
            .bind(i64::from(claim))
            .execute()
            .await?;
        Ok(put == 1)
    }

    async fn readdress_sign_up_attempt(
        &mut self,
        id: SignUpAttemptId,
        email: &EmailAddress,
        mail: OutgoingMailId,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE sign_up_attempts
            SET
                is_declined = is_declined AND email = $2,
                email       = $2,
                mail_id     = $3,
                mails       = CASE WHEN mail_id = $3 THEN mails ELSE mails + 1 END,
                token_hash  = CASE WHEN mail_id = $3 THEN token_hash END,
                expires_at  = CASE WHEN mail_id = $3 THEN expires_at ELSE $5 END
            WHERE id = $1 AND expires_at > $4 AND mails < $6";
        let readdressed = self
            .write(SQL)
            .bind(Id(id.as_uuid()))
            .bind(email.as_str().to_owned())
            .bind(Id(mail.as_uuid()))
            .bind(At(now))
            .bind(At(expires_at))
            .bind(i64::from(SignUpAttempt::MAX_MAILS))
            .execute()
            .await?;
        Ok(readdressed == 1)
    }

    async fn redeem_sign_up_attempt(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsSignUp>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM sign_up_attempts WHERE token_hash = $1 AND expires_at > $2";
        let redeemed = self.write(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).execute().await?;
        Ok(redeemed == 1)
    }

    async fn decline_sign_up_attempt(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsSignUp>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE sign_up_attempts
            SET token_hash = NULL, is_declined = $3
            WHERE token_hash = $1 AND expires_at > $2";
        let declined =
            self.write(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).bind(true).execute().await?;
        Ok(declined == 1)
    }

    async fn end_sign_up_tokens(&mut self, email: &EmailAddress) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE sign_up_attempts SET token_hash = NULL WHERE email = $1";
        self.write(SQL).bind(email.as_str().to_owned()).execute().await?;
        Ok(())
    }

    async fn delete_expired_sign_up_attempts(
        &mut self,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM sign_up_attempts
            WHERE id IN (SELECT id FROM sign_up_attempts WHERE expires_at <= $1 LIMIT $2)";
        self.write(SQL).bind(At(now)).bind(i64::from(limit)).execute().await
    }
}

#[derive(sqlx::FromRow)]
struct SignUpAttemptRow {
    id: Id,
    name: String,
    email: String,
    password_hash: String,
    browser_hash: Vec<u8>,
    mail_id: Id,
    mails: i64,
    is_declined: bool,
    created_at: At,
    expires_at: At,
    ip: Option<String>,
    user_agent: Option<String>,
}

impl TryFrom<SignUpAttemptRow> for SignUpAttempt {
    type Error = BrokenRow;

    fn try_from(row: SignUpAttemptRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "sign_up_attempts";
        Ok(Self {
            id: SignUpAttemptId::from(row.id.0),
            name: PersonName::parse(&row.name).map_err(|error| BrokenRow::new(TABLE, "name", error))?,
            email: EmailAddress::parse(&row.email).map_err(|error| BrokenRow::new(TABLE, "email", error))?,
            password_hash: PasswordHash::parse(row.password_hash)
                .map_err(|error| BrokenRow::new(TABLE, "password_hash", error))?,
            browser: bytes32(TABLE, "browser_hash", &row.browser_hash)?.into(),
            mail_id: OutgoingMailId::from(row.mail_id.0),
            mails: u32::try_from(row.mails).map_err(|error| BrokenRow::new(TABLE, "mails", error))?,
            is_declined: row.is_declined,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            client: client(TABLE, row.ip.as_deref(), row.user_agent.as_deref())?,
        })
    }
}
