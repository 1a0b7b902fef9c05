use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::models::{
    ConfirmsEmail, EmailAddress, EmailToken, OneTimeTokenHash, ResetToken, ResetsPassword, UserId,
};
use vestibule::repository::{Credentials, EmailTokenAndOwner, OneTimeTokens, StoreError};

use crate::database::{At, Connection, Id};
use crate::store::{BrokenRow, bytes32};
use crate::users::CredentialsRow;

#[async_trait]
impl OneTimeTokens for Connection {
    async fn put_email_token(&mut self, token: &EmailToken) -> Result<bool, StoreError> {
        const SQL: &str = "
            INSERT INTO email_verification_tokens
                (token_hash, user_id, email, replaces_email, expires_at, created_at)
            SELECT
                $1, id, $3, $4, $5, $6
            FROM users
            WHERE id = $2
                AND NOT is_disabled
                AND (
                    ($4 AND NOT EXISTS (SELECT 1 FROM users AS others WHERE others.email = $3))
                    OR (NOT $4 AND users.email = $3 AND NOT is_email_verified)
                )
            ON CONFLICT (user_id, replaces_email) DO UPDATE
            SET
                token_hash = excluded.token_hash,
                email      = excluded.email,
                expires_at = excluded.expires_at,
                created_at = excluded.created_at";
        let put = self
            .write(SQL)
            .bind(token.hash.as_bytes().to_vec())
            .bind(Id(token.user_id.as_uuid()))
            .bind(token.email.as_str().to_owned())
            .bind(token.replaces_email)
            .bind(At(token.expires_at))
            .bind(At(token.created_at))
            .execute()
            .await?;
        Ok(put == 1)
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

    async fn put_reset_token(&mut self, token: &ResetToken) -> Result<bool, StoreError> {
        const SQL: &str = "
            INSERT INTO password_reset_tokens
                (token_hash, user_id, expires_at, created_at)
            SELECT
                $1, id, $3, $4
            FROM users
            WHERE id = $2 AND NOT is_disabled
            ON CONFLICT (user_id) DO UPDATE
            SET
                token_hash = excluded.token_hash,
                expires_at = excluded.expires_at,
                created_at = excluded.created_at";
        let put = self
            .write(SQL)
            .bind(token.hash.as_bytes().to_vec())
            .bind(Id(token.user_id.as_uuid()))
            .bind(At(token.expires_at))
            .bind(At(token.created_at))
            .execute()
            .await?;
        Ok(put == 1)
    }

    async fn find_reset_token(
        &mut self,
        hash: OneTimeTokenHash<ResetsPassword>,
        now: OffsetDateTime,
    ) -> Result<Option<Credentials>, StoreError> {
        const SQL: &str = "
            SELECT
                user_id, email, name, is_email_verified, role, is_disabled,
                users.created_at AS user_created_at, users.updated_at AS user_updated_at, password_hash
            FROM password_reset_tokens
            JOIN users ON users.id = password_reset_tokens.user_id
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
            WHERE token_hash = $1 AND expires_at > $2
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

#[derive(sqlx::FromRow)]
struct OwnerRow {
    user_id: Id,
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
