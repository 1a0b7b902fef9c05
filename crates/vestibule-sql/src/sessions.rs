use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use vestibule::Changed;
use vestibule::models::{
    AuditEvent, CsrfToken, PublicSessionId, RefreshSecretHash, Session, SessionIdHash, User, UserId,
};
use vestibule::repository::{
    AuditEvents, MOST_SEEN_AT_ONCE, NewSession, Rotation, SessionAndUser, SessionDays, Sessions, StoreError,
};

use crate::audit_events::bind_event;
use crate::database::{At, Connection, Id, Statement};
use crate::store::{BrokenRow, Count, bytes32, client, day};
use crate::users::UserRow;

/// The statement of `insert_session`, and for PostgreSQL the same with a lock. There, without the lock, a
/// password change could commit between this statement's look at the user and its insertion, end "all" sessions
/// without seeing this one, and leave a session of the old password alive. SQLite has one writer at a time and
/// no such clause.
macro_rules! insert_session {
    ($lock:literal) => {
        concat!(
            "
            INSERT INTO sessions
                (id_hash, public_id, user_id, secret_hash, previous_secret_hash, secret_rotated_at,
                 secret_first_used_at, csrf_token, is_revoked, created_at, last_seen_at, expires_at,
                 absolute_expires_at, ip, user_agent, password_given_at)
            SELECT
                $1, $2, id, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $17
            FROM users
            WHERE id = $3 AND password_hash = $16 AND NOT is_disabled
            ",
            $lock
        )
    };
}

/// The same, with the event that tells of it as a part of the statement.
const INSERT_SESSION_WITH_EVENT: &str = concat!(
    "WITH begun AS (",
    insert_session!("FOR SHARE"),
    " RETURNING user_id)
    INSERT INTO audit_events
        (id, kind, created_at, ip, user_agent, actor, actor_id, detail, user_id)
    SELECT
        $18, $19, $20, $21, $22, $23, $24, $25, user_id
    FROM begun"
);

#[async_trait]
impl Sessions for Connection {
    async fn insert_session(&mut self, new: NewSession<'_>) -> Result<bool, StoreError> {
        let sql = if self.has_row_locks() { insert_session!("FOR SHARE") } else { insert_session!("") };
        Ok(bind_session(self.write(sql), &new).execute().await? == 1)
    }

