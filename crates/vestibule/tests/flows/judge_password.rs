use rstest::rstest;
use vestibule::models::Client;
use vestibule::services::{
    ChangePassword, ChangePasswordError, JudgePassword, JudgePasswordError, PasswordOf, ResetPassword,
    ResetPasswordError,
};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, PASSWORD};

const EMAIL: &str = "qvortumblix@example.com";
const GOOD: &str = "velvet orchard seventeen";
const NAME: &str = "qvortumblix";
/// Weak in itself, weak because of whose it is, and good.
const PASSWORDS: [&str; 5] =
    ["short", "passwordpassword", "qvortumblix2026", "qvortumblix@example.com", GOOD];

async fn judge(house: &House, password: &str, of: PasswordOf<'_>) -> Option<String> {
    let judged = house.accounts.judge_password(JudgePassword { password, of }, &Client::default()).await;
    judged.unwrap().map(|invalid| invalid.message)
}

#[rstest]
#[tokio::test]
async fn a_password_is_judged_as_a_change_judges_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    for password in PASSWORDS {
        let house = House::open(kind).await;
        let owner = house.signed_up(NAME).await;
        let hint = judge(&house, password, PasswordOf::User(&owner.user)).await;
        let current = house.current(&owner).await;
        let typed = ChangePassword { current_password: PASSWORD, new_password: password };
        let told = match house.accounts.change_password(&current, typed, &Client::default()).await {
            Ok(_) => None,
            Err(ChangePasswordError::Invalid(invalid)) => Some(invalid.fields[0].message.clone()),
            Err(error) => panic!("{password}: {error}"),
        };
        assert_eq!(hint, told, "{password}");
        assert_eq!(hint.is_none(), password == GOOD, "{password}");
    }
}

#[rstest]
#[tokio::test]
async fn a_password_is_judged_as_a_reset_judges_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up(NAME).await;
    house.accounts.forgot_password(EMAIL, &Client::default()).await.unwrap();
    house.deliver().await;
    let token = house.post.token_of(vestibule::models::MailKind::ResetPassword, EMAIL);
    // The good one is the last: it uses the link up.
    for password in PASSWORDS {
        let hint = judge(&house, password, PasswordOf::Link(&token)).await;
        let typed = ResetPassword { token: &token, password, devices: &[] };
        let told = match house.accounts.reset_password(typed, &Client::default()).await {
            Ok(_) => None,
            Err(ResetPasswordError::Invalid(invalid)) => Some(invalid.fields[0].message.clone()),
            Err(error) => panic!("{password}: {error}"),
        };
        assert_eq!(hint, told, "{password}");
    }
    let judged = JudgePassword { password: GOOD, of: PasswordOf::Link(&token) };
    let refused = house.accounts.judge_password(judged, &Client::default()).await;
    assert!(matches!(refused, Err(JudgePasswordError::TokenInvalid)), "{refused:?}");
}
