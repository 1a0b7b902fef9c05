use crate::Accounts;
use crate::models::{
    AuditEventKind, Client, InvalidInput, MailKind, OneTimeToken, ResetsPassword, TooManyAttempts,
};
use crate::ports::{HasherError, Standing};
use crate::repository::StoreError;

/// What somebody shows who came by the link of a mail.
#[derive(Clone, Copy)]
pub struct ResetPassword<'a> {
    /// The token of the link.
    pub token: &'a str,
    /// The password that they choose.
    pub password: &'a str,
    /// The device cookies that their browser showed.
    pub devices: &'a [&'a str],
}

/// Why the password is as it was. None of these uses the token up.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// Something has to be typed again.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// It is no token, or one that was used, is too old, or was ended by a newer one.
    #[error("the link is not good any more")]
    TokenInvalid,
    /// Too many links were tried from there.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// No room to hash the password, or it failed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Sets a new password for who got the link by mail, and counts the address as confirmed: mail to it arrives.
    ///
    /// Everybody else is out afterwards: every session ends, every browser is unknown again, and every link ends that is
    /// under way or still waits to be mailed. So who had signed up with an address that is not theirs, or had stolen the
    /// password, has nothing left. The owner is told by mail.
    ///
    /// The browser at which it is done becomes a known one: it has a quota of its own then, and the owner gets in although
    /// somebody else may still be guessing. Gives what it is to keep as its device cookie.
    pub async fn reset_password(
        &self,
        typed: ResetPassword<'_>,
        client: &Client,
    ) -> Result<String, ResetPasswordError> {
        let _ = self.take::<ResetPasswordError>(|limits| limits.for_link(client)).await?;
        super::forgot_password::require_token(typed.token)?;
        let token = OneTimeToken::<ResetsPassword>::parse(typed.token);
        let token = token.ok_or(ResetPasswordError::TokenInvalid)?;
        let found = self.store.alone().find_reset_token(token.hash(), self.clock.now()).await?;
        let user = found.ok_or(ResetPasswordError::TokenInvalid)?.user;
        // Before the token is used up: a password that is not good enough costs nobody their link.
        let password =
            self.parse_new_password::<ResetPasswordError>("password", typed.password, &user).await?;
        let hash = self.hasher.hash(password.into_password(), Standing::Known(user.id.as_uuid())).await?;

        let now = self.clock.now();
        let event = self.event(AuditEventKind::PasswordReset, Some(user.id), client, now);
        let mail = self.mail_about(&user, MailKind::PasswordChanged, client, now);
        let device = self.device_of(typed.devices);
        let mut work = self.store.begin().await?;
        // First the user and then the token, as everywhere. Nothing holds unless the token is redeemed.
        if !work.reset_password(user.id, &hash, now).await?
            || work.redeem_reset_token(token.hash(), now).await? != Some(user.id)
        {
            return Err(ResetPasswordError::TokenInvalid);
        }
        work.delete_sessions_of(user.id, None).await?;
        work.forget_devices(user.id).await?;
        work.note_device(user.id, device.hash(), now).await?;
        work.end_reset_tokens(user.id).await?;
        work.end_email_tokens(user.id).await?;
        self.end_waiting_links(&mut *work, &user, None, "the password was reset", now).await?;
        work.insert_outgoing_mail(&mail).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(device.to_cookie(&self.keys))
    }
}