    async fn insert_session_with_event(
        &mut self,
        new: NewSession<'_>,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        if self.can_change_within_a_question() {
            let statement = bind_session(self.write(INSERT_SESSION_WITH_EVENT), &new);
            return Ok(bind_event(statement, event).execute().await? == 1);
        }
        let Some(mut work) = self.begin_on_file().await? else {
            return insert_both(self, new, event).await;
        };
        let is_stored = insert_both(&mut work, new, event).await?;
        if is_stored {
            work.commit().await?;
        }
        Ok(is_stored)
    }

    async fn find_session_with_user(
        &mut self,
        id: SessionIdHash,
    ) -> Result<Option<SessionAndUser>, StoreError> {
        const SQL: &str = "
            SELECT
                id_hash, public_id, user_id, secret_hash, previous_secret_hash, secret_rotated_at,
                secret_first_used_at, csrf_token, is_revoked, sessions.created_at, last_seen_at, expires_at,
                absolute_expires_at, ip, user_agent, password_given_at,
                email, name, is_email_verified, role, is_disabled,
                users.created_at AS user_created_at, users.updated_at AS user_updated_at
            FROM sessions
            JOIN users ON users.id = sessions.user_id
            WHERE id_hash = $1";
        let row: Option<SessionAndUserRow> = self.read(SQL).bind(id.as_bytes().to_vec()).optional().await?;
        Ok(row.map(SessionAndUser::try_from).transpose()?)
    }

    async fn rotate_secret(&mut self, rotation: Rotation) -> Result<Option<Session>, StoreError> {
        // Two cases pass: the secret shown is current, and everything about secrets moves on by one; or it is the
        // one before, still honoured, whose successor is in place already, and nothing moves. If
        // it moved the expiry, a copied cookie could keep a session alive whose owner is long gone.
        const SQL: &str = "
            UPDATE sessions
            SET
                secret_hash          = CASE WHEN secret_hash = $2 THEN $3   ELSE secret_hash          END,
                previous_secret_hash = CASE WHEN secret_hash = $2 THEN $2   ELSE previous_secret_hash END,
                secret_rotated_at    = CASE WHEN secret_hash = $2 THEN $4   ELSE secret_rotated_at    END,
                secret_first_used_at = CASE WHEN secret_hash = $2 THEN NULL ELSE secret_first_used_at END,
                expires_at           = CASE WHEN secret_hash = $2 THEN $6   ELSE expires_at           END,
                last_seen_at = $4
            WHERE id_hash = $1
                AND NOT is_revoked
                AND expires_at > $4
                AND absolute_expires_at > $4
                AND EXISTS (SELECT 1 FROM users WHERE users.id = sessions.user_id AND NOT users.is_disabled)
                AND (
                    secret_hash = $2
                    OR (
                        previous_secret_hash = $2
                        AND secret_hash = $3
                        AND (secret_first_used_at IS NULL OR secret_first_used_at > $5)
                    )
                )
            RETURNING
                id_hash, public_id, user_id, secret_hash, previous_secret_hash, secret_rotated_at,
                secret_first_used_at, csrf_token, is_revoked, created_at, last_seen_at, expires_at,
                absolute_expires_at, ip, user_agent, password_given_at";
        let row: Option<SessionRow> = self
            .write(SQL)
            .changing(Changed::Session(rotation.session))
            .bind(rotation.session.as_bytes().to_vec())
            .bind(rotation.shown.as_bytes().to_vec())
            .bind(rotation.next.as_bytes().to_vec())
            .bind(At(rotation.now))
            .bind(At(rotation.grace_start))
            .bind(At(rotation.expires_at))
            .optional()
            .await?;
        Ok(row.map(Session::try_from).transpose()?)
    }

    async fn rotate_current_secret(
        &mut self,
        rotation: Rotation,
        csrf_token: &str,
    ) -> Result<Option<SessionAndUser>, StoreError> {
        // The hash of the token is compared, so that the time which that takes tells nothing of the token.
        const SQL: &str = "
            WITH rotated AS (
                UPDATE sessions
                SET
                    secret_hash          = $3,
                    previous_secret_hash = $2,
                    secret_rotated_at    = $4,
                    secret_first_used_at = NULL,
                    expires_at           = LEAST($5, absolute_expires_at),
                    last_seen_at         = $4
                WHERE id_hash = $1
                    AND secret_hash = $2
                    AND sha256(convert_to(csrf_token, 'UTF8')) = $6
                    AND NOT is_revoked
                    AND expires_at > $4
                    AND absolute_expires_at > $4
                    AND EXISTS (SELECT 1 FROM users WHERE users.id = sessions.user_id AND NOT users.is_disabled)
                RETURNING
                    id_hash, public_id, user_id, secret_hash, previous_secret_hash, secret_rotated_at,
                    secret_first_used_at, csrf_token, is_revoked, created_at, last_seen_at, expires_at,
                    absolute_expires_at, ip, user_agent, password_given_at
            )
            SELECT
                rotated.*, email, name, is_email_verified, role, is_disabled,
                users.created_at AS user_created_at, users.updated_at AS user_updated_at
            FROM rotated
            JOIN users ON users.id = rotated.user_id";
        if !self.can_change_within_a_question() {
            // There is no way to a server that two statements would take twice.
            let found = self.find_session_with_user(rotation.session).await?;
            let Some(SessionAndUser { session, user }) = found.filter(|found| {
                found.session.secret_hash.matches(&rotation.shown)
                    && found.session.csrf_token.matches(csrf_token)
            }) else {
                return Ok(None);
            };
            let expires_at = rotation.expires_at.min(session.absolute_expires_at);
            let rotated = self.rotate_secret(Rotation { expires_at, ..rotation }).await?;
            return Ok(rotated.map(|session| SessionAndUser { session: Arc::new(session), user }));
        }
        let row: Option<SessionAndUserRow> = self
            .write(SQL)
            .changing(Changed::Session(rotation.session))
            .bind(rotation.session.as_bytes().to_vec())
            .bind(rotation.shown.as_bytes().to_vec())
            .bind(rotation.next.as_bytes().to_vec())
            .bind(At(rotation.now))
            .bind(At(rotation.expires_at))
            .bind(Sha256::digest(csrf_token).to_vec())
            .optional()
            .await?;
        Ok(row.map(SessionAndUser::try_from).transpose()?)
    }

    async fn mark_secret_used(
        &mut self,
        id: SessionIdHash,
        current: &RefreshSecretHash,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sessions
            SET secret_first_used_at = $3, last_seen_at = $3
            WHERE id_hash = $1 AND secret_hash = $2 AND secret_first_used_at IS NULL";
        self.write(SQL)
            .changing(Changed::Session(id))
            .bind(id.as_bytes().to_vec())
            .bind(current.as_bytes().to_vec())
            .bind(At(now))
            .execute()
            .await?;
        Ok(())
    }

    async fn note_sessions_seen(
        &mut self,
        sessions: &[SessionIdHash],
        at: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "
            UPDATE sessions
            SET last_seen_at = $1
            WHERE last_seen_at < $1
                AND id_hash IN (
                    $2, $3, $4, $5, $6, $7, $8, $9,
                    $10, $11, $12, $13, $14, $15, $16, $17,
                    $18, $19, $20, $21, $22, $23, $24, $25,
                    $26, $27, $28, $29, $30, $31, $32, $33
                )";
        let mut statement = self.write(SQL).bind(At(at));
        // The text is always the same, so that it is prepared once; where there are fewer, the last fills the rest.
        let Some(last) = sessions.last() else { return Ok(0) };
        let filled = sessions.iter().chain(std::iter::repeat(last)).take(MOST_SEEN_AT_ONCE);
        for session in filled {
            statement = statement.bind(session.as_bytes().to_vec());
        }
        statement.execute().await
    }

    async fn revoke_replayed_session(
        &mut self,
        id: SessionIdHash,
        shown: &RefreshSecretHash,
        grace_start: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE sessions
            SET is_revoked = $4
            WHERE id_hash = $1
                AND NOT is_revoked
                AND secret_hash <> $2
                AND (
                    previous_secret_hash IS NULL
                    OR previous_secret_hash <> $2
                    OR secret_first_used_at <= $3
                )";
        let revoked = self
            .write(SQL)
            .changing(Changed::Session(id))
            .bind(id.as_bytes().to_vec())
            .bind(shown.as_bytes().to_vec())
            .bind(At(grace_start))
            .bind(true)
            .execute()
            .await?;
        Ok(revoked == 1)
    }

    async fn note_password_given(
        &mut self,
        id: SessionIdHash,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE sessions SET password_given_at = $2 WHERE id_hash = $1 AND NOT is_revoked";
        let noted = self
            .write(SQL)
            .changing(Changed::Session(id))
            .bind(id.as_bytes().to_vec())
            .bind(At(now))
            .execute()
            .await?;
        Ok(noted == 1)
    }

    async fn count_sessions(&mut self, now: OffsetDateTime) -> Result<u64, StoreError> {
        const SQL: &str = "
            SELECT COUNT(*) AS count
            FROM sessions
            WHERE NOT is_revoked AND expires_at > $1 AND absolute_expires_at > $1";
        let row: Option<Count> = self.read(SQL).bind(At(now)).optional().await?;
        Ok(row.map_or(0, |row| row.count.unsigned_abs()))
    }

    async fn count_sessions_by_days(&mut self, from: OffsetDateTime) -> Result<Vec<SessionDays>, StoreError> {
        // Both databases write a moment beginning with its day, and both connections are in UTC.
        const SQL: &str = "
            SELECT
                substr(CAST(created_at AS text), 1, 10) AS first,
                substr(CAST(expires_at AS text), 1, 10) AS last,
                COUNT(*) AS count
            FROM sessions
            WHERE NOT is_revoked AND expires_at > $1
            GROUP BY 1, 2";
        let rows: Vec<SessionDaysRow> = self.read(SQL).bind(At(from)).all().await?;
        Ok(rows.into_iter().map(SessionDays::try_from).collect::<Result<_, _>>()?)
    }

    async fn delete_session(&mut self, id: SessionIdHash) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM sessions WHERE id_hash = $1";
        Ok(self.write(SQL).changing(Changed::Session(id)).bind(id.as_bytes().to_vec()).execute().await? == 1)
    }

    async fn list_sessions(
        &mut self,
        user: UserId,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        const SQL: &str = "
            SELECT
                id_hash, public_id, user_id, secret_hash, previous_secret_hash, secret_rotated_at,
                secret_first_used_at, csrf_token, is_revoked, created_at, last_seen_at, expires_at,
                absolute_expires_at, ip, user_agent, password_given_at
            FROM sessions
            WHERE user_id = $1 AND NOT is_revoked AND expires_at > $2 AND absolute_expires_at > $2
            ORDER BY last_seen_at DESC, public_id DESC
            LIMIT $3";
        let rows: Vec<SessionRow> =
            self.read(SQL).bind(Id(user.as_uuid())).bind(At(now)).bind(i64::from(limit)).all().await?;
        Ok(rows.into_iter().map(Session::try_from).collect::<Result<_, _>>()?)
    }

    async fn count_sessions_of(&mut self, user: UserId, now: OffsetDateTime) -> Result<u64, StoreError> {
        const SQL: &str = "
            SELECT COUNT(*) AS count
            FROM sessions
            WHERE user_id = $1 AND NOT is_revoked AND expires_at > $2 AND absolute_expires_at > $2";
        let row: Option<Count> = self.read(SQL).bind(Id(user.as_uuid())).bind(At(now)).optional().await?;
        Ok(row.map_or(0, |row| row.count.unsigned_abs()))
    }

    async fn delete_session_of(&mut self, user: UserId, id: PublicSessionId) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM sessions WHERE public_id = $1 AND user_id = $2";
        let deleted = self
            .write(SQL)
            .changing(Changed::User(user))
            .bind(Id(id.as_uuid()))
            .bind(Id(user.as_uuid()))
            .execute()
            .await?;
        Ok(deleted == 1)
    }

    async fn delete_sessions_of(
        &mut self,
        user: UserId,
        but: Option<SessionIdHash>,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR id_hash <> $2)";
        let but = but.map(|id| id.as_bytes().to_vec());
        self.write(SQL).changing(Changed::User(user)).bind(Id(user.as_uuid())).bind(but).execute().await
    }

    async fn list_every_session(
        &mut self,
        user: UserId,
        below: Option<PublicSessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        const SQL: &str = "
            SELECT
                id_hash, public_id, user_id, secret_hash, previous_secret_hash, secret_rotated_at,
                secret_first_used_at, csrf_token, is_revoked, created_at, last_seen_at, expires_at,
                absolute_expires_at, ip, user_agent, password_given_at
            FROM sessions
            WHERE user_id = $1 AND ($2 IS NULL OR public_id < $2)
            ORDER BY public_id DESC
            LIMIT $3";
        let rows: Vec<SessionRow> = self
            .read(SQL)
            .bind(Id(user.as_uuid()))
            .bind(below.map(|id| Id(id.as_uuid())))
            .bind(i64::from(limit))
            .all()
            .await?;
        Ok(rows.into_iter().map(Session::try_from).collect::<Result<_, _>>()?)
    }

    async fn delete_old_sessions(
        &mut self,
        over_before: OffsetDateTime,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        // There is no index for it: it would have to be written at every refresh, and this is asked once in a while.
        const SQL: &str = "
            DELETE FROM sessions
            WHERE id_hash IN (
                SELECT id_hash
                FROM sessions
                WHERE expires_at < $1 AND (NOT is_revoked OR absolute_expires_at < $2)
                LIMIT $3
            )";
        self.write(SQL).bind(At(over_before)).bind(At(now)).bind(i64::from(limit)).execute().await
    }
}

