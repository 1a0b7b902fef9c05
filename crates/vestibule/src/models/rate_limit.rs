use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::{Client, DeviceHash, EmailAddress, PublicSessionId, UserId};

/// How often something may be done: so many times at once, and one more each time `every` has passed. It is the generic
/// cell rate algorithm (ITU-T I.371): smooth, without windows at whose edges twice as much could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many at once.
    pub burst: NonZeroU32,
    /// How long until there is one more.
    pub every: Duration,
}

/// All quotas of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Passwords tried from one network address, at whatever account.
    pub passwords_by_address: Quota,
    /// Passwords tried at one account from everywhere, by browsers that it was not used with.
    pub passwords_by_account: Quota,
    /// Passwords tried at one account from one network address.
    pub passwords_by_pair: Quota,
    /// Passwords tried at one account by a browser that it was used with before. It has this quota for itself, so an
    /// account under attack stays open to its owner (OWASP, "Device Cookies").
    pub passwords_by_device: Quota,
    /// Sign-ups from one network address.
    pub sign_ups_by_address: Quota,
    /// Links of mails that are tried from one network address, good or not.
    pub links_by_address: Quota,
    /// Requests from one network address that send a mail.
    pub mails_by_address: Quota,
    /// Links to reset a password that are asked for to one mailbox, by anybody. It refills at least as fast as links end:
    /// whoever uses it up for others keeps them from nothing, for until there is one more, the last link is good.
    pub resets_by_mailbox: Quota,
    /// Mails that ask to confirm the address of an account, to one mailbox.
    pub confirmations_by_mailbox: Quota,
    /// Mails of sign-ups that are to be confirmed first, to one mailbox. It refills, and whoever signs up is not told. Nothing
    /// else bounds what strangers have sent to a newcomer in a day, so it refills more slowly than others.
    pub sign_ups_by_mailbox: Quota,
    /// Mails that ask to confirm an address which shall replace another, to one mailbox.
    pub new_addresses_by_mailbox: Quota,
    /// The same, from one account to whatever mailboxes.
    pub new_addresses_by_account: Quota,
    /// Changes that one account makes with no password, each of which leaves an event in its trail.
    pub changes_by_account: Quota,
    /// Exports of one account: each reads all that is held about it.
    pub exports_by_account: Quota,
    /// New passwords that are judged for one network address, as somebody types.
    pub judgements_by_address: Quota,
}

/// A quota that something is taken from: whose it is, and how large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name in the store.
    pub key: String,
    /// How much it holds.
    pub quota: Quota,
}

/// What a bucket holds at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketLevel {
    /// Which.
    pub bucket: Bucket,
    /// When it will be full again.
    pub full_at: OffsetDateTime,
}

/// Too often. Whoever asks is told when to try again, and never what for: the answer is the same whether or not the
/// account exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts; try again in {} s", .retry_after.whole_seconds())]
pub struct TooManyAttempts {
    /// How long until one more is taken, in whole seconds.
    pub retry_after: Duration,
    /// The quota that is used up.
    pub quota: Quota,
}

impl Quota {
    /// So many at once, and one more each time that `every` has passed.
    ///
    /// # Panics
    ///
    /// Where there is none at once, or no time between two.
    pub const fn new(burst: u32, every: Duration) -> Self {
        let burst = NonZeroU32::new(burst).expect("a quota holds at least one");
        assert!(every.is_positive(), "a quota takes time to fill");
        Self { burst, every }
    }

    /// How long it takes to fill it.
    pub fn span(&self) -> Duration {
        self.every * self.burst.get()
    }
}

impl Default for RateLimits {
    /// Room for people who mistype, share an address with a whole office, or come back after years; and few enough
    /// guesses that a password which passed our rule outlasts them by far.
    fn default() -> Self {
        Self {
            passwords_by_address: Quota::new(100, Duration::seconds(10)),
            passwords_by_account: Quota::new(50, Duration::minutes(3)),
            passwords_by_pair: Quota::new(20, Duration::minutes(2)),
            passwords_by_device: Quota::new(60, Duration::minutes(2)),
            sign_ups_by_address: Quota::new(100, Duration::seconds(20)),
            links_by_address: Quota::new(60, Duration::seconds(10)),
            mails_by_address: Quota::new(30, Duration::seconds(20)),
            resets_by_mailbox: Quota::new(5, Duration::minutes(30)),
            confirmations_by_mailbox: Quota::new(5, Duration::minutes(12)),
            sign_ups_by_mailbox: Quota::new(5, Duration::minutes(30)),
            new_addresses_by_mailbox: Quota::new(5, Duration::hours(1)),
            new_addresses_by_account: Quota::new(5, Duration::minutes(12)),
            changes_by_account: Quota::new(30, Duration::minutes(1)),
            exports_by_account: Quota::new(5, Duration::minutes(10)),
            judgements_by_address: Quota::new(240, Duration::seconds(1)),
        }
    }
}

