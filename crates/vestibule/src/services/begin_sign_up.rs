use std::fmt;

use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::current_session::MAX_COOKIES_OF_ONE_NAME;
use super::sign_up::{NewAccount, SignUp, SignUpError};
use crate::Accounts;
use crate::models::{
    AuditEventKind, Client, MailKind, Quota, SignUpAttempt, SignUpAttemptId, SignUpBrowser, TooManyAttempts,
};
use crate::ports::Standing;

/// How many sign-ups wait at once that were begun in one network: the size of a school that signs up in a morning.
const WAITING_IN_A_NETWORK: u32 = 500;
/// The same as a quota, for who is told.
const NETWORK: Quota = Quota::new(WAITING_IN_A_NETWORK, Duration::minutes(3));
/// For who is told that too many wait, or that too many mails were sent for one.
pub(super) const HOUR: Duration = Duration::hours(1);
/// How many wait at once with one address that were begun in one network, besides the newest.
pub(super) const OTHERS_WITH_AN_ADDRESS: u32 = 9;

/// What the browser is given that began a sign-up.
pub struct BegunSignUp {
    /// The text of its cookie, by which it is known when the link of the mail is opened.
    pub cookie: Zeroizing<String>,
    /// When it is no good any more.
    pub expires_at: OffsetDateTime,
}

impl fmt::Debug for BegunSignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BegunSignUp(…)")
    }
}

impl Accounts {
    /// Writes down a sign-up that waits for its address to be confirmed.
    ///
    /// Nothing here looks at who has an account. The password is judged and hashed and the same statements are made
    /// whatever the address, and who sends the mail finds out which mail it is: so neither the answer nor its time tells.
    pub(super) async fn begin_sign_up(
        &self,
        typed: SignUp<'_>,
        browsers: &[&str],
        client: &Client,
    ) -> Result<BegunSignUp, SignUpError> {
        let _ = self.take::<SignUpError>(|limits| limits.for_sign_up_by_mail(client)).await?;
        let NewAccount { name, email, password } = self.parse_sign_up(typed).await?;
        let password_hash = self.hasher.hash(password.into_password(), Standing::Stranger).await?;

        let now = self.clock.now();
        let browser = SignUpBrowser::generate(&*self.random);
        // Where it began none before, one is removed that nobody has.
        let before = self.sign_up_browsers(browsers).next().map_or(browser.hash(), |before| before.hash());
        let mail = self.mail_to(email.clone(), None, MailKind::ConfirmSignUp, client, now);
        let attempt = SignUpAttempt {
            id: SignUpAttemptId::new(now, &*self.random),
            name,
            email,
            password_hash,
            browser: browser.hash(),
            mail_id: mail.id,
            mails: 1,
            is_declined: false,
            created_at: now,
            expires_at: now + self.policy.confirm_ttl,
            client: client.clone(),
        };
        let event = self.event(AuditEventKind::SignUpRequested, None, client, now);
        // Whether one is written is not told: how many went to an address is nobody else's business.
        let is_mailed = self.take_in_silence(|limits| limits.for_sign_up_mail(&attempt.email)).await?;

        let mut work = self.store.begin().await?;
        work.delete_sign_up_attempt_of(before).await?;
        if !work.insert_sign_up_attempt(&attempt, WAITING_IN_A_NETWORK).await? {
            return Err(TooManyAttempts { retry_after: HOUR, quota: NETWORK }.into());
        }
        work.trim_sign_up_attempts(&attempt.email, attempt.id, OTHERS_WITH_AN_ADDRESS).await?;
        if is_mailed {
            work.insert_outgoing_mail(&mail).await?;
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(BegunSignUp { cookie: browser.to_cookie(&self.keys), expires_at: attempt.expires_at })
    }

    /// The browsers of some cookies that this server made.
    pub(super) fn sign_up_browsers(&self, cookies: &[&str]) -> impl Iterator<Item = SignUpBrowser> {
        let few = cookies.iter().take(MAX_COOKIES_OF_ONE_NAME);
        few.filter_map(|cookie| SignUpBrowser::from_cookie(cookie, &self.keys))
    }
}
