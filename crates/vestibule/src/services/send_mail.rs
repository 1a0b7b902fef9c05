use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use time::{Date, Duration, OffsetDateTime, Time};

use crate::Accounts;
use crate::models::{
    ClaimedMail, EmailAddress, EmailToken, Happened, Mail, MailKind, MailMessage, MailOutcome, MailUrgency,
    MailedLink, OneTimeToken, OutgoingMail, PersonName, ResetToken, SignUpAttempt, User,
};
use crate::ports::{MailError, Mailer};
use crate::repository::{ClaimError, StoreError};

/// Twice as long as a mailer may take. A worker that died gives its mail back after this.
pub(super) const LEASE: Duration = Duration::minutes(2);
/// How many mails that a stranger can cause go to one mailbox in a day, whatever happened to accounts with that address
/// meanwhile: of one kind, so that no kind takes the room of the others, and in all.
const STRANGERS_MAILS_OF_A_KIND_A_DAY: u32 = 10;
const STRANGERS_MAILS_A_DAY: u32 = 20;
/// How many notices of one kind the owner of a confirmed address gets in a day.
const NOTICES_OF_A_KIND_A_DAY: u32 = 20;
/// The name of the quota of all that strangers cause.
const STRANGERS_MAILS: &str = "strangers";
/// The quota that the provider sets.
const ALL_MAILS: &str = "all";
/// One mail in so many is kept for what owners need: links to reset their password, and what they must learn of their
/// account.
const KEPT_FOR_OWNERS: u32 = 5;
/// Why a mail waits for tomorrow.
const DAY_IS_USED_UP: &str = "the day's mails are used up";
const MAILBOX_IS_USED_UP: &str = "its recipient got enough mails today";

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailSent {
    /// It was delivered.
    Sent,
    /// There was nothing to send any more; the words say why.
    Moot(&'static str),
    /// It failed and is tried again.
    TryAgain {
        /// When.
        at: OffsetDateTime,
        /// Why it failed.
        reason: String,
    },
    /// The day's mails are used up, or those of its recipient, so it waits for the next day.
    WaitsForQuota {
        /// When.
        until: OffsetDateTime,
        /// Which.
        why: &'static str,
    },
    /// It was given up.
    Dead {
        /// Why.
        reason: String,
    },
}

/// Why it is not known what became of a mail. It is tried again when the lease is over.
#[derive(Debug, thiserror::Error)]
pub enum SendMailError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is to be sent, or why not.
enum Composed {
    Message(MailMessage, Option<PersonName>),
    Moot(&'static str),
}

/// Whom a mail concerns.
enum Reader {
    /// Somebody with an account.
    User(User),
    /// Somebody who has none yet.
    Newcomer(SignUpAttempt),
    /// Somebody who had one.
    Leaver,
}

impl Accounts {
    /// Takes the mail whose turn it is, for one worker among those of all servers. One that cannot be read is given up.
    pub async fn claim_mail(&self) -> Result<Option<ClaimedMail>, ClaimError> {
        let now = self.clock.now();
        let claimed = self.store.alone().claim_mail(MailUrgency::Normal, now, now + LEASE).await;
        if let Err(ClaimError::Broken(mail)) = &claimed {
            let (outcome, reason) = (MailOutcome::Dead, &mail.problem);
            self.store.alone().finish_mail(mail.id, mail.attempt, outcome, reason, now).await?;
        }
        claimed
    }

    /// Sends a mail that was claimed. The link that it carries is made here and is nowhere but in the mail.
    ///
    /// In normal operation a mail goes once. A worker that dies after the mail server took it and before that is noted
    /// sends it again, with a new link, rather than never.
    pub async fn send_mail(
        &self,
        claimed: &ClaimedMail,
        mailer: &dyn Mailer,
    ) -> Result<MailSent, SendMailError> {
        let mail = &claimed.mail;
        if claimed.is_past_its_tries() {
            let reason = "it was taken up many times, and no worker lived to say what became of it";
            let (id, attempt, now) = (mail.id, claimed.attempt, self.clock.now());
            self.store.alone().finish_mail(id, attempt, MailOutcome::Dead, reason, now).await?;
            return Ok(MailSent::Dead { reason: reason.into() });
        }
        if mail.kind == MailKind::AccountDeleted {
            // Whoever has the address by now: it is told to who had it then.
            return self.send_to(Reader::Leaver, claimed, mailer).await;
        }
        let reader = self.reader_of(mail).await?;
        if mail.is_strangers_request() {
            // Before anything is decided: a request that comes to nothing is one too.
            let event = Self::event_of_request(mail, reader.as_ref().map(|user| user.id));
            self.store.alone().insert_audit_event_once(&event).await?;
        }
        if mail.is_overdue(self.clock.now()) {
            return self.finish_moot(claimed, "it was asked for too long ago").await;
        }
        if mail.kind == MailKind::ConfirmSignUp {
            // A later mail to the same address may be of another sign-up, begun by a stranger: it does not take the place
            // of this one.
            let found = self.store.alone().find_sign_up_attempt_by_mail(mail.id, self.clock.now()).await?;
            let Some(attempt) = found.filter(|attempt| !attempt.is_declined) else {
                return self
                    .finish_moot(claimed, "the sign-up is over, or a newer mail was written for it")
                    .await;
            };
            let reader = reader.map_or(Reader::Newcomer(attempt), Reader::User);
            return self.send_to(reader, claimed, mailer).await;
        }
        if mail.kind.has_link() && self.store.alone().has_newer_mail(mail).await? {
            return self.finish_moot(claimed, "a newer mail of the kind was written").await;
        }
        let Some(user) = reader else {
            return self.finish_moot(claimed, "there is no such user").await;
        };
        self.send_to(Reader::User(user), claimed, mailer).await
    }

    async fn send_to(
        &self,
        reader: Reader,
        claimed: &ClaimedMail,
        mailer: &dyn Mailer,
    ) -> Result<MailSent, SendMailError> {
        let mail = &claimed.mail;
        if matches!(&reader, Reader::User(user) if user.is_disabled) {
            return self.finish_moot(claimed, "the user is disabled").await;
        }
        if mail.kind == MailKind::NewLogIn && matches!(&reader, Reader::User(user) if !user.is_email_verified)
        {
            return self.finish_moot(claimed, "the address is not confirmed").await;
        }

        let today = self.clock.now().date();
        let mailbox = self.mailbox_quotas(mail, &reader);
        if !self.take_from_mailbox(&mailbox, today).await? {
            return self.leave_out(claimed, &reader).await;
        }
        if !self.take_from_day(today, is_for_owner(mail, &reader)).await? {
            self.give_back_to_mailbox(&mailbox, today).await?;
            return self.wait_for_tomorrow(claimed, DAY_IS_USED_UP).await;
        }

        let composed = match reader {
            Reader::User(user) => self.compose(claimed, user).await?,
            Reader::Newcomer(attempt) => self.compose_for_newcomer(claimed, attempt).await?,
            Reader::Leaver => Composed::Message(MailMessage::AccountDeleted(happened(mail)), None),
        };
        let sent = match composed {
            Composed::Moot(why) => self.finish_moot(claimed, why).await?,
            Composed::Message(message, name) => {
                let now = self.clock.now();
                let mail = Mail {
                    id: mail.id,
                    attempt: claimed.attempt,
                    to: mail.recipient.clone(),
                    name,
                    sent_at: now,
                    message,
                };
                self.note_delivery(claimed, mailer.send(&mail).await).await?
            }
        };
        if sent != MailSent::Sent {
            self.give_back_to_mailbox(&mailbox, today).await?;
            if self.policy.mail_daily_limit.is_some() {
                self.store.alone().give_back_mail_quota(ALL_MAILS, today).await?;
            }
        }
        Ok(sent)
    }

    /// Who has the account that a mail concerns. A request to reset a password and a sign-up that is to be confirmed first
    /// name only an address: here, away from the request, is looked up whose it is.
    async fn reader_of(&self, mail: &OutgoingMail) -> Result<Option<User>, StoreError> {
        let mut repository = self.store.alone();
        Ok(match mail.user_id {
            Some(id) => repository.find_credentials(id).await?.map(|found| found.user),
            None => repository
                .find_credentials_by_email(&mail.recipient, None)
                .await?
                .map(|found| found.credentials.user),
        })
    }

    async fn compose(&self, claimed: &ClaimedMail, user: User) -> Result<Composed, StoreError> {
        let mail = &claimed.mail;
        let happened = happened(mail);
        let message = match mail.kind {
            MailKind::ConfirmEmail => {
                let link = self.mint_confirm_link(&user, &mail.recipient, false, Some(claimed)).await?;
                let Some(link) = link else {
                    return Ok(Composed::Moot("the address is confirmed or another by now"));
                };
                MailMessage::ConfirmEmail(link)
            }
            // Told to the account's owner alone, and in the words of the account: a stranger's name is not in it.
            MailKind::ConfirmSignUp | MailKind::SignUpAttempted => MailMessage::SignUpAttempted(happened),
            MailKind::ConfirmNewEmail => {
                let link = self.mint_confirm_link(&user, &mail.recipient, true, Some(claimed)).await?;
                let Some(link) = link else {
                    return Ok(Composed::Moot("the address is the user's by now, or nobody waits for it"));
                };
                // The link was made all the same and is thrown away: the account page shows the address as one that is to
                // be confirmed, and must not tell by its absence that somebody has it.
                let found = self.store.alone().find_credentials_by_email(&mail.recipient, None).await?;
                if found.is_some() {
                    return Ok(Composed::Moot("somebody has the address by now"));
                }
                MailMessage::ConfirmNewEmail(link)
            }
            MailKind::ResetPassword => {
                let Some(link) = self.mint_reset_link(&user, &mail.recipient, Some(claimed)).await? else {
                    return Ok(Composed::Moot("the user has another address by now, or nobody waits for it"));
                };
                MailMessage::ResetPassword(link, happened)
            }
            MailKind::PasswordChanged => MailMessage::PasswordChanged(happened),
            MailKind::EmailChangeRequested => MailMessage::EmailChangeRequested(happened),
            MailKind::EmailChanged => MailMessage::EmailChanged(happened),
            MailKind::NewLogIn => MailMessage::NewLogIn(happened),
            MailKind::RefreshReused => MailMessage::RefreshReused(happened),
            MailKind::AccountDeleted => MailMessage::AccountDeleted(happened),
            MailKind::ServiceKeyMade => MailMessage::ServiceKeyMade(happened),
        };
        Ok(Composed::Message(message, Some(user.name)))
    }

    async fn compose_for_newcomer(
        &self,
        claimed: &ClaimedMail,
        attempt: SignUpAttempt,
    ) -> Result<Composed, StoreError> {
        let now = self.clock.now();
        let token = OneTimeToken::generate(&*self.random);
        if !self.store.alone().put_sign_up_token(claimed.mail.id, claimed.attempt, token.hash(), now).await? {
            return Ok(Composed::Moot("the sign-up is over, or a newer mail was written for it"));
        }
        let link = self.link("/confirm-sign-up", &token.encode(), attempt.time_left(now));
        Ok(Composed::Message(MailMessage::ConfirmSignUp(link, happened(&claimed.mail)), Some(attempt.name)))
    }

    /// A link that confirms an address, which ends the one before it. None where there is nothing to confirm, or the mail
    /// that it is made for is over.
    pub(super) async fn mint_confirm_link(
        &self,
        user: &User,
        email: &EmailAddress,
        replaces_email: bool,
        mail: Option<&ClaimedMail>,
    ) -> Result<Option<MailedLink>, StoreError> {
        let now = self.clock.now();
        let token = OneTimeToken::generate(&*self.random);
        let lifetime = self.policy.confirm_ttl;
        let stored = EmailToken {
            hash: token.hash(),
            user_id: user.id,
            email: email.clone(),
            replaces_email,
            expires_at: now + lifetime,
            created_at: now,
        };
        let is_stored = self.store.alone().put_email_token(&stored, mail).await?;
        Ok(is_stored.then(|| self.link("/confirm-email", &token.encode(), lifetime)))
    }

    /// A link that resets a password, which ends the one before it. It is good for this address: None where the user has
    /// another by now, is gone or disabled, or the mail that it is made for is over.
    pub(super) async fn mint_reset_link(
        &self,
        user: &User,
        email: &EmailAddress,
        mail: Option<&ClaimedMail>,
    ) -> Result<Option<MailedLink>, StoreError> {
        let now = self.clock.now();
        let token = OneTimeToken::generate(&*self.random);
        let lifetime = self.policy.reset_ttl;
        let stored = ResetToken {
            hash: token.hash(),
            user_id: user.id,
            email: email.clone(),
            expires_at: now + lifetime,
            created_at: now,
        };
        let is_stored = self.store.alone().put_reset_token(&stored, mail).await?;
        Ok(is_stored.then(|| self.link("/reset-password", &token.encode(), lifetime)))
    }

    /// From the public URL alone: a `Host` header that a stranger sends must not lead anybody elsewhere.
    fn link(&self, path: &str, token: &str, lifetime: Duration) -> MailedLink {
        MailedLink::new(self.policy.public_url.link(&format!("{path}?token={token}")), lifetime)
    }

    async fn note_delivery(
        &self,
        claimed: &ClaimedMail,
        delivery: Result<(), MailError>,
    ) -> Result<MailSent, StoreError> {
        let now = self.clock.now();
        let (id, attempt) = (claimed.mail.id, claimed.attempt);
        let mut repository = self.store.alone();
        let (reason, next_attempt) = match delivery {
            // Nothing is left of who had the account but what the audit trail keeps.
            Ok(()) if claimed.mail.kind == MailKind::AccountDeleted => {
                repository.delete_mail(id, attempt).await?;
                return Ok(MailSent::Sent);
            }
            Ok(()) => {
                repository.finish_mail(id, attempt, MailOutcome::Sent, "", now).await?;
                return Ok(MailSent::Sent);
            }
            Err(MailError::TryAgain(reason)) => {
                let [jitter] = self.random.bytes();
                (reason, claimed.next_attempt(now, jitter))
            }
            Err(MailError::Refused(reason)) => (reason, None),
        };
        if let Some(at) = next_attempt {
            repository.postpone_mail(id, attempt, at, &reason, true).await?;
            return Ok(MailSent::TryAgain { at, reason });
        }
        repository.finish_mail(id, attempt, MailOutcome::Dead, &reason, now).await?;
        Ok(MailSent::Dead { reason })
    }

    async fn finish_moot(&self, claimed: &ClaimedMail, why: &'static str) -> Result<MailSent, SendMailError> {
        let (id, attempt) = (claimed.mail.id, claimed.attempt);
        self.store.alone().finish_mail(id, attempt, MailOutcome::Moot, why, self.clock.now()).await?;
        Ok(MailSent::Moot(why))
    }

    /// What becomes of a mail for which its mailbox has no room today.
    async fn leave_out(&self, claimed: &ClaimedMail, reader: &Reader) -> Result<MailSent, SendMailError> {
        if claimed.tries > 1 {
            // It was begun before. Where the worker died of it, that is what used the room up, and the mail must not end in
            // silence: it waits, and in the end is given up where somebody sees it.
            return self.wait_for_tomorrow(claimed, MAILBOX_IS_USED_UP).await;
        }
        if let (MailKind::ConfirmNewEmail, Reader::User(user)) = (claimed.mail.kind, reader) {
            // To an address that somebody has none goes, so that its room is never used up. The account page, which shows the
            // address while there is a link, must not tell one from the other.
            let _ = self.mint_confirm_link(user, &claimed.mail.recipient, true, Some(claimed)).await?;
        }
        self.finish_moot(claimed, MAILBOX_IS_USED_UP).await
    }

    /// Takes one from the day's mails, where these are counted. What strangers can have sent may not reach into the share that
    /// is kept.
    async fn take_from_day(&self, today: Date, may_take_all: bool) -> Result<bool, StoreError> {
        let Some(limit) = self.policy.mail_daily_limit else {
            return Ok(true);
        };
        let at_most = if may_take_all { limit } else { limit - limit.div_ceil(KEPT_FOR_OWNERS) };
        self.store.alone().take_mail_quota(ALL_MAILS, today, at_most).await
    }

    async fn wait_for_tomorrow(
        &self,
        claimed: &ClaimedMail,
        why: &'static str,
    ) -> Result<MailSent, SendMailError> {
        let now = self.clock.now();
        let until = now.replace_time(Time::MIDNIGHT) + Duration::DAY;
        let (id, attempt) = (claimed.mail.id, claimed.attempt);
        self.store.alone().postpone_mail(id, attempt, until, why, false).await?;
        Ok(MailSent::WaitsForQuota { until, why })
    }

    /// What a mail is taken from of the mailbox that it goes to.
    ///
    /// - A link to reset a password, and one that makes a newcomer's account: nothing here. They have quotas that refill, from
    ///   which they were taken as they were asked for; one for the day would let strangers use it up, and who needs the link
    ///   would wait until midnight.
    /// - What the owner of a confirmed address must learn of their account: a quota for each kind, which nobody can use up
    ///   who does not have the account.
    /// - That another address took the place of this one: a quota for that kind alone. Whoever took an account away must not
    ///   keep it from its owner by having other mails sent there.
    /// - Everything else, which strangers can have sent to whomever they like, sign-ups with the address of another among
    ///   them: a quota for each kind, and one for all of them together.
    fn mailbox_quotas(&self, mail: &OutgoingMail, reader: &Reader) -> Vec<(String, u32)> {
        let of_kind = self.mailbox_quota(mail.kind.as_str(), &mail.recipient);
        match (mail.kind, reader) {
            (MailKind::ResetPassword, _) | (MailKind::ConfirmSignUp, Reader::Newcomer(_)) => Vec::new(),
            _ if is_for_owner(mail, reader) => vec![(of_kind, NOTICES_OF_A_KIND_A_DAY)],
            (MailKind::EmailChanged, _) => vec![(of_kind, STRANGERS_MAILS_OF_A_KIND_A_DAY)],
            _ => {
                let of_all = self.mailbox_quota(STRANGERS_MAILS, &mail.recipient);
                vec![(of_kind, STRANGERS_MAILS_OF_A_KIND_A_DAY), (of_all, STRANGERS_MAILS_A_DAY)]
            }
        }
    }

    /// A quota of a mailbox, under a name that does not tell whose it is.
    fn mailbox_quota(&self, what: &str, recipient: &EmailAddress) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.keys.newest().mail_quota.as_slice())
            .expect("HMAC takes a key of any length");
        mac.update(recipient.as_str().as_bytes());
        format!("{what}:{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// Takes one from each of a mailbox's quotas, or from none.
    async fn take_from_mailbox(&self, quotas: &[(String, u32)], today: Date) -> Result<bool, StoreError> {
        for (number, (quota, at_most)) in quotas.iter().enumerate() {
            if !self.store.alone().take_mail_quota(quota, today, *at_most).await? {
                self.give_back_to_mailbox(&quotas[..number], today).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn give_back_to_mailbox(&self, quotas: &[(String, u32)], today: Date) -> Result<(), StoreError> {
        for (quota, _) in quotas {
            self.store.alone().give_back_mail_quota(quota, today).await?;
        }
        Ok(())
    }
}

/// Whether a mail is what an owner needs: a link to reset a password, or a notice to the confirmed address of an account. Of
/// the second, who has no account can cause none.
fn is_for_owner(mail: &OutgoingMail, reader: &Reader) -> bool {
    let is_owners =
        matches!(reader, Reader::User(user) if user.is_email_verified && user.email == mail.recipient);
    // The last is written for confirmed addresses alone.
    matches!(mail.kind, MailKind::ResetPassword | MailKind::AccountDeleted)
        || (is_owners && !mail.kind.has_link())
}

fn happened(mail: &OutgoingMail) -> Happened {
    Happened { at: mail.created_at, client: mail.client.clone() }
}
