//! Sign-up by invitation, and sign-up that is closed.

use rstest::rstest;
use time::Duration;
use vestibule::Policy;
use vestibule::models::{Actor, AuditEventKind, Client, Invitation, InvitationId, Role, SignUpMode};
use vestibule::services::{
    AddUser, Administrator, Invite, InviteError, LoggedIn, RevokeInvitationError, SignUp, SignUpError,
    SignUpRefused, SignUpRequest, SignedUp,
};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, HouseOptions, PASSWORD, TestDatabase, in_hex, signing_up};

const ANN: &str = "ann@example.com";

fn by_invitation(policy: Policy) -> Policy {
    let roles = vec!["editor".parse().expect("a name of a role")];
    Policy { sign_up: SignUpMode::Invite, roles, ..policy }
}

async fn house(kind: DatabaseKind, policy: fn(Policy) -> Policy) -> House {
    let options = HouseOptions { policy, ..HouseOptions::default() };
    House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
}

fn operator() -> Administrator {
    Administrator::at_the_command_line()
}

async fn invite(house: &House, email: Option<&str>, role: &Role) -> (Invitation, String) {
    let new = Invite { email, role, lifetime: Duration::days(7) };
    let (invitation, link) = house.accounts.invite(new, &operator()).await.unwrap();
    let token = link.url().strip_prefix("http://localhost:3000/sign-up?invite=").unwrap();
    (invitation, token.to_owned())
}

async fn sign_up(house: &House, typed: SignUp<'_>, invite: &str) -> Result<LoggedIn, SignUpError> {
    let request = SignUpRequest { typed, invite, browsers: &[] };
    house.accounts.request_sign_up(request, &Client::default()).await.map(|signed_up| match signed_up {
        SignedUp::LoggedIn(logged_in) => *logged_in,
        SignedUp::Begun(_) => panic!("no account was made"),
    })
}

#[rstest]
#[tokio::test]
async fn an_invitation_lets_one_person_sign_up_with_its_role(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind, by_invitation).await;
    let editor: Role = "editor".parse().unwrap();
    let (invitation, token) = invite(&house, None, &editor).await;
    let ann = sign_up(&house, signing_up(ANN, "Ann"), &token).await.unwrap();
    assert_eq!(ann.user.role, editor);
    assert!(!ann.user.is_email_verified, "a link that was handed over proves no mailbox");
    let again = sign_up(&house, signing_up("bob@example.com", "Bob"), &token).await;
    assert!(matches!(again, Err(SignUpError::InvitationOver)));
    assert!(house.user("bob@example.com").await.is_none());
    let trail = house.audit_trail().await;
    // Both are of one moment, and so in no certain order.
    let told = |kind| trail.iter().find(|event| event.kind == kind).unwrap();
    let id = format!("invitation {}", invitation.id);
    assert_eq!(told(AuditEventKind::SignedUp).detail, id, "the trail says by which, and so who let them in");
    let made = told(AuditEventKind::InvitationMade);
    assert_eq!((made.actor, made.detail.as_str()), (Actor::Operator, format!("editor, {id}").as_str()));
    assert_eq!(trail.len(), 2);
}

