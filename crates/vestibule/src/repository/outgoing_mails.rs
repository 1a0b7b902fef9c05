use async_trait::async_trait;
use time::{Date, OffsetDateTime};

use super::StoreError;
use crate::models::{
    BrokenMail, ClaimedMail, EmailAddress, MailCounts, MailKind, MailOutcome, MailState, MailUrgency,
    OutgoingMail, OutgoingMailId, TrackedMail, UserId,
};

/// Which mails are looked for. Nothing set is all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct MailFilter {
    /// How they stand.
    pub state: Option<MailState>,
    /// Only those that were written before this one: the next page.
    pub below: Option<OutgoingMailId>,
}

/// Why no mail could be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// One was, and cannot be read. Whoever gets this has it and must end it, or it comes back.
    #[error("the mail {} is broken: {}", .0.id, .0.problem)]
    Broken(BrokenMail),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The outbox: mails to be sent, each written with what it tells of.
///
/// A worker claims a mail, which makes it invisible to others until the lease ends; a worker that dies gives it back
/// by not coming back. Who finishes or postpones a mail says which attempt it was, so that a worker whose lease ran
/// out changes nothing any more.
#[async_trait]
pub trait OutgoingMails {
    /// Adds a mail.
    async fn insert_outgoing_mail(&mut self, mail: &OutgoingMail) -> Result<(), StoreError>;

    /// Claims the mail whose turn it is: of this urgency or a higher one, the most urgent first, then the one that
    /// has waited longest. Mails of a kind that this release does not know are a later one's: they wait for it.
    async fn claim_mail(
        &mut self,
        urgency: MailUrgency,
        now: OffsetDateTime,
        lease_end: OffsetDateTime,
    ) -> Result<Option<ClaimedMail>, ClaimError>;

    /// Whether a later mail of the same kind was written for the same user or, where one of both names no user, the same
    /// recipient: then this one has nothing more to tell, and its link would end the later one's.
    async fn has_newer_mail(&mut self, mail: &OutgoingMail) -> Result<bool, StoreError>;

    /// Ends the mails with links that are still to be sent to a user or, by a stranger's request, to their address, and gives
    /// them. `only` says of which kind, none of all.
    async fn end_link_mails(
        &mut self,
        user: UserId,
        email: &EmailAddress,
        only: Option<MailKind>,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<Vec<OutgoingMail>, StoreError>;

    /// Ends a mail. `false` where another worker has it by now.
    async fn finish_mail(
        &mut self,
        mail: OutgoingMailId,
        attempt: u32,
        outcome: MailOutcome,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Removes a mail that was sent and of which nothing shall be kept. `false` where another worker has it by now.
    async fn delete_mail(&mut self, mail: OutgoingMailId, attempt: u32) -> Result<bool, StoreError>;

    /// Lets a mail wait. `counts` says whether the attempt was one: a mail that had to stand back was not tried.
    /// `false` where another worker has it by now.
    async fn postpone_mail(
        &mut self,
        mail: OutgoingMailId,
        attempt: u32,
        until: OffsetDateTime,
        reason: &str,
        counts: bool,
    ) -> Result<bool, StoreError>;

    /// Takes one from a day's quota. `false` where it is used up.
    async fn take_mail_quota(&mut self, quota: &str, day: Date, at_most: u32) -> Result<bool, StoreError>;

    /// Gives one back that was taken for a mail which did not go.
    async fn give_back_mail_quota(&mut self, quota: &str, day: Date) -> Result<(), StoreError>;

    /// The mails that wait, oldest first, at most `limit`.
    async fn list_outgoing_mails(&mut self, limit: u32) -> Result<Vec<OutgoingMail>, StoreError>;

    /// Those that a filter lets through with what became of them, newest first, at most `limit`. Rows that cannot be read,
    /// or are of a later release's kind, are passed over.
    async fn find_mails(&mut self, filter: MailFilter, limit: u32) -> Result<Vec<TrackedMail>, StoreError>;

    /// The mails about a user and, where an address is given, those that strangers asked for to it, newest first, at most
    /// `limit`. `below` is the last one of the page before. Those that cannot be read are passed over, as above.
    async fn list_mails_of(
        &mut self,
        user: UserId,
        to: Option<&EmailAddress>,
        below: Option<OutgoingMailId>,
        limit: u32,
    ) -> Result<Vec<TrackedMail>, StoreError>;

    /// Lets a mail that was given up, or that waits beyond `lease_end`, be tried at once and as often as a new one. Gives it
    /// as it was written. A mail that some worker may have in hand, and so any that is due by then, is left alone.
    async fn retry_mail(
        &mut self,
        mail: OutgoingMailId,
        now: OffsetDateTime,
        lease_end: OffsetDateTime,
    ) -> Result<Option<OutgoingMail>, StoreError>;

    /// How many wait and how many were given up.
    async fn count_mails(&mut self) -> Result<MailCounts, StoreError>;

    /// When the oldest mail was written that is still to be sent.
    async fn find_when_the_oldest_mail_came(&mut self) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Removes the requests of strangers to reset a password that name an address: they belong to no user. Not the mails of
    /// sign-ups with that address, which are for whoever has it next.
    async fn delete_reset_requests_to(&mut self, recipient: &EmailAddress) -> Result<(), StoreError>;

    /// Removes what is over: mails that were sent or moot by one moment, and quotas before it; mails that were dead, or
    /// were written and found no way, by another. At most `limit` of each; counts them.
    async fn delete_old_mails(
        &mut self,
        sent_before: OffsetDateTime,
        dead_before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
