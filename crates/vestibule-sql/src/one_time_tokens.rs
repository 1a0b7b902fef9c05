use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::models::{
    ClaimedMail, ConfirmsEmail, EmailAddress, EmailToken, MailKind, OneTimeTokenHash, ResetToken,
    ResetsPassword, StandingLink, UserId,
};
use vestibule::repository::{Credentials, EmailTokenAndOwner, OneTimeTokens, StoreError};

use crate::database::{At, Connection, Id, Statement};
use crate::store::{BrokenRow, bytes32};
use crate::users::CredentialsRow;

/// The statement of `put_email_token`, with or without the mail that the token is made for, and for PostgreSQL with locks.
/// There, without them, a change of the address or the password could commit between this statement's look at the rows and
/// its insertion, end "all" links without seeing this one, and leave a link of before alive. They are taken in the order
/// of everybody, first the user and then the mail. SQLite has one writer at a time and no such clause.
macro_rules! put_email_token {
    ($mail:literal, $lock:literal) => {
        concat!(
            "
            INSERT INTO email_verification_tokens
                (token_hash, user_id, email, replaces_email, expires_at, created_at)
            SELECT
                $1, users.id, $3, $4, $5, $6
            FROM users
            ",
            $mail,
            "
            WHERE users.id = $2
                AND NOT is_disabled
                AND (
                    ($4 AND users.email <> $3)
                    OR (NOT $4 AND users.email = $3 AND NOT is_email_verified)
                )
            ",
            $lock,
            "
            ON CONFLICT (user_id, replaces_email) DO UPDATE
            SET
                token_hash = excluded.token_hash,
                email      = excluded.email,
                expires_at = excluded.expires_at,
                created_at = excluded.created_at"
        )
    };
}

/// The statement of `put_reset_token`, in the same four forms for the same reasons.
macro_rules! put_reset_token {
    ($mail:literal, $lock:literal) => {
        concat!(
            "
            INSERT INTO password_reset_tokens
                (token_hash, user_id, email, expires_at, created_at)
            SELECT
                $1, users.id, users.email, $4, $5
            FROM users
            ",
            $mail,
            "
            WHERE users.id = $2 AND users.email = $3 AND NOT is_disabled
            ",
            $lock,
            "
            ON CONFLICT (user_id) DO UPDATE
            SET
                token_hash = excluded.token_hash,
                email      = excluded.email,
                expires_at = excluded.expires_at,
                created_at = excluded.created_at"
        )
    };
}

#[async_trait]
impl OneTimeTokens for Connection {
    async fn put_email_token(
        &mut self,
        token: &EmailToken,
        mail: Option<&ClaimedMail>,
    ) -> Result<bool, StoreError> {
        let sql = match (mail.is_some(), self.has_row_locks()) {
            (false, false) => put_email_token!("", ""),
            (false, true) => put_email_token!("", "FOR SHARE"),
            (true, false) => put_email_token!(
                "JOIN outgoing_mails AS mail ON mail.id = $7 AND mail.attempts = $8 AND mail.finished_at IS NULL",
                ""
            ),
            (true, true) => put_email_token!(
                "JOIN outgoing_mails AS mail ON mail.id = $7 AND mail.attempts = $8 AND mail.finished_at IS NULL",
                "FOR SHARE OF users, mail"
            ),
        };
        let statement = self
            .write(sql)
            .bind(token.hash.as_bytes().to_vec())
            .bind(Id(token.user_id.as_uuid()))
            .bind(token.email.as_str().to_owned())
            .bind(token.replaces_email)
            .bind(At(token.expires_at))
            .bind(At(token.created_at));
        Ok(made_for(mail, statement).execute().await? == 1)
    }

    async fn find_email_token(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsEmail>,
        now: OffsetDateTime,
    ) -> Result<Option<EmailTokenAndOwner>, StoreError> {
        const SQL: &str = "
            SELECT
                token_hash, email_verification_tokens.email AS token_email, replaces_email, expires_at,
                email_verification_tokens.created_at AS token_created_at,
                user_id, users.email, name, is_email_verified, role, is_disabled,
                users.created_at AS user_created_at, users.updated_at AS user_updated_at, password_hash
            FROM email_verification_tokens
            JOIN users ON users.id = email_verification_tokens.user_id
            WHERE token_hash = $1 AND expires_at > $2";
        let row: Option<EmailTokenAndOwnerRow> =
            self.read(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).optional().await?;
        Ok(row.map(EmailTokenAndOwner::try_from).transpose()?)
    }

