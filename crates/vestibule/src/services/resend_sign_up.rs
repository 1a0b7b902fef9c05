use time::Duration;

use super::begin_sign_up::{BegunSignUp, HOUR, OTHERS_WITH_AN_ADDRESS};
use super::sign_up::SignUpRefused;
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEventKind, Client, EmailAddress, InvalidInput, MailKind, Quota, SignUpAttempt, SignUpBrowser,
    SignUpMode, TooManyAttempts,
};
use crate::repository::StoreError;

/// The mails of one attempt as a quota, for who is told.
const MAILS: Quota = Quota::new(SignUpAttempt::MAX_MAILS, Duration::hours(1));

/// Why no other mail is sent.
#[derive(Debug, thiserror::Error)]
pub enum ResendSignUpError {
    /// Not on this site.
    #[error(transparent)]
    Refused(#[from] SignUpRefused),
    /// It is no address.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// This browser began no sign-up, or its time is over.
    #[error("no sign-up of this browser waits")]
    NothingWaits,
    /// Too many were asked for.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// The address of the sign-up that a browser began and that waits to be confirmed. It looks the same whatever became
    /// of the mail.
    pub async fn find_waiting_sign_up(
        &self,
        browsers: &[&str],
    ) -> Result<Option<EmailAddress>, ResendSignUpError> {
        self.require_sign_up(&[SignUpMode::ConfirmFirst, SignUpMode::Open])?;
        Ok(self.find_attempt_of(browsers).await?.map(|(attempt, _)| attempt.email))
    }

    /// Sends the mail of a sign-up once more, for the browser that began it: to the same address or, where that was
    /// mistyped, to another. The link before it is over.
    pub async fn resend_sign_up(
        &self,
        email: &str,
        browsers: &[&str],
        client: &Client,
    ) -> Result<BegunSignUp, ResendSignUpError> {
        self.require_sign_up(&[SignUpMode::ConfirmFirst])?;
        let mut invalid = Vec::new();
        let Some(email) = take("email", EmailAddress::parse(email), &mut invalid) else {
            return Err(InvalidInput { fields: invalid }.into());
        };
        let _ = self.take::<ResendSignUpError>(|limits| limits.for_mail(client)).await?;
        let (attempt, browser) =
            self.find_attempt_of(browsers).await?.ok_or(ResendSignUpError::NothingWaits)?;
        if !attempt.may_send_another() {
            return Err(TooManyAttempts { retry_after: HOUR, quota: MAILS }.into());
        }

        let now = self.clock.now();
        let expires_at = now + self.policy.confirm_ttl;
        let mail = self.mail_to(email.clone(), None, MailKind::ConfirmSignUp, client, now);
        let event = self.event(AuditEventKind::SignUpRequested, None, client, now);
        // Not told, as at the beginning.
        let is_mailed = self.take_in_silence(|limits| limits.for_sign_up_mail(&email)).await?;
        // Where no mail is written, the link that went before stays good: none takes its place.
        let is_as_before = !is_mailed && email == attempt.email;
        let (mail_id, expires_at) =
            if is_as_before { (attempt.mail_id, attempt.expires_at) } else { (mail.id, expires_at) };
        let mut work = self.store.begin().await?;
        if !work.readdress_sign_up_attempt(attempt.id, &email, mail_id, now, expires_at).await? {
            return Err(ResendSignUpError::NothingWaits);
        }
        work.trim_sign_up_attempts(&email, attempt.id, OTHERS_WITH_AN_ADDRESS).await?;
        if is_mailed {
            work.insert_outgoing_mail(&mail).await?;
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(BegunSignUp { cookie: browser.to_cookie(&self.keys), expires_at })
    }

    async fn find_attempt_of(
        &self,
        browsers: &[&str],
    ) -> Result<Option<(SignUpAttempt, SignUpBrowser)>, StoreError> {
        let now = self.clock.now();
        for browser in self.sign_up_browsers(browsers) {
            let found = self.store.alone().find_sign_up_attempt_of(browser.hash(), now).await?;
            if let Some(attempt) = found {
                return Ok(Some((attempt, browser)));
            }
        }
        Ok(None)
    }
}