impl RateLimits {
    /// What a password is taken from that is tried at a browser which the account was used with: one of its own.
    pub fn for_password_at(&self, account: &EmailAddress, known_device: DeviceHash) -> Bucket {
        let (device, account) = (named(known_device.as_bytes()), named(account.as_str().as_bytes()));
        Bucket { key: format!("password device {device} {account}"), quota: self.passwords_by_device }
    }

    /// What a stranger's password is taken from: all of them share those of the account, of their address, and of both.
    /// Without an address that is certain, the account's is left: one for everybody would shut everybody out.
    pub fn for_password_of_stranger(&self, account: &EmailAddress, client: &Client) -> Vec<Bucket> {
        let account = named(account.as_str().as_bytes());
        let mut buckets =
            vec![Bucket { key: format!("password account {account}"), quota: self.passwords_by_account }];
        if let Some(network) = client.network() {
            let key = format!("password address {network}");
            buckets.push(Bucket { key, quota: self.passwords_by_address });
            let key = format!("password pair {network} {account}");
            buckets.push(Bucket { key, quota: self.passwords_by_pair });
        }
        buckets
    }

    /// What a sign-up is taken from.
    pub fn for_sign_up(&self, client: &Client) -> Vec<Bucket> {
        by_address("sign-up", self.sign_ups_by_address, client)
    }

    /// The same where the sign-up sends a mail.
    pub fn for_sign_up_by_mail(&self, client: &Client) -> Vec<Bucket> {
        [self.for_sign_up(client), self.for_mail(client)].concat()
    }

    /// What a link is taken from that somebody came by.
    pub fn for_link(&self, client: &Client) -> Vec<Bucket> {
        by_address("link", self.links_by_address, client)
    }

    /// What a request is taken from that sends a mail. (How many go to one mailbox is limited besides.)
    pub fn for_mail(&self, client: &Client) -> Vec<Bucket> {
        by_address("mail", self.mails_by_address, client)
    }

    /// What a link to reset a password, good for `lifetime`, is taken from besides, by the mailbox that it goes to. Whoever
    /// asked is not told.
    pub fn for_reset(&self, email: &EmailAddress, lifetime: Duration) -> Vec<Bucket> {
        let key = format!("reset mailbox {}", named(email.as_str().as_bytes()));
        let Quota { burst, every } = self.resets_by_mailbox;
        vec![Bucket { key, quota: Quota { burst, every: every.min(lifetime) } }]
    }

    /// What one more mail is taken from that asks to confirm the address of an account.
    pub fn for_confirmation(&self, email: &EmailAddress, client: &Client) -> Vec<Bucket> {
        let key = format!("confirmation mailbox {}", named(email.as_str().as_bytes()));
        let mut buckets = self.for_mail(client);
        buckets.push(Bucket { key, quota: self.confirmations_by_mailbox });
        buckets
    }

    /// What the mail of a sign-up is taken from besides, by the mailbox that it goes to. Whoever signs up is not told.
    pub fn for_sign_up_mail(&self, email: &EmailAddress) -> Vec<Bucket> {
        let key = format!("sign-up mailbox {}", named(email.as_str().as_bytes()));
        vec![Bucket { key, quota: self.sign_ups_by_mailbox }]
    }

    /// What a mail is taken from that asks to confirm a new address of a user.
    pub fn for_new_address(&self, user: UserId, email: &EmailAddress, client: &Client) -> Vec<Bucket> {
        let mailbox = format!("new address mailbox {}", named(email.as_str().as_bytes()));
        let account = format!("new address account {}", named(user.as_uuid().as_bytes()));
        let mut buckets = self.for_mail(client);
        buckets.push(Bucket { key: mailbox, quota: self.new_addresses_by_mailbox });
        buckets.push(Bucket { key: account, quota: self.new_addresses_by_account });
        buckets
    }

