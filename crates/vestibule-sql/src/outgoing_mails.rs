use async_trait::async_trait;
use vestibule::models::{EmailAddress, MailKind, OutgoingMail, OutgoingMailId, UserId};
use vestibule::repository::{OutgoingMails, StoreError};

use crate::database::{At, Connection, Id};
use crate::store::{BrokenRow, client};

#[async_trait]
impl OutgoingMails for Connection {
    async fn insert_outgoing_mail(&mut self, mail: &OutgoingMail) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO outgoing_mails
                (id, kind, user_id, recipient, created_at, ip, user_agent)
            VALUES
                ($1, $2, $3, $4, $5, $6, $7)";
        self.write(SQL)
            .bind(Id(mail.id.as_uuid()))
            .bind(mail.kind.as_str())
            .bind(Id(mail.user_id.as_uuid()))
            .bind(mail.recipient.as_str().to_owned())
            .bind(At(mail.created_at))
            .bind(mail.client.ip().map(|ip| ip.to_string()))
            .bind(mail.client.user_agent().map(str::to_owned))
            .execute()
            .await?;
        Ok(())
    }

    async fn list_outgoing_mails(&mut self, limit: u32) -> Result<Vec<OutgoingMail>, StoreError> {
        const SQL: &str = "
            SELECT id, kind, user_id, recipient, created_at, ip, user_agent
            FROM outgoing_mails
            ORDER BY id
            LIMIT $1";
        let rows: Vec<OutgoingMailRow> = self.read(SQL).bind(i64::from(limit)).all().await?;
        Ok(rows.into_iter().map(OutgoingMail::try_from).collect::<Result<_, _>>()?)
    }
}

#[derive(sqlx::FromRow)]
struct OutgoingMailRow {
    id: Id,
    kind: String,
    user_id: Id,
    recipient: String,
    created_at: At,
    ip: Option<String>,
    user_agent: Option<String>,
}

impl TryFrom<OutgoingMailRow> for OutgoingMail {
    type Error = BrokenRow;

    fn try_from(row: OutgoingMailRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "outgoing_mails";
        Ok(Self {
            id: OutgoingMailId::from(row.id.0),
            kind: MailKind::from_word(&row.kind)
                .ok_or_else(|| BrokenRow::new(TABLE, "kind", "no known kind of mail"))?,
            user_id: UserId::from(row.user_id.0),
            recipient: EmailAddress::parse(&row.recipient)
                .map_err(|error| BrokenRow::new(TABLE, "recipient", error))?,
            created_at: row.created_at.0,
            client: client(TABLE, row.ip.as_deref(), row.user_agent.as_deref())?,
        })
    }
}
