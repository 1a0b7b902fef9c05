use time::{Duration, OffsetDateTime};

use super::{Client, EmailAddress, UserId, id};

id! {
    /// Names one mail to be sent.
    OutgoingMailId
}

/// A mail that has to be sent, written in the same transaction as what it tells of. It holds no text and no
/// token: both are made as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// Ordered by time.
    pub id: OutgoingMailId,
    /// What it tells.
    pub kind: MailKind,
    /// Whom it concerns. None where that is not known yet: who has the address that somebody typed to reset a password
    /// is looked up as the mail is sent, so that the request does not tell.
    pub user_id: Option<UserId>,
    /// Where it goes.
    pub recipient: EmailAddress,
    /// When that happened which it tells of, and not before when it is sent.
    pub created_at: OffsetDateTime,
    /// From where that was done, for the mails that say so.
    pub client: Client,
}

/// A mail that one worker is sending. No other takes it before the lease is over.
#[derive(Debug, Clone)]
pub struct ClaimedMail {
    /// The mail.
    pub mail: OutgoingMail,
    /// How often it was claimed, this time included. It only grows, so that no two claims have the same: a worker whose
    /// lease ran out meanwhile is told by it, and so is one message from another.
    pub attempt: u32,
    /// Of these, those that count: not when it had to stand back, nor what was before an operator had it tried again.
    pub tries: u32,
}

/// A mail that was claimed and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenMail {
    /// Which.
    pub id: OutgoingMailId,
    /// Which claim it was.
    pub attempt: u32,
    /// What is wrong: the table and the column, not the value.
    pub problem: String,
}

/// What became of a mail in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailOutcome {
    /// It was delivered.
    Sent,
    /// There was nothing to tell any more: nobody has the address, it is confirmed, a newer mail says more.
    Moot,
    /// It could not be delivered and is not tried again, unless an operator says so.
    Dead,
}

/// How a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// It is still to be sent.
    Waiting,
    /// It is over.
    Finished(MailOutcome),
}

/// A mail and what became of it so far, for who looks after the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedMail {
    /// The mail.
    pub mail: OutgoingMail,
    /// How it stands.
    pub state: MailState,
    /// How often it was tried, since an operator last asked for that.
    pub attempts: u32,
    /// When it is tried next, where it waits.
    pub next_attempt_at: OffsetDateTime,
    /// When it was over, where it is.
    pub finished_at: Option<OffsetDateTime>,
    /// Why the last attempt failed or the mail was given up. Empty where neither is so.
    pub reason: String,
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailCounts {
    /// Mails that are still to be sent.
    pub waiting: u64,
    /// Mails that were given up.
    pub dead: u64,
}

/// Which mails go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailUrgency {
    /// Somebody cannot get into their account.
    First,
    /// Everything else.
    Normal,
}

/// The last attempt. With the pauses below it comes after about two days, a weekend without a mail server.
const MAX_ATTEMPTS: u32 = 16;
const FIRST_PAUSE: Duration = Duration::seconds(30);
const LONGEST_PAUSE: Duration = Duration::hours(6);

/// Somebody who asked for a link to reset their password has asked again by then, or remembers the old one. A link that
/// comes later only lies about.
const REQUEST_IS_FRESH: Duration = Duration::hours(1);
/// Every other link. Beyond this nobody knows any more what it was for: a site that had no mail server for a month must
/// not send a month's links on the day that it has one.
const LINK_IS_FRESH: Duration = Duration::days(3);

impl OutgoingMail {
    /// Whether somebody asked for it who is not known: it names an address, and whose that is, is looked up as it is sent.
    pub fn is_strangers_request(&self) -> bool {
        self.kind == MailKind::ResetPassword && self.user_id.is_none()
    }

    /// Whether it carries a link for which nobody waits any more.
    pub fn is_overdue(&self, now: OffsetDateTime) -> bool {
        let fresh = if self.is_strangers_request() { REQUEST_IS_FRESH } else { LINK_IS_FRESH };
        self.kind.has_link() && now - self.created_at > fresh
    }
}

impl ClaimedMail {
    /// Whether it was tried as often as it may be. A worker that dies of a mail, or panics, reports no failure: without this
    /// the mail would be taken up every two minutes for a month.
    pub fn is_past_its_tries(&self) -> bool {
        self.tries > MAX_ATTEMPTS
    }

    /// When to try again after this attempt failed: after pauses that double from 30 seconds to six hours, each made
    /// up to a fifth shorter by chance (`jitter` is a random byte), so that a thousand mails that failed together do not
    /// come back together. None after the last attempt.
    pub fn next_attempt(&self, now: OffsetDateTime, jitter: u8) -> Option<OffsetDateTime> {
        if self.tries >= MAX_ATTEMPTS {
            return None;
        }
        let doublings = self.tries.saturating_sub(1).min(16);
        let pause = (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE);
        Some(now + pause - pause / 5 * i32::from(jitter) / 255)
    }
}

impl MailOutcome {
    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Moot => "moot",
            Self::Dead => "dead",
        }
    }
}

impl MailState {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Waiting,
        Self::Finished(MailOutcome::Sent),
        Self::Finished(MailOutcome::Moot),
        Self::Finished(MailOutcome::Dead),
    ];

    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Finished(outcome) => outcome.as_str(),
        }
    }

    /// Reads the stable word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl MailUrgency {
    /// The number by which the store orders mails.
    pub fn rank(self) -> i64 {
        match self {
            Self::First => 0,
            Self::Normal => 1,
        }
    }
}

