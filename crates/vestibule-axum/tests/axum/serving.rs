use std::time::Duration;

use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::Value;
use vestibule_axum::models::User;
use vestibule_axum::{AccountHooks, Connection, HookError, Vestibule, async_trait};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{PASSWORD, TestDatabase};

use crate::site::Site;

/// Nobody of a mailbox that is thrown away.
struct Guest;

#[async_trait]
impl AccountHooks for Guest {
    async fn created(&self, user: &User, _: &mut Connection) -> Result<(), HookError> {
        if user.email.as_str().starts_with("guest") {
            return Err(HookError::refuse("Guests are not let in.").about("email"));
        }
        Ok(())
    }
}

#[rstest]
#[tokio::test]
async fn an_application_has_accounts_and_its_mails_arrive(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let database = TestDatabase::empty(kind).await;
    let site = Site::start(Vestibule::builder().site_name("Orchard").database_url(database.url_text())).await;
    let mut ann = site.browser();
    ann.sign_up("ann").await;
    assert_eq!(ann.get("/greet").await.text, "hello, ann");
    let mailbox = || async {
        let answer = site.browser().call(Method::GET, "/dev/mailbox.json", None).await;
        answer.json().as_array().map_or(0, Vec::len)
    };
    let arrived = async {
        while mailbox().await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), arrived).await.expect("the workers send the mail");
    site.stop().await;
}

#[tokio::test]
async fn a_refusal_of_the_applications_stands_in_the_form_and_in_the_problem() {
    let database = TestDatabase::empty(Sqlite).await;
    let site = Site::start(Vestibule::builder().database_url(database.url_text()).hooks(Guest)).await;
    let mut guest = site.browser();
    let fields = [("name", "Guest"), ("email", "guest@example.com"), ("password", PASSWORD)];
    let form = guest.post_form("/sign-up", &fields).await;
    assert_eq!(form.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        form.text.contains("Guests are not let in.") && form.text.contains("guest@example.com"),
        "{form:?}"
    );
    let body: Value =
        serde_json::json!({ "name": "Guest", "email": "guest@example.com", "password": PASSWORD });
    let problem = guest.call(Method::POST, "/api/auth/sign-up", Some(&body)).await;
    assert_eq!((problem.status, problem.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "refused"));
    assert_eq!(problem.json()["errors"][0]["field"], "email");
    guest.sign_up("ann").await;
    site.stop().await;
}

#[tokio::test]
async fn workers_stop_when_they_are_asked_and_write_down_what_they_know() {
    let database = TestDatabase::empty(Sqlite).await;
    let vestibule = Vestibule::builder().database_url(database.url_text()).open().await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn({
        let vestibule = vestibule.clone();
        async move { vestibule.run_workers(async move { drop(stopped.await) }).await }
    });
    drop(stop);
    tokio::time::timeout(Duration::from_secs(30), running).await.expect("they stop").unwrap();
    vestibule.start_workers().stop().await;
}
