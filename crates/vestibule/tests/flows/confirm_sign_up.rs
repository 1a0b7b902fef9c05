//! Sign-up where the address is confirmed before there is an account.

use rstest::rstest;
use time::Duration;
use vestibule::Policy;
use vestibule::models::{
    AuditEventKind, Client, MailKind, MailMessage, Quota, RateLimits, Role, SignUpAttempt, SignUpMode,
};
use vestibule::services::{
    AddUser, Administrator, Asked, BegunSignUp, ChangeEmail, ConfirmSignUp, ConfirmSignUpError,
    DeclineSignUpError, LoggedIn, MailSent, ResendSignUpError, ResetPassword, ResetPasswordError, SignUp,
    SignUpError, SignUpRequest, SignedUp,
};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, HouseOptions, PASSWORD, TestDatabase, client, in_hex, reading, signing_up};

const NEW: &str = "new@example.com";
const ANN: &str = "ann@example.com";
const EVES: &str = "eves window thursday";

fn confirm_first(policy: Policy) -> Policy {
    Policy { sign_up: SignUpMode::ConfirmFirst, ..policy }
}

async fn house_with(kind: DatabaseKind, policy: fn(Policy) -> Policy) -> House {
    let options = HouseOptions { policy, ..HouseOptions::default() };
    House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
}

/// A house in which Ann has an account.
async fn house(kind: DatabaseKind) -> House {
    let house = house_with(kind, confirm_first).await;
    add(&house, ANN).await;
    house
}

async fn add(house: &House, email: &str) {
    let new = AddUser { name: "Ann", email, password: PASSWORD, role: &Role::User, is_email_verified: true };
    house.accounts.add_user(new, &Administrator::at_the_command_line()).await.unwrap();
}

async fn request(house: &House, typed: SignUp<'_>, browsers: &[&str]) -> Result<SignedUp, SignUpError> {
    let request = SignUpRequest { typed, invite: "", browsers };
    house.accounts.request_sign_up(request, &client()).await
}

async fn begin_with(house: &House, email: &str, password: &str, browsers: &[&str]) -> BegunSignUp {
    let typed = SignUp { name: "New", email, password, devices: &[] };
    let signed_up = request(house, typed, browsers).await.unwrap();
    house.clock.advance(Duration::milliseconds(1));
    let SignedUp::Begun(begun) = signed_up else { panic!("an account was made at once") };
    begun
}

async fn begin(house: &House, email: &str) -> BegunSignUp {
    begin_with(house, email, PASSWORD, &[]).await
}

async fn confirm(
    house: &House,
    token: &str,
    browsers: &[&str],
    password: Option<&str>,
) -> Result<LoggedIn, ConfirmSignUpError> {
    let typed = ConfirmSignUp { token, password, browsers, devices: &[] };
    house.accounts.confirm_sign_up(typed, &client()).await
}

async fn attempts(house: &House) -> usize {
    house.count("SELECT COUNT(*) AS count FROM sign_up_attempts").await
}

#[rstest]
#[tokio::test]
async fn the_browser_that_began_gets_the_account_with_the_link(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let begun = begin(&house, " New@Example.com ").await;
    assert_eq!(begun.expires_at, house.accounts.now() - Duration::milliseconds(1) + Duration::hours(24));
    assert!(house.user(NEW).await.is_none(), "no account yet");
    assert!(house.log_in(NEW, PASSWORD).await.is_err(), "a pending address cannot log in");
    assert_eq!(house.count_sessions().await, 0);

    let token = house.mailed_token(NEW).await;
    assert_eq!(house.post.kinds_for(NEW), [MailKind::ConfirmSignUp]);
    let new = confirm(&house, &token, &[&begun.cookie], None).await.unwrap();
    assert_eq!((new.user.email.as_str(), new.user.name.as_str()), (NEW, "New"));
    assert!(new.user.is_email_verified && new.user.role == Role::User);
    let current = house.accounts.check_session(&reading(&new), Asked::role(Role::User)).await.unwrap();
    assert_eq!(*current.user, new.user);
    assert!(house.log_in(NEW, PASSWORD).await.is_ok(), "the password is the one that was chosen");
    assert_eq!(attempts(&house).await, 0);

    let again = confirm(&house, &token, &[&begun.cookie], None).await;
    assert!(matches!(again, Err(ConfirmSignUpError::TokenInvalid)), "a link is good once");
    let kinds = house.audit_kinds().await;
    assert!(kinds.contains(&AuditEventKind::SignUpRequested) && kinds.contains(&AuditEventKind::SignedUp));
    let trail = house.audit_trail().await;
    let signed_up = trail.iter().find(|event| event.kind == AuditEventKind::SignedUp).unwrap();
    assert_eq!((signed_up.user_id, signed_up.detail.as_str()), (Some(new.user.id), "confirm_first"));
}