#[rstest]
#[tokio::test]
async fn of_twenty_who_race_with_one_invitation_one_gets_an_account(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind, by_invitation).await;
    let (_, token) = invite(&house, None, &Role::User).await;
    let racing: Vec<_> = (0..20)
        .map(|number| {
            let (accounts, token) = (house.accounts.clone(), token.clone());
            tokio::spawn(async move {
                let email = format!("racer{number}@example.com");
                let typed = signing_up(&email, "Racer");
                let request = SignUpRequest { typed, invite: &token, browsers: &[] };
                accounts.request_sign_up(request, &Client::default()).await
            })
        })
        .collect();
    let mut won = 0;
    for raced in racing {
        match raced.await.unwrap() {
            Ok(_) => won += 1,
            Err(SignUpError::InvitationOver) => {}
            Err(other) => panic!("neither won nor lost: {other}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(house.count("SELECT COUNT(*) AS count FROM users").await, 1);
    assert_eq!(house.count_sessions().await, 1);
}

#[rstest]
#[tokio::test]
async fn a_refused_form_costs_no_invitation(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind, by_invitation).await;
    let (_, token) = invite(&house, None, &Role::User).await;
    sign_up(&house, signing_up(ANN, "Ann"), &token).await.unwrap();
    let (_, token) = invite(&house, None, &Role::User).await;
    let weak = SignUp { name: "Bob", email: "bob@example.com", password: "short", devices: &[] };
    assert!(matches!(sign_up(&house, weak, &token).await, Err(SignUpError::Invalid(_))));
    let taken = sign_up(&house, signing_up(ANN, "Eve"), &token).await;
    assert!(matches!(taken, Err(SignUpError::EmailTaken)));
    assert!(sign_up(&house, signing_up("bob@example.com", "Bob"), &token).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn an_invitation_of_one_address_is_good_for_no_other(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind, by_invitation).await;
    let (_, token) = invite(&house, Some(" Ann@Example.com "), &Role::User).await;
    let refused = sign_up(&house, signing_up("eve@example.com", "Eve"), &token).await.unwrap_err();
    let SignUpError::Invalid(invalid) = refused else { panic!("{refused}") };
    assert_eq!((invalid.fields[0].field, invalid.fields[0].code), ("email", "not_invited"));
    assert!(!invalid.fields[0].message.contains("ann"), "whose it is, is not told");
    assert!(sign_up(&house, signing_up("ANN@example.com", "Ann"), &token).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn without_a_good_invitation_nobody_signs_up(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind, by_invitation).await;
    let refused = SignUpRefused { mode: SignUpMode::Invite };
    for blank in ["", "  "] {
        let answer = sign_up(&house, signing_up(ANN, "Ann"), blank).await;
        assert!(matches!(answer, Err(SignUpError::Refused(told)) if told == refused), "{answer:?}");
    }
    let answer = house.accounts.sign_up(signing_up(ANN, "Ann"), &Client::default()).await;
    assert!(matches!(answer, Err(SignUpError::Refused(told)) if told == refused), "the open door is shut");
    let (first, revoked) = invite(&house, None, &Role::User).await;
    house.accounts.revoke_invitation(first.id, &operator()).await.unwrap();
    let again = house.accounts.revoke_invitation(first.id, &operator()).await;
    assert!(matches!(again, Err(RevokeInvitationError::NotFound)));
    let (_, expired) = invite(&house, None, &Role::User).await;
    house.clock.advance(Duration::days(7));
    for token in [revoked.as_str(), &expired, "x", "null", &"A".repeat(43)] {
        let answer = sign_up(&house, signing_up(ANN, "Ann"), token).await;
        assert!(matches!(answer, Err(SignUpError::InvitationOver)), "{token}: {answer:?}");
    }
    assert!(house.user(ANN).await.is_none() && house.outbox().await.is_empty());
    assert!(house.accounts.list_invitations(None, 10).await.unwrap().items.is_empty());
    assert_eq!(house.accounts.clean_up().await.unwrap().invitations, 1);
    let kinds = house.audit_kinds().await;
    assert!(kinds.contains(&AuditEventKind::InvitationRevoked), "{kinds:?}");
    let trail = house.audit_trail().await;
    let revoked = trail.iter().find(|event| event.kind == AuditEventKind::InvitationRevoked).unwrap();
    assert_eq!(revoked.detail, format!("invitation {}", first.id));
}

#[rstest]
#[tokio::test]
async fn an_invitation_is_for_a_known_role_a_real_address_and_a_while(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind, by_invitation).await;
    let unknown: Role = "owner".parse().unwrap();
    let week = Duration::days(7);
    for (email, role, lifetime) in [
        (Some("ann"), &Role::User, week),
        (None, &unknown, week),
        (None, &Role::User, Duration::seconds(59)),
        (None, &Role::User, Duration::days(91)),
    ] {
        let refused = house.accounts.invite(Invite { email, role, lifetime }, &operator()).await;
        assert!(
            matches!(refused, Err(InviteError::Invalid(_) | InviteError::Role(_))),
            "{email:?} {lifetime}"
        );
    }
    assert!(house.audit_trail().await.is_empty());
    let nobodys = InvitationId::new(house.accounts.now(), &*house.accounts.random());
    let refused = house.accounts.revoke_invitation(nobodys, &operator()).await;
    assert!(matches!(refused, Err(RevokeInvitationError::NotFound)));
}

#[rstest]
#[tokio::test]
async fn who_reads_the_database_cannot_use_an_invitation(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind, by_invitation).await;
    let (_, token) = invite(&house, Some(ANN), &Role::User).await;
    let dump = house.dump().await;
    assert!(dump.contains(ANN) && !dump.contains(&token) && !dump.contains(&in_hex(&token)));
}

#[rstest]
#[tokio::test]
async fn where_sign_up_is_closed_an_operator_still_adds_users(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind, |policy| Policy { sign_up: SignUpMode::Closed, ..policy }).await;
    let (_, token) = invite(&house, None, &Role::User).await;
    for invite in ["", token.as_str()] {
        let answer = sign_up(&house, signing_up(ANN, "Ann"), invite).await;
        assert!(matches!(answer, Err(SignUpError::Refused(_))), "{answer:?}");
    }
    let answer = house.accounts.sign_up(signing_up(ANN, "Ann"), &Client::default()).await;
    assert!(matches!(answer, Err(SignUpError::Refused(_))));
    assert!(house.user(ANN).await.is_none() && house.outbox().await.is_empty());
    let new =
        AddUser { name: "Ann", email: ANN, password: PASSWORD, role: &Role::User, is_email_verified: true };
    house.accounts.add_user(new, &operator()).await.unwrap();
    assert!(house.log_in(ANN, PASSWORD).await.is_ok());
}
