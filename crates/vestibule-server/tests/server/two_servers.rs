use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::program::{Client, Program};

#[tokio::test]
async fn two_servers_that_start_at_once_on_one_postgresql_behave_as_one() {
    let test = TestDatabase::empty(DatabaseKind::Postgres).await;
    // One folder: the development secret that one makes is the other's too.
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let (path, url) = (folder.path().to_owned(), test.url_text().to_owned());
        tokio::task::spawn_blocking(move || Program::start(&path, Some(&url)))
    };
    let (one, two) = tokio::join!(start(), start());
    let (one, two) = (one.unwrap(), two.unwrap());

    let client = Client::new();
    let (status, cookies) = client.sign_up(&one.origin, "ann").await.unwrap();
    assert_eq!(status, 201);
    let mut cookies = cookies.unwrap();
    let keys = client.get(&one.origin, "/.well-known/jwks.json").await.unwrap();
    assert_eq!(client.get(&two.origin, "/.well-known/jwks.json").await.unwrap(), keys);
    for origin in [&two.origin, &one.origin, &two.origin] {
        assert_eq!(client.session(origin, &cookies).await.unwrap(), 200);
        let (status, next) = client.refresh(origin, &cookies).await.unwrap();
        assert_eq!(status, 200);
        cookies = next.unwrap();
    }
    assert_eq!(client.sign_up(&two.origin, "ann").await.unwrap().0, 409);
}
