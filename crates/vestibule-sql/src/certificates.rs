use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;
use vestibule::models::{AcmeChallenge, CertificateName, OrderLease, SealedAcmeAccount, SealedCertificate};
use vestibule::repository::{Certificates, StoreError};

use crate::database::{At, Connection, Id};

#[async_trait]
impl Certificates for Connection {
    async fn list_certificates(&mut self, authority: &str) -> Result<Vec<SealedCertificate>, StoreError> {
        const SQL: &str = "
            SELECT authority, names, chain, sealed_private_key, issued_at, expires_at
            FROM certificates
            WHERE authority = $1
            ORDER BY expires_at DESC, names";
        let rows: Vec<CertificateRow> = self.read(SQL).bind(authority.to_owned()).all().await?;
        Ok(rows.into_iter().map(SealedCertificate::from).collect())
    }

    async fn replace_certificate(&mut self, certificate: &SealedCertificate) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO certificates (authority, names, chain, sealed_private_key, issued_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (authority, names) DO UPDATE
            SET chain = $3, sealed_private_key = $4, issued_at = $5, expires_at = $6";
        self.write(SQL)
            .bind(certificate.name.authority.clone())
            .bind(certificate.name.names.clone())
            .bind(certificate.chain.clone())
            .bind(certificate.private_key.as_bytes().to_vec())
            .bind(At(certificate.issued_at))
            .bind(At(certificate.expires_at))
            .execute()
            .await?;
        Ok(())
    }

    async fn replace_sealed_certificate_key(
        &mut self,
        before: &SealedCertificate,
        after: &SealedCertificate,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE certificates
            SET sealed_private_key = $4
            WHERE authority = $1 AND names = $2 AND sealed_private_key = $3";
        let replaced = self
            .write(SQL)
            .bind(before.name.authority.clone())
            .bind(before.name.names.clone())
            .bind(before.private_key.as_bytes().to_vec())
            .bind(after.private_key.as_bytes().to_vec())
            .execute()
            .await?;
        Ok(replaced == 1)
    }

    async fn find_acme_account(&mut self, authority: &str) -> Result<Option<SealedAcmeAccount>, StoreError> {
        const SQL: &str =
            "SELECT authority, sealed_credentials, created_at FROM acme_accounts WHERE authority = $1";
        let row: Option<AccountRow> = self.read(SQL).bind(authority.to_owned()).optional().await?;
        Ok(row.map(SealedAcmeAccount::from))
    }

