use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use time::OffsetDateTime;

use super::CurrentSession;
use crate::Accounts;
use crate::models::{
    AuditEvent, AuditEventKind, Client, EmailAddress, KnownDevice, Session, StandingLink, TooManyAttempts,
    TrackedMail, User, UserId,
};
use crate::repository::{AuditFilter, StoreError};

/// How much one question to the store brings.
const PAGE: u32 = 1_000;
/// How many are made at once: each holds all that it gathers in memory, and accounts are cheap to make.
const AT_ONCE: usize = 4;

/// All that is held about a user. The password's hash is not in it, nor anything that opens the account.
#[derive(Debug, Clone)]
pub struct Export {
    /// Who.
    pub user: User,
    /// The address that shall take the place of theirs.
    pub pending_email: Option<EmailAddress>,
    /// Where they are logged in, and were as far as that is still known.
    pub sessions: Vec<Session>,
    /// The browsers that the account was used with.
    pub devices: Vec<KnownDevice>,
    /// Links that were mailed to them, or to an address that they wanted.
    pub links: Vec<StandingLink>,
    /// What was mailed about them lately, newest first.
    pub mails: Vec<TrackedMail>,
    /// What happened, newest first.
    pub events: Vec<AuditEvent>,
    /// What they did to others as an admin, newest first.
    pub deeds: Vec<AuditEvent>,
    /// What the application keeps, by name.
    pub application: Vec<(&'static str, serde_json::Value)>,
    /// When it was put together.
    pub made_at: OffsetDateTime,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The account was exported too often.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// As many are being made as may be at once.
    #[error("too many exports are being made")]
    Overloaded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Gathers all that is held about who is asking, however much it is: nothing is cut off in silence. (How much it can
    /// become is bounded by what writes it: the quotas of attempts, changes and exports, and how long each thing is kept.)
    pub async fn export(&self, current: &CurrentSession, client: &Client) -> Result<Export, ExportError> {
        let user = &current.user;
        // The place first: who is turned away because of others has not used up anything.
        let _place = ExportPlace::take(&self.exports_under_way).ok_or(ExportError::Overloaded)?;
        let _ = self.take::<ExportError>(|limits| limits.for_export(user.id)).await?;
        let now = self.clock.now();
        self.record(AuditEventKind::AccountExported, Some(user.id), client).await?;
        let filter = AuditFilter::default();
        let mut application = Vec::new();
        for part in &self.personal_data {
            application.push((part.name(), part.of(user.id).await?));
        }
        Ok(Export {
            user: User::clone(user),
            pending_email: self.store.alone().find_pending_email(user.id, now).await?,
            sessions: self.every_session(user.id).await?,
            devices: self.every_device(user.id).await?,
            links: self.store.alone().list_links(user.id).await?,
            mails: self.every_mail(user).await?,
            events: told_to(user, self.every_event(AuditFilter { user: Some(user.id), ..filter }).await?),
            deeds: self.every_event(AuditFilter { admin: Some(user.id), ..filter }).await?,
            application,
            made_at: now,
        })
    }

    async fn every_session(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        let mut all: Vec<Session> = Vec::new();
        loop {
            let below = all.last().map(|session| session.public_id);
            let page = self.store.alone().list_every_session(user, below, PAGE).await?;
            let is_last = is_last(&page);
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    async fn every_device(&self, user: UserId) -> Result<Vec<KnownDevice>, StoreError> {
        let mut all: Vec<KnownDevice> = Vec::new();
        loop {
            let after = all.last().map(|device| device.hash);
            let page = self.store.alone().list_devices(user, after, PAGE).await?;
            let is_last = is_last(&page);
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// With the requests of strangers that name the address, once it is known to be the user's: they tell from where
    /// somebody asked, and who merely signed up with the address of another must not read that.
    async fn every_mail(&self, user: &User) -> Result<Vec<TrackedMail>, StoreError> {
        let email = Some(&user.email).filter(|_| user.is_email_verified);
        let mut all: Vec<TrackedMail> = Vec::new();
        loop {
            let below = all.last().map(|tracked| tracked.mail.id);
            let page = self.store.alone().list_mails_of(user.id, email, below, PAGE).await?;
            let is_last = is_last(&page);
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    async fn every_event(&self, filter: AuditFilter<'_>) -> Result<Vec<AuditEvent>, StoreError> {
        let mut all: Vec<AuditEvent> = Vec::new();
        loop {
            let below = all.last().map(|event| event.id);
            let page = self.store.alone().find_audit_events(AuditFilter { below, ..filter }, PAGE).await?;
            let is_last = is_last(&page);
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }
}

/// The right to make an export, while it is made.
struct ExportPlace(Arc<AtomicUsize>);

impl ExportPlace {
    fn take(under_way: &Arc<AtomicUsize>) -> Option<Self> {
        let one_more = |count: usize| (count < AT_ONCE).then_some(count + 1);
        under_way.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Self(Arc::clone(under_way)))
    }
}

/// Also where whoever asked has hung up.
impl Drop for ExportPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What of the trail is told to a user. From where a stranger tried to log in or asked for a reset is told to who has confirmed the
/// address: an account can be made with that of somebody else, who then asks for a link, and is the stranger.
fn told_to(user: &User, mut events: Vec<AuditEvent>) -> Vec<AuditEvent> {
    if !user.is_email_verified {
        for event in &mut events {
            if matches!(event.kind, AuditEventKind::PasswordResetRequested | AuditEventKind::LogInFailed) {
                event.client = Client::default();
            }
        }
    }
    events
}

fn is_last<T>(page: &[T]) -> bool {
    page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX)
}
