use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, Error,
    HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use vestibule::models::{AcmeChallenge, SealedAcmeAccount, SealedSecret, ServerKeys};
use vestibule::ports::{Clock, OsRandom, SystemClock};
use vestibule::repository::{Certificates, StoreError};
use vestibule_sql::Database;
use zeroize::Zeroizing;

use crate::failure::with_causes;
use crate::https_client::HttpsClient;
use crate::settings::AcmeSetting;

/// How long one question may take, and how large its answer may be. Chains have some 6 KiB.
const ASKING: Duration = Duration::from_secs(30);
const MAX_ANSWER: usize = 256 * 1024;
/// How long the authority may take to look at the challenges, and to write the certificate.
const LOOKING: Duration = Duration::from_secs(90);
/// A challenge that was not asked for by then never is.
const CHALLENGE_LIFE: time::Duration = time::Duration::minutes(10);

/// A chain and its private key, both PEM.
pub(crate) struct Ordered {
    pub chain: String,
    pub private_key: Zeroizing<String>,
}

/// Why no certificate came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// The authority cannot be reached or is not well. Nobody counts that, so it is tried again soon.
    #[error("the certificate authority cannot be reached: {0}")]
    Unreachable(String),
    /// It refused. Authorities count that and answer nobody who tries too often.
    #[error("the certificate authority refused: {0}")]
    Refused(String),
    /// It does not know who asks.
    #[error("the certificate authority does not know the account")]
    NoAccount,
    /// It has had enough for now.
    #[error("the certificate authority asks to wait: {0}")]
    TooOften(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What came cannot be used.
    #[error("{0}")]
    Unusable(String),
}

/// A customer of a certificate authority (RFC 8555).
pub(crate) struct Customer {
    setting: AcmeSetting,
    /// Whether the authority can come over plain http.
    has_plain_http: bool,
    database: Database,
    keys: ServerKeys,
    client: Arc<HttpsClient>,
}

impl Customer {
    /// A customer by the settings.
    ///
    /// # Errors
    /// In words, where the file of `VESTIBULE_ACME_ROOT` cannot be used, or the system has no certificates.
    pub(crate) fn new(
        setting: AcmeSetting,
        has_plain_http: bool,
        database: Database,
        keys: ServerKeys,
    ) -> Result<Self, String> {
        let client = match &setting.root {
            None => HttpsClient::new()?,
            Some(path) => std::fs::read(path)
                .map_err(|error| format!("{}: it cannot be read: {error}", path.display()))
                .and_then(|pem| {
                    HttpsClient::trusting(&pem).map_err(|problem| format!("{}: {problem}", path.display()))
                })?,
        };
        Ok(Self { setting, has_plain_http, database, keys, client: Arc::new(client) })
    }

