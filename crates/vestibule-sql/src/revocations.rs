use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::models::{Revocation, RevocationCursor, RevocationPage};
use vestibule::repository::{Revocations, StoreError};

use crate::database::{At, Connection};
use crate::store::{BrokenRow, bytes32};

const TABLE: &str = "revocations";

/// The page, with what is told of all in each row, so that one statement reads it all at one moment. Where the cursor is of another
/// database or of before a restore, it begins before the first row.
///
/// `floor` is the position below which nothing comes to light any more. In SQLite, with one writer, that is the one after the last.
/// In PostgreSQL a transaction that began early may commit late, so there it is the oldest one that is under way: positions are
/// transactions.
macro_rules! list_revocations {
    ($floor:literal) => {
        concat!(
            "
            WITH
                feed AS (SELECT epoch, all_until, ",
            $floor,
            " AS floor FROM revocation_feed),
                start AS (
                    SELECT CASE WHEN epoch = $1 AND floor >= $2 THEN $3 ELSE -1 END AS position FROM feed
                ),
                page AS (
                    SELECT position, session_id_hash, issued_until
                    FROM revocations
                    WHERE position >= (SELECT position FROM start)
                        AND (position > (SELECT position FROM start) OR session_id_hash > $4)
                    ORDER BY position, session_id_hash
                    LIMIT $5
                )
            SELECT
                feed.epoch, feed.all_until, feed.floor, page.position, page.session_id_hash, page.issued_until
            FROM feed
            LEFT JOIN page ON TRUE
            ORDER BY page.position, page.session_id_hash"
        )
    };
}

#[async_trait]
impl Revocations for Connection {
    async fn list_revocations(
        &mut self,
        since: Option<&RevocationCursor>,
        limit: u32,
    ) -> Result<RevocationPage, StoreError> {
        let sql = if self.has_row_locks() {
            list_revocations!("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        } else {
            list_revocations!("(SELECT COALESCE(MAX(position), 0) + 1 FROM revocations)")
        };
        let (epoch, floor) = since.map(|since| (since.epoch.clone(), since.floor)).unzip();
        let (position, session) = match since {
            Some(RevocationCursor { after: Some((position, session)), .. }) => {
                (*position, session.as_bytes().to_vec())
            }
            Some(RevocationCursor { floor, .. }) => (*floor, Vec::new()),
            None => (0, Vec::new()),
        };
        let rows: Vec<RevocationRow> = self
            .read(sql)
            .bind(epoch)
            .bind(floor)
            .bind(position)
            .bind(session)
            .bind(i64::from(limit.saturating_add(1)))
            .all()
            .await?;
        Ok(page(rows, since, limit)?)
    }

    async fn delete_old_revocations(
        &mut self,
        issued_before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM revocations
            WHERE (position, session_id_hash) IN (
                SELECT position, session_id_hash
                FROM revocations
                WHERE issued_until < $1 AND position < (SELECT MAX(position) FROM revocations)
                LIMIT $2
            )";
        self.write(SQL).bind(At(issued_before)).bind(i64::from(limit)).execute().await
    }
}

#[derive(sqlx::FromRow)]
struct RevocationRow {
    epoch: String,
    all_until: Option<At>,
    floor: i64,
    position: Option<i64>,
    session_id_hash: Option<Vec<u8>>,
    issued_until: Option<At>,
}

fn page(
    rows: Vec<RevocationRow>,
    since: Option<&RevocationCursor>,
    limit: u32,
) -> Result<RevocationPage, BrokenRow> {
    let missing = || BrokenRow::new("revocation_feed", "is_the_one", "its row is missing");
    let first = rows.first().ok_or_else(missing)?;
    let (epoch, all_until, floor) = (first.epoch.clone(), first.all_until.map(|at| at.0), first.floor);
    let mut told = Vec::new();
    for row in rows {
        let (Some(position), Some(hash), Some(until)) = (row.position, row.session_id_hash, row.issued_until)
        else {
            continue;
        };
        let session = bytes32(TABLE, "session_id_hash", &hash)?.into();
        told.push((position, Revocation { session, issued_until: until.0 }));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = told.len() > limit;
    told.truncate(limit);
    // As in the statement.
    let known = since.filter(|since| since.epoch == epoch && since.floor <= floor);
    let next = RevocationCursor {
        epoch,
        // What was under way at the first page may lie below what the next ones tell.
        floor: match known {
            Some(RevocationCursor { floor, after: Some(_), .. }) => *floor,
            _ => floor,
        },
        after: told.last().filter(|_| has_more).map(|(position, last)| (*position, last.session)),
    };
    Ok(RevocationPage {
        revocations: told.into_iter().map(|(_, revocation)| revocation).collect(),
        all_until,
        next,
        has_more,
        is_reset: since.is_some() && known.is_none(),
    })
}
