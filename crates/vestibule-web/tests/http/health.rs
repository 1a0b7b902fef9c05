use rstest::rstest;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

#[rstest]
#[tokio::test]
async fn a_server_is_healthy_while_it_serves_and_ready_while_its_database_answers(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let anonymous = server.anonymous();
    assert_eq!(anonymous.get("/healthz").await.status, 200);
    let answer = anonymous.get("/readyz").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "ready\n"));

    server.house.database.close().await;
    assert_eq!(anonymous.get("/healthz").await.status, 200);
    let answer = anonymous.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text, "not ready: the database does not answer\n");
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
}
