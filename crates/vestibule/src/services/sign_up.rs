use super::LoggedIn;
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEventKind, CandidatePassword, Client, EmailAddress, InvalidInput, MailKind, NewPassword, PersonName,
    Role, TooManyAttempts, User, UserId,
};
use crate::ports::HasherError;
use crate::repository::{Inserted, NewSession, StoreError};

/// What somebody typed who wants an account.
#[derive(Clone, Copy)]
pub struct SignUp<'a> {
    /// How they want to be called.
    pub name: &'a str,
    /// Their address.
    pub email: &'a str,
    /// The password they choose.
    pub password: &'a str,
    /// The device cookies that their browser showed.
    pub devices: &'a [&'a str],
}

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    /// Something has to be typed again.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// There is an account with this address.
    #[error("there is an account with this email address")]
    EmailTaken,
    /// Too many came from there.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// No room to hash the password, or it failed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct NewAccount {
    name: PersonName,
    email: EmailAddress,
    password: NewPassword,
}

impl Accounts {
    /// Makes an account and logs its owner in. A mail that asks to confirm the address is queued with it: either
    /// all of these are there afterwards or none is.
    pub async fn sign_up(&self, typed: SignUp<'_>, client: &Client) -> Result<LoggedIn, SignUpError> {
        let _ = self.take::<SignUpError>(|limits| limits.for_sign_up(client)).await?;
        let account = self.parse_sign_up(typed).await?;
        let hash = self.hasher.hash(account.password.into_password()).await?;

        let now = self.clock.now();
        let user = User {
            id: UserId::new(now, &*self.random),
            email: account.email,
            name: account.name,
            is_email_verified: false,
            role: Role::User,
            is_disabled: false,
            created_at: now,
            updated_at: now,
        };
        let (session, token) = self.new_session(&user, client, now);
        let device = self.device_of(typed.devices);
        let mail = self.mail_about(&user, MailKind::ConfirmEmail, client, now);
        let event = self.event(AuditEventKind::SignedUp, Some(user.id), client, now);

        let mut work = self.store.begin().await?;
        if work.insert_user(&user, Some(&hash)).await? == Inserted::AlreadyThere {
            return Err(SignUpError::EmailTaken);
        }
        work.insert_session(NewSession { session: &session, password_hash: &hash }).await?;
        work.note_device(user.id, device.hash(), now).await?;
        work.insert_outgoing_mail(&mail).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;

        Ok(self.logged_in_with(user, session, &token, &device, now))
    }

    /// Reads the form. All that is wrong is said at once.
    async fn parse_sign_up(&self, typed: SignUp<'_>) -> Result<NewAccount, SignUpError> {
        let mut invalid = Vec::new();
        let name = take("name", PersonName::parse(typed.name), &mut invalid);
        let email = take("email", EmailAddress::parse(typed.email), &mut invalid);
        let site_name = &self.policy.site_name;
        let candidate = CandidatePassword::parse(typed.password, email.as_ref(), name.as_ref(), site_name);
        let password = match take("password", candidate, &mut invalid) {
            Some(candidate) => take("password", self.judge(candidate).await?, &mut invalid),
            None => None,
        };
        match (name, email, password) {
            (Some(name), Some(email), Some(password)) => Ok(NewAccount { name, email, password }),
            _ => Err(InvalidInput { fields: invalid }.into()),
        }
    }
}
