//! What operators and admins do with other people's accounts.

use std::sync::Arc;

use rstest::rstest;
use time::Duration;
use vestibule::models::{Actor, AuditEvent, AuditEventKind, Client, MailKind, Role};
use vestibule::ports::MailError;
use vestibule::repository::{AuditFilter, MailFilter, UserFilter};
use vestibule::services::{
    AddUser, AddUserError, Administrator, Asked, ChangeRoleError, CheckError, ConfirmPasswordError,
    CurrentPasswordError, DeleteAccountError, DisableUserError, JudgePassword, LinkPurpose, PasswordOf,
};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, HouseOptions, PASSWORD, TestDatabase, reading};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

fn operator() -> Administrator {
    Administrator::at_the_command_line()
}

fn new<'a>(email: &'a str, role: &'a Role) -> AddUser<'a> {
    AddUser { name: "Zoe", email, password: PASSWORD, role, is_email_verified: false }
}

#[rstest]
#[tokio::test]
async fn an_operator_makes_an_account_that_can_be_logged_in_to(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let user = house.accounts.add_user(new("Zoe@Example.com", &Role::Admin), &operator()).await.unwrap();
    assert_eq!(
        (user.email.as_str(), &user.role, user.is_email_verified),
        ("zoe@example.com", &Role::Admin, false)
    );
    house.clock.advance(Duration::seconds(1));
    assert_eq!(house.log_in("zoe@example.com", PASSWORD).await.unwrap().user, user);
    assert!(house.outbox_kinds().await.iter().all(|kind| *kind == MailKind::NewLogIn), "no mail of its own");
    let added = house.audit_trail().await.pop().unwrap();
    assert_eq!(
        (added.kind, added.actor, added.detail.as_str()),
        (AuditEventKind::UserAdded, Actor::Operator, "admin")
    );

    let taken = house.accounts.add_user(new("zoe@example.com", &Role::User), &operator()).await;
    assert!(matches!(taken, Err(AddUserError::EmailTaken)));
    let unknown = "editor".parse().unwrap();
    let refused = house.accounts.add_user(new(ANN, &unknown), &operator()).await;
    assert!(matches!(refused, Err(AddUserError::Role(_))));
    let weak = AddUser { password: "short", email: "nobody", name: "", ..new(ANN, &Role::User) };
    let Err(AddUserError::Invalid(invalid)) = house.accounts.add_user(weak, &operator()).await else {
        panic!("all that is wrong is said")
    };
    assert_eq!(
        invalid.fields.iter().map(|field| field.field).collect::<Vec<_>>(),
        ["name", "email", "password"]
    );
}

#[rstest]
#[tokio::test]
async fn a_role_of_the_sites_own_is_one_once_it_is_configured(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let options = HouseOptions {
        policy: |policy| vestibule::Policy { roles: vec!["editor".parse().unwrap()], ..policy },
        ..HouseOptions::default()
    };
    let house = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    let ann = house.signed_up("ann").await;
    let editor: Role = "editor".parse().unwrap();
    let asked = Asked::role(editor.clone());
    assert!(matches!(
        house.accounts.check_session(&reading(&ann), asked.clone()).await,
        Err(CheckError::Forbidden)
    ));
    house.accounts.change_role(ann.user.id, &editor, &operator()).await.unwrap();
    assert!(house.accounts.check_session(&reading(&ann), asked).await.is_ok(), "at the very next request");
    assert!(house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.is_ok());
    let refused = house.accounts.check_session(&reading(&ann), Asked::role(Role::Admin)).await;
    assert!(matches!(refused, Err(CheckError::Forbidden)));
    let told = house.audit_trail().await.remove(0);
    assert_eq!((told.kind, told.detail.as_str()), (AuditEventKind::RoleChanged, "user to editor"));
    let unknown = "writer".parse().unwrap();
    let refused = house.accounts.change_role(ann.user.id, &unknown, &operator()).await;
    let Err(ChangeRoleError::Role(error)) = refused else { panic!("there is no such role") };
    assert!(error.to_string().contains("user, admin, editor"), "{error}");
}