    async fn redeem_email_token(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsEmail>,
        now: OffsetDateTime,
    ) -> Result<Option<EmailToken>, StoreError> {
        const SQL: &str = "
            DELETE FROM email_verification_tokens
            WHERE token_hash = $1 AND expires_at > $2
            RETURNING
                token_hash, user_id, email AS token_email, replaces_email, expires_at,
                created_at AS token_created_at";
        let row: Option<EmailTokenRow> =
            self.write(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).optional().await?;
        Ok(row.map(|row| row.token(row.user_id)).transpose()?)
    }

    async fn end_email_tokens(&mut self, user: UserId) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM email_verification_tokens WHERE user_id = $1";
        self.write(SQL).bind(Id(user.as_uuid())).execute().await?;
        Ok(())
    }

    async fn end_new_email_token(&mut self, user: UserId) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM email_verification_tokens WHERE user_id = $1 AND replaces_email";
        Ok(self.write(SQL).bind(Id(user.as_uuid())).execute().await? == 1)
    }

    async fn find_pending_email(
        &mut self,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<Option<EmailAddress>, StoreError> {
        const SQL: &str = "
            SELECT pending.email
            FROM (
                SELECT recipient AS email, created_at
                FROM outgoing_mails
                WHERE user_id = $1 AND kind = $2 AND finished_at IS NULL
                UNION ALL
                SELECT email, created_at
                FROM email_verification_tokens
                WHERE user_id = $1 AND replaces_email AND expires_at > $3
            ) AS pending
            ORDER BY pending.created_at DESC
            LIMIT 1";
        let row: Option<PendingRow> = self
            .read(SQL)
            .bind(Id(user.as_uuid()))
            .bind(MailKind::ConfirmNewEmail.as_str())
            .bind(At(now))
            .optional()
            .await?;
        let email = row.map(|row| EmailAddress::parse(&row.email)).transpose();
        Ok(email.map_err(|error| BrokenRow::new("email_verification_tokens", "email", error))?)
    }

    async fn list_links(&mut self, user: UserId) -> Result<Vec<StandingLink>, StoreError> {
        const SQL: &str = "
            SELECT
                CASE WHEN replaces_email THEN 'confirm_new_email' ELSE 'confirm_email' END AS kind,
                email, expires_at, created_at
            FROM email_verification_tokens
            WHERE user_id = $1
            UNION ALL
            SELECT 'reset_password', email, expires_at, created_at
            FROM password_reset_tokens
            WHERE user_id = $1";
        let rows: Vec<StandingLinkRow> = self.read(SQL).bind(Id(user.as_uuid())).all().await?;
        Ok(rows.into_iter().map(StandingLink::try_from).collect::<Result<_, _>>()?)
    }

    async fn put_reset_token(
        &mut self,
        token: &ResetToken,
        mail: Option<&ClaimedMail>,
    ) -> Result<bool, StoreError> {
        let sql = match (mail.is_some(), self.has_row_locks()) {
            (false, false) => put_reset_token!("", ""),
            (false, true) => put_reset_token!("", "FOR SHARE"),
            (true, false) => put_reset_token!(
                "JOIN outgoing_mails AS mail ON mail.id = $6 AND mail.attempts = $7 AND mail.finished_at IS NULL",
                ""
            ),
            (true, true) => put_reset_token!(
                "JOIN outgoing_mails AS mail ON mail.id = $6 AND mail.attempts = $7 AND mail.finished_at IS NULL",
                "FOR SHARE OF users, mail"
            ),
        };
        let statement = self
            .write(sql)
            .bind(token.hash.as_bytes().to_vec())
            .bind(Id(token.user_id.as_uuid()))
            .bind(token.email.as_str().to_owned())
            .bind(At(token.expires_at))
            .bind(At(token.created_at));
        Ok(made_for(mail, statement).execute().await? == 1)
    }

    async fn find_reset_token(
        &mut self,
        hash: OneTimeTokenHash<ResetsPassword>,
        now: OffsetDateTime,
    ) -> Result<Option<Credentials>, StoreError> {
        const SQL: &str = "
            SELECT
                user_id, users.email, name, is_email_verified, role, is_disabled,
                users.created_at AS user_created_at, users.updated_at AS user_updated_at, password_hash
            FROM password_reset_tokens AS token
            JOIN users ON users.id = token.user_id AND (token.email IS NULL OR token.email = users.email)
            WHERE token_hash = $1 AND expires_at > $2";
        let row: Option<CredentialsRow> =
            self.read(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).optional().await?;
        Ok(row.map(Credentials::try_from).transpose()?)
    }

    async fn redeem_reset_token(
        &mut self,
        hash: OneTimeTokenHash<ResetsPassword>,
        now: OffsetDateTime,
    ) -> Result<Option<UserId>, StoreError> {
        const SQL: &str = "
            DELETE FROM password_reset_tokens
            WHERE token_hash = $1
                AND expires_at > $2
                AND (email IS NULL OR email = (SELECT users.email FROM users WHERE users.id = user_id))
            RETURNING user_id";
        let row: Option<OwnerRow> =
            self.write(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).optional().await?;
        Ok(row.map(|row| UserId::from(row.user_id.0)))
    }

    async fn end_reset_tokens(&mut self, user: UserId) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM password_reset_tokens WHERE user_id = $1";
        self.write(SQL).bind(Id(user.as_uuid())).execute().await?;
        Ok(())
    }

    async fn delete_expired_tokens(&mut self, now: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        const EMAIL: &str = "
            DELETE FROM email_verification_tokens
            WHERE token_hash IN (SELECT token_hash FROM email_verification_tokens WHERE expires_at <= $1 LIMIT $2)";
        const RESET: &str = "
            DELETE FROM password_reset_tokens
            WHERE token_hash IN (SELECT token_hash FROM password_reset_tokens WHERE expires_at <= $1 LIMIT $2)";
        let email = self.write(EMAIL).bind(At(now)).bind(i64::from(limit)).execute().await?;
        let reset = self.write(RESET).bind(At(now)).bind(i64::from(limit)).execute().await?;
        Ok(email.max(reset))
    }
}

