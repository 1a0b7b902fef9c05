use std::sync::Arc;
use std::time::Duration;

use ::vestibule::Accounts;
use ::vestibule::ports::Random;
use async_trait::async_trait;
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;

use crate::api::openapi;
use crate::cookies::CookieNames;
use crate::dev_mailbox::DevMailbox;
use crate::headers;
use crate::layout::Layout;
use crate::observer::RequestObserver;
use crate::request_id::RequestIds;
use crate::trusted_proxies::TrustedProxies;

/// What all handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Vestibule(Arc<Inner>);

/// So many refusals wait a moment at the same time. Those beyond are told at once.
pub(crate) const PAUSES_AT_ONCE: usize = 512;

struct Inner {
    parts: Parts,
    cookie_names: CookieNames,
    origin: String,
    /// Of answers that do not set them themselves.
    default_headers: headers::Defaults,
    request_ids: RequestIds,
    pauses: Semaphore,
    /// For those that say the same to all, which refusals must not take from them.
    pauses_of_the_same: Semaphore,
    /// Written once: it never changes while the server runs.
    openapi: String,
}

/// What [`Vestibule`] is put together from.
pub struct Parts {
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// For the ids of requests.
    pub random: Arc<dyn Random>,
    /// What stands around the pages.
    pub layout: Arc<dyn Layout>,
    /// What `/readyz` asks.
    pub readiness: Arc<dyn Readiness>,
    /// Whose word is taken for where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// The development mailbox, where mails go no further than that.
    pub dev_mailbox: Option<DevMailbox>,
    /// What the application's own API looks like.
    pub openapi: Option<OpenApi>,
    /// How long after the last of a request came it is answered where the time must not tell:
    /// [`ANSWERS_ARE_HELD_FOR`](crate::ANSWERS_ARE_HELD_FOR), and nothing in a test that measures what is behind it.
    pub answers_are_held_for: Duration,
    /// Who is told of each request, if anybody is.
    pub observer: Option<Arc<dyn RequestObserver>>,
}

/// Whether the server can do its work now.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// `Ok`, or a sentence that says what is missing.
    async fn check(&self) -> Result<(), String>;
}

impl Vestibule {
    /// Puts the parts together. The names of the cookies and the origin that requests must come from are made
    /// from the public URL.
    pub fn new(mut parts: Parts) -> Self {
        let public_url = &parts.accounts.policy().public_url;
        let cookie_names = CookieNames::new(public_url.is_https());
        let origin = public_url.origin();
        let default_headers = headers::Defaults::new(public_url.is_https());
        let openapi = openapi::described(parts.openapi.take());
        let request_ids = RequestIds::new(Arc::clone(&parts.random));
        Self(Arc::new(Inner {
            parts,
            cookie_names,
            origin,
            default_headers,
            request_ids,
            pauses: Semaphore::new(PAUSES_AT_ONCE),
            pauses_of_the_same: Semaphore::new(PAUSES_AT_ONCE),
            openapi,
        }))
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.0.parts.accounts
    }

    /// The site's name.
    pub fn site_name(&self) -> &str {
        &self.accounts().policy().site_name
    }

    /// Whether strangers are shown the way to the sign-up page: not where it is closed, nor where it takes an invitation.
    pub fn offers_sign_up(&self) -> bool {
        self.accounts().policy().sign_up.is_for_everybody()
    }

    pub(crate) fn request_ids(&self) -> &RequestIds {
        &self.0.request_ids
    }

    pub(crate) fn layout(&self) -> &dyn Layout {
        &*self.0.parts.layout
    }

    pub(crate) fn readiness(&self) -> &dyn Readiness {
        &*self.0.parts.readiness
    }

    pub(crate) fn observer(&self) -> Option<&dyn RequestObserver> {
        self.0.parts.observer.as_deref()
    }

    pub(crate) fn trusted_proxies(&self) -> &TrustedProxies {
        &self.0.parts.trusted_proxies
    }

    pub(crate) fn dev_mailbox(&self) -> Option<&DevMailbox> {
        self.0.parts.dev_mailbox.as_ref()
    }

    /// The API of the site, described as OpenAPI 3.1 in JSON.
    pub fn openapi(&self) -> &str {
        &self.0.openapi
    }

    pub(crate) fn cookie_names(&self) -> &CookieNames {
        &self.0.cookie_names
    }

    pub(crate) fn default_headers(&self) -> &headers::Defaults {
        &self.0.default_headers
    }

    pub(crate) fn answers_are_held_for(&self) -> Duration {
        self.0.parts.answers_are_held_for
    }

    /// One for each refusal that waits a moment before it is told.
    pub(crate) fn pauses(&self) -> &Semaphore {
        &self.0.pauses
    }

    pub(crate) fn pauses_of_the_same(&self) -> &Semaphore {
        &self.0.pauses_of_the_same
    }

    pub(crate) fn origin(&self) -> &str {
        &self.0.origin
    }
}
