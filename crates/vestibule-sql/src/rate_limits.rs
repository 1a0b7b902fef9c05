use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use vestibule::models::{Bucket, BucketLevel};
use vestibule::repository::{RateLimits, StoreError};

use crate::database::{Connection, Statement};

/// The rows of `asked`, for one to three buckets: name, step and span in microseconds. `$1` is the present moment.
macro_rules! asked {
    ($($placeholders:literal),*; $($statement:expr),+) => {
        concat!("WITH asked (key, step, span) AS (VALUES ", asked!(@rows $($placeholders),*), ") ", $($statement),+)
    };
    (@rows $first:literal) => { $first };
    (@rows $first:literal, $($rest:literal),+) => { concat!($first, ", ", asked!(@rows $($rest),+)) };
}

/// One text for each number of buckets.
macro_rules! for_each_count {
    ($($statement:expr),+) => {
        [
            asked!("(CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT))"; $($statement),+),
            asked!(
                "(CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT))",
                "(CAST($5 AS TEXT), CAST($6 AS BIGINT), CAST($7 AS BIGINT))";
                $($statement),+
            ),
            asked!(
                "(CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT))",
                "(CAST($5 AS TEXT), CAST($6 AS BIGINT), CAST($7 AS BIGINT))",
                "(CAST($8 AS TEXT), CAST($9 AS BIGINT), CAST($10 AS BIGINT))";
                $($statement),+
            ),
        ]
    };
}

/// How one is taken from a bucket, as the end of what inserts a row for it: nothing where it has not enough. `$1` is the present
/// moment.
macro_rules! or_take_from_its_bucket {
    () => {
        "ON CONFLICT (key) DO UPDATE
        SET full_at = CASE
                WHEN rate_limits.full_at > CAST($1 AS BIGINT)
                THEN rate_limits.full_at + excluded.full_at - CAST($1 AS BIGINT)
                ELSE excluded.full_at
            END,
            span = excluded.span
        WHERE rate_limits.full_at + excluded.full_at - 2 * CAST($1 AS BIGINT) <= excluded.span"
    };
}
pub(crate) use or_take_from_its_bucket;

/// Rows are written in the order of their names, so that two attempts never wait for each other in a circle. Whether a
/// bucket has enough is asked twice: before, of all, so that an attempt which is refused takes nothing from the others;
/// and while it is written, of each by itself, which is what holds when attempts race.
const TAKE: [&str; 3] = for_each_count!(
    "INSERT INTO rate_limits (key, full_at, span)
    SELECT asked.key, CAST($1 AS BIGINT) + asked.step, asked.span
    FROM asked
    WHERE NOT EXISTS (
        SELECT 1
        FROM asked AS other
        JOIN rate_limits AS taken ON taken.key = other.key
        WHERE taken.full_at + other.step - CAST($1 AS BIGINT) > other.span
    )
    ORDER BY asked.key
    ",
    or_take_from_its_bucket!()
);

/// In the same order as they are taken. A bucket that was forgotten since is full already.
const GIVE_BACK: [&str; 3] = for_each_count!(
    "INSERT INTO rate_limits (key, full_at, span)
    SELECT asked.key, CAST($1 AS BIGINT) - asked.step, asked.span
    FROM asked
    WHERE EXISTS (SELECT 1 FROM rate_limits AS taken WHERE taken.key = asked.key)
    ORDER BY asked.key
    ON CONFLICT (key) DO UPDATE
    SET full_at = rate_limits.full_at + excluded.full_at - CAST($1 AS BIGINT)"
);

#[derive(sqlx::FromRow)]
struct LevelRow {
    key: String,
    full_at: i64,
}

#[async_trait]
impl RateLimits for Connection {
    async fn take_from_buckets(
        &mut self,
        buckets: &[Bucket],
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let Some(sql) = text_for(&TAKE, buckets) else { return Ok(true) };
        let taken = bind(self.write(sql), buckets, now).execute().await?;
        Ok(taken == buckets.len() as u64)
    }

    async fn give_back_to_buckets(
        &mut self,
        buckets: &[Bucket],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let Some(sql) = text_for(&GIVE_BACK, buckets) else { return Ok(()) };
        bind(self.write(sql), buckets, now).execute().await?;
        Ok(())
    }

    async fn list_bucket_levels(&mut self, buckets: &[Bucket]) -> Result<Vec<BucketLevel>, StoreError> {
        const SQL: &str = "SELECT key, full_at FROM rate_limits WHERE key IN ($1, $2, $3)";
        let key = |number: usize| buckets.get(number).map(|bucket| bucket.key.clone());
        let rows: Vec<LevelRow> = self.read(SQL).bind(key(0)).bind(key(1)).bind(key(2)).all().await?;
        let levels = rows.into_iter().filter_map(|row| {
            let bucket = buckets.iter().find(|bucket| bucket.key == row.key)?;
            let full_at = OffsetDateTime::UNIX_EPOCH + Duration::microseconds(row.full_at);
            Some(BucketLevel { bucket: bucket.clone(), full_at })
        });
        Ok(levels.collect())
    }

    async fn delete_full_buckets(&mut self, now: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM rate_limits
            WHERE key IN (SELECT key FROM rate_limits WHERE full_at < $1 LIMIT $2) AND full_at < $1";
        self.write(SQL).bind(micros(now)).bind(i64::from(limit)).execute().await
    }
}

fn text_for(texts: &[&'static str; 3], buckets: &[Bucket]) -> Option<&'static str> {
    let count = buckets.len().checked_sub(1)?;
    Some(texts[count])
}

fn bind<'c>(statement: Statement<'c>, buckets: &[Bucket], now: OffsetDateTime) -> Statement<'c> {
    buckets.iter().fold(statement.bind(micros(now)), |statement, bucket| {
        statement
            .bind(bucket.key.clone())
            .bind(whole_micros(bucket.quota.every))
            .bind(whole_micros(bucket.quota.span()))
    })
}

/// Numbers, for moments that are added to each other mean the same in both databases only as such.
pub(crate) fn micros(moment: OffsetDateTime) -> i64 {
    whole_micros(moment - OffsetDateTime::UNIX_EPOCH)
}

pub(crate) fn whole_micros(duration: Duration) -> i64 {
    i64::try_from(duration.whole_microseconds()).unwrap_or(i64::MAX)
}
