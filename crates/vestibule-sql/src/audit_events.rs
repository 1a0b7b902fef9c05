use async_trait::async_trait;
use vestibule::models::{AuditEvent, AuditEventId, AuditEventKind, UserId};
use vestibule::repository::{AuditEvents, StoreError};

use crate::database::{At, Connection, Id};
use crate::store::{BrokenRow, client};

#[async_trait]
impl AuditEvents for Connection {
    async fn insert_audit_event(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        // Where nobody is known, a user is looked up whom nobody is: the work is the same, so its time does not tell
        // whether an address is known. Of a user who was deleted meanwhile nothing is written.
        const SQL: &str = "
            INSERT INTO audit_events
                (id, kind, user_id, created_at, ip, user_agent)
            VALUES
                ($1, $2, (SELECT id FROM users WHERE id = $3), $4, $5, $6)";
        let nobody = event.id.as_uuid();
        self.write(SQL)
            .bind(Id(event.id.as_uuid()))
            .bind(event.kind.as_str())
            .bind(Id(event.user_id.map_or(nobody, UserId::as_uuid)))
            .bind(At(event.created_at))
            .bind(event.client.ip().map(|ip| ip.to_string()))
            .bind(event.client.user_agent().map(str::to_owned))
            .execute()
            .await?;
        Ok(())
    }

    async fn list_audit_events(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        const SQL: &str = "
            SELECT id, kind, user_id, created_at, ip, user_agent
            FROM audit_events
            ORDER BY id DESC
            LIMIT $1";
        let rows: Vec<AuditEventRow> = self.read(SQL).bind(i64::from(limit)).all().await?;
        Ok(rows.into_iter().map(AuditEvent::try_from).collect::<Result<_, _>>()?)
    }

    async fn list_audit_events_of(
        &mut self,
        user: UserId,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        const SQL: &str = "
            SELECT id, kind, user_id, created_at, ip, user_agent
            FROM audit_events
            WHERE user_id = $1
            ORDER BY id DESC
            LIMIT $2";
        let rows: Vec<AuditEventRow> =
            self.read(SQL).bind(Id(user.as_uuid())).bind(i64::from(limit)).all().await?;
        Ok(rows.into_iter().map(AuditEvent::try_from).collect::<Result<_, _>>()?)
    }

    async fn delete_old_audit_events(&mut self, below: AuditEventId, limit: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM audit_events
            WHERE id IN (SELECT id FROM audit_events WHERE id < $1 ORDER BY id LIMIT $2)";
        self.write(SQL).bind(Id(below.as_uuid())).bind(i64::from(limit)).execute().await
    }
}

#[derive(sqlx::FromRow)]
struct AuditEventRow {
    id: Id,
    kind: String,
    user_id: Option<Id>,
    created_at: At,
    ip: Option<String>,
    user_agent: Option<String>,
}

impl TryFrom<AuditEventRow> for AuditEvent {
    type Error = BrokenRow;

    fn try_from(row: AuditEventRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "audit_events";
        Ok(Self {
            id: AuditEventId::from(row.id.0),
            kind: AuditEventKind::from_word(&row.kind)
                .ok_or_else(|| BrokenRow::new(TABLE, "kind", "no known kind of event"))?,
            user_id: row.user_id.map(|id| UserId::from(id.0)),
            created_at: row.created_at.0,
            client: client(TABLE, row.ip.as_deref(), row.user_agent.as_deref())?,
        })
    }
}
