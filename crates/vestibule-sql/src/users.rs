use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::models::{EmailAddress, PasswordHash, PersonName, User, UserId};
use vestibule::repository::{Credentials, Inserted, StoreError, Users};

use crate::database::{At, Connection, Id};
use crate::store::BrokenRow;

#[async_trait]
impl Users for Connection {
    async fn insert_user(
        &mut self,
        user: &User,
        password_hash: Option<&PasswordHash>,
    ) -> Result<Inserted, StoreError> {
        const SQL: &str = "
            INSERT INTO users
                (id, email, name, password_hash, is_email_verified, role, is_disabled, created_at, updated_at)
            VALUES
                ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (email) DO NOTHING";
        let inserted = self
            .write(SQL)
            .bind(Id(user.id.as_uuid()))
            .bind(user.email.as_str().to_owned())
            .bind(user.name.as_str().to_owned())
            .bind(password_hash.map(|hash| hash.as_str().to_owned()))
            .bind(user.is_email_verified)
            .bind(user.role.as_str())
            .bind(user.is_disabled)
            .bind(At(user.created_at))
            .bind(At(user.updated_at))
            .execute()
            .await?;
        Ok(if inserted == 0 { Inserted::AlreadyThere } else { Inserted::New })
    }

    async fn find_credentials_by_email(
        &mut self,
        email: &EmailAddress,
    ) -> Result<Option<Credentials>, StoreError> {
        const SQL: &str = "
            SELECT
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at,
                password_hash
            FROM users
            WHERE email = $1";
        let row: Option<CredentialsRow> = self.read(SQL).bind(email.as_str().to_owned()).optional().await?;
        Ok(row.map(Credentials::try_from).transpose()?)
    }

    async fn replace_password_hash(
        &mut self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE users
            SET password_hash = $3, updated_at = $4
            WHERE id = $1 AND password_hash = $2";
        let replaced = self
            .write(SQL)
            .bind(Id(user.as_uuid()))
            .bind(old.as_str().to_owned())
            .bind(new.as_str().to_owned())
            .bind(At(now))
            .execute()
            .await?;
        Ok(replaced == 1)
    }
}

/// A user's columns. Those that a session has too are renamed, so that both can stand in one row.
#[derive(sqlx::FromRow)]
pub(crate) struct UserRow {
    user_id: Id,
    email: String,
    name: String,
    is_email_verified: bool,
    role: String,
    is_disabled: bool,
    user_created_at: At,
    user_updated_at: At,
}

#[derive(sqlx::FromRow)]
struct CredentialsRow {
    #[sqlx(flatten)]
    user: UserRow,
    password_hash: Option<String>,
}

impl TryFrom<UserRow> for User {
    type Error = BrokenRow;

    fn try_from(row: UserRow) -> Result<Self, BrokenRow> {
        Ok(Self {
            id: UserId::from(row.user_id.0),
            email: EmailAddress::parse(&row.email)
                .map_err(|error| BrokenRow::new("users", "email", error))?,
            name: PersonName::parse(&row.name).map_err(|error| BrokenRow::new("users", "name", error))?,
            is_email_verified: row.is_email_verified,
            role: row.role.parse().map_err(|error| BrokenRow::new("users", "role", error))?,
            is_disabled: row.is_disabled,
            created_at: row.user_created_at.0,
            updated_at: row.user_updated_at.0,
        })
    }
}

impl TryFrom<CredentialsRow> for Credentials {
    type Error = BrokenRow;

    fn try_from(row: CredentialsRow) -> Result<Self, BrokenRow> {
        let password_hash = row
            .password_hash
            .map(PasswordHash::parse)
            .transpose()
            .map_err(|error| BrokenRow::new("users", "password_hash", error))?;
        Ok(Self { user: row.user.try_into()?, password_hash })
    }
}
