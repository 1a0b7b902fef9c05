use std::collections::BTreeMap;

use rstest::rstest;
use time::Duration;
use vestibule::Policy;
use vestibule::models::{MailKind, Role, ServiceScope, SignUpMode};
use vestibule::repository::{AuditFilter, MailFilter, UserFilter};
use vestibule::services::{
    AddUser, Administrator, Asked, ChangeEmail, ChangePassword, ConfirmEmail, ConfirmSignUp, Invite, LogIn,
    MakeServiceKey, ResetPassword, SignUpRequest, SignedUp,
};
use vestibule_testkit::{
    DatabaseKind, House, HouseOptions, PASSWORD, TestDatabase, reading, signing_up, writing,
};

const NEW: &str = "velvet orchard seventeen";
const PAGE: &str = include_str!("../../../../docs/round-trips.md");

/// What is told of the embedded database alone.
const EMBEDDED: &str = ", on the embedded database";

/// The table of the page, for a kind of database: flow to number.
fn told(kind: DatabaseKind) -> BTreeMap<String, u64> {
    let told: BTreeMap<String, u64> = PAGE
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?.to_owned(), cells.next()?.parse().ok()?))
        })
        .collect();
    let (embedded, mut of_all): (BTreeMap<_, _>, BTreeMap<_, _>) =
        told.into_iter().partition(|(flow, _)| flow.ends_with(EMBEDDED));
    if kind == DatabaseKind::Sqlite {
        of_all.extend(embedded.into_iter().map(|(flow, count)| (flow.replace(EMBEDDED, ""), count)));
    }
    of_all
}