#[rstest]
#[tokio::test]
async fn another_browser_needs_the_password_and_nothing_burns_the_link(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    begin(&house, NEW).await;
    let other = begin(&house, "other@example.com").await;
    let token = house.mailed_token(NEW).await;
    let planted = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for browsers in [&[][..], &[other.cookie.as_str()], &[planted]] {
        let refused = confirm(&house, &token, browsers, None).await;
        assert!(matches!(refused, Err(ConfirmSignUpError::NotProven)), "{refused:?}");
        let refused = confirm(&house, &token, browsers, Some("wrong window thursday")).await;
        assert!(matches!(refused, Err(ConfirmSignUpError::WrongPassword)), "{refused:?}");
        let refused = confirm(&house, &token, browsers, Some(&"x".repeat(10_000))).await;
        assert!(matches!(refused, Err(ConfirmSignUpError::WrongPassword)), "{refused:?}");
        let refused = confirm(&house, &token, browsers, Some("")).await;
        assert!(matches!(refused, Err(ConfirmSignUpError::Invalid(_))), "{refused:?}");
    }
    assert!(house.user(NEW).await.is_none());
    assert!(confirm(&house, &token, &[], Some(PASSWORD)).await.unwrap().user.is_email_verified);
}

#[rstest]
#[tokio::test]
async fn the_owner_of_a_mailbox_does_not_confirm_what_a_stranger_began(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    // Eve begins with an address that is not hers, and its owner begins too.
    let eves = begin_with(&house, NEW, EVES, &[]).await;
    let eves_token = house.mailed_token(NEW).await;
    let own = begin(&house, NEW).await;
    let own_token = house.mailed_token(NEW).await;
    assert_ne!(eves_token, own_token);
    for (token, cookie, password) in [
        (&eves_token, &own.cookie, PASSWORD),
        (&own_token, &eves.cookie, EVES),
        (&eves_token, &own.cookie, ""),
    ] {
        let password = Some(password).filter(|password| !password.is_empty());
        assert!(confirm(&house, token, &[cookie], password).await.is_err());
    }
    assert!(house.user(NEW).await.is_none());
    confirm(&house, &own_token, &[&own.cookie], None).await.unwrap();
    assert!(house.log_in(NEW, PASSWORD).await.is_ok() && house.log_in(NEW, EVES).await.is_err());
    // The other's link is over, also for her own browser.
    let refused = confirm(&house, &eves_token, &[&eves.cookie], Some(EVES)).await;
    assert!(matches!(refused, Err(ConfirmSignUpError::TokenInvalid)));
}

