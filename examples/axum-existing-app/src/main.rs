//! A library that lends books, which got accounts. `cargo run -p axum-existing-app`, then <http://localhost:3000>.

use axum_existing_app::{AppState, accounts, app, open_pool};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Says where it serves, and what it warns of.
    tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::INFO).init();
    let database_url = "sqlite://data/library.db";
    let pool = open_pool(database_url)?;
    let vestibule = accounts::open(database_url, "http://localhost:3000", &pool).await?;
    // After those of accounts, for they refer to `users`.
    sqlx::migrate!().run(&pool).await?;

    let app = app(AppState { pool, vestibule: vestibule.clone() });
    vestibule.serve("127.0.0.1:3000", app).await?;
    Ok(())
}