/// Within a transaction: a session, and then its event.
async fn insert_both(
    work: &mut Connection,
    new: NewSession<'_>,
    event: &AuditEvent,
) -> Result<bool, StoreError> {
    let is_stored = work.insert_session(new).await?;
    if is_stored {
        work.insert_audit_event(event).await?;
    }
    Ok(is_stored)
}

/// The values of `insert_session`.
fn bind_session<'c>(statement: Statement<'c>, new: &NewSession<'_>) -> Statement<'c> {
    let session = new.session;
    statement
        .bind(session.id_hash.as_bytes().to_vec())
        .bind(Id(session.public_id.as_uuid()))
        .bind(Id(session.user_id.as_uuid()))
        .bind(session.secret_hash.as_bytes().to_vec())
        .bind(session.previous_secret_hash.map(|hash| hash.as_bytes().to_vec()))
        .bind(At(session.secret_rotated_at))
        .bind(session.secret_first_used_at.map(At))
        .bind(session.csrf_token.as_str().to_owned())
        .bind(session.is_revoked)
        .bind(At(session.created_at))
        .bind(At(session.last_seen_at))
        .bind(At(session.expires_at))
        .bind(At(session.absolute_expires_at))
        .bind(session.client.ip().map(|ip| ip.to_string()))
        .bind(session.client.user_agent().map(str::to_owned))
        .bind(new.password_hash.as_str().to_owned())
        .bind(At(session.password_given_at))
}