#[rstest]
#[tokio::test]
async fn a_disabled_user_is_out_at_once_and_can_come_back(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let email = ann.user.email.clone();
    let link = house.accounts.hand_out_link(&email, LinkPurpose::Reset, &operator()).await.unwrap();
    let other = house.second_server().await;
    house.accounts.disable_user(ann.user.id, &operator()).await.unwrap();
    for server in [&house, &other] {
        assert!(server.accounts.check_session(&reading(&ann), Asked::ACCOUNT).await.is_err());
        assert!(server.accounts.check_bearer(&ann.tokens.access, Asked::ACCOUNT).await.is_err());
        assert!(server.log_in(ANN, PASSWORD).await.is_err());
    }
    assert_eq!(house.count_sessions().await, 0);
    let token = link.url().to_string().split_once("token=").unwrap().1.to_owned();
    let typed = vestibule::services::ResetPassword {
        token: &token,
        password: "velvet orchard seventeen",
        devices: &[],
    };
    assert!(house.accounts.reset_password(typed, &Client::default()).await.is_err(), "links end too");
    assert!(house.accounts.send_reset_link(ann.user.id, &operator()).await.is_err());

    house.accounts.enable_user(ann.user.id, &operator()).await.unwrap();
    assert!(house.log_in(ANN, PASSWORD).await.is_ok());
    assert!(
        house.accounts.check_session(&reading(&ann), Asked::ACCOUNT).await.is_err(),
        "not the old session"
    );
}

#[rstest]
#[tokio::test]
async fn the_last_admin_stays(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let (ann, bob) = (house.signed_up("ann").await, house.signed_up("bob").await);
    house.set_role(ANN, Role::Admin).await;
    let id = ann.user.id;
    let accounts = &house.accounts;
    let refused_everywhere = async || {
        let demoted = accounts.change_role(id, &Role::User, &operator()).await;
        assert!(matches!(demoted, Err(ChangeRoleError::LastAdmin(_))), "{demoted:?}");
        let disabled = accounts.disable_user(id, &operator()).await;
        assert!(matches!(disabled, Err(DisableUserError::LastAdmin(_))), "{disabled:?}");
        let deleted = accounts.delete_user(id, &operator()).await;
        assert!(matches!(deleted, Err(DisableUserError::LastAdmin(_))), "{deleted:?}");
        let current = house.current(&ann).await;
        let left = accounts.delete_account(&current, PASSWORD, &Client::default()).await;
        assert!(matches!(left, Err(DeleteAccountError::LastAdmin(_))), "{left:?}");
    };
    refused_everywhere().await;
    // A disabled admin looks after nothing.
    house.set_role(BOB, Role::Admin).await;
    accounts.disable_user(bob.user.id, &operator()).await.unwrap();
    refused_everywhere().await;
    accounts.change_role(bob.user.id, &Role::User, &operator()).await.unwrap();
    accounts.enable_user(bob.user.id, &operator()).await.unwrap();
    refused_everywhere().await;
    accounts.change_role(bob.user.id, &Role::Admin, &operator()).await.unwrap();
    accounts.change_role(id, &Role::User, &operator()).await.unwrap();
    assert_eq!(house.user(ANN).await.unwrap().role, Role::User);
}

/// What makes one admin less.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    Demoted,
    Disabled,
    Deleted,
    OnTheirOwn,
}

#[rstest]
#[tokio::test]
async fn of_two_admins_who_leave_at_once_in_whatever_way_one_stays(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
    #[values(Leaving::Demoted, Leaving::Disabled, Leaving::Deleted, Leaving::OnTheirOwn)] one: Leaving,
    #[values(Leaving::Demoted, Leaving::OnTheirOwn)] other: Leaving,
) {
    for _ in 0..4 {
        let house = Arc::new(House::open(kind).await);
        let (ann, bob) = (house.signed_up("ann").await, house.signed_up("bob").await);
        house.set_role(ANN, Role::Admin).await;
        house.set_role(BOB, Role::Admin).await;
        let mut leaving = Vec::new();
        for (who, how) in [(ann, one), (bob, other)] {
            let current = house.current(&who).await;
            let house = Arc::clone(&house);
            leaving.push(tokio::spawn(async move {
                let (accounts, id) = (&house.accounts, who.user.id);
                match how {
                    Leaving::Demoted => accounts.change_role(id, &Role::User, &operator()).await.is_ok(),
                    Leaving::Disabled => accounts.disable_user(id, &operator()).await.is_ok(),
                    Leaving::Deleted => accounts.delete_user(id, &operator()).await.is_ok(),
                    Leaving::OnTheirOwn => {
                        accounts.delete_account(&current, PASSWORD, &Client::default()).await.is_ok()
                    }
                }
            }));
        }
        let mut left = 0;
        for leaving in leaving {
            left += usize::from(leaving.await.unwrap());
        }
        assert_eq!(left, 1);
        let admins = "SELECT COUNT(*) AS count FROM users WHERE role = 'admin' AND NOT is_disabled";
        assert_eq!(house.count(admins).await, 1);
    }
}

