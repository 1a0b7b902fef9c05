//! Fills a database with a population, as rows that the real program could have written: `COPY` for PostgreSQL, one transaction of
//! prepared insertions for SQLite.
//!
//! Passwords are the exception: everybody has the same one, under one of a few real hashes, for a million real ones would take
//! hours.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use vestibule::models::{Password, Session};
use vestibule::ports::{
    Argon2Parameters, HashingPlan, HashingSlots, OsRandom, PasswordHasher, Standing, Stopwatch,
    SystemStopwatch,
};
use vestibule_sql::{At, Id};

use crate::population::{PASSWORD, Person, Population};

const HASHES: u64 = 16;
/// So much is sent to PostgreSQL at once, in bytes.
const PART: usize = 1 << 20;
const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// How long a load took, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    /// The rows, and what the database does to find its way in them.
    pub seconds: f64,
    /// How large the database is then, in bytes.
    pub bytes: u64,
}

/// Fills a PostgreSQL database whose schema is there.
pub async fn postgres(url: &str, population: Population) -> Result<Loaded> {
    let stopwatch = SystemStopwatch::start();
    let hashes = hashes().await?;
    let mut connection = PgConnection::connect(url).await.context("the database to be filled")?;
    // What refers to what is right by how it is made; looking each up would take half of the time.
    for setting in ["SET session_replication_role = replica", "SET synchronous_commit = off"] {
        sqlx::query(setting).execute(&mut connection).await?;
    }
    let users = "users (id, email, name, password_hash, is_email_verified, role, is_disabled, created_at, updated_at)";
    copy(&mut connection, users, population, |person, number, out| {
        let user = &person.user;
        let hash = &hashes[usize::try_from(number % HASHES)?];
        fields(
            out,
            &[
                &user.id.to_string(),
                user.email.as_str(),
                user.name.as_str(),
                hash,
                boolean(user.is_email_verified),
                user.role.as_str(),
                boolean(user.is_disabled),
                &moment(user.created_at)?,
                &moment(user.updated_at)?,
            ],
        );
        Ok(())
    })
    .await?;
    let devices = "devices (user_id, device_hash, created_at, last_seen_at)";
    copy(&mut connection, devices, population, |person, _, out| {
        let seen = moment(population.now)?;
        let device = bytes(person.device.hash().as_bytes());
        fields(out, &[&person.user.id.to_string(), &device, &moment(person.user.created_at)?, &seen]);
        Ok(())
    })
    .await?;
    let sessions = "sessions (id_hash, public_id, user_id, secret_hash, secret_rotated_at, csrf_token, is_revoked, created_at, \
                    last_seen_at, expires_at, absolute_expires_at, ip, user_agent, password_given_at)";
    copy(&mut connection, sessions, population, |person, _, out| {
        person.sessions.iter().try_for_each(|(session, _)| session_line(session, out))
    })
    .await?;
    sqlx::query("VACUUM (ANALYZE) users").execute(&mut connection).await?;
    sqlx::query("VACUUM (ANALYZE) sessions").execute(&mut connection).await?;
    sqlx::query("VACUUM (ANALYZE) devices").execute(&mut connection).await?;
    // Not while something is measured.
    sqlx::query("CHECKPOINT").execute(&mut connection).await?;
    let size: i64 =
        sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(Loaded { seconds: stopwatch.elapsed().as_secs_f64(), bytes: u64::try_from(size)? })
}

async fn copy(
    connection: &mut PgConnection,
    table: &str,
    population: Population,
    line: impl Fn(&Person, u64, &mut String) -> Result<()>,
) -> Result<()> {
    let mut copying = connection.copy_in_raw(&format!("COPY {table} FROM STDIN")).await?;
    let mut out = String::with_capacity(PART + 4096);
    for number in 0..population.users {
        line(&population.person(number)?, number, &mut out)?;
        if out.len() >= PART {
            copying.send(out.as_bytes()).await?;
            out.clear();
        }
    }
    copying.send(out.as_bytes()).await?;
    copying.finish().await?;
    Ok(())
}

fn session_line(session: &Session, out: &mut String) -> Result<()> {
    let ip = session.client.ip().map_or_else(|| "\\N".to_owned(), |ip| ip.to_string());
    fields(
        out,
        &[
            &bytes(session.id_hash.as_bytes()),
            &session.public_id.to_string(),
            &session.user_id.to_string(),
            &bytes(session.secret_hash.as_bytes()),
            &moment(session.secret_rotated_at)?,
            session.csrf_token.as_str(),
            boolean(session.is_revoked),
            &moment(session.created_at)?,
            &moment(session.last_seen_at)?,
            &moment(session.expires_at)?,
            &moment(session.absolute_expires_at)?,
            &ip,
            session.client.user_agent().unwrap_or("\\N"),
            &moment(session.password_given_at)?,
        ],
    );
    Ok(())
}

