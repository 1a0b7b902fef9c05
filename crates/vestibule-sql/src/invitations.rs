use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::models::{EmailAddress, Invitation, InvitationId, InvitesToSignUp, OneTimeTokenHash};
use vestibule::repository::{Invitations, StoreError};

use crate::database::{At, Connection, Id};
use crate::store::{BrokenRow, bytes32};

#[async_trait]
impl Invitations for Connection {
    async fn insert_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO invitations
                (id, token_hash, email, role, created_at, expires_at)
            VALUES
                ($1, $2, $3, $4, $5, $6)";
        self.write(SQL)
            .bind(Id(invitation.id.as_uuid()))
            .bind(invitation.hash.as_bytes().to_vec())
            .bind(invitation.email.as_ref().map(|email| email.as_str().to_owned()))
            .bind(invitation.role.as_str().to_owned())
            .bind(At(invitation.created_at))
            .bind(At(invitation.expires_at))
            .execute()
            .await?;
        Ok(())
    }

    async fn find_invitation(
        &mut self,
        hash: OneTimeTokenHash<InvitesToSignUp>,
        now: OffsetDateTime,
    ) -> Result<Option<Invitation>, StoreError> {
        const SQL: &str = "
            SELECT id, token_hash, email, role, created_at, expires_at
            FROM invitations
            WHERE token_hash = $1 AND expires_at > $2";
        let row: Option<InvitationRow> =
            self.read(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).optional().await?;
        Ok(row.map(Invitation::try_from).transpose()?)
    }

    async fn redeem_invitation(
        &mut self,
        hash: OneTimeTokenHash<InvitesToSignUp>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM invitations WHERE token_hash = $1 AND expires_at > $2";
        let redeemed = self.write(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).execute().await?;
        Ok(redeemed == 1)
    }

    async fn list_invitations(
        &mut self,
        now: OffsetDateTime,
        below: Option<InvitationId>,
        limit: u32,
    ) -> Result<Vec<Invitation>, StoreError> {
        const SQL: &str = "
            SELECT id, token_hash, email, role, created_at, expires_at
            FROM invitations
            WHERE expires_at > $1 AND ($2 IS NULL OR id < $2)
            ORDER BY id DESC
            LIMIT $3";
        let rows: Vec<InvitationRow> = self
            .read(SQL)
            .bind(At(now))
            .bind(below.map(|id| Id(id.as_uuid())))
            .bind(i64::from(limit))
            .all()
            .await?;
        Ok(rows.into_iter().map(Invitation::try_from).collect::<Result<_, _>>()?)
    }

    async fn delete_invitation(&mut self, id: InvitationId) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM invitations WHERE id = $1";
        let deleted = self.write(SQL).bind(Id(id.as_uuid())).execute().await?;
        Ok(deleted == 1)
    }

    async fn delete_expired_invitations(
        &mut self,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM invitations
            WHERE id IN (SELECT id FROM invitations WHERE expires_at <= $1 LIMIT $2)";
        self.write(SQL).bind(At(now)).bind(i64::from(limit)).execute().await
    }
}

#[derive(sqlx::FromRow)]
struct InvitationRow {
    id: Id,
    token_hash: Vec<u8>,
    email: Option<String>,
    role: String,
    created_at: At,
    expires_at: At,
}

impl TryFrom<InvitationRow> for Invitation {
    type Error = BrokenRow;

    fn try_from(row: InvitationRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "invitations";
        Ok(Self {
            id: InvitationId::from(row.id.0),
            hash: bytes32(TABLE, "token_hash", &row.token_hash)?.into(),
            email: row
                .email
                .map(|email| EmailAddress::parse(&email))
                .transpose()
                .map_err(|error| BrokenRow::new(TABLE, "email", error))?,
            role: row.role.parse().map_err(|error| BrokenRow::new(TABLE, "role", error))?,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
        })
    }
}