    /// What a change is taken from that asks for no password.
    pub fn for_change(&self, user: UserId) -> Vec<Bucket> {
        let key = format!("change account {}", named(user.as_uuid().as_bytes()));
        vec![Bucket { key, quota: self.changes_by_account }]
    }

    /// What the end of all other sessions is taken from. Of each session its own: who has stolen one must not keep the owner, in
    /// another, from throwing them out.
    pub fn for_ending_sessions(&self, user: UserId, session: PublicSessionId) -> Vec<Bucket> {
        let (user, session) = (named(user.as_uuid().as_bytes()), named(session.as_uuid().as_bytes()));
        vec![Bucket { key: format!("end sessions {user} {session}"), quota: self.changes_by_account }]
    }

    /// What an export is taken from.
    pub fn for_export(&self, user: UserId) -> Vec<Bucket> {
        let key = format!("export account {}", named(user.as_uuid().as_bytes()));
        vec![Bucket { key, quota: self.exports_by_account }]
    }

    /// What the judgement of a new password is taken from.
    pub fn for_judgement(&self, client: &Client) -> Vec<Bucket> {
        by_address("judgement", self.judgements_by_address, client)
    }
}

/// A name in the store that does not say whose it is: people mistype the addresses of others, and leave.
fn named(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..16])
}

fn by_address(what: &str, quota: Quota, client: &Client) -> Vec<Bucket> {
    client
        .network()
        .map(|network| Bucket { key: format!("{what} address {network}"), quota })
        .into_iter()
        .collect()
}

impl BucketLevel {
    /// When one more can be taken.
    pub fn opens_at(&self) -> OffsetDateTime {
        let Quota { every, .. } = self.bucket.quota;
        self.full_at + every - self.bucket.quota.span()
    }
}

impl TooManyAttempts {
    /// The refusal by a quota that opens at a moment; `None` where it is open.
    pub fn until(opens_at: OffsetDateTime, quota: Quota, now: OffsetDateTime) -> Option<Self> {
        let wait = opens_at - now;
        wait.is_positive().then(|| {
            let seconds = wait.as_seconds_f64().ceil();
            Self { retry_after: Duration::seconds_f64(seconds), quota }
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_quota_tells_when_there_is_one_more() {
        let now = datetime!(2026-05-01 12:00 UTC);
        let quota = Quota::new(3, Duration::minutes(2));
        let told = |ahead: Duration| {
            let bucket = Bucket { key: "a".to_owned(), quota };
            let opens_at = BucketLevel { bucket, full_at: now + ahead }.opens_at();
            TooManyAttempts::until(opens_at, quota, now).map(|refusal| refusal.retry_after)
        };
        for ahead in [Duration::hours(-1), Duration::ZERO, Duration::minutes(4)] {
            assert_eq!(told(ahead), None, "{ahead}");
        }
        assert_eq!(told(Duration::minutes(6)), Some(Duration::minutes(2)));
        assert_eq!(told(Duration::minutes(4) + Duration::milliseconds(1)), Some(Duration::seconds(1)));
    }

    #[test]
    fn an_unknown_address_has_no_bucket_that_all_would_share() {
        let limits = RateLimits::default();
        let ann = EmailAddress::parse("ann@example.com").unwrap();
        let nowhere = Client::default();
        assert!(limits.for_sign_up(&nowhere).is_empty() && limits.for_mail(&nowhere).is_empty());
        let keys: Vec<_> =
            limits.for_password_of_stranger(&ann, &nowhere).into_iter().map(|b| b.key).collect();
        assert_eq!(keys.len(), 1);
        assert!(keys[0].starts_with("password account ") && !keys[0].contains("ann"), "{keys:?}");
    }

    #[test]
    fn addresses_of_one_network_share_a_bucket() {
        let limits = RateLimits::default();
        let key = |ip: &str| limits.for_sign_up(&Client::new(ip.parse().ok(), None)).remove(0).key;
        assert_eq!(key("2001:db8:1:2::7"), "sign-up address 2001:db8:1:2::/64");
        assert_eq!(key("2001:db8:1:2::7"), key("2001:db8:1:2:ffff::1"), "a household has a whole /64");
        assert_ne!(key("2001:db8:1:2::7"), key("2001:db8:1:3::7"));
        assert_eq!(key("::ffff:192.0.2.7"), "sign-up address 192.0.2.7");
    }
}