    pub(crate) fn setting(&self) -> &AcmeSetting {
        &self.setting
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn keys(&self) -> &ServerKeys {
        &self.keys
    }

    /// Orders a certificate, by an account that is made where there is none yet, or the authority does not know it any more.
    pub(crate) async fn order(&self) -> Result<Ordered, OrderError> {
        let Some(account) = self.kept_account().await? else {
            return self.order_by(&self.new_account().await?).await;
        };
        match self.order_by(&account).await {
            Err(OrderError::NoAccount) => {
                tracing::warn!(
                    "the certificate authority does not know the account any more; making another"
                );
                self.order_by(&self.new_account().await?).await
            }
            ended => ended,
        }
    }

    /// First with a challenge in the handshake, which needs no second port, and where the authority did not get through, as
    /// where something before the server ends TLS, with one over plain http.
    async fn order_by(&self, account: &Account) -> Result<Ordered, OrderError> {
        match self.order_with(account, ChallengeType::TlsAlpn01).await {
            Err(OrderError::Refused(why)) if self.has_plain_http => {
                tracing::info!(why, "no certificate over TLS-ALPN-01; trying HTTP-01");
                self.order_with(account, ChallengeType::Http01).await.map_err(|error| match error {
                    OrderError::Refused(other) => {
                        OrderError::Refused(format!("over TLS-ALPN-01: {why}; over HTTP-01: {other}"))
                    }
                    error => error,
                })
            }
            ended => ended,
        }
    }

    /// The account of the installation; nothing where there is none, or nobody can open it.
    async fn kept_account(&self) -> Result<Option<Account>, OrderError> {
        let authority = self.setting.directory.as_str();
        let kept = self.database.alone().find_acme_account(authority).await?;
        let opened = kept.and_then(|account| account.credentials.open(&of_account(authority), &self.keys));
        let Some(opened) = opened else { return Ok(None) };
        let credentials: AccountCredentials = serde_json::from_slice(&opened.secret)
            .map_err(|error| OrderError::Unusable(format!("the account in the database: {error}")))?;
        if !opened.is_under_newest {
            self.keep_account(&opened.secret).await?;
        }
        let account = Account::builder_with_http(self.http()).from_credentials(credentials).await;
        account.map(Some).map_err(told)
    }

    async fn new_account(&self) -> Result<Account, OrderError> {
        let contact: Vec<&str> = self.setting.contact.as_deref().into_iter().collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = Account::builder_with_http(self.http())
            .create(&wanted, self.setting.directory.to_string(), None)
            .await
            .map_err(told)?;
        let secret = serde_json::to_vec(&credentials).map(Zeroizing::new);
        self.keep_account(&secret.map_err(|error| OrderError::Unusable(error.to_string()))?).await?;
        Ok(account)
    }

    async fn keep_account(&self, secret: &[u8]) -> Result<(), StoreError> {
        let authority = self.setting.directory.to_string();
        let credentials = SealedSecret::seal(secret, &of_account(&authority), &self.keys, &OsRandom);
        let account = SealedAcmeAccount { authority, credentials, created_at: SystemClock.now() };
        self.database.alone().replace_acme_account(&account).await
    }

    fn identifiers(&self) -> Vec<Identifier> {
        self.setting.domains.iter().cloned().map(Identifier::Dns).collect()
    }

    async fn order_with(&self, account: &Account, kind: ChallengeType) -> Result<Ordered, OrderError> {
        let mut order = account.new_order(&NewOrder::new(&self.identifiers())).await.map_err(told)?;
        let mut tokens = Vec::new();
        let ended = self.prove_and_finish(&mut order, &kind, &mut tokens).await;
        for token in tokens {
            // What is left is over in minutes anyway.
            let _ = self.database.alone().delete_acme_challenge(&token).await;
        }
        ended
    }

    async fn prove_and_finish(
        &self,
        order: &mut Order,
        kind: &ChallengeType,
        tokens: &mut Vec<String>,
    ) -> Result<Ordered, OrderError> {
        let retries = RetryPolicy::new().initial_delay(Duration::from_millis(500)).timeout(LOOKING);
        self.set_challenges(order, kind, tokens).await?;
        if order.state().status == OrderStatus::Pending || order.state().status == OrderStatus::Invalid {
            match order.poll_ready(&retries).await {
                Ok(OrderStatus::Ready) => {}
                Ok(_) | Err(Error::Api(_)) => return Err(OrderError::Refused(why_not(order).await)),
                Err(error) => return Err(told(error)),
            }
        }
        let unusable = |error: rcgen::Error| OrderError::Unusable(error.to_string());
        let key = KeyPair::generate().map_err(unusable)?;
        let mut params = CertificateParams::new(self.setting.domains.clone()).map_err(unusable)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(unusable)?;
        order.finalize_csr(request.der()).await.map_err(told)?;
        let chain = order.poll_certificate(&retries).await.map_err(told)?;
        Ok(Ordered { chain, private_key: Zeroizing::new(key.serialize_pem()) })
    }

    /// Lets all servers know the answers, and then the authority that it may ask.
    async fn set_challenges(
        &self,
        order: &mut Order,
        kind: &ChallengeType,
        tokens: &mut Vec<String>,
    ) -> Result<(), OrderError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(told)?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                _ => return Err(OrderError::Refused("it did not believe an earlier answer".to_owned())),
            }
            let name = authorization.identifier().to_string();
            let Some(mut challenge) = authorization.challenge(kind.clone()) else {
                return Err(OrderError::Refused(format!("it does not offer {kind:?} for {name}")));
            };
            let now = SystemClock.now();
            let answer = AcmeChallenge {
                token: challenge.token.clone(),
                name,
                key_authorization: challenge.key_authorization().as_str().to_owned(),
                created_at: now,
                expires_at: now + CHALLENGE_LIFE,
            };
            tokens.push(answer.token.clone());
            self.database.alone().insert_acme_challenge(&answer).await?;
            challenge.set_ready().await.map_err(told)?;
        }
        Ok(())
    }

    fn http(&self) -> Box<dyn HttpClient> {
        Box::new(Http(Arc::clone(&self.client)))
    }
}

/// What the credentials of an account are sealed as.
fn of_account(authority: &str) -> String {
    format!("acme account at {authority}")
}

/// What the authority said of each name.
async fn why_not(order: &mut Order) -> String {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let name = authorization.identifier().to_string();
        let problems = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        reasons.extend(problems.map(|problem| format!("{name}: {problem}")));
    }
    if reasons.is_empty() { "it gave no reason".to_owned() } else { reasons.join("; ") }
}

fn is_about(problem: &Problem, kind: &str) -> bool {
    problem.r#type.as_deref().is_some_and(|told| told.rsplit(':').next() == Some(kind))
}

fn told(error: Error) -> OrderError {
    match error {
        Error::Api(problem) if is_about(&problem, "rateLimited") => OrderError::TooOften(problem.to_string()),
        Error::Api(problem) if problem.status.is_some_and(|status| status >= 500) => {
            OrderError::Unreachable(problem.to_string())
        }
        Error::Api(problem) if is_about(&problem, "accountDoesNotExist") => OrderError::NoAccount,
        Error::Api(problem) => OrderError::Refused(problem.to_string()),
        error => OrderError::Unreachable(with_causes(&error)),
    }
}

/// The way in which the protocol's library asks.
struct Http(Arc<HttpsClient>);

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = Arc::clone(&self.0);
        Box::pin(async move {
            let asked = tokio::time::timeout(ASKING, ask(&client, request)).await;
            let answer = asked.unwrap_or_else(|_| Err("it does not answer".to_owned()));
            answer.map_err(|problem| Error::Other(problem.into()))
        })
    }
}

async fn ask(client: &HttpsClient, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, String> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await;
    let answer = client.ask(Request::from_parts(parts, Full::new(body.to_bytes()))).await?;
    let (status, headers) = (answer.status, answer.headers.clone());
    let mut response = Response::new(Full::new(answer.body(MAX_ANSWER).await?));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response.into())
}
