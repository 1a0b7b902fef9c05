use super::LoggedIn;
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEventKind, Client, EmailAddress, InvalidInput, Password, PasswordCheck, PasswordError, UserId,
};
use crate::ports::HasherError;
use crate::repository::{NewSession, StoreError};

/// The session is stored only while the user still has the password hash that was verified. Where they have not,
/// another log-in may just have renewed the hash of the same password, so it is looked at once more.
const ATTEMPTS: usize = 2;

/// What somebody typed who has an account.
#[derive(Clone, Copy)]
pub struct LogIn<'a> {
    /// Their address.
    pub email: &'a str,
    /// Their password.
    pub password: &'a str,
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
        let mut user_id = None;
        for _ in 0..ATTEMPTS {
            let credentials = self.store.alone().find_credentials_by_email(&email).await?;
            user_id = credentials.as_ref().map(|credentials| credentials.user.id);

            let check = self.verify_password(credentials, password.clone()).await?;
            let PasswordCheck::Right(proof) = check else { break };
            let proof = self.renew_outdated_hash(proof, password.clone()).await?;

            let now = self.clock.now();
            let user = proof.user().clone();
            let (session, token) = self.new_session(&user, client, now);
            let new = NewSession { session: &session, password_hash: proof.hash() };
            if self.store.alone().insert_session(new).await? {
                self.record(AuditEventKind::LoggedIn, Some(user.id), client).await?;
                return Ok(self.logged_in(user, session, &token, now));
            }
        }
        self.refuse_log_in(user_id, client).await
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
