use rstest::rstest;
use time::Duration;
use vestibule::models::{AuditEventKind, Client, MailKind, SessionEnded};
use vestibule::services::{
    Asked, ChangeEmail, CheckError, ConfirmEmail, ConfirmEmailError, CurrentPasswordError, LogInError,
    LoggedIn, ResetPassword, SignUp,
};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, PASSWORD, reading};

const ANN: &str = "ann@example.com";
const NEW: &str = "ann@example.org";

async fn confirm(house: &House, token: &str, by: Option<&LoggedIn>) -> Result<(), ConfirmEmailError> {
    let current = match by {
        Some(logged_in) => Some(house.current(logged_in).await),
        None => None,
    };
    let typed = ConfirmEmail { token, password: None, devices: &[] };
    house.accounts.confirm_email(typed, current.as_ref(), &Client::default()).await.map(drop)
}

async fn ask_for(house: &House, ann: &LoggedIn, email: &str) {
    let typed = ChangeEmail { email, current_password: PASSWORD };
    let current = house.current(ann).await;
    house.accounts.change_email(&current, typed, &Client::default()).await.unwrap();
    house.clock.advance(Duration::milliseconds(1));
}

#[rstest]
#[tokio::test]
async fn a_token_confirms_until_its_time_is_over(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let token = house.mailed_token(ANN).await;
    house.clock.advance(Duration::hours(24));
    let again = house.log_in(ANN, PASSWORD).await.unwrap();
    assert!(matches!(confirm(&house, &token, Some(&again)).await, Err(ConfirmEmailError::TokenInvalid)));
    house.accounts.resend_confirmation(&house.current(&again).await, &Client::default()).await.unwrap();
    house.deliver().await;
    let token = house.post.token_of(MailKind::ConfirmEmail, ANN);
    confirm(&house, &token, Some(&again)).await.unwrap();
    assert!(house.user(ANN).await.unwrap().is_email_verified);
    assert!(house.audit_kinds().await.contains(&AuditEventKind::EmailConfirmed));
    drop(ann);
}

#[rstest]
#[tokio::test]
async fn two_changes_that_overlap_never_confirm_an_address_to_which_no_mail_went(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    ask_for(&house, &ann, "first@example.org").await;
    house.deliver().await;
    let first = house.post.token_for("first@example.org");
    ask_for(&house, &ann, "victim@example.org").await;
    // Before the second mail goes, the first link is still that of the first address.
    confirm(&house, &first, Some(&ann)).await.unwrap();
    assert!(house.user("first@example.org").await.unwrap().is_email_verified);
    assert!(house.user("victim@example.org").await.is_none());
    // And once it went, the one before it is over.
    house.deliver().await;
    ask_for(&house, &ann, "third@example.org").await;
    house.deliver().await;
    let victims = house.post.token_for("victim@example.org");
    assert!(matches!(confirm(&house, &victims, Some(&ann)).await, Err(ConfirmEmailError::TokenInvalid)));
}

#[rstest]
#[tokio::test]
async fn an_address_that_somebody_got_meanwhile_is_not_taken_from_them(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    ask_for(&house, &ann, "bob@example.com").await;
    house.deliver().await;
    let token = house.post.token_for("bob@example.com");
    house.signed_up("bob").await;
    assert!(matches!(confirm(&house, &token, Some(&ann)).await, Err(ConfirmEmailError::EmailTaken)));
    assert!(house.user(ANN).await.is_some());
    assert!(!house.user("bob@example.com").await.unwrap().is_email_verified);
}

#[rstest]
#[tokio::test]
async fn a_changed_address_ends_the_links_of_the_one_before_and_tells_it(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let confirming = house.mailed_token(ANN).await;
    house.accounts.forgot_password(ANN, &Client::default()).await.unwrap();
    house.deliver().await;
    let resetting = house.post.token_of(MailKind::ResetPassword, ANN);
    ask_for(&house, &ann, NEW).await;
    house.deliver().await;
    // The pending address opens nothing.
    assert!(matches!(house.log_in(NEW, PASSWORD).await, Err(LogInError::WrongCredentials)));
    let token = house.post.token_for(NEW);
    confirm(&house, &token, Some(&ann)).await.unwrap();
    assert!(house.user(NEW).await.unwrap().is_email_verified && house.user(ANN).await.is_none());
    let typed = ResetPassword { token: &resetting, password: "velvet orchard seventeen", devices: &[] };
    assert!(house.accounts.reset_password(typed, &Client::default()).await.is_err());
    assert!(confirm(&house, &confirming, Some(&ann)).await.is_err());
    house.deliver().await;
    let told = house.post.kinds_for(ANN);
    assert!(told.ends_with(&[MailKind::EmailChangeRequested, MailKind::EmailChanged]), "{told:?}");
    assert_eq!(house.post.kinds_for(NEW)[0], MailKind::ConfirmNewEmail);
}

#[rstest]
#[tokio::test]
async fn a_mail_that_was_overtaken_before_it_went_is_not_sent(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    house.deliver().await;
    ask_for(&house, &ann, "first@example.org").await;
    ask_for(&house, &ann, "second@example.org").await;
    house.deliver().await;
    assert!(house.post.kinds_for("first@example.org").is_empty());
    let token = house.post.token_for("second@example.org");
    confirm(&house, &token, Some(&ann)).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn the_owner_of_an_address_takes_back_the_account_that_another_made_with_it(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let typed = SignUp { name: "Eve", email: ANN, password: "eves window thursday", devices: &[] };
    let eve = house.accounts.sign_up(typed, &Client::default()).await.unwrap();
    ask_for_with(&house, &eve, "eve@example.com", "eves window thursday").await;
    let eves_link = house.mailed_token("eve@example.com").await;
    house.accounts.forgot_password(ANN, &Client::default()).await.unwrap();
    house.deliver().await;
    let token = house.post.token_of(MailKind::ResetPassword, ANN);
    let typed = ResetPassword { token: &token, password: PASSWORD, devices: &[] };
    house.accounts.reset_password(typed, &Client::default()).await.unwrap();

    assert!(house.log_in(ANN, "eves window thursday").await.is_err());
    let checked = house.accounts.check_session(&reading(&eve), Asked::ACCOUNT).await;
    assert!(matches!(checked, Err(CheckError::SessionEnded(SessionEnded::Revoked))));
    let by_password = ConfirmEmail { token: &eves_link, password: Some(PASSWORD), devices: &[] };
    let refused = house.accounts.confirm_email(by_password, None, &Client::default()).await;
    assert!(matches!(refused, Err(ConfirmEmailError::TokenInvalid)), "her change of the address is over");
    assert!(house.log_in(ANN, PASSWORD).await.unwrap().user.is_email_verified);
    assert_eq!(house.count("SELECT COUNT(*) AS count FROM devices").await, 2, "the owner's reset and log-in");
}

async fn ask_for_with(house: &House, ann: &LoggedIn, email: &str, current_password: &str) {
    let current = house.current(ann).await;
    let typed = ChangeEmail { email, current_password };
    house.accounts.change_email(&current, typed, &Client::default()).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_disabled_user_confirms_nothing(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    let token = house.mailed_token(ANN).await;
    house.set_disabled(ANN, true).await;
    let typed = ConfirmEmail { token: &token, password: Some(PASSWORD), devices: &[] };
    let refused = house.accounts.confirm_email(typed, None, &Client::default()).await;
    assert!(matches!(refused, Err(ConfirmEmailError::Password(CurrentPasswordError::Wrong))));
    assert!(!house.user(ANN).await.unwrap().is_email_verified);
}