#[rstest]
#[tokio::test]
async fn the_page_tells_how_often_each_flow_speaks_to_the_database(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let client = vestibule_testkit::client();
    let accounts = &house.accounts;
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    let mut before = house.database.round_trips();
    let mut count = |flow: &str| {
        let now = house.database.round_trips();
        counted.insert(flow.to_owned(), now - before);
        before = now;
    };

    let ann = house.signed_up("ann").await;
    count("sign up");
    let again = accounts.sign_up(signing_up("ann@example.com", "Eve"), &client).await;
    assert!(again.is_err());
    count("sign up, address taken");
    house.log_in("ann@example.com", PASSWORD).await.unwrap();
    count("log in, a new browser");
    let devices = [ann.tokens.device.as_deref().unwrap()];
    let typed = LogIn { email: "ann@example.com", password: PASSWORD, devices: &devices };
    accounts.log_in(typed, &client).await.unwrap();
    count("log in");
    assert!(house.log_in("ann@example.com", "wrong window thursday").await.is_err());
    count("log in, refused");
    for _ in 0..100 {
        let _ = house.log_in("eve@example.com", "wrong window thursday").await;
    }
    count("guesses up to the quota");
    assert!(house.log_in("eve@example.com", "wrong window thursday").await.is_err());
    count("log in, before the time that a refusal told");
    accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    count("session check");
    // What the answer to a reverse proxy asks.
    accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    count("forward auth");
    accounts.check_bearer(&ann.tokens.access, Asked::role(Role::User)).await.unwrap();
    count("session check of a bearer");
    let second = accounts.refresh(&writing(&ann), &client).await.unwrap();
    count("refresh");
    accounts.refresh(&writing(&ann), &client).await.unwrap();
    count("refresh, repeated");
    accounts.check_session(&reading(&second), Asked::role(Role::User)).await.unwrap();
    count("session check, the first after a refresh");
    let current = accounts.check_session(&writing(&second), Asked::role(Role::User)).await.unwrap();
    accounts.log_out(&current, &client).await.unwrap();
    count("log out, with its check");

    let bob = house.signed_up("bob").await;
    count("sign up");
    let second = accounts.refresh(&writing(&bob), &client).await.unwrap();
    accounts.refresh(&writing(&second), &client).await.unwrap();
    house.clock.advance(Duration::minutes(1));
    count("two refreshes");
    assert!(accounts.refresh(&writing(&bob), &client).await.is_err());
    count("refresh, an old secret");

    let cid = house.signed_up("cid").await;
    count("sign up");
    let email = "cid@example.com";
    let current = house.current(&cid).await;
    count("session check");
    accounts.resend_confirmation(&current, &client).await.unwrap();
    count("resend the confirmation");
    accounts.forgot_password(email, &client).await.unwrap();
    count("forgot password");
    let claimed = accounts.claim_mail().await.unwrap().unwrap();
    count("claim a mail");
    accounts.send_mail(&claimed, &house.post).await.unwrap();
    count("send a reset link that was asked for");
    house.deliver().await;
    let confirming = house.post.token_of(MailKind::ConfirmEmail, email);
    let resetting = house.post.token_of(MailKind::ResetPassword, email);
    count("the other mails");
    let typed = ConfirmEmail { token: &confirming, password: None, devices: &[] };
    accounts.confirm_email(typed, Some(&current), &client).await.unwrap();
    count("confirm the address");
    accounts.change_name(&current, "Cid", &client).await.unwrap();
    count("change the name");
    let typed = ChangeEmail { email: "cid@example.org", current_password: PASSWORD };
    accounts.change_email(&current, typed, &client).await.unwrap();
    count("change the address");
    accounts.cancel_email_change(&current, &client).await.unwrap();
    count("cancel a change of the address");
    accounts.list_sessions(&current).await.unwrap();
    count("list sessions");
    accounts.end_other_sessions(&current, &client).await.unwrap();
    count("end other sessions");
    accounts.export(&current, &client).await.unwrap();
    count("export");
    let typed = ResetPassword { token: &resetting, password: NEW, devices: &[] };
    accounts.reset_password(typed, &client).await.unwrap();
    count("reset the password");
    let cid = house.log_in(email, NEW).await.unwrap();
    count("log in, a new browser");
    let current = house.current(&cid).await;
    count("session check");
    accounts.end_session(&current, cid.session.public_id, &client).await.unwrap();
    count("end one session");
    let typed = ChangePassword { current_password: NEW, new_password: PASSWORD };
    let renewed = accounts.change_password(&current, typed, &client).await.unwrap().unwrap();
    count("change the password");
    let current = house.current(&renewed).await;
    count("session check");
    accounts.delete_account(&current, PASSWORD, &client).await.unwrap();
    count("delete the account");

    let operator = Administrator::at_the_command_line();
    let new = AddUser {
        name: "Dan",
        email: "dan@example.com",
        password: PASSWORD,
        role: &Role::Admin,
        is_email_verified: true,
    };
    let dan = accounts.add_user(new, &operator).await.unwrap();
    count("add a user");
    let current = house.log_in("dan@example.com", PASSWORD).await.unwrap();
    count("log in, a new browser");
    let current = house.current(&current).await;
    count("session check");
    accounts.confirm_password(&current, PASSWORD, &client).await.unwrap();
    count("confirm the password");
    accounts.list_users(&UserFilter::default(), 10).await.unwrap();
    count("list users");
    accounts.change_role(bob.user.id, &Role::Admin, &operator).await.unwrap();
    count("make an admin");
    accounts.change_role(dan.id, &Role::User, &operator).await.unwrap();
    count("take a role away");
    accounts.end_sessions_of(dan.id, &operator).await.unwrap();
    count("end all sessions of a user");
    accounts.send_reset_link(dan.id, &operator).await.unwrap();
    count("send a reset link");
    accounts.disable_user(dan.id, &operator).await.unwrap();
    count("disable a user");
    accounts.enable_user(dan.id, &operator).await.unwrap();
    count("enable a user");
    accounts.list_mails(MailFilter::default(), 10).await.unwrap();
    count("list mails");
    accounts.list_audit_events(AuditFilter::default(), 10).await.unwrap();
    count("list audit events");
    accounts.statistics().await.unwrap();
    count("statistics");
    accounts.delete_user(dan.id, &operator).await.unwrap();
    count("delete a user");
    let new = AddUser {
        name: "Eda",
        email: "eda@example.com",
        password: PASSWORD,
        role: &Role::Admin,
        is_email_verified: true,
    };
    accounts.add_user(new, &operator).await.unwrap();
    count("add a user");
    let new = MakeServiceKey { name: "wiki", scopes: &["revocations:read"], lifetime: None };
    let (key, text) = accounts.make_service_key(new, &operator).await.unwrap();
    count("make a service key");
    accounts.check_service_key(&text, ServiceScope::RevocationsRead).await.unwrap();
    count("check of a service key, once a minute");
    accounts.check_service_key(&text, ServiceScope::RevocationsRead).await.unwrap();
    count("check of a service key");
    accounts.follow_revocations(None).await.unwrap();
    count("follow revocations");
    accounts.find_user(bob.user.id).await.unwrap();
    count("find a user");
    accounts.list_service_keys(None, 10).await.unwrap();
    count("list service keys");
    accounts.revoke_service_key(key.id, &operator).await.unwrap();
    count("revoke a service key");

    counted.append(&mut count_other_ways_to_sign_up(kind).await);
    for unnamed in ["guesses up to the quota", "two refreshes", "the other mails"] {
        counted.remove(unnamed);
    }
    assert_eq!(told(kind), counted, "docs/round-trips.md tells what is counted");
    let goals = match kind {
        DatabaseKind::Postgres => [1, 2, 1],
        DatabaseKind::Sqlite => [1, 6, 2],
    };
    assert_eq!(["session check", "log in", "refresh"].map(|flow| counted[flow]), goals);
}