/// What a mail tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// Asks to confirm the address of a new account.
    ConfirmEmail,
    /// Asks to confirm the address of a sign-up that has no account yet. Where its address has one, the mail that is
    /// sent is [`Self::SignUpAttempted`].
    ConfirmSignUp,
    /// Somebody tried to sign up with the address of an account. Never written as such: who sends the mail finds out.
    SignUpAttempted,
    /// Asks to confirm the address that shall replace another.
    ConfirmNewEmail,
    /// Lets somebody choose a new password.
    ResetPassword,
    /// The password was changed or reset.
    PasswordChanged,
    /// Somebody asked for another address. Goes to the present one.
    EmailChangeRequested,
    /// Another address took the place of this one. Goes to the one before.
    EmailChanged,
    /// A log-in from a browser that this account has not been used with.
    NewLogIn,
    /// An old refresh secret was shown and the session ended.
    RefreshReused,
    /// The account was deleted by who was logged in to it. It belongs to no user any more, and goes once it is sent.
    AccountDeleted,
    /// A key was made that lets a program in. Goes to the admins.
    ServiceKeyMade,
}

impl MailKind {
    /// All kinds, for those who list or store them.
    pub const ALL: [Self; 12] = [
        Self::ConfirmEmail,
        Self::ConfirmSignUp,
        Self::SignUpAttempted,
        Self::ConfirmNewEmail,
        Self::ResetPassword,
        Self::PasswordChanged,
        Self::EmailChangeRequested,
        Self::EmailChanged,
        Self::NewLogIn,
        Self::RefreshReused,
        Self::AccountDeleted,
        Self::ServiceKeyMade,
    ];

    /// Those that carry a link that does something.
    pub const WITH_LINKS: [Self; 4] =
        [Self::ConfirmEmail, Self::ConfirmSignUp, Self::ConfirmNewEmail, Self::ResetPassword];

    /// Those of them whose link is for somebody who has an account, and ends where all links of an account end. (That of a
    /// sign-up makes one. Sent to an address that has one by then, it carries none.)
    pub const WITH_LINKS_OF_ACCOUNTS: [Self; 3] =
        [Self::ConfirmEmail, Self::ConfirmNewEmail, Self::ResetPassword];

    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
            Self::ConfirmSignUp => "confirm_sign_up",
            Self::SignUpAttempted => "sign_up_attempted",
            Self::ConfirmNewEmail => "confirm_new_email",
            Self::ResetPassword => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::EmailChangeRequested => "email_change_requested",
            Self::EmailChanged => "email_changed",
            Self::NewLogIn => "new_log_in",
            Self::RefreshReused => "refresh_reused",
            Self::AccountDeleted => "account_deleted",
            Self::ServiceKeyMade => "service_key_made",
        }
    }

    /// Reads the stable word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it goes before others.
    pub fn urgency(self) -> MailUrgency {
        match self {
            Self::ResetPassword => MailUrgency::First,
            _ => MailUrgency::Normal,
        }
    }

    /// Whether it carries a link that does something.
    pub fn has_link(self) -> bool {
        Self::WITH_LINKS.contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::ports::OsRandom;

    const NOON: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);

    fn claimed(tries: u32) -> ClaimedMail {
        let mail = OutgoingMail {
            id: OutgoingMailId::new(NOON, &OsRandom),
            kind: MailKind::ConfirmEmail,
            user_id: None,
            recipient: EmailAddress::parse("ann@example.com").unwrap(),
            created_at: NOON,
            client: Client::default(),
        };
        ClaimedMail { mail, attempt: 40 + tries, tries }
    }

    #[test]
    fn pauses_double_up_to_six_hours_and_then_a_mail_is_given_up() {
        let pause = |tries| claimed(tries).next_attempt(NOON, 0).map(|at| at - NOON);
        assert_eq!(pause(1), Some(Duration::seconds(30)));
        assert_eq!(pause(2), Some(Duration::minutes(1)));
        assert_eq!(pause(5), Some(Duration::minutes(8)));
        assert_eq!(pause(15), Some(Duration::hours(6)));
        assert_eq!(pause(16), None);
        let in_all: Duration = (1..16).filter_map(pause).sum();
        assert!(in_all > Duration::hours(36) && in_all < Duration::hours(72), "{in_all}");
    }

    #[test]
    fn chance_makes_a_pause_at_most_a_fifth_shorter() {
        for jitter in [0, 1, 128, 255] {
            let pause = claimed(3).next_attempt(NOON, jitter).unwrap() - NOON;
            assert!(pause <= Duration::minutes(2) && pause >= Duration::seconds(96), "{pause}");
        }
    }

    #[test]
    fn a_link_for_which_nobody_waits_is_overdue() {
        let ann = UserId::new(NOON, &OsRandom);
        let late =
            |kind, user_id, after| OutgoingMail { kind, user_id, ..claimed(1).mail }.is_overdue(NOON + after);
        let (hour, days) = (Duration::hours(1), Duration::days(3));
        assert!(!late(MailKind::ResetPassword, None, hour));
        assert!(late(MailKind::ResetPassword, None, hour + Duration::SECOND));
        for kind in MailKind::WITH_LINKS {
            assert!(
                !late(kind, Some(ann), days) && late(kind, Some(ann), days + Duration::SECOND),
                "{kind:?}"
            );
        }
        assert!(!late(MailKind::PasswordChanged, Some(ann), 9 * days), "what happened is told all the same");
    }

    #[test]
    fn every_kind_is_known_by_its_word() {
        for kind in MailKind::ALL {
            assert_eq!(MailKind::from_word(kind.as_str()), Some(kind));
        }
    }
}
