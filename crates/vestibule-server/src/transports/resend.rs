use std::fmt;

use async_trait::async_trait;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use serde::Deserialize;
use url::{Host, Url};
use vestibule::ports::MailError;
use vestibule_web::mails::{Letter, Transport};

use super::told::fit_to_tell;
use super::{MailUrlError, Patience, Sender, TransportError, within_the_limit};
use crate::https_client::{HttpsClient, USER_AGENT};

const HOST: &str = "api.resend.com";
/// More than any answer that is of use in a log.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// An account at Resend (<https://resend.com/docs/api-reference/emails/send-email>).
#[derive(Clone)]
pub struct ResendSettings {
    origin: String,
    authorization: HeaderValue,
}

impl ResendSettings {
    pub(super) fn parse(url: &Url) -> Result<Self, MailUrlError> {
        let (key, host) = (url.username(), url.host_str().unwrap_or_default());
        let has_more = url.password().is_some() || url.query().is_some() || !matches!(url.path(), "" | "/");
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| MailUrlError::Resend)?;
        authorization.set_sensitive(true);
        let origin = match (url.scheme(), Host::parse(host), url.port()) {
            ("resend", Ok(Host::Domain(name)), None) if name == HOST => format!("https://{HOST}"),
            // For tests: nothing secret goes unencrypted to another machine.
            ("resend+http", Ok(Host::Ipv4(ip)), Some(port)) if ip.is_loopback() => {
                format!("http://{ip}:{port}")
            }
            _ => return Err(MailUrlError::Resend),
        };
        if key.is_empty() || has_more {
            return Err(MailUrlError::Resend);
        }
        Ok(Self { origin, authorization })
    }
}

impl ResendSettings {
    /// Whether the key looks like the provider's.
    pub(crate) fn has_usual_key(&self) -> bool {
        self.authorization.as_bytes().strip_prefix(b"Bearer ").is_some_and(|key| key.starts_with(b"re_"))
    }
}

impl fmt::Display for ResendSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, host) = self.origin.split_once("://").unwrap_or_default();
        write!(f, "resend://{host}")
    }
}

/// Delivers by the HTTP API of Resend, for servers whose host blocks the ports of mail.
pub(super) struct Resend {
    settings: ResendSettings,
    from: Sender,
    address: Uri,
    client: HttpsClient,
    patience: Patience,
}

impl Resend {
    pub(super) fn new(
        settings: &ResendSettings,
        from: &Sender,
        patience: Patience,
    ) -> Result<Self, TransportError> {
        let address = format!("{}/emails", settings.origin)
            .parse()
            .map_err(|error: http::uri::InvalidUri| TransportError(error.to_string()))?;
        let client = HttpsClient::new().map_err(TransportError)?;
        Ok(Self { settings: settings.clone(), from: from.clone(), address, client, patience })
    }

    async fn post(&self, letter: &Letter) -> Result<(), MailError> {
        let body = serde_json::json!({
            "from": self.from.to_string(),
            "to": [letter.to.as_str()],
            "subject": letter.subject,
            "text": letter.text,
            "html": letter.html,
            // RFC 3834: nobody's holiday notice shall answer.
            "headers": { "Auto-Submitted": "auto-generated" },
        });
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.address.clone())
            .header(AUTHORIZATION, self.settings.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            // What is retried on the way, by whomever, is one mail.
            .header("Idempotency-Key", &letter.id)
            .header("User-Agent", USER_AGENT)
            .body(Full::from(body.to_string()))
            .map_err(|error| MailError::Refused(format!("the request cannot be written: {error}")))?;
        let answer = self.client.ask(request).await.map_err(|cause| {
            MailError::TryAgain(format!("{} could not be reached: {cause}", self.settings))
        })?;
        let status = answer.status;
        if status.is_success() {
            return Ok(());
        }
        let told = answer.body(MAX_ANSWER_BYTES).await;
        let told = told.map(|body| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default();
        let reason =
            fit_to_tell(letter, &format!("{} answered {}: {}", self.settings, status.as_u16(), told));
        Err(if is_final(status, &told) { MailError::Refused(reason) } else { MailError::TryAgain(reason) })
    }
}

/// Whether an answer is surely about the recipient. A wrong key, a sender whose domain is not verified, a field that this
/// release writes wrongly, the operator or another release can mend.
fn is_final(status: StatusCode, told: &str) -> bool {
    if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) {
        return false;
    }
    let message = serde_json::from_str::<Answer>(told).map(|answer| answer.message).unwrap_or_default();
    ["`to`", "'to'", "\"to\""].iter().any(|field| message.contains(field))
}

/// What of an answer is looked at.
#[derive(Deserialize)]
struct Answer {
    message: String,
}

#[async_trait]
impl Transport for Resend {
    async fn deliver(&self, letter: &Letter) -> Result<(), MailError> {
        within_the_limit(self.patience.limit, self.post(letter)).await
    }
}
