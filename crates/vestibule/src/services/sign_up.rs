use super::invite::told_of;
use super::{BegunSignUp, LoggedIn};
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEvent, AuditEventKind, CandidatePassword, Client, EmailAddress, InvalidInput, Invitation, MailKind,
    NewPassword, OneTimeToken, PersonName, Role, SignUpMode, TooManyAttempts, User, UserId,
};
use crate::ports::{HasherError, Standing};
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

/// What is sent by who wants an account, in whichever way the site gives accounts.
#[derive(Clone, Copy)]
pub struct SignUpRequest<'a> {
    /// What they typed.
    pub typed: SignUp<'a>,
    /// The token of their invitation; empty without one. It is looked at only where sign-up is by invitation.
    pub invite: &'a str,
    /// The cookies of sign-ups that their browser began before.
    pub browsers: &'a [&'a str],
}

/// What came of it.
#[derive(Debug)]
pub enum SignedUp {
    /// There is an account, and its owner is logged in.
    LoggedIn(Box<LoggedIn>),
    /// A mail is on its way, of which kind is not known here. Until its link is used there is no account.
    Begun(BegunSignUp),
}

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    /// Not on this site, or not in this way.
    #[error(transparent)]
    Refused(#[from] SignUpRefused),
    /// The invitation was used, is too old, was revoked, or is none.
    #[error("the invitation is not good any more")]
    InvitationOver,
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

/// The site does not give accounts in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sign-up is {mode} on this site")]
pub struct SignUpRefused {
    /// How it gives them.
    pub mode: SignUpMode,
}

pub(super) struct NewAccount {
    pub(super) name: PersonName,
    pub(super) email: EmailAddress,
    pub(super) password: NewPassword,
}

impl Accounts {
    /// Takes a sign-up in the way that the owner of the site has decided. Pages and API come by this one door, so none of
    /// them is open where another is closed.
    pub async fn request_sign_up(
        &self,
        request: SignUpRequest<'_>,
        client: &Client,
    ) -> Result<SignedUp, SignUpError> {
        let SignUpRequest { typed, invite, browsers } = request;
        let logged_in = match self.policy.sign_up {
            SignUpMode::Open => self.sign_up(typed, client).await?,
            SignUpMode::ConfirmFirst => {
                return self.begin_sign_up(typed, browsers, client).await.map(SignedUp::Begun);
            }
            SignUpMode::Invite => self.sign_up_by_invitation(typed, invite, client).await?,
            mode @ SignUpMode::Closed => return Err(SignUpRefused { mode }.into()),
        };
        Ok(SignedUp::LoggedIn(Box::new(logged_in)))
    }

    /// Makes an account and logs its owner in, where sign-up is open. A mail that asks to confirm the address is queued
    /// with it: either all of these are there afterwards or none is.
    pub async fn sign_up(&self, typed: SignUp<'_>, client: &Client) -> Result<LoggedIn, SignUpError> {
        self.require_sign_up(&[SignUpMode::Open])?;
        let _ = self.take::<SignUpError>(|limits| limits.for_sign_up(client)).await?;
        let account = self.parse_sign_up(typed).await?;
        self.make_account(account, None, typed.devices, client).await
    }

    /// The same with an invitation, which is used up in the same transaction: of many who race with one, one gets an
    /// account, and a form that has to be typed again costs nothing.
    async fn sign_up_by_invitation(
        &self,
        typed: SignUp<'_>,
        invite: &str,
        client: &Client,
    ) -> Result<LoggedIn, SignUpError> {
        if invite.trim().is_empty() {
            return Err(SignUpRefused { mode: self.policy.sign_up }.into());
        }
        let _ = self.take::<SignUpError>(|limits| limits.for_sign_up(client)).await?;
        let token = OneTimeToken::parse(invite).ok_or(SignUpError::InvitationOver)?;
        let now = self.clock.now();
        let found = self.store.alone().find_invitation(token.hash(), now).await?;
        let invitation = found.ok_or(SignUpError::InvitationOver)?;
        let account = self.parse_sign_up(typed).await?;
        if !invitation.is_for(&account.email) {
            let message = "This invitation is for another address. Use the one that was invited.";
            return Err(InvalidInput::one("email", "not_invited", message).into());
        }
        self.make_account(account, Some(&invitation), typed.devices, client).await
    }

    async fn make_account(
        &self,
        account: NewAccount,
        invitation: Option<&Invitation>,
        devices: &[&str],
        client: &Client,
    ) -> Result<LoggedIn, SignUpError> {
        let whose = Standing::of(invitation.map(|invitation| invitation.id.as_uuid()));
        let hash = self.hasher.hash(account.password.into_password(), whose).await?;
        let now = self.clock.now();
        let user = User {
            id: UserId::new(now, &*self.random),
            email: account.email,
            name: account.name,
            is_email_verified: false,
            role: invitation.map_or(Role::User, |invitation| invitation.role.clone()),
            is_disabled: false,
            created_at: now,
            updated_at: now,
        };
        let (session, token) = self.new_session(&user, client, now);
        let device = self.device_of(devices);
        let mail = self.mail_about(&user, MailKind::ConfirmEmail, client, now);
        let event = self.event(AuditEventKind::SignedUp, Some(user.id), client, now);
        let event =
            AuditEvent { detail: invitation.map(|used| told_of(used.id)).unwrap_or_default(), ..event };

        let mut work = self.store.begin().await?;
        if work.insert_user(&user, Some(&hash)).await? == Inserted::AlreadyThere {
            return Err(SignUpError::EmailTaken);
        }
        if let Some(invitation) = invitation
            && !work.redeem_invitation(invitation.hash, now).await?
        {
            return Err(SignUpError::InvitationOver);
        }
        work.insert_session(NewSession { session: &session, password_hash: &hash }).await?;
        work.note_device(user.id, device.hash(), now).await?;
        work.insert_outgoing_mail(&mail).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;

        Ok(self.logged_in_with(user, session, &token, &device, now))
    }

    /// Refuses where the site gives accounts in none of these ways.
    pub(super) fn require_sign_up(&self, modes: &[SignUpMode]) -> Result<(), SignUpRefused> {
        let mode = self.policy.sign_up;
        if modes.contains(&mode) { Ok(()) } else { Err(SignUpRefused { mode }) }
    }

    /// Reads the form. All that is wrong is said at once.
    pub(super) async fn parse_sign_up(&self, typed: SignUp<'_>) -> Result<NewAccount, SignUpError> {
        let mut invalid = Vec::new();
        let name = take("name", PersonName::parse(typed.name), &mut invalid);
        let email = take("email", EmailAddress::parse(typed.email), &mut invalid);
        let site_name = &self.policy.site_name;
        let candidate = CandidatePassword::parse(typed.password, email.as_ref(), name.as_ref(), site_name);
        let password = match take("password", candidate, &mut invalid) {
            Some(candidate) => {
                take("password", self.judge(candidate, Standing::Stranger).await?, &mut invalid)
            }
            None => None,
        };
        match (name, email, password) {
            (Some(name), Some(email), Some(password)) => Ok(NewAccount { name, email, password }),
            _ => Err(InvalidInput { fields: invalid }.into()),
        }
    }
}
