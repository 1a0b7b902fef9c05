use super::LoggedIn;
use super::forgot_password::require_token;
use super::sign_up::SignUpRefused;
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEvent, AuditEventKind, Client, ConfirmsSignUp, InvalidInput, OneTimeToken, Password, PasswordError,
    Role, SignUpAttempt, SignUpMode, TooManyAttempts, User, UserId,
};
use crate::ports::{HasherError, Standing};
use crate::repository::{Inserted, NewSession, StoreError};

/// What somebody shows who came by the link of a mail.
#[derive(Clone, Copy)]
pub struct ConfirmSignUp<'a> {
    /// The token of the link.
    pub token: &'a str,
    /// The password that they chose as they signed up, where this is another browser.
    pub password: Option<&'a str>,
    /// The cookies of sign-ups that their browser began.
    pub browsers: &'a [&'a str],
    /// The device cookies that it showed.
    pub devices: &'a [&'a str],
}

/// Why there is no account yet. None of these uses the link up.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmSignUpError {
    /// Not on this site.
    #[error(transparent)]
    Refused(#[from] SignUpRefused),
    /// No token was sent, or no password was typed.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// It is no token, or one that was used, is too old, or was ended.
    #[error("the link is not good any more")]
    TokenInvalid,
    /// Another browser began the sign-up, and its password was not given.
    #[error("open the link where the sign-up was begun, or give its password")]
    NotProven,
    /// It is not the password that the sign-up was begun with.
    #[error("the password is not right")]
    WrongPassword,
    /// The address has an account by now.
    #[error("there is an account with this email address")]
    EmailTaken,
    /// Too many links or passwords were tried.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// No room to check the password, or that failed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a sign-up was not declined.
#[derive(Debug, thiserror::Error)]
pub enum DeclineSignUpError {
    /// No token was sent.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// It is no token, or one that was used, is too old, or was ended.
    #[error("the link is not good any more")]
    TokenInvalid,
    /// Too many links were tried from there.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A sign-up of which it is known that who confirms it also began it. Only [`Accounts::prove_sign_up`] makes one.
struct ProvenSignUp(SignUpAttempt);

impl Accounts {
    /// Makes the account of a sign-up and logs its owner in, for who has the link and also began the sign-up.
    ///
    /// The link alone is not enough: the owner of a mailbox, or a scanner that presses buttons for them, would confirm an
    /// account whose password a stranger chose. Nor is the sign-up without the link: the address may be anybody's.
    pub async fn confirm_sign_up(
        &self,
        typed: ConfirmSignUp<'_>,
        client: &Client,
    ) -> Result<LoggedIn, ConfirmSignUpError> {
        // Those that began before the owner opened sign-up may end.
        self.require_sign_up(&[SignUpMode::ConfirmFirst, SignUpMode::Open])?;
        let _ = self.take::<ConfirmSignUpError>(|limits| limits.for_link(client)).await?;
        let token = parse_token(typed.token)?.ok_or(ConfirmSignUpError::TokenInvalid)?;
        let found = self.store.alone().find_sign_up_attempt(token.hash(), self.clock.now()).await?;
        let attempt = found.ok_or(ConfirmSignUpError::TokenInvalid)?;
        let ProvenSignUp(attempt) = self.prove_sign_up(attempt, typed, client).await?;

        let now = self.clock.now();
        let user = User {
            id: UserId::new(now, &*self.random),
            email: attempt.email,
            name: attempt.name,
            is_email_verified: true,
            role: Role::User,
            is_disabled: false,
            created_at: now,
            updated_at: now,
        };
        let (session, refresh_token) = self.new_session(&user, client, now);
        let device = self.device_of(typed.devices);
        let event = self.event(AuditEventKind::SignedUp, Some(user.id), client, now);
        let event = AuditEvent { detail: SignUpMode::ConfirmFirst.as_str().to_owned(), ..event };

        let mut work = self.store.begin().await?;
        // First the user: of several sign-ups with one address that are confirmed at once, the others wait here and not
        // for each other's rows.
        if work.insert_user(&user, Some(&attempt.password_hash)).await? == Inserted::AlreadyThere {
            return Err(ConfirmSignUpError::EmailTaken);
        }
        if !work.redeem_sign_up_attempt(token.hash(), now).await? {
            return Err(ConfirmSignUpError::TokenInvalid);
        }
        work.end_sign_up_tokens(&user.email).await?;
        let new = NewSession { session: &session, password_hash: &attempt.password_hash };
        work.insert_session(new).await?;
        work.note_device(user.id, device.hash(), now).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(self.logged_in_with(user, session, &refresh_token, &device, now))
    }

    /// Ends a sign-up of which the owner of the address says that it was not theirs, and every later mail of it to them.
    /// Who has the link has the mailbox, and needs nothing more.
    ///
    /// Whoever began it is not told: that somebody reads the mailbox and has no account would be news to them. It stays to
    /// be seen by that browser until its time is over, as if the mail were unread.
    pub async fn decline_sign_up(&self, token: &str, client: &Client) -> Result<(), DeclineSignUpError> {
        let _ = self.take::<DeclineSignUpError>(|limits| limits.for_link(client)).await?;
        let token = parse_token(token)?.ok_or(DeclineSignUpError::TokenInvalid)?;
        let now = self.clock.now();
        let event = self.event(AuditEventKind::SignUpDeclined, None, client, now);
        let mut work = self.store.begin().await?;
        if !work.decline_sign_up_attempt(token.hash(), now).await? {
            return Err(DeclineSignUpError::TokenInvalid);
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }

    /// Whether who shows a link began its sign-up: by the cookie of the browser, or by the password that was chosen. The
    /// password is counted like every other of that account, before it is looked at.
    async fn prove_sign_up(
        &self,
        attempt: SignUpAttempt,
        typed: ConfirmSignUp<'_>,
        client: &Client,
    ) -> Result<ProvenSignUp, ConfirmSignUpError> {
        if self.sign_up_browsers(typed.browsers).any(|browser| browser.hash().matches(&attempt.browser)) {
            return Ok(ProvenSignUp(attempt));
        }
        let password = typed.password.ok_or(ConfirmSignUpError::NotProven)?;
        let mut invalid = Vec::new();
        let password = match Password::parse(password) {
            // Longer than any password that was chosen can be.
            Err(PasswordError::TooLong) => None,
            parsed => take("password", parsed, &mut invalid),
        };
        if let Some(invalid) = InvalidInput::unless_empty(invalid) {
            return Err(invalid.into());
        }
        if let Some(password) = password {
            let _ = self.take_strangers_attempt::<ConfirmSignUpError>(&attempt.email, client).await?;
            if self
                .hasher
                .matches(password, Some(attempt.password_hash.clone()), Standing::Known(attempt.id.as_uuid()))
                .await?
            {
                return Ok(ProvenSignUp(attempt));
            }
        }
        self.record(AuditEventKind::PasswordCheckFailed, None, client).await?;
        Err(ConfirmSignUpError::WrongPassword)
    }
}

fn parse_token(typed: &str) -> Result<Option<OneTimeToken<ConfirmsSignUp>>, InvalidInput> {
    require_token(typed)?;
    Ok(OneTimeToken::parse(typed))
}
