use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{PgPool, SqlitePool};
use uuid::Uuid;
use vestibule::models::UserId;
use vestibule::{Changed, SessionCache, TRUSTED_FOR};

use super::database_url::Target;
use super::{Database, DatabaseUrl, Pools};

/// What the triggers tell.
const CHANGES: &str = "vestibule_changes";
/// Whether they tell.
const TRIGGERS: &str = "
    SELECT count(*) = 2
    FROM pg_trigger
    WHERE tgrelid IN ('sessions'::regclass, 'users'::regclass)
        AND tgname IN ('vestibule_session_changed', 'vestibule_user_changed')
        AND tgenabled IN ('O', 'A')";
/// How often it is shown that no change was missed, while anybody asks.
const SHOW_EVERY: Duration = Duration::from_millis(250);
/// How often an embedded database is asked whether another program changed it, while anybody asks the cache.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long nobody must have asked for it to be looked at less often.
const QUIET_AFTER: Duration = Duration::from_secs(5);
/// How soon a connection is tried again that was lost, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long nothing has arrived until the connection is given up.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// Why changes are not followed at this moment.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The database failed.
    #[error("the database cannot be listened to")]
    Database(#[from] sqlx::Error),
    /// Nothing comes back. A connection is cut, or what is between is no PostgreSQL: PgBouncer in transaction mode takes `LISTEN` and
    /// passes nothing on.
    #[error("what is told by the database does not arrive")]
    Silent,
    /// The triggers that tell are not there, or are switched off.
    #[error(
        "the database does not tell what changes: the triggers of the migration `expand session changes` are missing or off"
    )]
    Untold,
    /// It did not answer in time.
    #[error("the database does not answer")]
    Late,
    /// The accounts are on PostgreSQL, and a file was named to listen to.
    #[error("a file cannot be listened to")]
    Elsewhere,
}

impl Database {
    /// Follows for ever what other programs change here, and tells a cache of sessions.
    ///
    /// `listen_at` is where PostgreSQL is listened to: past a PgBouncer in transaction mode. `failed` is told each time that the
    /// changes cannot be followed any more; the cache answers nothing until they can.
    pub async fn follow_changes(
        &self,
        listen_at: &DatabaseUrl,
        cache: &SessionCache,
        failed: impl Fn(FollowError) + Send,
    ) {
        if !cache.is_on() {
            return;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let began = cache.moment();
            let error = match (&self.pools, &listen_at.0) {
                (Pools::Sqlite { writer, writers, .. }, _) => look(writer, writers, cache).await,
                (Pools::Postgres(accounts), Target::Postgres(options, _)) => {
                    let options = (**options).clone().application_name("vestibule listener");
                    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_WITHIN);
                    let pool = pool.connect_lazy_with(options);
                    let error = listen(&pool, accounts, cache).await;
                    // A cut connection may not end for long; nothing waits for it.
                    tokio::spawn(async move { tokio::time::timeout(CONNECT_WITHIN, pool.close()).await });
                    error
                }
                (Pools::Postgres(_), Target::Sqlite(_)) => FollowError::Elsewhere,
            };
            cache.lost_track();
            failed(error);
            // What went well for a while begins anew.
            if cache.moment().saturating_sub(began) > LAST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

/// Listens until that fails.
async fn listen(pool: &PgPool, accounts: &PgPool, cache: &SessionCache) -> FollowError {
    let (mut listener, shown) = match tokio::time::timeout(CONNECT_WITHIN, connect(pool)).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => return error.into(),
        Err(_) => return FollowError::Late,
    };
    match sqlx::query_scalar(TRIGGERS).fetch_one(accounts).await {
        Ok(true) => {}
        Ok(false) => return FollowError::Untold,
        Err(error) => return error.into(),
    }
    // What changed before is not known.
    cache.lost_track();
    tokio::select! {
        error = hear(&mut listener, &shown, cache) => error,
        error = show(accounts, &shown, cache) => error,
    }
}

/// Connects, and gives the channel on which this server shows itself that what is told arrives: its own, as others need not hear it.
async fn connect(pool: &PgPool) -> Result<(PgListener, String), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    // Of a name that nobody guesses: who may connect to the database could else show what is not so.
    let name = "SELECT 'vestibule_shown_' || gen_random_uuid()";
    let shown: String = sqlx::query_scalar(name).fetch_one(&mut listener).await?;
    listener.listen_all([CHANGES, &shown]).await?;
    Ok((listener, shown))
}