#[rstest]
#[tokio::test]
async fn who_became_the_last_admin_since_their_request_came_stays(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let (ann, bob) = (house.signed_up("ann").await, house.signed_up("bob").await);
    house.set_role(BOB, Role::Admin).await;
    // What the check before the request found: Ann is no admin.
    let current = house.current(&ann).await;
    house.accounts.change_role(ann.user.id, &Role::Admin, &operator()).await.unwrap();
    house.accounts.change_role(bob.user.id, &Role::User, &operator()).await.unwrap();
    let refused = house.accounts.delete_account(&current, PASSWORD, &Client::default()).await;
    assert!(matches!(refused, Err(DeleteAccountError::LastAdmin(_))), "{refused:?}");
    assert_eq!(house.user(ANN).await.unwrap().role, Role::Admin);
}

#[rstest]
#[tokio::test]
async fn what_an_admin_did_outlasts_the_accounts_of_both(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let (ann, bob) = (house.signed_up("ann").await, house.signed_up("bob").await);
    house.signed_up("cid").await;
    house.set_role(ANN, Role::Admin).await;
    house.set_role("cid@example.com", Role::Admin).await;
    let place = Client::new(Some([203, 0, 113, 7].into()), Some("Rogue/1.0"));
    let by_ann = house.accounts.administrator(&house.current(&ann).await, &place).unwrap();
    house.accounts.end_sessions_of(bob.user.id, &by_ann).await.unwrap();
    house.clock.advance(Duration::seconds(1));
    house.accounts.change_role(bob.user.id, &Role::User, &operator()).await.unwrap();
    house.clock.advance(Duration::seconds(1));

    // The rogue removes whom they wronged, and then themselves.
    house.accounts.delete_user(bob.user.id, &by_ann).await.unwrap();
    assert!(
        house.dump().await.contains("203.0.113.7"),
        "while they are there, it is known from where they did it"
    );
    house.clock.advance(Duration::seconds(1));
    let current = house.current(&ann).await;
    house.accounts.delete_account(&current, PASSWORD, &Client::default()).await.unwrap();
    let dump = house.dump().await;
    for gone in [ANN, BOB, "203.0.113.7", "Rogue"] {
        assert!(!dump.contains(gone), "{gone}: {dump}");
    }
    let (ann, bob) = (ann.user.id, bob.user.id);
    let of_them = |event: &AuditEvent| [Some(ann), Some(bob)].contains(&event.user_id);
    let trail: Vec<_> = house.audit_trail().await.into_iter().filter(of_them).collect();
    assert_eq!(
        trail.iter().map(|event| (event.kind, event.actor, event.user_id)).collect::<Vec<_>>(),
        [
            (AuditEventKind::AccountDeleted, Actor::Visitor, Some(ann)),
            (AuditEventKind::AccountDeleted, Actor::Admin(Some(ann)), Some(bob)),
            (AuditEventKind::RoleChanged, Actor::Operator, Some(bob)),
            (AuditEventKind::AllSessionsEnded, Actor::Admin(Some(ann)), Some(bob)),
        ]
    );
    assert!(trail.iter().all(|event| event.client == Client::default()));
    let again = house.accounts.delete_user(bob, &operator()).await;
    assert!(matches!(again, Err(DisableUserError::NoUser)));
    assert_eq!(
        house.audit_trail().await.iter().filter(|event| of_them(event)).count(),
        4,
        "of nothing, nothing is told"
    );

    house.clock.advance(Duration::days(400));
    house.accounts.clean_up().await.unwrap();
    let dump = house.dump().await;
    assert!(!dump.contains(&ann.to_string()) && !dump.contains(&bob.to_string()));
}