/// Binds the mail that a token is made for, after the token.
fn made_for<'c>(mail: Option<&ClaimedMail>, statement: Statement<'c>) -> Statement<'c> {
    match mail {
        Some(claimed) => statement.bind(Id(claimed.mail.id.as_uuid())).bind(i64::from(claimed.attempt)),
        None => statement,
    }
}

#[derive(sqlx::FromRow)]
struct OwnerRow {
    user_id: Id,
}

#[derive(sqlx::FromRow)]
struct PendingRow {
    email: String,
}

#[derive(sqlx::FromRow)]
struct StandingLinkRow {
    kind: String,
    email: Option<String>,
    expires_at: At,
    created_at: At,
}

#[derive(sqlx::FromRow)]
struct EmailTokenRow {
    token_hash: Vec<u8>,
    user_id: Id,
    token_email: String,
    replaces_email: bool,
    expires_at: At,
    token_created_at: At,
}

/// The same beside its owner, whose row names the user.
#[derive(sqlx::FromRow)]
struct EmailTokenAndOwnerRow {
    token_hash: Vec<u8>,
    token_email: String,
    replaces_email: bool,
    expires_at: At,
    token_created_at: At,
    #[sqlx(flatten)]
    owner: CredentialsRow,
}

impl EmailTokenRow {
    fn token(&self, user_id: Id) -> Result<EmailToken, BrokenRow> {
        const TABLE: &str = "email_verification_tokens";
        Ok(EmailToken {
            hash: bytes32(TABLE, "token_hash", &self.token_hash)?.into(),
            user_id: UserId::from(user_id.0),
            email: EmailAddress::parse(&self.token_email)
                .map_err(|error| BrokenRow::new(TABLE, "email", error))?,
            replaces_email: self.replaces_email,
            expires_at: self.expires_at.0,
            created_at: self.token_created_at.0,
        })
    }
}

impl TryFrom<EmailTokenAndOwnerRow> for EmailTokenAndOwner {
    type Error = BrokenRow;

    fn try_from(row: EmailTokenAndOwnerRow) -> Result<Self, BrokenRow> {
        let owner = Credentials::try_from(row.owner)?;
        let user_id = Id(owner.user.id.as_uuid());
        let token = EmailTokenRow {
            token_hash: row.token_hash,
            user_id,
            token_email: row.token_email,
            replaces_email: row.replaces_email,
            expires_at: row.expires_at,
            token_created_at: row.token_created_at,
        };
        Ok(Self { token: token.token(user_id)?, owner })
    }
}

impl TryFrom<StandingLinkRow> for StandingLink {
    type Error = BrokenRow;

    fn try_from(row: StandingLinkRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "password_reset_tokens";
        let email = row.email.as_deref().map(EmailAddress::parse).transpose();
        Ok(Self {
            kind: MailKind::from_word(&row.kind)
                .ok_or_else(|| BrokenRow::new(TABLE, "kind", "no known kind of link"))?,
            email: email.map_err(|error| BrokenRow::new(TABLE, "email", error))?,
            expires_at: row.expires_at.0,
            created_at: row.created_at.0,
        })
    }
}
