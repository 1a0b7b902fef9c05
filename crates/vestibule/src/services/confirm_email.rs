use time::OffsetDateTime;

use super::{CurrentPasswordError, CurrentSession};
use crate::Accounts;
use crate::models::{
    AuditEventKind, Client, ConfirmsEmail, EmailAddress, EmailToken, InvalidInput, MailKind, OneTimeToken,
    TooManyAttempts, User,
};
use crate::repository::{EmailReplaced, EmailTokenAndOwner, StoreError, UnitOfWork};

/// What somebody shows who came by the link of a mail.
#[derive(Clone, Copy)]
pub struct ConfirmEmail<'a> {
    /// The token of the link.
    pub token: &'a str,
    /// Their password, where they are not logged in.
    pub password: Option<&'a str>,
    /// The device cookies that their browser showed.
    pub devices: &'a [&'a str],
}

/// What the link of a mail would do, for who is about to press the button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailLink {
    /// The address that it confirms.
    pub email: EmailAddress,
    /// Whether it takes the place of another.
    pub replaces_email: bool,
    /// That other, where its owner is asking. A link that went to a mistyped address must not tell a stranger whose it is.
    pub present: Option<EmailAddress>,
}

/// Why the address is not confirmed. None of these uses the token up.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmEmailError {
    /// No token was sent.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// It is no token, or one that was used, is too old, or was ended by a newer one.
    #[error("the link is not good any more")]
    TokenInvalid,
    /// The link was opened where its account is not logged in, and no password was given.
    #[error("log in, or give the password, to confirm the address")]
    NotLoggedIn,
    /// The password was not right.
    #[error(transparent)]
    Password(CurrentPasswordError),
    /// Too many links were tried from there.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// Somebody else has the address by now.
    #[error("there is an account with this email address")]
    EmailTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// What a link would do. It looks and changes nothing; none where the link is not good.
    ///
    /// Without it one press could give an account away: somebody who has the password for a moment asks for an address of
    /// their own, sends its owner the link, and the owner takes it for one that confirms theirs.
    pub async fn look_at_email_link(
        &self,
        token: &str,
        current: Option<&CurrentSession>,
    ) -> Result<Option<EmailLink>, StoreError> {
        let Some(token) = OneTimeToken::<ConfirmsEmail>::parse(token) else { return Ok(None) };
        let found = self.store.alone().find_email_token(token.hash(), self.clock.now()).await?;
        Ok(found.map(|EmailTokenAndOwner { token, owner }| {
            let is_owners_session = current.is_some_and(|current| current.user.id == owner.user.id);
            let present = (is_owners_session && token.replaces_email).then_some(owner.user.email);
            EmailLink { email: token.email, replaces_email: token.replaces_email, present }
        }))
    }

    /// Confirms the address that the link was mailed to, for who also has a session of that account or its password.
    ///
    /// The link alone is not enough. Otherwise somebody could sign up with the address of another, wait until its
    /// owner clicks on "confirm", and share the account from then on.
    pub async fn confirm_email(
        &self,
        typed: ConfirmEmail<'_>,
        current: Option<&CurrentSession>,
        client: &Client,
    ) -> Result<User, ConfirmEmailError> {
        let _ = self.take::<ConfirmEmailError>(|limits| limits.for_link(client)).await?;
        let token = parse_token(typed.token)?.ok_or(ConfirmEmailError::TokenInvalid)?;
        let now = self.clock.now();
        let found = self.store.alone().find_email_token(token.hash(), now).await?;
        let EmailTokenAndOwner { token: stored, owner } = found.ok_or(ConfirmEmailError::TokenInvalid)?;
        let owner = owner.user;
        let is_owners_session = current.is_some_and(|current| current.user.id == owner.id);
        if !is_owners_session {
            let password = typed.password.ok_or(ConfirmEmailError::NotLoggedIn)?;
            self.verify_current_password(&owner, password, typed.devices, client)
                .await
                .map_err(in_this_form)?;
        }

        let now = self.clock.now();
        let mut work = self.store.begin().await?;
        // First the user and then the token, as everywhere: two transactions that took them in turns would wait for
        // each other. Nothing holds unless the token is redeemed.
        let user = if stored.replaces_email {
            self.replace_email(&mut *work, &owner, &stored, client, now).await?
        } else {
            let user = work.confirm_email(owner.id, &stored.email, now).await?;
            let event = self.event(AuditEventKind::EmailConfirmed, Some(owner.id), client, now);
            work.insert_audit_event(&event).await?;
            user.ok_or(ConfirmEmailError::TokenInvalid)?
        };
        work.redeem_email_token(token.hash(), now).await?.ok_or(ConfirmEmailError::TokenInvalid)?;
        if stored.replaces_email {
            // Those that went to the address before are over too.
            work.end_email_tokens(user.id).await?;
        }
        work.commit().await?;
        Ok(user)
    }

    /// The new address takes the place of the old one, which is told, and every link that was mailed to the old one
    /// is ended: who still reads that mailbox must not get in by it.
    async fn replace_email(
        &self,
        work: &mut dyn UnitOfWork,
        owner: &User,
        token: &EmailToken,
        client: &Client,
        now: OffsetDateTime,
    ) -> Result<User, ConfirmEmailError> {
        let replaced = match work.replace_email(token.user_id, &token.email, now).await {
            Err(error) if error.is_conflict() => EmailReplaced::Taken,
            replaced => replaced?,
        };
        let user = match replaced {
            EmailReplaced::Done(user) => *user,
            EmailReplaced::Taken => return Err(ConfirmEmailError::EmailTaken),
            EmailReplaced::NoUser => return Err(ConfirmEmailError::TokenInvalid),
        };
        work.end_reset_tokens(user.id).await?;
        // Requests of strangers name the old address and no user, so they would outlive an account that is deleted later.
        let requests = Some(MailKind::ResetPassword);
        self.end_waiting_links(work, owner, requests, "another address took its place", now).await?;
        work.delete_reset_requests_to(&owner.email).await?;
        let notice = self.mail_about(owner, MailKind::EmailChanged, client, now);
        work.insert_outgoing_mail(&notice).await?;
        let event = self.event(AuditEventKind::EmailChanged, Some(user.id), client, now);
        work.insert_audit_event(&event).await?;
        Ok(user)
    }
}

/// The field of this form is called otherwise.
fn in_this_form(error: CurrentPasswordError) -> ConfirmEmailError {
    match error {
        CurrentPasswordError::Invalid(mut invalid) => {
            for field in &mut invalid.fields {
                field.field = "password";
            }
            ConfirmEmailError::Password(invalid.into())
        }
        other => ConfirmEmailError::Password(other),
    }
}

fn parse_token(typed: &str) -> Result<Option<OneTimeToken<ConfirmsEmail>>, InvalidInput> {
    super::forgot_password::require_token(typed)?;
    Ok(OneTimeToken::parse(typed))
}