#[rstest]
#[tokio::test]
async fn an_admin_is_one_for_ten_minutes_after_the_password(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let client = Client::default();
    let accounts = &house.accounts;
    let current = house.current(&ann).await;
    assert!(matches!(accounts.administrator(&current, &client), Err(CheckError::Forbidden)));
    house.set_role(ANN, Role::Admin).await;
    let current = house.current(&ann).await;
    assert!(accounts.administrator(&current, &client).is_ok());
    house.clock.advance(Duration::minutes(4));
    let second = accounts.refresh(&reading(&ann), &client).await.unwrap();
    house.clock.advance(Duration::minutes(6));
    let second = accounts.refresh(&reading(&second), &client).await.unwrap();
    let current = house.current(&second).await;
    assert!(
        matches!(accounts.administrator(&current, &client), Err(CheckError::PasswordNotRecent)),
        "a refresh is no password"
    );
    let asked = Asked::recently(Role::Admin);
    let refused = accounts.check_session(&reading(&second), asked.clone()).await;
    assert!(matches!(refused, Err(CheckError::PasswordNotRecent)));
    assert!(accounts.check_session(&reading(&second), Asked::role(Role::Admin)).await.is_ok());

    house.clock.advance(Duration::seconds(1));
    let wrong = accounts.confirm_password(&current, "wrong window thursday", &client).await;
    assert!(matches!(wrong, Err(ConfirmPasswordError::CurrentPassword(CurrentPasswordError::Wrong))));
    assert!(accounts.check_session(&reading(&second), asked.clone()).await.is_err());
    house.clock.advance(Duration::seconds(1));
    let renewed = accounts.confirm_password(&current, PASSWORD, &client).await.unwrap().unwrap();
    assert!(accounts.check_session(&reading(&renewed), asked).await.is_ok());
    // A55: nothing of the session is as it was, so that who had copied it before is no admin now.
    assert_ne!(renewed.session.id_hash, second.session.id_hash);
    assert_ne!(renewed.session.csrf_token.as_str(), second.session.csrf_token.as_str());
    assert!(accounts.check_session(&reading(&second), Asked::ACCOUNT).await.is_err());
    let current = house.current(&renewed).await;
    let kinds = house.audit_kinds().await;
    assert!(
        kinds.ends_with(&[AuditEventKind::PasswordCheckFailed, AuditEventKind::PasswordConfirmed]),
        "{kinds:?}"
    );

    // Another session of theirs has not got that password.
    let other = house.log_in(ANN, PASSWORD).await.unwrap();
    house.clock.advance(Duration::minutes(4));
    accounts.end_session(&house.current(&other).await, renewed.session.public_id, &client).await.unwrap();
    let gone = accounts.confirm_password(&current, PASSWORD, &client).await;
    assert!(matches!(gone, Err(ConfirmPasswordError::SessionEnded(_))), "{gone:?}");
}