    async fn replace_acme_account(&mut self, account: &SealedAcmeAccount) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO acme_accounts (authority, sealed_credentials, created_at)
            VALUES ($1, $2, $3)
            ON CONFLICT (authority) DO UPDATE
            SET sealed_credentials = $2, created_at = $3";
        self.write(SQL)
            .bind(account.authority.clone())
            .bind(account.credentials.as_bytes().to_vec())
            .bind(At(account.created_at))
            .execute()
            .await?;
        Ok(())
    }

    async fn lease_order(
        &mut self,
        name: &CertificateName,
        holder: Uuid,
        now: OffsetDateTime,
        until: OffsetDateTime,
        at_once: bool,
    ) -> Result<Option<OrderLease>, StoreError> {
        const SQL: &str = "
            INSERT INTO certificate_orders (authority, names, holder, held_until, failures, next_attempt_at)
            VALUES ($1, $2, $3, $5, 0, $4)
            ON CONFLICT (authority, names) DO UPDATE
            SET holder = $3, held_until = $5
            WHERE certificate_orders.held_until <= $4 AND (certificate_orders.next_attempt_at <= $4 OR $6)
            RETURNING failures";
        let row: Option<LeaseRow> = self
            .write(SQL)
            .bind(name.authority.clone())
            .bind(name.names.clone())
            .bind(Id(holder))
            .bind(At(now))
            .bind(At(until))
            .bind(at_once)
            .optional()
            .await?;
        Ok(row.map(|row| OrderLease { failures: u32::try_from(row.failures).unwrap_or(u32::MAX) }))
    }

    async fn end_order(
        &mut self,
        name: &CertificateName,
        holder: Uuid,
        now: OffsetDateTime,
        failures: u32,
        next_attempt_at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE certificate_orders
            SET held_until = $4, failures = $5, next_attempt_at = $6
            WHERE authority = $1 AND names = $2 AND holder = $3 AND held_until > $4";
        let ended = self
            .write(SQL)
            .bind(name.authority.clone())
            .bind(name.names.clone())
            .bind(Id(holder))
            .bind(At(now))
            .bind(i64::from(failures))
            .bind(At(next_attempt_at))
            .execute()
            .await?;
        Ok(ended == 1)
    }

    async fn insert_acme_challenge(&mut self, challenge: &AcmeChallenge) -> Result<(), StoreError> {
        // An authority may hand out a challenge a second time, to the same account.
        const SQL: &str = "
            INSERT INTO acme_challenges (token, name, key_authorization, created_at, expires_at)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (token) DO UPDATE
            SET name = $2, key_authorization = $3, created_at = $4, expires_at = $5";
        self.write(SQL)
            .bind(challenge.token.clone())
            .bind(challenge.name.clone())
            .bind(challenge.key_authorization.clone())
            .bind(At(challenge.created_at))
            .bind(At(challenge.expires_at))
            .execute()
            .await?;
        Ok(())
    }

    async fn find_acme_challenge(
        &mut self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<Option<AcmeChallenge>, StoreError> {
        const SQL: &str = "
            SELECT token, name, key_authorization, created_at, expires_at
            FROM acme_challenges
            WHERE token = $1 AND expires_at > $2";
        let row: Option<ChallengeRow> =
            self.read(SQL).bind(token.to_owned()).bind(At(now)).optional().await?;
        Ok(row.map(AcmeChallenge::from))
    }

    async fn find_acme_challenge_about(
        &mut self,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<Option<AcmeChallenge>, StoreError> {
        const SQL: &str = "
            SELECT token, name, key_authorization, created_at, expires_at
            FROM acme_challenges
            WHERE name = $1 AND expires_at > $2
            ORDER BY created_at DESC, token
            LIMIT 1";
        let row: Option<ChallengeRow> = self.read(SQL).bind(name.to_owned()).bind(At(now)).optional().await?;
        Ok(row.map(AcmeChallenge::from))
    }

    async fn delete_acme_challenge(&mut self, token: &str) -> Result<(), StoreError> {
        self.write("DELETE FROM acme_challenges WHERE token = $1").bind(token.to_owned()).execute().await?;
        Ok(())
    }

    async fn delete_certificates_over_before(&mut self, moment: OffsetDateTime) -> Result<u64, StoreError> {
        const CERTIFICATES: &str = "DELETE FROM certificates WHERE expires_at < $1";
        const CHALLENGES: &str = "DELETE FROM acme_challenges WHERE expires_at < $1";
        let certificates = self.write(CERTIFICATES).bind(At(moment)).execute().await?;
        Ok(certificates + self.write(CHALLENGES).bind(At(moment)).execute().await?)
    }
}

#[derive(sqlx::FromRow)]
struct CertificateRow {
    authority: String,
    names: String,
    chain: String,
    sealed_private_key: Vec<u8>,
    issued_at: At,
    expires_at: At,
}

impl From<CertificateRow> for SealedCertificate {
    fn from(row: CertificateRow) -> Self {
        Self {
            name: CertificateName { authority: row.authority, names: row.names },
            chain: row.chain,
            private_key: row.sealed_private_key.into(),
            issued_at: row.issued_at.0,
            expires_at: row.expires_at.0,
        }
    }
}

#[derive(sqlx::FromRow)]
struct AccountRow {
    authority: String,
    sealed_credentials: Vec<u8>,
    created_at: At,
}

impl From<AccountRow> for SealedAcmeAccount {
    fn from(row: AccountRow) -> Self {
        Self {
            authority: row.authority,
            credentials: row.sealed_credentials.into(),
            created_at: row.created_at.0,
        }
    }
}

#[derive(sqlx::FromRow)]
struct ChallengeRow {
    token: String,
    name: String,
    key_authorization: String,
    created_at: At,
    expires_at: At,
}

impl From<ChallengeRow> for AcmeChallenge {
    fn from(row: ChallengeRow) -> Self {
        Self {
            token: row.token,
            name: row.name,
            key_authorization: row.key_authorization,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
        }
    }
}

#[derive(sqlx::FromRow)]
struct LeaseRow {
    failures: i64,
}