/// Where sign-up is not open to everybody at once.
async fn count_other_ways_to_sign_up(kind: DatabaseKind) -> BTreeMap<String, u64> {
    let open = async |policy: fn(Policy) -> Policy| {
        let options = HouseOptions { policy, ..HouseOptions::default() };
        House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
    };
    let client = vestibule_testkit::client();
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();

    let house = open(|policy| Policy { sign_up: SignUpMode::Invite, ..policy }).await;
    let (accounts, operator) = (&house.accounts, Administrator::at_the_command_line());
    let mut before = house.database.round_trips();
    let mut count = |flow: &str| {
        let now = house.database.round_trips();
        counted.insert(flow.to_owned(), now - before);
        before = now;
    };
    let new = Invite { email: None, role: &Role::User, lifetime: Duration::DAY };
    let (_, link) = accounts.invite(new, &operator).await.unwrap();
    count("invite");
    let (_, token) = link.url().split_once("?invite=").unwrap();
    let typed = signing_up("ann@example.com", "Ann");
    let request = SignUpRequest { typed, invite: token, browsers: &[] };
    accounts.request_sign_up(request, &client).await.unwrap();
    count("sign up, by invitation");
    let (invitation, _) = accounts.invite(new, &operator).await.unwrap();
    count("invite");
    accounts.list_invitations(None, 10).await.unwrap();
    count("list invitations");
    accounts.revoke_invitation(invitation.id, &operator).await.unwrap();
    count("revoke an invitation");

    let house = open(|policy| Policy { sign_up: SignUpMode::ConfirmFirst, ..policy }).await;
    let accounts = &house.accounts;
    let mut before = house.database.round_trips();
    let mut count = |flow: &str| {
        let now = house.database.round_trips();
        counted.insert(flow.to_owned(), now - before);
        before = now;
    };
    let request = SignUpRequest { typed, invite: "", browsers: &[] };
    let SignedUp::Begun(begun) = accounts.request_sign_up(request, &client).await.unwrap() else { panic!() };
    count("sign up, confirmed first");
    let browsers = [begun.cookie.as_str()];
    accounts.resend_sign_up("ann@example.com", &browsers, &client).await.unwrap();
    count("send the mail of a sign-up again");
    house.deliver().await;
    let token = house.post.token_for("ann@example.com");
    count("the other mails");
    let typed = ConfirmSignUp { token: &token, password: None, browsers: &browsers, devices: &[] };
    accounts.confirm_sign_up(typed, &client).await.unwrap();
    count("confirm a sign-up");
    let typed = signing_up("bob@example.com", "Bob");
    let request = SignUpRequest { typed, invite: "", browsers: &[] };
    accounts.request_sign_up(request, &client).await.unwrap();
    count("sign up, confirmed first");
    let token = house.mailed_token("bob@example.com").await;
    count("the other mails");
    accounts.decline_sign_up(&token, &client).await.unwrap();
    count("decline a sign-up");

    let options = HouseOptions { remembered_sessions: 10, ..HouseOptions::default() };
    let house = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    let accounts = &house.accounts;
    let ann = house.signed_up("ann").await;
    house.missed_nothing();
    accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    let before = house.database.round_trips();
    accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    counted.insert("session check, remembered".into(), house.database.round_trips() - before);
    let before = house.database.round_trips();
    accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    counted.insert("forward auth, remembered".into(), house.database.round_trips() - before);
    house.clock.advance(Duration::minutes(2));
    accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    let before = house.database.round_trips();
    accounts.write_seen().await.unwrap();
    counted.insert("write down who was seen".into(), house.database.round_trips() - before);
    counted
}