#[rstest]
#[tokio::test]
async fn users_are_found_by_letters_and_role_page_by_page(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    for name in ["ann", "anna", "bob", "100%", "a_b"] {
        let email = format!("{}@example.com", name.replace('%', "percent"));
        house
            .accounts
            .sign_up(vestibule_testkit::signing_up(&email, name), &Client::default())
            .await
            .unwrap();
        house.clock.advance(Duration::seconds(1));
    }
    house.set_role(BOB, Role::Admin).await;
    let names = async |words: &str, role: Option<Role>| {
        let filter = UserFilter { words: words.into(), role, below: None };
        let page = house.accounts.list_users(&filter, 10).await.unwrap();
        page.items.into_iter().map(|user| user.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("", None).await, "a_b 100% bob anna ann");
    assert_eq!(names(" ANN", None).await, "anna ann");
    assert_eq!(names("%", None).await, "100%", "no wildcard");
    assert_eq!(names("_", None).await, "a_b");
    assert_eq!(names("!", None).await, "");
    assert_eq!(names("", Some(Role::Admin)).await, "bob");
    assert_eq!(names("ann", Some(Role::Admin)).await, "");
    let first = house.accounts.list_users(&UserFilter::default(), 3).await.unwrap();
    assert!(first.has_more && first.items.len() == 3);
    let below = UserFilter { below: first.items.last().map(|user| user.id), ..UserFilter::default() };
    let rest = house.accounts.list_users(&below, 3).await.unwrap();
    assert!(!rest.has_more && rest.items.len() == 2 && rest.items[0].name.as_str() == "anna");
}

#[rstest]
#[tokio::test]
async fn names_of_any_alphabet_are_found_however_they_are_typed(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    for (number, name) in
        ["Émile Zola", "Анна Каренина", "ÖZGÜR", "Jean-Élie", "李小龙"].into_iter().enumerate()
    {
        let email = format!("{number}@example.com");
        let new = vestibule_testkit::signing_up(&email, name);
        house.accounts.sign_up(new, &Client::default()).await.unwrap();
    }
    for (typed, name) in [
        ("Émile", "Émile Zola"),
        ("émile", "Émile Zola"),
        ("ÉMILE ZOLA", "Émile Zola"),
        ("mile z", "Émile Zola"),
        ("Анна", "Анна Каренина"),
        ("анна каренина", "Анна Каренина"),
        ("АННА", "Анна Каренина"),
        ("özgür", "ÖZGÜR"),
        ("jean-élie", "Jean-Élie"),
        ("小龙", "李小龙"),
    ] {
        let filter = UserFilter { words: typed.into(), ..UserFilter::default() };
        let found = house.accounts.list_users(&filter, 10).await.unwrap().items;
        let names: Vec<_> = found.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, [name], "{typed}");
    }
}

#[rstest]
#[tokio::test]
async fn a_mail_that_was_given_up_goes_when_it_is_tried_again(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let list = async || house.accounts.list_mails(MailFilter::default(), 10).await.unwrap().items;
    let retry = async |mail| house.accounts.retry_mail(mail, &operator()).await.unwrap();
    let waiting = list().await.remove(0);
    assert_eq!((waiting.state.as_str(), waiting.attempts), ("waiting", 0));
    assert!(!retry(waiting.mail.id).await, "its turn is now");

    house.post.fail_with(MailError::TryAgain("no route to host".into()));
    house.deliver().await;
    assert!(!retry(waiting.mail.id).await, "its turn comes within two minutes");
    for _ in 0..3 {
        house.clock.advance(Duration::hours(7));
        house.deliver().await;
    }
    let failed = list().await.remove(0);
    assert!(failed.attempts >= 3 && !failed.reason.is_empty(), "{failed:?}");
    assert!(retry(waiting.mail.id).await);
    // Within three days: a link for which nobody waits any more is not sent at all.
    for _ in 0..50 {
        house.clock.advance(Duration::hours(1));
        house.deliver().await;
    }
    assert_eq!(list().await[0].state.as_str(), "dead");
    assert_eq!(house.accounts.statistics().await.unwrap().mails.dead, 1);
    house.post.recover();
    assert!(retry(waiting.mail.id).await);
    assert_eq!(list().await[0].state.as_str(), "waiting");
    house.deliver().await;
    let sent = list().await.remove(0);
    assert_eq!((sent.state.as_str(), sent.finished_at.is_some()), ("sent", true));
    assert!(!retry(waiting.mail.id).await, "a mail that was sent is not sent again");
    assert_eq!(house.post.kinds_for(ANN), [MailKind::ConfirmEmail]);
    let retried =
        house.audit_trail().await.into_iter().find(|event| event.kind == AuditEventKind::MailRetried);
    assert_eq!(
        retried.map(|event| (event.user_id, event.detail)),
        Some((Some(ann.user.id), "confirm_email".into()))
    );
}