#[rstest]
#[tokio::test]
async fn a_later_sign_up_of_another_browser_leaves_the_earlier_one_as_it_is(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let own = begin(&house, NEW).await;
    begin_with(&house, NEW, EVES, &[]).await;
    // Both mails are written before either is sent.
    let sent = house.deliver().await;
    assert_eq!(sent, [MailSent::Sent, MailSent::Sent]);
    let delivered = house.post.delivered();
    let MailMessage::ConfirmSignUp(link, _) = &delivered[0].message else { panic!("{delivered:?}") };
    let token = link.url().split_once("?token=").unwrap().1;
    assert!(confirm(&house, token, &[&own.cookie], None).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn a_known_address_is_written_down_alike_and_its_owner_is_told(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let mut made = Vec::new();
    for email in [ANN, NEW] {
        let before = house.database.round_trips();
        let begun = begin(&house, email).await;
        made.push((house.database.round_trips() - before, begun.cookie.len()));
        let waiting = house.accounts.find_waiting_sign_up(&[&begun.cookie]).await.unwrap().unwrap();
        assert_eq!(waiting.as_str(), email);
        let again = house.accounts.resend_sign_up(email, &[&begun.cookie], &client()).await;
        assert!(again.is_ok(), "{again:?}");
        house.clock.advance(Duration::milliseconds(1));
    }
    assert_eq!(made[0], made[1], "as many statements, and the same kind of cookie");
    let outbox = house.outbox().await;
    assert!(outbox.iter().all(|mail| mail.kind == MailKind::ConfirmSignUp && mail.user_id.is_none()));

    house.deliver().await;
    assert_eq!(house.post.kinds_for(ANN), [MailKind::SignUpAttempted]);
    assert_eq!(house.post.kinds_for(NEW), [MailKind::ConfirmSignUp]);
    let told = house.post.delivered().into_iter().find(|mail| mail.to.as_str() == ANN).unwrap();
    assert_eq!(
        told.name.as_ref().map(vestibule::models::PersonName::as_str),
        Some("Ann"),
        "her own name and not what the stranger typed"
    );
    assert_eq!(
        house.count("SELECT COUNT(*) AS count FROM sign_up_attempts WHERE token_hash IS NOT NULL").await,
        1
    );
    assert!(house.log_in(ANN, PASSWORD).await.is_ok(), "nothing of hers was changed");
}

#[rstest]
#[tokio::test]
async fn an_account_that_came_meanwhile_is_told_only_to_who_has_the_mailbox_and_began(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let begun = begin(&house, NEW).await;
    let token = house.mailed_token(NEW).await;
    add(&house, NEW).await;
    let refused = confirm(&house, &token, &[], None).await;
    assert!(matches!(refused, Err(ConfirmSignUpError::NotProven)));
    let refused = confirm(&house, &token, &[&begun.cookie], None).await;
    assert!(matches!(refused, Err(ConfirmSignUpError::EmailTaken)));
    assert_eq!(house.count_sessions().await, 0);
}

#[rstest]
#[tokio::test]
async fn of_many_who_confirm_one_address_at_once_one_gets_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    let mut links = Vec::new();
    for _ in 0..3 {
        let begun = begin(&house, NEW).await;
        links.push((house.mailed_token(NEW).await, begun.cookie.to_string()));
    }
    let racing: Vec<_> = (0..24)
        .map(|number| {
            let accounts = house.accounts.clone();
            let (token, cookie) = links[number % 3].clone();
            tokio::spawn(async move {
                let typed =
                    ConfirmSignUp { token: &token, password: None, browsers: &[&cookie], devices: &[] };
                accounts.confirm_sign_up(typed, &Client::default()).await
            })
        })
        .collect();
    let mut won = 0;
    for raced in racing {
        match raced.await.unwrap() {
            Ok(_) => won += 1,
            Err(ConfirmSignUpError::EmailTaken | ConfirmSignUpError::TokenInvalid) => {}
            Err(other) => panic!("neither won nor lost: {other}"),
        }
    }
    assert_eq!((won, house.count_sessions().await), (1, 1));
    let again = confirm(&house, &links[0].0, &[&links[0].1], None).await;
    assert!(matches!(again, Err(ConfirmSignUpError::TokenInvalid)), "the others are over");
}

#[rstest]
#[tokio::test]
async fn it_was_not_me_ends_the_sign_up_and_is_not_seen_by_who_began_it(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let eves = begin_with(&house, NEW, EVES, &[]).await;
    let token = house.mailed_token(NEW).await;
    let accounts = &house.accounts;
    accounts.decline_sign_up(&token, &client()).await.unwrap();
    let again = accounts.decline_sign_up(&token, &client()).await;
    assert!(matches!(again, Err(DeclineSignUpError::TokenInvalid)));
    let refused = confirm(&house, &token, &[&eves.cookie], Some(EVES)).await;
    assert!(matches!(refused, Err(ConfirmSignUpError::TokenInvalid)));
    assert!(house.audit_kinds().await.contains(&AuditEventKind::SignUpDeclined));

    // Eve's browser shows what it showed before, and sends nothing more there.
    let waiting = accounts.find_waiting_sign_up(&[&eves.cookie]).await.unwrap().unwrap();
    assert_eq!(waiting.as_str(), NEW);
    accounts.resend_sign_up(NEW, &[&eves.cookie], &client()).await.unwrap();
    assert!(matches!(house.deliver().await[..], [MailSent::Moot(_)]));
    // Who had only mistyped the address goes on with the right one.
    accounts.resend_sign_up("eve@example.com", &[&eves.cookie], &client()).await.unwrap();
    let token = house.mailed_token("eve@example.com").await;
    assert!(confirm(&house, &token, &[&eves.cookie], None).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn a_mistyped_address_is_corrected_and_the_link_to_it_is_over(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let begun = begin(&house, "nwe@example.com").await;
    let mistyped = house.mailed_token("nwe@example.com").await;
    house.clock.advance(Duration::hours(23));
    let accounts = &house.accounts;
    let corrected = accounts.resend_sign_up(" NEW@example.com", &[&begun.cookie], &client()).await.unwrap();
    assert_eq!(corrected.cookie, begun.cookie, "it is the same browser");
    assert_eq!(corrected.expires_at, house.accounts.now() + Duration::hours(24), "with all its time again");
    let refused = confirm(&house, &mistyped, &[&begun.cookie], None).await;
    assert!(matches!(refused, Err(ConfirmSignUpError::TokenInvalid)));
    let token = house.mailed_token(NEW).await;
    assert_eq!(confirm(&house, &token, &[&begun.cookie], None).await.unwrap().user.email.as_str(), NEW);
    assert!(house.user("nwe@example.com").await.is_none());
    let refused = accounts.resend_sign_up(NEW, &[&begun.cookie], &client()).await;
    assert!(matches!(refused, Err(ResendSignUpError::NothingWaits)));
    let refused = accounts.resend_sign_up(NEW, &[], &client()).await;
    assert!(matches!(refused, Err(ResendSignUpError::NothingWaits)));
    let refused = accounts.resend_sign_up("nobody", &[&begun.cookie], &client()).await;
    assert!(matches!(refused, Err(ResendSignUpError::Invalid(_))));
}

#[rstest]
#[tokio::test]
async fn a_mail_that_is_overtaken_by_a_correction_is_not_sent(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let begun = begin(&house, "nwe@example.com").await;
    house.accounts.resend_sign_up(NEW, &[&begun.cookie], &client()).await.unwrap();
    assert!(matches!(house.deliver().await[..], [MailSent::Moot(_), MailSent::Sent]));
    assert!(house.post.kinds_for("nwe@example.com").is_empty());
}

#[rstest]
#[tokio::test]
async fn a_browser_that_begins_anew_has_one_sign_up(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    let first = begin(&house, "nwe@example.com").await;
    let second = begin_with(&house, NEW, PASSWORD, &[&first.cookie]).await;
    assert_ne!(first.cookie, second.cookie, "a cookie that was there before is worth nothing");
    assert_eq!(attempts(&house).await, 1);
    assert!(house.accounts.find_waiting_sign_up(&[&first.cookie]).await.unwrap().is_none());
    let found = house.accounts.find_waiting_sign_up(&["planted", &second.cookie]).await.unwrap().unwrap();
    assert_eq!(found.as_str(), NEW, "a planted cookie does not hide ours");
}

#[rstest]
#[tokio::test]
async fn a_sign_up_and_its_link_are_over_after_a_day(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    let begun = begin(&house, NEW).await;
    house.clock.advance(Duration::hours(23));
    let token = house.mailed_token(NEW).await;
    let MailMessage::ConfirmSignUp(link, _) = &house.post.delivered()[0].message else { panic!() };
    assert!(link.lifetime <= Duration::hours(1), "a mail that was late says how long is left");
    house.accounts.clean_up().await.unwrap();
    assert_eq!(attempts(&house).await, 1);
    house.clock.advance(Duration::hours(1));
    let refused = confirm(&house, &token, &[&begun.cookie], None).await;
    assert!(matches!(refused, Err(ConfirmSignUpError::TokenInvalid)));
    assert!(house.accounts.find_waiting_sign_up(&[&begun.cookie]).await.unwrap().is_none());
    assert_eq!(house.accounts.clean_up().await.unwrap().sign_ups, 1);
    assert_eq!(attempts(&house).await, 0);

    begin(&house, NEW).await;
    house.clock.advance(Duration::hours(24));
    assert!(matches!(house.deliver().await[..], [MailSent::Moot(_)]), "nor is a link made then");
}

#[rstest]
#[tokio::test]
async fn a_form_that_is_not_right_begins_nothing(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    for (email, password) in [(NEW, "short"), (ANN, "short"), ("new", PASSWORD), (NEW, "new@example.com")] {
        let typed = SignUp { name: "New", email, password, devices: &[] };
        let refused = request(&house, typed, &[]).await;
        assert!(matches!(refused, Err(SignUpError::Invalid(_))), "{email} {password}");
    }
    assert!(house.outbox().await.is_empty() && attempts(&house).await == 0);
}

#[rstest]
#[tokio::test]
async fn only_so_many_mails_come_of_sign_ups_and_that_is_not_told(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    for email in [ANN, NEW] {
        for _ in 0..8 {
            begin_with(&house, email, EVES, &[]).await;
        }
        house.deliver().await;
        assert_eq!(house.post.kinds_for(email).len(), 5, "five an hour to {email}");
    }
    // Who began first still waits, whatever came after; and the rows end.
    for _ in 0..8 {
        begin_with(&house, NEW, EVES, &[]).await;
    }
    assert_eq!(
        house.count("SELECT COUNT(*) AS count FROM sign_up_attempts WHERE email = 'new@example.com'").await,
        10
    );
    assert!(
        house.count("SELECT COUNT(*) AS count FROM sign_up_attempts WHERE token_hash IS NOT NULL").await >= 5
    );
}

/// Also where the flood came first.
#[rstest]
#[tokio::test]
async fn whoever_floods_an_address_does_not_push_out_the_sign_up_of_its_owner(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house_with(kind, |policy| confirm_first(vestibule_testkit::generous(policy))).await;
    for _ in 0..12 {
        begin_with(&house, NEW, EVES, &[]).await;
    }
    let typed = SignUp { name: "New", email: NEW, password: PASSWORD, devices: &[] };
    let elsewhere = Client::new("203.0.113.1".parse().ok(), None);
    let owners = SignUpRequest { typed, invite: "", browsers: &[] };
    let SignedUp::Begun(begun) = house.accounts.request_sign_up(owners, &elsewhere).await.unwrap() else {
        panic!("an account was made at once")
    };
    house.clock.advance(Duration::milliseconds(1));
    let mail = house.outbox().await.last().unwrap().id;
    for _ in 0..12 {
        begin_with(&house, NEW, EVES, &[]).await;
    }
    house.deliver().await;
    let delivered = house.post.delivered();
    let owners = delivered.iter().find(|delivered| delivered.id == mail).expect("the owner's mail went");
    let token = vestibule_testkit::link_of(owners).unwrap().split_once("?token=").unwrap().1.to_owned();
    confirm(&house, &token, &[&begun.cookie], None).await.expect("the owner's sign-up still waits");
}

/// The quota refills: whoever asks for many keeps nobody from signing up until midnight.
#[rstest]
#[tokio::test]
async fn strangers_cannot_use_up_the_mails_of_a_newcomer_for_the_day(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    for email in [ANN, NEW] {
        for _ in 0..14 {
            begin_with(&house, email, EVES, &[]).await;
            house.deliver().await;
            house.clock.advance(Duration::minutes(30));
        }
        house.clock.advance(Duration::hours(24 + 12));
    }
    assert_eq!(house.post.kinds_for(NEW).len(), 14);
    assert_eq!(house.post.kinds_for(ANN).len(), 10, "whoever has an account waits for none");
}

/// Whoever asks once more than the mailbox may get mails, or whose mailbox a stranger has flooded, keeps the link they have.
#[rstest]
#[tokio::test]
async fn where_no_other_mail_goes_the_link_before_it_stays_good(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let begun = begin(&house, NEW).await;
    house.deliver().await;
    let token = house.post.token_for(NEW);
    for _ in 0..12 {
        begin_with(&house, NEW, EVES, &[]).await;
    }
    house.deliver().await;
    let before = house.post.delivered().len();
    // What is not sent is not counted among the mails of a sign-up, and the link lasts no longer for it.
    for _ in 0..12 {
        let again = house.accounts.resend_sign_up(NEW, &[&begun.cookie], &client()).await.unwrap();
        assert_eq!(again.expires_at, begun.expires_at);
    }
    house.deliver().await;
    assert_eq!(house.post.delivered().len(), before, "the mailbox has had enough");
    confirm(&house, &token, &[&begun.cookie], None).await.expect("the link that came is good");
}

#[rstest]
#[tokio::test]
async fn one_sign_up_brings_about_ten_mails_at_most(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    let begun = begin(&house, NEW).await;
    for number in 1..SignUpAttempt::MAX_MAILS {
        let email = format!("other{number}@example.com");
        house.accounts.resend_sign_up(&email, &[&begun.cookie], &client()).await.unwrap();
    }
    let refused = house.accounts.resend_sign_up(NEW, &[&begun.cookie], &client()).await;
    assert!(matches!(refused, Err(ResendSignUpError::TooMany(_))), "{refused:?}");
}

fn small(policy: Policy) -> Policy {
    let hour = Duration::hours(1);
    let rate_limits = RateLimits {
        passwords_by_pair: Quota::new(3, hour),
        mails_by_address: Quota::new(2, hour),
        ..RateLimits::default()
    };
    Policy { rate_limits: Some(rate_limits), ..confirm_first(policy) }
}

#[rstest]
#[tokio::test]
async fn the_password_of_a_sign_up_is_counted_like_that_of_the_account(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house_with(kind, small).await;
    begin(&house, NEW).await;
    let token = house.mailed_token(NEW).await;
    let guesses: Vec<_> = (0..20)
        .map(|_| {
            let (accounts, token) = (house.accounts.clone(), token.clone());
            tokio::spawn(async move {
                let password = Some("wrong window thursday");
                let typed = ConfirmSignUp { token: &token, password, browsers: &[], devices: &[] };
                accounts.confirm_sign_up(typed, &client()).await
            })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        match guess.await.unwrap() {
            Err(ConfirmSignUpError::WrongPassword) => looked_at += 1,
            Err(ConfirmSignUpError::TooMany(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(looked_at, 3);
    let refused = confirm(&house, &token, &[], Some(PASSWORD)).await;
    assert!(matches!(refused, Err(ConfirmSignUpError::TooMany(_))), "the right one too");
    let refused = house.log_in(NEW, PASSWORD).await;
    assert!(matches!(refused, Err(vestibule::services::LogInError::TooMany(_))), "one count for all doors");
}

#[rstest]
#[tokio::test]
async fn sign_ups_that_send_mails_share_the_quota_of_mails(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house_with(kind, small).await;
    let begun = begin(&house, NEW).await;
    house.accounts.resend_sign_up(NEW, &[&begun.cookie], &client()).await.unwrap();
    let refused = house.accounts.resend_sign_up(NEW, &[&begun.cookie], &client()).await;
    assert!(matches!(refused, Err(ResendSignUpError::TooMany(_))));
    let refused = request(&house, signing_up("other@example.com", "Other"), &[]).await;
    assert!(matches!(refused, Err(SignUpError::TooMany(_))));
}

#[rstest]
#[tokio::test]
async fn no_other_token_confirms_a_sign_up_and_its_own_does_nothing_else(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let begun = begin(&house, NEW).await;
    let token = house.mailed_token(NEW).await;
    house.accounts.forgot_password(ANN, &client()).await.unwrap();
    let reset = house.mailed_token(ANN).await;
    let typed = ResetPassword { token: &token, password: EVES, devices: &[] };
    let refused = house.accounts.reset_password(typed, &client()).await;
    assert!(matches!(refused, Err(ResetPasswordError::TokenInvalid)));
    for wrong in [reset.as_str(), "x", "null", &"A".repeat(43)] {
        let refused = confirm(&house, wrong, &[&begun.cookie], Some(PASSWORD)).await;
        assert!(matches!(refused, Err(ConfirmSignUpError::TokenInvalid)), "{wrong}");
    }
    for blank in ["", "  "] {
        let refused = confirm(&house, blank, &[&begun.cookie], None).await;
        assert!(matches!(refused, Err(ConfirmSignUpError::Invalid(_))));
    }
    assert!(confirm(&house, &token, &[&begun.cookie], None).await.is_ok(), "nothing burnt it");
}

#[rstest]
#[tokio::test]
async fn who_reads_the_database_can_neither_confirm_nor_pass_for_the_browser(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let begun = begin(&house, NEW).await;
    let token = house.mailed_token(NEW).await;
    let dump = house.dump().await;
    let secret = begun.cookie.split('.').next().unwrap();
    for text in [&token, &in_hex(&token), secret, &in_hex(secret), PASSWORD] {
        assert!(!dump.contains(text), "{text}");
    }
    assert!(dump.contains(NEW), "there is something to read");
}

#[rstest]
#[tokio::test]
async fn another_address_that_has_an_account_is_told_by_no_door(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    add(&house, "bob@example.com").await;
    let ann = house.log_in(ANN, PASSWORD).await.unwrap();
    let current = house.current(&ann).await;
    let mut trips = Vec::new();
    for email in ["bob@example.com", "nobody@example.com"] {
        let before = house.database.round_trips();
        let typed = ChangeEmail { email, current_password: PASSWORD };
        house.accounts.change_email(&current, typed, &client()).await.unwrap();
        trips.push(house.database.round_trips() - before);
        house.clock.advance(Duration::milliseconds(1));
    }
    assert_eq!(trips[0], trips[1]);
}

#[rstest]
#[tokio::test]
async fn where_sign_up_is_closed_no_link_makes_an_account(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let database = TestDatabase::create(kind).await;
    let options = HouseOptions { policy: confirm_first, ..HouseOptions::default() };
    let house = House::open_on(&database, options.clone()).await.unwrap();
    let begun = begin(&house, NEW).await;
    let token = house.mailed_token(NEW).await;
    let closed = |policy| Policy { sign_up: SignUpMode::Closed, ..policy };
    let invite = |policy| Policy { sign_up: SignUpMode::Invite, ..policy };
    for policy in [closed as fn(Policy) -> Policy, invite] {
        let house = House::open_on(&database, HouseOptions { policy, ..options.clone() }).await.unwrap();
        let refused = confirm(&house, &token, &[&begun.cookie], None).await;
        assert!(matches!(refused, Err(ConfirmSignUpError::Refused(_))), "{refused:?}");
        let refused = house.accounts.resend_sign_up(NEW, &[&begun.cookie], &client()).await;
        assert!(matches!(refused, Err(ResendSignUpError::Refused(_))));
        let refused = house.accounts.find_waiting_sign_up(&[&begun.cookie]).await;
        assert!(matches!(refused, Err(ResendSignUpError::Refused(_))));
    }
    // Where the owner opened it meanwhile, what was begun may end.
    let house =
        House::open_on(&database, HouseOptions { policy: |policy| policy, ..options.clone() }).await.unwrap();
    assert!(confirm(&house, &token, &[&begun.cookie], None).await.is_ok());
}
