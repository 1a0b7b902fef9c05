use async_trait::async_trait;
use vestibule::models::{Actor, AuditEvent, AuditEventId, AuditEventKind, UserId};
use vestibule::repository::{AuditEvents, AuditFilter, EventCount, StoreError};

use crate::database::{At, Connection, Id, Statement};
use crate::store::{BrokenRow, client, day, is_named, patterns_of};

/// The statement of `insert_audit_event`. Where nobody is known, a user is looked up whom nobody is: the work is the same, so
/// its time does not tell whether an address is known. Of a user who was deleted meanwhile nothing is written.
macro_rules! insert_audit_event {
    ($conflict:literal) => {
        concat!(
            "
            INSERT INTO audit_events
                (id, kind, created_at, ip, user_agent, actor, actor_id, detail, user_id)
            VALUES
                ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT id FROM users WHERE id = $9))
            ",
            $conflict
        )
    };
}

#[async_trait]
impl AuditEvents for Connection {
    async fn insert_audit_event(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        insert(self, insert_audit_event!(""), event).await
    }

    async fn insert_audit_event_once(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        insert(self, insert_audit_event!("ON CONFLICT (id) DO NOTHING"), event).await
    }

    async fn list_audit_events(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        const SQL: &str = "
            SELECT id, kind, user_id, created_at, ip, user_agent, actor, actor_id, detail
            FROM audit_events
            ORDER BY id DESC
            LIMIT $1";
        let rows: Vec<AuditEventRow> = self.read(SQL).bind(i64::from(limit)).all().await?;
        Ok(rows.into_iter().map(AuditEvent::try_from).collect::<Result<_, _>>()?)
    }

    async fn find_audit_events(
        &mut self,
        filter: AuditFilter<'_>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        const SQL: &str = concat!(
            "
            SELECT id, kind, user_id, created_at, ip, user_agent, actor, actor_id, detail
            FROM audit_events
            WHERE ($1 IS NULL OR kind = $1)
                AND ($2 IS NULL OR user_id = $2)
                AND ($3 IS NULL OR actor_id = $3)
                AND ($4 IS NULL OR id < $4)
                AND ($5 IS NULL OR id >= $5)
                AND ($6 IS NULL OR user_id IN (SELECT id FROM users WHERE ",
            is_named!("$6", "$7", "$8", "$9"),
            "))
                AND ($10 IS NULL OR actor_id IN (SELECT id FROM users WHERE ",
            is_named!("$10", "$11", "$12", "$13"),
            "))
            ORDER BY id DESC
            LIMIT $14"
        );
        let mut statement = self
            .read(SQL)
            .bind(filter.kind.map(AuditEventKind::as_str))
            .bind(filter.user.map(|id| Id(id.as_uuid())))
            .bind(filter.admin.map(|id| Id(id.as_uuid())))
            .bind(filter.below.map(|id| Id(id.as_uuid())))
            .bind(filter.from.map(|id| Id(id.as_uuid())));
        for words in [filter.user_named, filter.admin_named] {
            for pattern in words.map_or([const { None::<String> }; 4], |words| patterns_of(words).map(Some)) {
                statement = statement.bind(pattern);
            }
        }
        let rows: Vec<AuditEventRow> = statement.bind(i64::from(limit)).all().await?;
        Ok(rows.into_iter().map(AuditEvent::try_from).collect::<Result<_, _>>()?)
    }

    async fn count_audit_events(
        &mut self,
        kinds: [AuditEventKind; 3],
        from: AuditEventId,
    ) -> Result<Vec<EventCount>, StoreError> {
        // Both databases write a moment beginning with its day, and both connections are in UTC.
        const SQL: &str = "
            SELECT substr(CAST(created_at AS text), 1, 10) AS day, kind, COUNT(*) AS count
            FROM audit_events
            WHERE id >= $1 AND kind IN ($2, $3, $4)
            GROUP BY 1, 2";
        let mut statement = self.read(SQL).bind(Id(from.as_uuid()));
        for kind in kinds {
            statement = statement.bind(kind.as_str());
        }
        let rows: Vec<EventCountRow> = statement.all().await?;
        Ok(rows.into_iter().map(EventCount::try_from).collect::<Result<_, _>>()?)
    }

    async fn delete_old_audit_events(&mut self, below: AuditEventId, limit: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM audit_events
            WHERE id IN (SELECT id FROM audit_events WHERE id < $1 ORDER BY id LIMIT $2)";
        self.write(SQL).bind(Id(below.as_uuid())).bind(i64::from(limit)).execute().await
    }
}

async fn insert(
    connection: &mut Connection,
    sql: &'static str,
    event: &AuditEvent,
) -> Result<(), StoreError> {
    let nobody = event.id.as_uuid();
    bind_event(connection.write(sql), event)
        .bind(Id(event.user_id.map_or(nobody, UserId::as_uuid)))
        .execute()
        .await?;
    Ok(())
}

/// The values of an event but for whom it concerns, in the order of its columns.
pub(crate) fn bind_event<'c>(statement: Statement<'c>, event: &AuditEvent) -> Statement<'c> {
    statement
        .bind(Id(event.id.as_uuid()))
        .bind(event.kind.as_str())
        .bind(At(event.created_at))
        .bind(event.client.ip().map(|ip| ip.to_string()))
        .bind(event.client.user_agent().map(str::to_owned))
        .bind(event.actor.as_str())
        .bind(event.actor.id().map(|id| Id(id.as_uuid())))
        .bind(event.detail.clone())
}

#[derive(sqlx::FromRow)]
struct AuditEventRow {
    id: Id,
    kind: String,
    user_id: Option<Id>,
    created_at: At,
    ip: Option<String>,
    user_agent: Option<String>,
    actor: String,
    actor_id: Option<Id>,
    detail: String,
}

#[derive(sqlx::FromRow)]
struct EventCountRow {
    day: String,
    kind: String,
    count: i64,
}

impl TryFrom<AuditEventRow> for AuditEvent {
    type Error = BrokenRow;

    fn try_from(row: AuditEventRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "audit_events";
        Ok(Self {
            id: AuditEventId::from(row.id.0),
            kind: kind_of(&row.kind)?,
            user_id: row.user_id.map(|id| UserId::from(id.0)),
            created_at: row.created_at.0,
            client: client(TABLE, row.ip.as_deref(), row.user_agent.as_deref())?,
            actor: Actor::parse(&row.actor, row.actor_id.map(|id| UserId::from(id.0)))
                .ok_or_else(|| BrokenRow::new(TABLE, "actor", "no known kind of actor"))?,
            detail: row.detail,
        })
    }
}

impl TryFrom<EventCountRow> for EventCount {
    type Error = BrokenRow;

    fn try_from(row: EventCountRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "audit_events";
        Ok(Self {
            day: day(TABLE, "created_at", &row.day)?,
            kind: kind_of(&row.kind)?,
            count: row.count.unsigned_abs(),
        })
    }
}

fn kind_of(word: &str) -> Result<AuditEventKind, BrokenRow> {
    AuditEventKind::from_word(word)
        .ok_or_else(|| BrokenRow::new("audit_events", "kind", "no known kind of event"))
}
