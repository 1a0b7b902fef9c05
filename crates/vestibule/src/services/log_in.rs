use time::{Duration, OffsetDateTime};

use super::LoggedIn;
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEventKind, Client, Device, EmailAddress, InvalidInput, MailKind, Password, PasswordCheck,
    PasswordError, TooManyAttempts, User, UserId,
};
use crate::ports::{HasherError, Standing};
use crate::repository::{NewSession, StoreError};

/// The session is stored only while the user still has the password hash that was verified. Where they have not,
/// another log-in may just have renewed the hash of the same password, so it is looked at once more.
const ATTEMPTS: usize = 2;
/// A browser that was seen within this time is not noted again: a log-in with it stays at two statements.
const DEVICE_IS_FRESH: Duration = Duration::days(30);

/// What somebody typed who has an account.
#[derive(Clone, Copy)]
pub struct LogIn<'a> {
    /// Their address.
    pub email: &'a str,
    /// Their password.
    pub password: &'a str,
    /// The device cookies that their browser showed.
    pub devices: &'a [&'a str],
}

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// Something has to be typed again: it is no address, or there is no password.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// No such user, not their password, or a disabled account. Which of these is not told, in words or in time.
    #[error("the email address or the password is not right")]
    WrongCredentials,
    /// Too many were tried.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// No room to check the password, or it failed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Begins a new session for who knows the password.
    ///
    /// The session's id, secret and CSRF token are new: what a stranger may have planted in the browser before
    /// is worth nothing after (session fixation).
    pub async fn log_in(&self, typed: LogIn<'_>, client: &Client) -> Result<LoggedIn, LogInError> {
        let (email, password) = parse_log_in(typed)?;
        let shown_device = self.known_device_of(typed.devices);
        let shown_device_hash = shown_device.as_ref().map(Device::hash);
        if shown_device.is_none() {
            // A stranger for certain, so a flood is told without a question to the store, and what it is told takes as long
            // for every address.
            self.refuse_again::<LogInError>(|limits| limits.for_password_of_stranger(&email, client))?;
            self.hasher.room_for_a_stranger().map_err(HasherError::from)?;
        }
        let device = shown_device.unwrap_or_else(|| Device::generate(&*self.random));
        let mut user_id = None;
        for _ in 0..ATTEMPTS {
            let found = self.find_credentials_for_attempt::<LogInError>(&email, shown_device_hash).await?;
            let device_seen_at = found.as_ref().and_then(|found| found.device_seen_at);
            let credentials = found.map(|found| found.credentials);
            user_id = credentials.as_ref().map(|credentials| credentials.user.id);
            let mut strangers_attempt = None;
            if device_seen_at.is_none() {
                // Once more, with the cookie of another account in the hand: nothing is counted that is not going to be looked at.
                self.hasher.room_for_a_stranger().map_err(HasherError::from)?;
                strangers_attempt = Some(self.take_strangers_attempt::<LogInError>(&email, client).await?);
            }

            let whose = Standing::of(device_seen_at.and(user_id).map(UserId::as_uuid));
            let check = self.verify_password(credentials, password.clone(), whose).await?;
            let PasswordCheck::Right(proof) = check else { break };
            let proof = self.renew_outdated_hash(proof, password.clone(), whose).await?;

            let now = self.clock.now();
            let user = proof.user().clone();
            let (session, token) = self.new_session(&user, client, now);
            let new = NewSession { session: &session, password_hash: proof.hash() };
            let is_fresh = device_seen_at.is_some_and(|seen_at| now - seen_at < DEVICE_IS_FRESH);
            let is_stored = if is_fresh {
                let event = self.event(AuditEventKind::LoggedIn, Some(user.id), client, now);
                self.store.alone().insert_session_with_event(new, &event).await?
            } else {
                self.begin_session_on(&device, device_seen_at.is_none(), &user, new, client, now).await?
            };
            if is_stored {
                if let Some(attempt) = strangers_attempt {
                    self.give_back(attempt, now).await;
                }
                return Ok(self.logged_in_with(user, session, &token, &device, now));
            }
        }
        self.refuse_log_in(user_id, client).await
    }

    /// A log-in with a browser that is new to the account, of which its owner is told, or that was not seen for long.
    async fn begin_session_on(
        &self,
        device: &Device,
        is_new: bool,
        user: &User,
        new: NewSession<'_>,
        client: &Client,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let event = self.event(AuditEventKind::LoggedIn, Some(user.id), client, now);
        let mail = self.mail_about(user, MailKind::NewLogIn, client, now);
        let mut work = self.store.begin().await?;
        if !work.insert_session(new).await? {
            return Ok(false);
        }
        work.note_device(user.id, device.hash(), now).await?;
        work.insert_audit_event(&event).await?;
        if is_new {
            work.insert_outgoing_mail(&mail).await?;
        }
        work.commit().await?;
        Ok(true)
    }

    /// Known or unknown address, the same is written and answered.
    async fn refuse_log_in(&self, user: Option<UserId>, client: &Client) -> Result<LoggedIn, LogInError> {
        self.record(AuditEventKind::LogInFailed, user, client).await?;
        Err(LogInError::WrongCredentials)
    }
}

fn parse_log_in(typed: LogIn<'_>) -> Result<(EmailAddress, Password), LogInError> {
    let mut invalid = Vec::new();
    let email = take("email", EmailAddress::parse(typed.email), &mut invalid);
    let password = match Password::parse(typed.password) {
        // Longer than any account's password can be: not a mistake of form, just not the password.
        Err(PasswordError::TooLong) => return Err(LogInError::WrongCredentials),
        parsed => take("password", parsed, &mut invalid),
    };
    match (email, password) {
        (Some(email), Some(password)) => Ok((email, password)),
        _ => Err(InvalidInput { fields: invalid }.into()),
    }
}