/// Hears what is told, until the connection is lost.
async fn hear(listener: &mut PgListener, shown: &str, cache: &SessionCache) -> FollowError {
    loop {
        let told = match listener.try_recv().await {
            Ok(Some(told)) => told,
            Ok(None) => return FollowError::Silent,
            Err(error) => return error.into(),
        };
        if told.channel() == shown {
            // PostgreSQL delivers in the order of the commits: what was committed before this was sent has arrived.
            if let Ok(micros) = told.payload().parse() {
                cache.knows_all_until(Duration::from_micros(micros));
            }
        } else {
            match changed(told.payload()) {
                Some(changed) => cache.forget(changed),
                // Of a later release, which knows more that can change.
                None => cache.forget_all(),
            }
        }
    }
}

/// Tells this server the time by way of the database in which the accounts are, while anybody asks the cache: what is told there must
/// arrive here. Ends where it does not.
async fn show(accounts: &PgPool, channel: &str, cache: &SessionCache) -> FollowError {
    let mut arrived_at = cache.moment();
    loop {
        let moment = cache.moment();
        let is_asked = cache.was_asked();
        if !is_asked || cache.state().is_trusted {
            arrived_at = moment;
        } else if moment.saturating_sub(arrived_at) > SILENT_AFTER {
            return FollowError::Silent;
        }
        if is_asked {
            let told =
                sqlx::query("SELECT pg_notify($1, $2)").bind(channel).bind(moment.as_micros().to_string());
            // Where that fails or waits, for the database is busy or away, nothing is trusted, and nothing is wrong with the listening.
            if !matches!(tokio::time::timeout(TRUSTED_FOR, told.execute(accounts)).await, Ok(Ok(_))) {
                arrived_at = cache.moment();
            }
        }
        tokio::time::sleep(SHOW_EVERY).await;
    }
}

/// Reads what the triggers tell: a letter, and an id.
fn changed(payload: &str) -> Option<Changed> {
    let (kind, id) = payload.split_at_checked(1)?;
    match kind {
        "s" => {
            let mut hash = [0; 32];
            if id.len() != 2 * hash.len() || !id.is_ascii() {
                return None;
            }
            for (byte, digits) in hash.iter_mut().zip(id.as_bytes().chunks_exact(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            }
            Some(Changed::Session(hash.into()))
        }
        "u" => Uuid::parse_str(id).ok().map(|id| Changed::User(UserId::from(id))),
        _ => None,
    }
}

/// Looks whether another program changed an embedded database, until that fails. What this one changes it tells the cache itself, and
/// all of it goes over one connection, on which SQLite counts the changes of others alone.
async fn look(writer: &SqlitePool, writers: &AtomicU64, cache: &SessionCache) -> FollowError {
    let mut before: Option<(u64, i64)> = None;
    let mut asked_at = cache.moment();
    loop {
        let moment = cache.moment();
        if cache.was_asked() {
            asked_at = moment;
        }
        let is_quiet = moment.saturating_sub(asked_at) > QUIET_AFTER;
        if !is_quiet {
            // The writer may be another connection than before, which counts otherwise.
            let writer_before = writers.load(Ordering::Relaxed);
            let version = match sqlx::query_scalar("PRAGMA data_version").fetch_one(writer).await {
                Ok(version) => (writers.load(Ordering::Relaxed), version),
                Err(error) => return error.into(),
            };
            if before != Some(version) || version.0 != writer_before {
                cache.forget_all();
                before = Some(version);
            }
            cache.knows_all_until(moment);
        }
        tokio::time::sleep(if is_quiet { SHOW_EVERY } else { LOOK_EVERY }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_triggers_tell_is_read() {
        let hash = "0a".repeat(32);
        assert_eq!(changed(&format!("s{hash}")), Some(Changed::Session([10; 32].into())));
        let id = Uuid::from_u128(7);
        assert_eq!(changed(&format!("u{id}")), Some(Changed::User(UserId::from(id))));
        for unknown in
            ["", "s", "s0a", "x1", "u7", "ß", &format!("s{}", "zz".repeat(32)), &format!("s{hash}0a")]
        {
            assert_eq!(changed(unknown), None, "{unknown}");
        }
    }
}
