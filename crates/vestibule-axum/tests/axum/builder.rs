use rstest::rstest;
use sqlx::{Connection as _, PgConnection};
use vestibule_axum::models::SecretKey;
use vestibule_axum::ports::OsRandom;
use vestibule_axum::{BuildError, Builder, Database, Vestibule};
use vestibule_testkit::DatabaseKind::{Postgres, Sqlite};
use vestibule_testkit::TestDatabase;

use crate::site::Site;

async fn told(builder: Builder) -> String {
    format!("{:?}", builder.open().await.err().unwrap())
}

#[rstest]
#[case::an_address_of_another_kind(|builder: Builder| builder.public_url("ftp://example.com"), "public_url: its scheme must be https")]
#[case::plain_http_in_public(|builder: Builder| builder.public_url("http://example.com"), "public_url: plain http is for localhost")]
#[case::another_database(|builder: Builder| builder.database_url("mysql://localhost"), "database_url: it must begin with sqlite://")]
#[case::a_role_of_another_form(|builder: Builder| builder.roles(["Editor!"]), "roles: \"Editor!\" is no name of a role")]
#[case::https_without_a_way_for_mails(|builder: Builder| builder.public_url("https://example.com"), "mail_transport: https://example.com is not on this machine")]
#[case::https_without_a_key(|builder: Builder| builder.public_url("https://example.com").mails_wait(), "secret_key: it is required")]
#[case::a_key_that_is_short(|builder: Builder| builder.secret_key("c2hvcnQ="), "secret_key: ")]
#[case::no_proxy(|builder: Builder| builder.trusted_proxies("nginx"), "trusted_proxies: ")]
#[case::a_schema_of_a_file(|builder: Builder| builder.schema("accounts"), "schema: an embedded database has no schemas")]
#[case::no_texts(|builder: Builder| builder.mail_templates("/nowhere/at/all"), "the texts of mails cannot be used")]
#[tokio::test]
async fn what_cannot_be_taken_is_named_with_the_way_out(
    #[case] change: fn(Builder) -> Builder,
    #[case] expected: &str,
) {
    let database = TestDatabase::empty(Sqlite).await;
    let told = told(change(Vestibule::builder().database_url(database.url_text()))).await;
    assert!(told.starts_with(expected), "{told}");
}

#[tokio::test]
async fn tables_of_the_applications_own_are_left_alone_and_a_schema_is_the_way_out() {
    let database = TestDatabase::empty(Postgres).await;
    let mut theirs = PgConnection::connect(database.url_text()).await.unwrap();
    for sql in ["CREATE TABLE users (name text)", "INSERT INTO users VALUES ('theirs')"] {
        sqlx::query(sql).execute(&mut theirs).await.unwrap();
    }
    let builder = || Vestibule::builder().database_url(database.url_text());
    let told = told(builder()).await;
    assert!(told.contains("somebody else's: users. Nothing was changed"), "{told}");
    assert!(told.contains(".schema(\"accounts\")"), "{told}");

    let site = Site::start(builder().schema("accounts")).await;
    let mut ann = site.browser();
    ann.sign_up("ann").await;
    assert_eq!(ann.get("/greet").await.text, "hello, ann");
    let sql = "SELECT (SELECT string_agg(name, ',') FROM public.users) || ' ' || (SELECT string_agg(name, ',') FROM accounts.users)";
    let names: String = sqlx::query_scalar(sql).fetch_one(&mut theirs).await.unwrap();
    assert_eq!(names, "theirs ann");
    site.stop().await;
}

#[tokio::test]
async fn the_secret_of_development_is_kept_and_another_one_is_refused() {
    let database = TestDatabase::empty(Sqlite).await;
    let builder = || Vestibule::builder().database_url(database.url_text());
    drop(builder().open().await.unwrap());
    drop(builder().open().await.unwrap());
    let another = SecretKey::generate(&OsRandom).to_base64();
    let told = told(builder().secret_key(another.as_str())).await;
    assert!(told.starts_with("the accounts cannot be opened: start with the secret key"), "{told}");
}

#[tokio::test]
async fn a_database_that_is_open_is_taken_as_it_is_and_one_that_is_not_migrated_is_refused() {
    let test = TestDatabase::empty(Sqlite).await;
    let database: Database = test.connect().await;
    let refused = Vestibule::builder().database(database.clone()).migrate(false).open().await.err();
    assert!(matches!(refused, Some(BuildError::Schema(_))), "{refused:?}");
    let vestibule = Vestibule::builder().database(database.clone()).open().await.unwrap();
    assert_eq!(vestibule.database().url().to_string(), database.url().to_string());
    Vestibule::builder().database(database).migrate(false).open().await.unwrap();
}
