use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use rstest::rstest;
use time::Duration;
use tokio::sync::Notify;
use vestibule::models::{AuditEventKind, ClaimedMail, Client, Mail, MailKind};
use vestibule::ports::{MailError, Mailer};
use vestibule::repository::{ClaimError, MailFilter};
use vestibule::services::{
    Administrator, ChangeEmail, ConfirmEmail, LinkPurpose, LoggedIn, MailSent, ResetPassword,
};
use vestibule::{Accounts, Policy};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, HouseOptions, PASSWORD, Post, TestDatabase, generous, link_of};

const ANN: &str = "ann@example.com";

async fn limited_house(kind: DatabaseKind) -> House {
    let options = HouseOptions {
        policy: |policy| Policy { mail_daily_limit: Some(10), ..policy },
        ..HouseOptions::default()
    };
    House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
}

async fn forgot(house: &House, email: &str) {
    house.accounts.forgot_password(email, &Client::default()).await.unwrap();
    house.clock.advance(Duration::milliseconds(1));
}

#[rstest]
#[tokio::test]
async fn each_mail_goes_once_however_many_workers_there_are(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let second = house.second_server().await;
    for number in 0..30 {
        house.signed_up(&format!("ann{number}")).await;
    }
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let accounts: Arc<Accounts> =
                Arc::clone(if number % 2 == 0 { &house.accounts } else { &second.accounts });
            let post = house.post.clone();
            tokio::spawn(async move {
                while let Some(claimed) = accounts.claim_mail().await.unwrap() {
                    assert_eq!(accounts.send_mail(&claimed, &post).await.unwrap(), MailSent::Sent);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let mut delivered = BTreeMap::new();
    for mail in house.post.delivered() {
        *delivered.entry(mail.to.as_str().to_owned()).or_insert(0) += 1;
    }
    assert_eq!((delivered.len(), delivered.values().max()), (30, Some(&1)));
    assert!(house.outbox().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_worker_that_dies_gives_its_mail_back_and_a_late_one_changes_nothing(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    let lost = house.accounts.claim_mail().await.unwrap().unwrap();
    house.clock.advance(Duration::minutes(2) - Duration::milliseconds(1));
    assert!(house.accounts.claim_mail().await.unwrap().is_none(), "not before the lease is over");
    house.clock.advance(Duration::milliseconds(1));
    let claimed = house.accounts.claim_mail().await.unwrap().unwrap();
    assert_eq!((claimed.mail.id, claimed.attempt), (lost.mail.id, 2));
    // The first one was only slow: whatever it notes is of an attempt that is over.
    house.post.fail_with(MailError::Refused("no such mailbox".into()));
    house.accounts.send_mail(&lost, &house.post).await.unwrap();
    assert_eq!(house.outbox().await.len(), 1, "the mail is not given up");
    house.post.recover();
    assert_eq!(house.accounts.send_mail(&claimed, &house.post).await.unwrap(), MailSent::Sent);
    assert!(house.outbox().await.is_empty());
}

/// A worker that dies, or panics, tells of no failure.
#[rstest]
#[tokio::test]
async fn a_mail_of_which_every_worker_dies_is_given_up(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    for _ in 0..16 {
        assert!(house.accounts.claim_mail().await.unwrap().is_some());
        house.clock.advance(Duration::minutes(2));
    }
    assert!(matches!(house.deliver().await[..], [MailSent::Dead { .. }]));
    assert_eq!((house.post.tried(), house.accounts.count_mails().await.unwrap().dead), (0, 1));
    house.clock.advance(Duration::days(1));
    assert!(house.deliver().await.is_empty());
}

/// Each of them may have sent the mail, so each counts against its mailbox; but a mail that was begun is not dropped in
/// silence because of that.
#[rstest]
#[tokio::test]
async fn a_mail_of_which_every_delivery_dies_is_given_up_and_not_dropped(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    let stuck = Stuck { delivers: true, post: house.post.clone(), is_there: Notify::new() };
    let mut outcomes = Vec::new();
    for _ in 0..20 {
        while let Some(claimed) = house.accounts.claim_mail().await.unwrap() {
            tokio::select! {
                sent = house.accounts.send_mail(&claimed, &stuck) => outcomes.push(sent.unwrap()),
                () = stuck.is_there.notified() => {}
            }
            house.clock.advance(Duration::minutes(2));
        }
        house.clock.advance(Duration::hours(2));
    }
    assert_eq!(house.post.delivered().len(), 16, "ten on one day and six on the next");
    assert!(matches!(&outcomes[..], [MailSent::WaitsForQuota { .. }, MailSent::Dead { .. }]), "{outcomes:?}");
    assert_eq!(house.accounts.count_mails().await.unwrap().dead, 1);
}

/// A mailer that never comes back, as in a program that is killed there.
struct Stuck {
    /// Whether it has delivered the mail by then.
    delivers: bool,
    post: Post,
    is_there: Notify,
}

#[async_trait]
impl Mailer for Stuck {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        if self.delivers {
            self.post.send(mail).await?;
        }
        self.is_there.notify_one();
        std::future::pending().await
    }
}

async fn reset_with(house: &House, token: &str) -> bool {
    let typed = ResetPassword { token, password: "velvet orchard seventeen", devices: &[] };
    house.accounts.reset_password(typed, &Client::default()).await.is_ok()
}

#[rstest]
#[case::between_the_answer_and_the_note(true)]
#[case::between_the_making_of_the_link_and_its_sending(false)]
#[tokio::test]
async fn the_first_mail_of_an_account_outlives_a_worker_killed_in_its_delivery(
    #[case] delivers: bool,
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let current = house.current(&ann).await;
    let claimed = house.accounts.claim_mail().await.unwrap().unwrap();
    let stuck = Stuck { delivers, post: house.post.clone(), is_there: Notify::new() };
    tokio::select! {
        sent = house.accounts.send_mail(&claimed, &stuck) => panic!("{sent:?}"),
        () = stuck.is_there.notified() => {}
    }
    house.clock.advance(Duration::minutes(2));
    assert_eq!(house.deliver().await, [MailSent::Sent]);
    assert_eq!(house.post.kinds_for(ANN).len(), if delivers { 2 } else { 1 });
    let token = house.post.token_of(MailKind::ConfirmEmail, ANN);
    let typed = ConfirmEmail { token: &token, password: None, devices: &[] };
    house.accounts.confirm_email(typed, Some(&current), &Client::default()).await.unwrap();
}

#[rstest]
#[case::between_the_answer_and_the_note(true)]
#[case::between_the_making_of_the_link_and_its_sending(false)]
#[tokio::test]
async fn a_worker_killed_in_a_delivery_has_its_mail_sent_again_with_a_link_that_works(
    #[case] delivers: bool,
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    house.deliver().await;
    forgot(&house, ANN).await;
    let claimed = house.accounts.claim_mail().await.unwrap().unwrap();
    let stuck = Stuck { delivers, post: house.post.clone(), is_there: Notify::new() };
    tokio::select! {
        sent = house.accounts.send_mail(&claimed, &stuck) => panic!("{sent:?}"),
        () = stuck.is_there.notified() => {}
    }
    assert!(house.deliver().await.is_empty(), "not before the lease is over");
    house.clock.advance(Duration::minutes(2));
    assert_eq!(house.deliver().await, [MailSent::Sent]);
    let mails: Vec<_> = house.post.delivered();
    let resets: Vec<_> = mails.iter().filter(|mail| mail.message.kind() == MailKind::ResetPassword).collect();
    assert_eq!(resets.len(), if delivers { 2 } else { 1 });
    assert_eq!(resets.last().unwrap().attempt, 2, "it cannot pass for the first one");
    let tokens = resets.iter().map(|mail| link_of(mail).unwrap().split_once("?token=").unwrap().1);
    let tokens: Vec<_> = tokens.collect();
    if delivers {
        assert!(!reset_with(&house, tokens[0]).await, "the first link is over");
    }
    assert!(reset_with(&house, tokens.last().unwrap()).await);
}

/// Sends a mail until so many statements are on their way to the database, and drops what it was doing then.
async fn is_sent_before(step: u64, house: &House, claimed: &ClaimedMail) -> bool {
    let before = house.database.round_trips();
    let mut sending = std::pin::pin!(house.accounts.send_mail(claimed, &house.post));
    std::future::poll_fn(|context| match sending.as_mut().poll(context) {
        Poll::Ready(sent) => Poll::Ready(sent.unwrap() == MailSent::Sent),
        Poll::Pending if house.database.round_trips() - before >= step => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Killed with each of its statements on the way: before and after the quotas, the link and the note.
#[rstest]
#[tokio::test]
async fn wherever_a_worker_is_killed_the_mail_arrives_and_its_link_works(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    // Five, and the note; whether that one can still be caught on its way is a matter of luck.
    for step in 1..=5 {
        // An answer that is there at once cannot be waited for: then that step is tried again.
        let mut tries = 0;
        while !is_killed_and_goes_on(kind, step).await {
            tries += 1;
            assert!(tries < 20, "a delivery has fewer steps than {step}");
        }
    }
    is_killed_and_goes_on(kind, 6).await;
}

/// Whether a delivery could be killed at this step. If so, its mail arrived after that, with a link that works.
async fn is_killed_and_goes_on(kind: DatabaseKind, step: u64) -> bool {
    let house = limited_house(kind).await;
    house.signed_up("ann").await;
    house.deliver().await;
    forgot(&house, ANN).await;
    let claimed = house.accounts.claim_mail().await.unwrap().unwrap();
    if is_sent_before(step, &house, &claimed).await {
        return false;
    }
    house.clock.advance(Duration::minutes(2));
    // What was dropped may still be under way on PostgreSQL, and its row is passed over until it is done.
    for _ in 0..1000 {
        house.deliver().await;
        if house.outbox().await.is_empty() {
            break;
        }
    }
    let resets =
        house.post.kinds_for(ANN).into_iter().filter(|kind| *kind == MailKind::ResetPassword).count();
    assert!((1..=2).contains(&resets), "{resets} mails when killed at step {step}");
    assert!(house.outbox().await.is_empty(), "step {step}");
    assert!(reset_with(&house, &house.post.token_of(MailKind::ResetPassword, ANN)).await, "step {step}");
    true
}

/// A worker of long ago must not end a mail that an operator had tried again, nor may two messages have one number.
#[rstest]
#[tokio::test]
async fn what_is_tried_again_cannot_be_taken_for_what_was_tried_before(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    let late = house.accounts.claim_mail().await.unwrap().unwrap();
    house.clock.advance(Duration::minutes(2));
    house.post.fail_with(MailError::Refused("no such mailbox".into()));
    assert!(matches!(house.deliver().await[..], [MailSent::Dead { .. }]));
    house.accounts.retry_mail(late.mail.id, &Administrator::at_the_command_line()).await.unwrap();
    let again = house.accounts.claim_mail().await.unwrap().unwrap();
    assert_eq!((again.mail.id, again.attempt, again.tries), (late.mail.id, 3, 1));
    house.accounts.send_mail(&late, &house.post).await.unwrap();
    assert_eq!(house.outbox().await.len(), 1, "it was not ended by who had it before");
    house.post.recover();
    assert_eq!(house.accounts.send_mail(&again, &house.post).await.unwrap(), MailSent::Sent);
    assert_eq!(house.post.delivered().last().unwrap().attempt, 3);
}

#[rstest]
#[tokio::test]
async fn a_mail_that_cannot_be_read_is_given_up_and_the_next_one_goes(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    let breaking = "UPDATE outgoing_mails SET ip = 'nowhere'";
    assert_eq!(house.database.alone().write(breaking).execute().await.unwrap(), 1);
    house.signed_up("bob").await;
    let broken = house.accounts.claim_mail().await;
    assert!(matches!(broken, Err(ClaimError::Broken(_))), "{broken:?}");
    assert_eq!(house.deliver().await, [MailSent::Sent]);
    assert_eq!(house.accounts.count_mails().await.unwrap().dead, 1);
}

/// Whoever may read the trail need not learn who was looked for.
#[rstest]
#[tokio::test]
async fn no_audit_event_holds_an_address(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let current = house.current(&ann).await;
    for email in [ANN, "nobody@example.com"] {
        forgot(&house, email).await;
        assert!(house.log_in(email, "wrong window thursday").await.is_err());
    }
    house.accounts.resend_confirmation(&current, &Client::default()).await.unwrap();
    let typed = ChangeEmail { email: "ann@example.org", current_password: PASSWORD };
    house.accounts.change_email(&current, typed, &Client::default()).await.unwrap();
    house.deliver().await;
    let confirming = house.post.token_of(MailKind::ConfirmNewEmail, "ann@example.org");
    let typed = ConfirmEmail { token: &confirming, password: None, devices: &[] };
    house.accounts.confirm_email(typed, Some(&current), &Client::default()).await.unwrap();
    let trail = house.audit_trail().await;
    assert!(trail.len() >= 7, "{trail:?}");
    for event in trail {
        let told = format!("{event:?}").to_lowercase();
        assert!(!told.contains('@') && !told.contains("example") && !told.contains("nobody"), "{told}");
    }
}

#[rstest]
#[tokio::test]
async fn what_fails_is_tried_for_two_days_and_then_given_up(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    house.post.fail_with(MailError::TryAgain("no route to host".into()));
    let mut waited = Duration::ZERO;
    for attempt in 1..16 {
        let sent = house.deliver().await;
        let [MailSent::TryAgain { at, .. }] = sent[..] else { panic!("{attempt}: {sent:?}") };
        let pause = at - vestibule::ports::Clock::now(&house.clock);
        assert!(house.deliver().await.is_empty(), "nothing before its time");
        house.clock.advance(pause);
        waited += pause;
    }
    assert!(waited > Duration::days(1) && waited < Duration::days(3), "{waited}");
    assert!(matches!(house.deliver().await[..], [MailSent::Dead { .. }]));
    let counts = house.accounts.count_mails().await.unwrap();
    assert_eq!((counts.waiting, counts.dead, house.post.tried()), (0, 1, 16));
}

#[rstest]
#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_not_tried_again(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    house.post.fail_with(MailError::Refused("550 no such user".into()));
    assert!(matches!(house.deliver().await[..], [MailSent::Dead { .. }]));
    house.post.recover();
    house.clock.advance(Duration::days(7));
    assert!(house.deliver().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn password_resets_go_first(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    house.signed_up("bob").await;
    forgot(&house, "bob@example.com").await;
    house.deliver().await;
    let kinds: Vec<_> =
        house.post.delivered().iter().map(|mail| (mail.to.to_string(), mail.message.kind())).collect();
    let expected = [
        ("bob@example.com", MailKind::ResetPassword),
        (ANN, MailKind::ConfirmEmail),
        ("bob@example.com", MailKind::ConfirmEmail),
    ];
    assert_eq!(kinds, expected.map(|(to, kind)| (to.to_owned(), kind)));
}

#[rstest]
#[tokio::test]
async fn a_fifth_of_the_days_mails_is_kept_for_password_resets_and_the_rest_waits(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = limited_house(kind).await;
    for number in 0..12 {
        house.signed_up(&format!("ann{number}")).await;
    }
    let sent = house.deliver().await;
    let count = |wanted: &MailSent| sent.iter().filter(|sent| *sent == wanted).count();
    assert_eq!(count(&MailSent::Sent), 8);
    assert_eq!(sent.len(), 12, "the others wait for tomorrow, each looked at once");
    for number in 0..4 {
        forgot(&house, &format!("ann{number}@example.com")).await;
    }
    let resets = house.deliver().await;
    assert_eq!(resets.iter().filter(|sent| **sent == MailSent::Sent).count(), 2, "{resets:?}");
    house.clock.advance(Duration::hours(11));
    assert!(house.deliver().await.is_empty(), "it is still the same day");
    house.clock.advance(Duration::hours(2));
    let next_day = house.deliver().await;
    assert_eq!(next_day.iter().filter(|sent| **sent == MailSent::Sent).count(), 4, "{next_day:?}");
    let moot = next_day.iter().filter(|sent| matches!(sent, MailSent::Moot(_)));
    assert_eq!(moot.count(), 2, "nobody waits any more for a reset of yesterday");
    assert!(house.outbox().await.is_empty());
    let mails = house.accounts.list_mails(MailFilter::default(), 100).await.unwrap().items;
    assert!(mails.iter().all(|mail| mail.attempts <= 1), "waiting is no attempt");
}

/// Whoever signs up with many addresses must not keep an owner from learning that somebody is in their account.
#[rstest]
#[tokio::test]
async fn what_an_owner_must_learn_goes_although_strangers_used_up_their_share_of_the_day(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = limited_house(kind).await;
    let ann = house.signed_up("ann").await;
    confirm_address(&house, &ann).await;
    for number in 0..12 {
        house.signed_up(&format!("eve{number}")).await;
    }
    let sent = house.deliver().await;
    assert_eq!(sent.iter().filter(|sent| **sent == MailSent::Sent).count(), 7, "{sent:?}");
    // A notice to an address that nobody confirmed is what a stranger can cause too.
    house.log_in("eve0@example.com", PASSWORD).await.unwrap();
    house.log_in(ANN, PASSWORD).await.unwrap();
    house.deliver().await;
    assert_eq!(house.post.kinds_for(ANN), [MailKind::ConfirmEmail, MailKind::NewLogIn]);
    assert_eq!(house.post.delivered().len(), 9);
}

async fn confirm_address(house: &House, logged_in: &LoggedIn) {
    let current = house.current(logged_in).await;
    let token = house.mailed_token(current.user.email.as_str()).await;
    let typed = ConfirmEmail { token: &token, password: None, devices: &[] };
    house.accounts.confirm_email(typed, Some(&current), &Client::default()).await.unwrap();
}

async fn generous_house(kind: DatabaseKind) -> House {
    let options = HouseOptions { policy: generous, ..HouseOptions::default() };
    House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
}

/// The mailbox from which an account is taken away can be full of what strangers had sent there.
#[rstest]
#[tokio::test]
async fn that_an_address_was_replaced_is_told_to_it_whatever_strangers_had_sent_there(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = generous_house(kind).await;
    let client = Client::default();
    let eve = house.signed_up("eve").await;
    let eve = house.current(&eve).await;
    for _ in 0..12 {
        let typed = ChangeEmail { email: ANN, current_password: PASSWORD };
        house.accounts.change_email(&eve, typed, &client).await.unwrap();
        house.deliver().await;
    }
    for _ in 0..12 {
        let ann = house.signed_up("ann").await;
        house.deliver().await;
        let current = house.current(&ann).await;
        house.accounts.delete_account(&current, PASSWORD, &client).await.unwrap();
    }
    assert_eq!(house.post.kinds_for(ANN).len(), 20, "the mailbox gets no more from strangers today");
    let ann = house.signed_up("ann").await;
    let ann = house.current(&ann).await;
    let typed = ChangeEmail { email: "mallory@example.com", current_password: PASSWORD };
    house.accounts.change_email(&ann, typed, &client).await.unwrap();
    let token = house.mailed_token("mallory@example.com").await;
    let typed = ConfirmEmail { token: &token, password: None, devices: &[] };
    house.accounts.confirm_email(typed, Some(&ann), &client).await.unwrap();
    house.deliver().await;
    assert_eq!(house.post.kinds_for(ANN).last(), Some(&MailKind::EmailChanged));
}

/// The account page shows the address that is to be confirmed. What strangers may have sent to a mailbox in a day must not
/// show there: no mail goes to an address that somebody has, so that its room would never be used up.
#[rstest]
#[tokio::test]
async fn the_pending_address_does_not_tell_who_has_it_however_often_it_is_asked_for(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = generous_house(kind).await;
    let client = Client::default();
    house.signed_up("ann").await;
    let eve = house.signed_up("eve").await;
    let eve = house.current(&eve).await;
    for wanted in [ANN, "nobody@example.com"] {
        for number in 0..12 {
            let typed = ChangeEmail { email: wanted, current_password: PASSWORD };
            house.accounts.change_email(&eve, typed, &client).await.unwrap();
            house.deliver().await;
            let pending = house.accounts.pending_email(&eve).await.unwrap();
            assert_eq!(pending.map(|email| email.to_string()).as_deref(), Some(wanted), "{number}");
            house.accounts.cancel_email_change(&eve, &client).await.unwrap();
        }
    }
    assert_eq!(house.post.kinds_for("nobody@example.com").len(), 10, "and a mailbox is not flooded");
}

#[rstest]
#[tokio::test]
async fn the_days_limit_holds_for_all_servers_together_and_failures_are_given_back(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = limited_house(kind).await;
    let second = house.second_server().await;
    for number in 0..20 {
        house.signed_up(&format!("ann{number}")).await;
    }
    house.post.fail_with(MailError::TryAgain("no route to host".into()));
    house.deliver().await;
    house.post.recover();
    house.clock.advance(Duration::minutes(1));
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let accounts = Arc::clone(if number % 2 == 0 { &house.accounts } else { &second.accounts });
            let post = house.post.clone();
            tokio::spawn(async move {
                while let Some(claimed) = accounts.claim_mail().await.unwrap() {
                    accounts.send_mail(&claimed, &post).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(house.post.delivered().len(), 8);
}

#[rstest]
#[tokio::test]
async fn a_mailbox_is_not_flooded_by_making_and_deleting_accounts(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    for _ in 0..25 {
        let ann = house.signed_up("ann").await;
        house.deliver().await;
        let current = house.current(&ann).await;
        house.accounts.delete_account(&current, PASSWORD, &Client::default()).await.unwrap();
    }
    assert_eq!(house.post.kinds_for(ANN), [MailKind::ConfirmEmail; 10]);
}

#[rstest]
#[tokio::test]
async fn five_requests_are_noted_for_an_address_and_then_one_each_half_hour_whoever_has_it(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    for email in [ANN, "nobody@example.com"] {
        let before = house.count("SELECT COUNT(*) AS count FROM outgoing_mails").await;
        for spelling in 0..8 {
            let typed = if spelling % 2 == 0 { email.to_owned() } else { email.to_uppercase() };
            forgot(&house, &typed).await;
        }
        let after = house.count("SELECT COUNT(*) AS count FROM outgoing_mails").await;
        assert_eq!(after - before, 5, "{email}");
    }
    house.deliver().await;
    assert_eq!(
        house.post.kinds_for(ANN),
        [MailKind::ResetPassword, MailKind::ConfirmEmail],
        "only the last goes"
    );
    assert!(house.post.kinds_for("nobody@example.com").is_empty());
    house.clock.advance(Duration::minutes(30));
    forgot(&house, ANN).await;
    house.deliver().await;
    assert_eq!(house.post.kinds_for(ANN).len(), 3);
    let trail = house.audit_trail().await;
    let requests: Vec<_> =
        trail.iter().filter(|event| event.kind == AuditEventKind::PasswordResetRequested).collect();
    assert!(
        requests.iter().any(|event| event.user_id.is_none())
            && requests.iter().any(|event| event.user_id.is_some())
    );
}

#[rstest]
#[tokio::test]
async fn a_disabled_user_gets_no_link(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    forgot(&house, ANN).await;
    house.set_disabled(ANN, true).await;
    house.deliver().await;
    assert!(house.post.kinds_for(ANN).is_empty());
    let email = vestibule::models::EmailAddress::parse(ANN).unwrap();
    assert!(
        house
            .accounts
            .hand_out_link(&email, LinkPurpose::Reset, &Administrator::at_the_command_line())
            .await
            .is_err()
    );
}

#[rstest]
#[tokio::test]
async fn no_table_holds_a_token_or_a_text(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    forgot(&house, ANN).await;
    house.deliver().await;
    let dump = house.dump().await.to_lowercase();
    assert!(dump.contains("confirm_email") && dump.contains("reset_password"), "the dump shows the rows");
    for kind in [MailKind::ConfirmEmail, MailKind::ResetPassword] {
        let token = house.post.token_of(kind, ANN);
        let hex = vestibule_testkit::in_hex(&token);
        for text in [token.to_lowercase(), hex, "?token=".into(), "hello ann".into()] {
            assert!(!dump.contains(&text), "{text} is in a table");
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_is_over_is_removed_and_nothing_else(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    forgot(&house, ANN).await;
    house.deliver().await;
    let counts = async || {
        [
            house.count("SELECT COUNT(*) AS count FROM password_reset_tokens").await,
            house.count("SELECT COUNT(*) AS count FROM email_verification_tokens").await,
            house.count("SELECT COUNT(*) AS count FROM outgoing_mails").await,
            house.count("SELECT COUNT(*) AS count FROM audit_events").await,
            house.count("SELECT COUNT(*) AS count FROM devices").await,
        ]
    };
    let clean_up = async |after: Duration| {
        house.clock.advance(after);
        house.accounts.clean_up().await.unwrap();
        counts().await
    };
    assert_eq!(counts().await, [1, 1, 2, 2, 1]);
    assert_eq!(clean_up(Duration::ZERO).await, [1, 1, 2, 2, 1]);
    assert_eq!(clean_up(Duration::hours(1)).await, [0, 1, 2, 2, 1]);
    assert_eq!(clean_up(Duration::days(1)).await, [0, 0, 2, 2, 1]);
    assert_eq!(clean_up(Duration::days(3)).await, [0, 0, 0, 2, 1]);
    assert_eq!(clean_up(Duration::days(361)).await, [0, 0, 0, 0, 1]);
    assert_eq!(clean_up(Duration::days(40)).await, [0, 0, 0, 0, 0]);
    assert_eq!(house.count("SELECT COUNT(*) AS count FROM users").await, 1);
}
