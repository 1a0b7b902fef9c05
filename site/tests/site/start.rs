use std::sync::Arc;

use vestibule_testkit::{DatabaseKind, HouseOptions, ServerOptions, TestDatabase, TestServer};

/// The website over a fresh database.
pub async fn start(kind: DatabaseKind) -> TestServer {
    let database = TestDatabase::create(kind).await;
    database.connect().await.migrate(&site::MIGRATIONS).await.unwrap();
    TestServer::start_on(&database, options()).await
}

/// What makes a server the website.
pub fn options() -> ServerOptions {
    ServerOptions {
        house: HouseOptions { personal_data: site::personal_data, ..HouseOptions::default() },
        layout: Arc::new(site::SiteLayout),
        routes: site::routes,
        ..ServerOptions::default()
    }
}