#[rstest]
#[tokio::test]
async fn an_admin_has_a_reset_link_sent_and_does_not_see_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    house.deliver().await;
    house.accounts.send_reset_link(ann.user.id, &operator()).await.unwrap();
    let token = house.mailed_token(ANN).await;
    let typed = vestibule::services::ResetPassword {
        token: &token,
        password: "velvet orchard seventeen",
        devices: &[],
    };
    house.accounts.reset_password(typed, &Client::default()).await.unwrap();
    assert!(house.log_in(ANN, "velvet orchard seventeen").await.is_ok());
}

#[rstest]
#[tokio::test]
async fn the_numbers_are_those_of_the_last_thirty_days(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("old").await;
    house.clock.advance(Duration::days(29));
    house.signed_up("ann").await;
    house.log_in(ANN, PASSWORD).await.unwrap();
    assert!(house.log_in(ANN, "wrong window thursday").await.is_err());
    assert!(house.log_in("nobody@example.com", PASSWORD).await.is_err());
    let statistics = house.accounts.statistics().await.unwrap();
    assert_eq!((statistics.users, statistics.sessions, statistics.days.len()), (2, 2, 30));
    let (first, today) = (statistics.days[0], statistics.days[29]);
    assert_eq!(today.day, house.accounts.now().date());
    assert_eq!((today.sign_ups, today.log_ins, today.failures), (1, 1, 2));
    assert_eq!((first.sign_ups, first.log_ins, first.failures), (1, 0, 0));
    let sessions: Vec<u64> = statistics.days.iter().map(|day| day.sessions).collect();
    // One that nobody used for a week, and the two of today.
    assert_eq!(sessions[..10], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(sessions[28..], [0, 2]);
    house.clock.advance(Duration::days(1));
    assert_eq!(
        house.accounts.statistics().await.unwrap().days.iter().map(|day| day.sign_ups).sum::<u64>(),
        1
    );
}

#[rstest]
#[tokio::test]
async fn the_trail_is_read_by_kind_by_user_and_by_admin(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let (ann, bob) = (house.signed_up("ann").await, house.signed_up("bob").await);
    house.set_role(ANN, Role::Admin).await;
    let by = house.accounts.administrator(&house.current(&ann).await, &Client::default()).unwrap();
    house.accounts.end_sessions_of(bob.user.id, &by).await.unwrap();
    let list = async |filter: AuditFilter<'static>, limit| {
        house.accounts.list_audit_events(filter, limit).await.unwrap()
    };
    let all = list(AuditFilter::default(), 2).await;
    assert!(all.has_more && all.items.len() == 2);
    let below = AuditFilter { below: Some(all.items[1].id), ..AuditFilter::default() };
    assert_eq!(list(below, 2).await.items.len(), 1);
    let kind = AuditFilter { kind: Some(AuditEventKind::SignedUp), ..AuditFilter::default() };
    assert_eq!(list(kind, 10).await.items.len(), 2);
    assert_eq!(list(AuditFilter { user: Some(bob.user.id), ..kind }, 10).await.items.len(), 1);
    let admin = AuditFilter { admin: Some(ann.user.id), ..AuditFilter::default() };
    let done = list(admin, 10).await.items;
    assert_eq!(done.len(), 1);
    assert_eq!((done[0].kind, done[0].user_id), (AuditEventKind::AllSessionsEnded, Some(bob.user.id)));
}

#[rstest]
#[tokio::test]
async fn a_password_is_judged_as_the_sign_up_judges_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let judge = async |password: &str| {
        let of = PasswordOf::NewUser { name: "Rosalind", email: "rosalind@example.com" };
        let typed = JudgePassword { password, of };
        house.accounts.judge_password(typed, &Client::default()).await.unwrap().map(|invalid| invalid.code)
    };
    assert_eq!(judge(PASSWORD).await, None);
    for weak in ["", "short", "passwordpassword", "rosalindrosalind"] {
        let typed = vestibule::services::SignUp {
            name: "Rosalind",
            email: "rosalind@example.com",
            password: weak,
            devices: &[],
        };
        let Err(vestibule::services::SignUpError::Invalid(invalid)) =
            house.accounts.sign_up(typed, &Client::default()).await
        else {
            panic!("{weak:?} is weak")
        };
        assert_eq!(judge(weak).await, Some(invalid.fields[0].code), "{weak}");
    }
}