/// One line of `COPY`. None of these values has a tab, a backslash of its own or an end of line.
fn fields(out: &mut String, values: &[&str]) {
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            out.push('\t');
        }
        out.push_str(value);
    }
    out.push('\n');
}

fn boolean(value: bool) -> &'static str {
    if value { "t" } else { "f" }
}

fn moment(at: OffsetDateTime) -> Result<String> {
    Ok(at.to_offset(time::UtcOffset::UTC).format(MOMENT)?)
}

fn bytes(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(3 + 2 * bytes.len());
    text.push_str("\\\\x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Fills an SQLite database whose schema is there and which nobody else has open.
pub async fn sqlite(file: &Path, population: Population) -> Result<Loaded> {
    let stopwatch = SystemStopwatch::start();
    let hashes = hashes().await?;
    // The index of session ids is written to at random: while all of it is in memory, each page goes to the disk once.
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-3000000")
        .connect()
        .await
        .context("the database to be filled")?;
    let mut transaction = connection.begin().await?;
    for number in 0..population.users {
        let person = population.person(number)?;
        insert(&mut transaction, &person, &hashes[usize::try_from(number % HASHES)?], population.now).await?;
    }
    transaction.commit().await?;
    sqlx::query("ANALYZE").execute(&mut connection).await?;
    // As the program keeps it, so that its first start has nothing to convert.
    sqlx::query("PRAGMA journal_mode = WAL").execute(&mut connection).await?;
    connection.close().await?;
    Ok(Loaded { seconds: stopwatch.elapsed().as_secs_f64(), bytes: std::fs::metadata(file)?.len() })
}

async fn insert(
    connection: &mut SqliteConnection,
    person: &Person,
    hash: &str,
    now: OffsetDateTime,
) -> Result<()> {
    const USER: &str = "INSERT INTO users \
        (id, email, name, password_hash, is_email_verified, role, is_disabled, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    const DEVICE: &str =
        "INSERT INTO devices (user_id, device_hash, created_at, last_seen_at) VALUES ($1, $2, $3, $4)";
    const SESSION: &str = "INSERT INTO sessions \
        (id_hash, public_id, user_id, secret_hash, secret_rotated_at, csrf_token, is_revoked, created_at, last_seen_at, \
         expires_at, absolute_expires_at, ip, user_agent, password_given_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let user = &person.user;
    sqlx::query(USER)
        .bind(Id(user.id.as_uuid()))
        .bind(user.email.as_str())
        .bind(user.name.as_str())
        .bind(hash)
        .bind(user.is_email_verified)
        .bind(user.role.as_str())
        .bind(user.is_disabled)
        .bind(At(user.created_at))
        .bind(At(user.updated_at))
        .execute(&mut *connection)
        .await?;
    sqlx::query(DEVICE)
        .bind(Id(user.id.as_uuid()))
        .bind(person.device.hash().as_bytes().to_vec())
        .bind(At(user.created_at))
        .bind(At(now))
        .execute(&mut *connection)
        .await?;
    for (session, _) in &person.sessions {
        sqlx::query(SESSION)
            .bind(session.id_hash.as_bytes().to_vec())
            .bind(Id(session.public_id.as_uuid()))
            .bind(Id(session.user_id.as_uuid()))
            .bind(session.secret_hash.as_bytes().to_vec())
            .bind(At(session.secret_rotated_at))
            .bind(session.csrf_token.as_str())
            .bind(session.is_revoked)
            .bind(At(session.created_at))
            .bind(At(session.last_seen_at))
            .bind(At(session.expires_at))
            .bind(At(session.absolute_expires_at))
            .bind(session.client.ip().map(|ip| ip.to_string()))
            .bind(session.client.user_agent())
            .bind(At(session.password_given_at))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// A few real hashes of the one password, each with a salt of its own.
async fn hashes() -> Result<Vec<String>> {
    let plan = HashingPlan::new(Argon2Parameters::FLOOR, NonZeroUsize::MIN);
    let slots = HashingSlots::start(plan, Arc::new(OsRandom));
    let password = Password::parse(PASSWORD)?;
    let mut hashes = Vec::new();
    for _ in 0..HASHES {
        let hash = slots.hash(password.clone(), Standing::Stranger).await?;
        hashes.push(hash.as_str().to_owned());
    }
    Ok(hashes)
}

/// Makes an empty PostgreSQL database, and gives its address.
pub async fn new_database(server: &str, name: &str) -> Result<String> {
    ensure!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "`{name}` is no name of a database");
    let mut connection = PgConnection::connect(server).await.context("the PostgreSQL server")?;
    sqlx::query(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
        .execute(&mut connection)
        .await?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
    connection.close().await?;
    let (address, _) = server.rsplit_once('/').context("the address of the server names no database")?;
    Ok(format!("{address}/{name}"))
}
