use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::Changed;
use vestibule::models::{Bucket, DeviceHash, EmailAddress, PasswordHash, PersonName, Role, User, UserId};
use vestibule::repository::{
    Counted, CountedAttempt, Credentials, CredentialsAndDevice, EmailReplaced, Inserted, RateLimits,
    StoreError, UserFilter, Users,
};

use crate::database::{At, Connection, Id};
use crate::hooks::AccountEvent;
use crate::rate_limits::{micros, or_take_from_its_bucket, whole_micros};
use crate::store::{BrokenRow, Count, is_named, patterns_of};

/// The statement of `lock_admins`, and for PostgreSQL the same with a lock, in an order that all share. SQLite has one
/// writer at a time and no such clause.
macro_rules! lock_admins {
    ($lock:literal) => {
        concat!("SELECT id FROM users WHERE role = 'admin' AND NOT is_disabled ORDER BY id ", $lock)
    };
}

/// The statement of `lock_password`. SQLite has one writer at a time and no such clause.
macro_rules! lock_password {
    ($lock:literal) => {
        concat!("SELECT id FROM users WHERE id = $1 AND password_hash = $2 ", $lock)
    };
}

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
        self.tells_hooks()?;
        let inserted = self
            .write(SQL)
            .bind(Id(user.id.as_uuid()))
            .bind(user.email.as_str().to_owned())
            .bind(user.name.as_str().to_owned())
            .bind(password_hash.map(|hash| hash.as_str().to_owned()))
            .bind(user.is_email_verified)
            .bind(user.role.as_str().to_owned())
            .bind(user.is_disabled)
            .bind(At(user.created_at))
            .bind(At(user.updated_at))
            .execute()
            .await?;
        if inserted == 0 {
            return Ok(Inserted::AlreadyThere);
        }
        self.tell_hooks(AccountEvent::Created(user.clone())).await?;
        if user.is_email_verified {
            self.tell_hooks(AccountEvent::Confirmed(user.clone())).await?;
        }
        Ok(Inserted::New)
    }

    async fn find_credentials_by_email(
        &mut self,
        email: &EmailAddress,
        device: Option<DeviceHash>,
    ) -> Result<Option<CredentialsAndDevice>, StoreError> {
        const SQL: &str = "
            SELECT
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                users.created_at AS user_created_at, updated_at AS user_updated_at,
                password_hash, last_seen_at
            FROM users
            LEFT JOIN devices ON devices.user_id = users.id AND device_hash = $2
            WHERE email = $1";
        let row: Option<CredentialsAndDeviceRow> = self
            .read(SQL)
            .bind(email.as_str().to_owned())
            .bind(device.map(|device| device.as_bytes().to_vec()))
            .optional()
            .await?;
        Ok(row.map(CredentialsAndDevice::try_from).transpose()?)
    }

    async fn find_credentials_and_take(
        &mut self,
        email: &EmailAddress,
        device: DeviceHash,
        bucket: &Bucket,
        now: OffsetDateTime,
    ) -> Result<Option<CountedAttempt>, StoreError> {
        const SQL: &str = concat!(
            "
            WITH found AS (
                SELECT
                    id AS user_id, email, name, is_email_verified, role, is_disabled,
                    users.created_at AS user_created_at, updated_at AS user_updated_at,
                    password_hash, last_seen_at
                FROM users
                LEFT JOIN devices ON devices.user_id = users.id AND device_hash = $3
                WHERE email = $2
            ),
            taken AS (
                INSERT INTO rate_limits (key, full_at, span)
                SELECT $4, CAST($1 AS BIGINT) + CAST($5 AS BIGINT), CAST($6 AS BIGINT)
                FROM found
                WHERE last_seen_at IS NOT NULL
                ",
            or_take_from_its_bucket!(),
            "
                RETURNING key
            )
            SELECT found.*, EXISTS (SELECT 1 FROM taken) AS is_taken
            FROM found"
        );
        if !self.can_change_within_a_question() {
            let Some(found) = self.find_credentials_by_email(email, Some(device)).await? else {
                return Ok(None);
            };
            let is_theirs = found.device_seen_at.is_some();
            let is_taken = is_theirs && self.take_from_buckets(std::slice::from_ref(bucket), now).await?;
            return Ok(Some(CountedAttempt { found, counted: Counted::of(is_theirs, is_taken) }));
        }
        let row: Option<CountedAttemptRow> = self
            .write(SQL)
            .bind(micros(now))
            .bind(email.as_str().to_owned())
            .bind(device.as_bytes().to_vec())
            .bind(bucket.key.clone())
            .bind(whole_micros(bucket.quota.every))
            .bind(whole_micros(bucket.quota.span()))
            .optional()
            .await?;
        let Some(CountedAttemptRow { found, is_taken }) = row else { return Ok(None) };
        let found = CredentialsAndDevice::try_from(found)?;
        let counted = Counted::of(found.device_seen_at.is_some(), is_taken);
        Ok(Some(CountedAttempt { found, counted }))
    }

    async fn list_reachable_admins(&mut self, limit: u32) -> Result<Vec<User>, StoreError> {
        const SQL: &str = "
            SELECT
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at
            FROM users
            WHERE role = 'admin' AND NOT is_disabled AND is_email_verified
            ORDER BY id
            LIMIT $1";
        let rows: Vec<UserRow> = self.read(SQL).bind(i64::from(limit)).all().await?;
        Ok(rows.into_iter().map(User::try_from).collect::<Result<_, _>>()?)
    }

    async fn find_credentials(&mut self, user: UserId) -> Result<Option<Credentials>, StoreError> {
        const SQL: &str = "
            SELECT
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at,
                password_hash
            FROM users
            WHERE id = $1";
        let row: Option<CredentialsRow> = self.read(SQL).bind(Id(user.as_uuid())).optional().await?;
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
            .changing(Changed::User(user))
            .bind(Id(user.as_uuid()))
            .bind(old.as_str().to_owned())
            .bind(new.as_str().to_owned())
            .bind(At(now))
            .execute()
            .await?;
        Ok(replaced == 1)
    }

    async fn reset_password(
        &mut self,
        user: UserId,
        new: &PasswordHash,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE users
            SET password_hash = $2, is_email_verified = $4, updated_at = $3
            WHERE id = $1 AND NOT is_disabled";
        let before = self.lock_for_hooks(user, None).await?;
        let reset = self
            .write(SQL)
            .changing(Changed::User(user))
            .bind(Id(user.as_uuid()))
            .bind(new.as_str().to_owned())
            .bind(At(now))
            .bind(true)
            .execute()
            .await?;
        if reset == 1
            && let Some(before) = before.filter(|before| !before.is_email_verified)
        {
            let user = User { is_email_verified: true, updated_at: now, ..before };
            self.tell_hooks(AccountEvent::Confirmed(user)).await?;
        }
        Ok(reset == 1)
    }

    async fn confirm_email(
        &mut self,
        user: UserId,
        email: &EmailAddress,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreError> {
        const SQL: &str = "
            UPDATE users
            SET is_email_verified = $4, updated_at = $3
            WHERE id = $1 AND email = $2 AND NOT is_disabled
            RETURNING
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at";
        let before = self.lock_for_hooks(user, None).await?;
        let row: Option<UserRow> = self
            .write(SQL)
            .changing(Changed::User(user))
            .bind(Id(user.as_uuid()))
            .bind(email.as_str().to_owned())
            .bind(At(now))
            .bind(true)
            .optional()
            .await?;
        let user = row.map(User::try_from).transpose()?;
        if let Some(user) = &user
            && before.is_some_and(|before| !before.is_email_verified)
        {
            self.tell_hooks(AccountEvent::Confirmed(user.clone())).await?;
        }
        Ok(user)
    }

    async fn replace_email(
        &mut self,
        user: UserId,
        email: &EmailAddress,
        now: OffsetDateTime,
    ) -> Result<EmailReplaced, StoreError> {
        const SQL: &str = "
            UPDATE users
            SET email = $2, is_email_verified = $4, updated_at = $3
            WHERE id = $1
                AND NOT is_disabled
                AND NOT EXISTS (SELECT 1 FROM users AS others WHERE others.email = $2)
            RETURNING
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at";
        self.tells_hooks()?;
        let row: Option<UserRow> = self
            .write(SQL)
            .changing(Changed::User(user))
            .bind(Id(user.as_uuid()))
            .bind(email.as_str().to_owned())
            .bind(At(now))
            .bind(true)
            .optional()
            .await?;
        if let Some(row) = row {
            let user = User::try_from(row)?;
            self.tell_hooks(AccountEvent::Confirmed(user.clone())).await?;
            return Ok(EmailReplaced::Done(Box::new(user)));
        }
        let is_taken = self.find_credentials_by_email(email, None).await?.is_some();
        Ok(if is_taken { EmailReplaced::Taken } else { EmailReplaced::NoUser })
    }

    async fn change_name(
        &mut self,
        user: UserId,
        name: &PersonName,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreError> {
        const SQL: &str = "
            UPDATE users
            SET name = $2, updated_at = $3
            WHERE id = $1
            RETURNING
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at";
        let row: Option<UserRow> = self
            .write(SQL)
            .changing(Changed::User(user))
            .bind(Id(user.as_uuid()))
            .bind(name.as_str().to_owned())
            .bind(At(now))
            .optional()
            .await?;
        Ok(row.map(User::try_from).transpose()?)
    }

    async fn delete_user(
        &mut self,
        user: UserId,
        password_hash: Option<&PasswordHash>,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM users WHERE id = $1 AND ($2 IS NULL OR password_hash = $2)";
        if self.tells_hooks()? {
            // Before the row goes, so that a hook can read what goes with it.
            let before = self.lock_for_hooks(user, password_hash.map(PasswordHash::as_str)).await?;
            let Some(before) = before else { return Ok(false) };
            self.tell_hooks(AccountEvent::Deleted(before)).await?;
        }
        let deleted = self
            .write(SQL)
            .changing(Changed::User(user))
            .bind(Id(user.as_uuid()))
            .bind(password_hash.map(|hash| hash.as_str().to_owned()))
            .execute()
            .await?;
        Ok(deleted == 1)
    }

    async fn list_users(&mut self, filter: &UserFilter, limit: u32) -> Result<Vec<User>, StoreError> {
        const SQL: &str = concat!(
            "
            SELECT
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at
            FROM users
            WHERE ",
            is_named!("$1", "$2", "$3", "$4"),
            "
                AND ($5 IS NULL OR role = $5)
                AND ($6 IS NULL OR id < $6)
            ORDER BY id DESC
            LIMIT $7"
        );
        let mut statement = self.read(SQL);
        for pattern in patterns_of(&filter.words) {
            statement = statement.bind(pattern);
        }
        let rows: Vec<UserRow> = statement
            .bind(filter.role.as_ref().map(|role| role.as_str().to_owned()))
            .bind(filter.below.map(|id| Id(id.as_uuid())))
            .bind(i64::from(limit))
            .all()
            .await?;
        Ok(rows.into_iter().map(User::try_from).collect::<Result<_, _>>()?)
    }

    async fn count_users(&mut self) -> Result<u64, StoreError> {
        let row: Option<Count> = self.read("SELECT COUNT(*) AS count FROM users").optional().await?;
        Ok(row.map_or(0, |row| row.count.unsigned_abs()))
    }

    async fn lock_password(
        &mut self,
        user: UserId,
        password_hash: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let sql = if self.has_row_locks() { lock_password!("FOR SHARE") } else { lock_password!("") };
        let row: Option<IdRow> = self
            .write(sql)
            .bind(Id(user.as_uuid()))
            .bind(password_hash.as_str().to_owned())
            .optional()
            .await?;
        Ok(row.is_some())
    }

    async fn lock_admins(&mut self) -> Result<Vec<UserId>, StoreError> {
        let sql = if self.has_row_locks() { lock_admins!("FOR UPDATE") } else { lock_admins!("") };
        let rows: Vec<IdRow> = self.write(sql).all().await?;
        Ok(rows.into_iter().map(|row| UserId::from(row.id.0)).collect())
    }

    async fn set_role(
        &mut self,
        user: UserId,
        role: &Role,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreError> {
        const SQL: &str = "
            UPDATE users
            SET role = $2, updated_at = $3
            WHERE id = $1
            RETURNING
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at";
        let row: Option<UserRow> = self
            .write(SQL)
            .changing(Changed::User(user))
            .bind(Id(user.as_uuid()))
            .bind(role.as_str().to_owned())
            .bind(At(now))
            .optional()
            .await?;
        Ok(row.map(User::try_from).transpose()?)
    }

    async fn set_disabled(
        &mut self,
        user: UserId,
        is_disabled: bool,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreError> {
        const SQL: &str = "
            UPDATE users
            SET is_disabled = $2, updated_at = $3
            WHERE id = $1
            RETURNING
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at";
        let row: Option<UserRow> = self
            .write(SQL)
            .changing(Changed::User(user))
            .bind(Id(user.as_uuid()))
            .bind(is_disabled)
            .bind(At(now))
            .optional()
            .await?;
        Ok(row.map(User::try_from).transpose()?)
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
struct IdRow {
    id: Id,
}

#[derive(sqlx::FromRow)]
pub(crate) struct CredentialsRow {
    #[sqlx(flatten)]
    user: UserRow,
    password_hash: Option<String>,
}

#[derive(sqlx::FromRow)]
struct CredentialsAndDeviceRow {
    #[sqlx(flatten)]
    credentials: CredentialsRow,
    last_seen_at: Option<At>,
}

#[derive(sqlx::FromRow)]
struct CountedAttemptRow {
    #[sqlx(flatten)]
    found: CredentialsAndDeviceRow,
    is_taken: bool,
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

impl TryFrom<CredentialsAndDeviceRow> for CredentialsAndDevice {
    type Error = BrokenRow;

    fn try_from(row: CredentialsAndDeviceRow) -> Result<Self, BrokenRow> {
        let device_seen_at = row.last_seen_at.map(|at| at.0);
        Ok(Self { credentials: row.credentials.try_into()?, device_seen_at })
    }
}