#[derive(sqlx::FromRow)]
struct SessionDaysRow {
    first: String,
    last: String,
    count: i64,
}

impl TryFrom<SessionDaysRow> for SessionDays {
    type Error = BrokenRow;

    fn try_from(row: SessionDaysRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "sessions";
        Ok(Self {
            first: day(TABLE, "created_at", &row.first)?,
            last: day(TABLE, "expires_at", &row.last)?,
            count: row.count.unsigned_abs(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    id_hash: Vec<u8>,
    public_id: Id,
    user_id: Id,
    secret_hash: Vec<u8>,
    previous_secret_hash: Option<Vec<u8>>,
    secret_rotated_at: At,
    secret_first_used_at: Option<At>,
    csrf_token: String,
    is_revoked: bool,
    created_at: At,
    last_seen_at: At,
    expires_at: At,
    absolute_expires_at: At,
    ip: Option<String>,
    user_agent: Option<String>,
    password_given_at: Option<At>,
}

#[derive(sqlx::FromRow)]
struct SessionAndUserRow {
    #[sqlx(flatten)]
    session: SessionRow,
    #[sqlx(flatten)]
    user: UserRow,
}

impl TryFrom<SessionRow> for Session {
    type Error = BrokenRow;

    fn try_from(row: SessionRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "sessions";
        let previous = row.previous_secret_hash.as_deref();
        Ok(Self {
            id_hash: bytes32(TABLE, "id_hash", &row.id_hash)?.into(),
            public_id: PublicSessionId::from(row.public_id.0),
            user_id: UserId::from(row.user_id.0),
            secret_hash: bytes32(TABLE, "secret_hash", &row.secret_hash)?.into(),
            previous_secret_hash: previous
                .map(|hash| bytes32(TABLE, "previous_secret_hash", hash))
                .transpose()?
                .map(RefreshSecretHash::from),
            secret_rotated_at: row.secret_rotated_at.0,
            secret_first_used_at: row.secret_first_used_at.map(|at| at.0),
            csrf_token: CsrfToken::from_stored(row.csrf_token),
            is_revoked: row.is_revoked,
            created_at: row.created_at.0,
            password_given_at: row.password_given_at.unwrap_or(row.created_at).0,
            last_seen_at: row.last_seen_at.0,
            expires_at: row.expires_at.0,
            absolute_expires_at: row.absolute_expires_at.0,
            client: client(TABLE, row.ip.as_deref(), row.user_agent.as_deref())?,
        })
    }
}

impl TryFrom<SessionAndUserRow> for SessionAndUser {
    type Error = BrokenRow;

    fn try_from(row: SessionAndUserRow) -> Result<Self, BrokenRow> {
        let (session, user) = (Session::try_from(row.session)?, User::try_from(row.user)?);
        Ok(Self { session: Arc::new(session), user: Arc::new(user) })
    }
}
