//! What an application is told of accounts, by whichever way something happens to one.

use std::sync::{Arc, Mutex};

use rstest::rstest;
use time::Duration;
use vestibule::Policy;
use vestibule::models::{Client, MailKind, Role, SignUpMode, User};
use vestibule::services::{
    AddUser, Administrator, ChangeEmail, ConfirmEmail, ConfirmSignUp, Invite, LoggedIn, ResetPassword,
    SignUpError, SignUpRequest, SignedUp,
};
use vestibule_sql::{AccountEvent, AccountHooks, Connection, HookError, async_trait};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, HouseOptions, PASSWORD, TestDatabase, client, signing_up};

const OTHER: &str = "velvet orchard seventeen";

/// Writes down what it is told within the transaction, in a table of its own, and after it, in memory.
#[derive(Clone, Default)]
struct Told {
    after: Arc<Mutex<Vec<String>>>,
    refusal: Option<&'static str>,
}

impl Told {
    async fn write(&self, what: &str, user: &User, connection: &mut Connection) -> Result<(), HookError> {
        const SQL: &str = "INSERT INTO told (what) VALUES ($1)";
        connection.write(SQL).bind(format!("{what} {}", user.email)).execute().await?;
        match self.refusal {
            Some(refused) if what == refused => Err(HookError::refuse("We are full.").about("email")),
            _ => Ok(()),
        }
    }

    /// What was told after commits since it was last asked.
    fn after(&self) -> Vec<String> {
        std::mem::take(&mut self.after.lock().unwrap())
    }
}

#[async_trait]
impl AccountHooks for Told {
    async fn created(&self, user: &User, connection: &mut Connection) -> Result<(), HookError> {
        self.write("created", user, connection).await
    }

    async fn confirmed(&self, user: &User, connection: &mut Connection) -> Result<(), HookError> {
        self.write("confirmed", user, connection).await
    }

    async fn deleted(&self, user: &User, connection: &mut Connection) -> Result<(), HookError> {
        self.write("deleted", user, connection).await
    }

    async fn after_commit(&self, event: &AccountEvent) {
        let what = match event {
            AccountEvent::Created(_) => "created",
            AccountEvent::Confirmed(_) => "confirmed",
            AccountEvent::Deleted(_) => "deleted",
            _ => "something else",
        };
        self.after.lock().unwrap().push(format!("{what} {}", event.user().email));
    }
}

/// An installation whose application has a table of its own.
struct Site {
    database: TestDatabase,
    options: HouseOptions,
    told: Told,
}

impl Site {
    async fn new(kind: DatabaseKind, refusal: Option<&'static str>) -> Self {
        let database = TestDatabase::create(kind).await;
        let connected = database.connect().await;
        connected.alone().write("CREATE TABLE told (what text NOT NULL)").execute().await.unwrap();
        connected.close().await;
        let told = Told { refusal, ..Told::default() };
        let options = HouseOptions { hooks: vec![Arc::new(told.clone())], ..HouseOptions::default() };
        Self { database, options, told }
    }

    async fn house(&self, policy: fn(Policy) -> Policy) -> House {
        House::open_on(&self.database, HouseOptions { policy, ..self.options.clone() }).await.unwrap()
    }

    /// What was told since it was last asked, which is the same within transactions and after them.
    async fn told(&self, house: &House) -> Vec<String> {
        #[derive(sqlx::FromRow)]
        struct Row {
            what: String,
        }
        let rows: Vec<Row> = house.database.alone().read("SELECT what FROM told").all().await.unwrap();
        house.database.alone().write("DELETE FROM told").execute().await.unwrap();
        let within: Vec<String> = rows.into_iter().map(|row| row.what).collect();
        assert_eq!(self.told.after(), within);
        within
    }
}

fn operator() -> Administrator {
    Administrator::at_the_command_line()
}

async fn confirm(house: &House, email: &str) {
    let token = house.mailed_token(email).await;
    let typed = ConfirmEmail { token: &token, password: Some(PASSWORD), devices: &[] };
    house.accounts.confirm_email(typed, None, &Client::default()).await.unwrap();
}

async fn reset(house: &House, email: &str) {
    house.accounts.forgot_password(email, &Client::default()).await.unwrap();
    house.deliver().await;
    let token = house.post.token_of(MailKind::ResetPassword, email);
    let typed = ResetPassword { token: &token, password: OTHER, devices: &[] };
    house.accounts.reset_password(typed, &Client::default()).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn an_account_is_told_of_as_it_is_made_confirmed_moved_and_deleted(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let site = Site::new(kind, None).await;
    let house = site.house(|policy| policy).await;
    let ann = house.signed_up("ann").await;
    assert_eq!(site.told(&house).await, ["created ann@example.com"]);
    confirm(&house, "ann@example.com").await;
    assert_eq!(site.told(&house).await, ["confirmed ann@example.com"]);
    let current = house.current(&ann).await;
    let typed = ChangeEmail { email: "new@example.com", current_password: PASSWORD };
    house.accounts.change_email(&current, typed, &Client::default()).await.unwrap();
    confirm(&house, "new@example.com").await;
    assert_eq!(site.told(&house).await, ["confirmed new@example.com"]);
    let current = house.current(&ann).await;
    house.accounts.delete_account(&current, PASSWORD, &client()).await.unwrap();
    assert_eq!(site.told(&house).await, ["deleted new@example.com"]);
}

#[rstest]
#[tokio::test]
async fn the_command_line_and_admins_are_told_of(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let site = Site::new(kind, None).await;
    let house = site.house(|policy| policy).await;
    for is_email_verified in [false, true] {
        let new = AddUser {
            name: "Bob",
            email: "bob@example.com",
            password: PASSWORD,
            role: &Role::User,
            is_email_verified,
        };
        let bob = house.accounts.add_user(new, &operator()).await.unwrap();
        let made: &[&str] = if is_email_verified {
            &["created bob@example.com", "confirmed bob@example.com"]
        } else {
            &["created bob@example.com"]
        };
        assert_eq!(site.told(&house).await, made);
        house.accounts.delete_user(bob.id, &operator()).await.unwrap();
        assert_eq!(site.told(&house).await, ["deleted bob@example.com"]);
    }
    assert!(house.accounts.delete_user(vestibule::models::UserId::from(uuid()), &operator()).await.is_err());
    assert!(site.told(&house).await.is_empty());
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::from_u128(7)
}

#[rstest]
#[tokio::test]
async fn a_reset_confirms_an_address_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let site = Site::new(kind, None).await;
    let house = site.house(|policy| policy).await;
    house.signed_up("ann").await;
    site.told(&house).await;
    reset(&house, "ann@example.com").await;
    assert_eq!(site.told(&house).await, ["confirmed ann@example.com"]);
    reset(&house, "ann@example.com").await;
    assert!(site.told(&house).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn invitations_and_sign_ups_that_are_confirmed_first_are_told_of(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let site = Site::new(kind, None).await;
    let house = site.house(|policy| Policy { sign_up: SignUpMode::Invite, ..policy }).await;
    let new = Invite { email: None, role: &Role::User, lifetime: Duration::days(7) };
    let (_, link) = house.accounts.invite(new, &operator()).await.unwrap();
    let invite = link.url().split_once("invite=").unwrap().1.to_owned();
    let typed = signing_up("cid@example.com", "Cid");
    let request = SignUpRequest { typed, invite: &invite, browsers: &[] };
    house.accounts.request_sign_up(request, &client()).await.unwrap();
    assert_eq!(site.told(&house).await, ["created cid@example.com"]);

    let house = site.house(|policy| Policy { sign_up: SignUpMode::ConfirmFirst, ..policy }).await;
    let typed = signing_up("dot@example.com", "Dot");
    let request = SignUpRequest { typed, invite: "", browsers: &[] };
    let SignedUp::Begun(_) = house.accounts.request_sign_up(request, &client()).await.unwrap() else {
        panic!("an account was made at once")
    };
    let token = house.mailed_token("dot@example.com").await;
    assert!(site.told(&house).await.is_empty(), "there is no account yet");
    let typed = ConfirmSignUp { token: &token, password: Some(PASSWORD), browsers: &[], devices: &[] };
    house.accounts.confirm_sign_up(typed, &client()).await.unwrap();
    assert_eq!(site.told(&house).await, ["created dot@example.com", "confirmed dot@example.com"]);
}

#[rstest]
#[tokio::test]
async fn what_the_application_refuses_is_undone_and_told_to_nobody_but_who_asked(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
    #[values("created", "confirmed", "deleted")] refused: &'static str,
) {
    let site = Site::new(kind, Some(refused)).await;
    let house = site.house(|policy| policy).await;
    let signed_up = house.accounts.sign_up(signing_up("ann@example.com", "Ann"), &client()).await;
    let ann: LoggedIn = match (refused, signed_up) {
        ("created", Err(SignUpError::Store(error))) => {
            let refusal = error.refusal().unwrap();
            assert_eq!((refusal.message.as_str(), refusal.field), ("We are full.", Some("email")));
            assert!(house.user("ann@example.com").await.is_none() && house.outbox().await.is_empty());
            assert_eq!(house.count_sessions().await, 0);
            assert!(site.told(&house).await.is_empty());
            return;
        }
        (_, signed_up) => signed_up.unwrap(),
    };
    site.told(&house).await;
    if refused == "confirmed" {
        let token = house.mailed_token("ann@example.com").await;
        let typed = ConfirmEmail { token: &token, password: Some(PASSWORD), devices: &[] };
        assert!(house.accounts.confirm_email(typed, None, &Client::default()).await.is_err());
        assert!(!house.user("ann@example.com").await.unwrap().is_email_verified);
    } else {
        let current = house.current(&ann).await;
        assert!(house.accounts.delete_account(&current, PASSWORD, &client()).await.is_err());
        assert!(house.accounts.delete_user(ann.user.id, &operator()).await.is_err());
        assert!(house.user("ann@example.com").await.is_some());
    }
    assert!(site.told(&house).await.is_empty());
}
