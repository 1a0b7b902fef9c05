//! Accounts over an embedded database and the router over them, with somebody who is logged in.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use tempfile::TempDir;
use tower::ServiceExt;
use vestibule::models::{Client, PublicUrl, SecretKey, SecretKeys};
use vestibule::ports::{Argon2Parameters, HashingPlan, HashingSlots, OsRandom, SystemClock};
use vestibule::services::SignUp;
use vestibule::{Accounts, Policy, Ports, SessionCache};
use vestibule_sql::{Database, DatabaseUrl, MIGRATIONS, SqlStore};
use vestibule_web::{DefaultLayout, Parts, Readiness, Routes, TrustedProxies, Vestibule, routes};

/// The router, and what somebody's browser sends with each request.
pub struct InProcess {
    router: Router,
    /// The value of their `Cookie` header.
    pub cookies: String,
    cache: Arc<SessionCache>,
    _folder: TempDir,
}

impl InProcess {
    /// Makes the database, the accounts and a person. So many sessions are remembered; with 0 each check reads the database.
    pub async fn open(remembered: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::connect(&DatabaseUrl::of_file(&folder.path().join("vestibule.db"))).await?;
        database.migrate(&MIGRATIONS).await?;
        let random = Arc::new(OsRandom);
        let cache = Arc::new(SessionCache::new(remembered));
        let plan = HashingPlan::new(Argon2Parameters::FLOOR, NonZeroUsize::MIN);
        let needs = Ports {
            store: Arc::new(SqlStore::telling(database, cache.clone())),
            session_cache: cache.clone(),
            clock: Arc::new(SystemClock),
            random: random.clone(),
            hasher: Arc::new(HashingSlots::start(
                HashingPlan { max_wait: Duration::from_mins(2), ..plan },
                random.clone(),
            )),
            breached_passwords: Vec::new(),
            personal_data: Vec::new(),
        };
        let policy = Policy {
            // Under an instrument everything takes a hundred times as long.
            access_ttl: time::Duration::hours(12),
            ..Policy::new("Site", PublicUrl::parse("http://localhost:3000")?)
        };
        let secrets = SecretKeys::from(SecretKey::generate(&OsRandom));
        let accounts = Arc::new(Accounts::open(needs, &secrets, policy).await?);
        let typed = SignUp {
            name: "Ann",
            email: "ann@example.com",
            password: "copper window thursday",
            devices: &[],
        };
        let client = Client::new(Some(Ipv4Addr::LOCALHOST.into()), None);
        let tokens = accounts.sign_up(typed, &client).await?.tokens;
        let cookies = format!(
            "vestibule_access={}; vestibule_refresh={}; vestibule_csrf={}; vestibule_device={}",
            tokens.access,
            *tokens.refresh,
            tokens.csrf.as_str(),
            tokens.device.context("a sign-up gives a device cookie")?
        );
        let parts = Parts {
            accounts,
            random,
            layout: Arc::new(DefaultLayout),
            readiness: Arc::new(Ready),
            trusted_proxies: TrustedProxies::default(),
            dev_mailbox: None,
            openapi: None,
            answers_are_held_for: Duration::ZERO,
            observer: None,
        };
        let routes: Routes = routes(&Vestibule::new(parts));
        Ok(Self { router: routes.into_router(), cookies, cache, _folder: folder })
    }

    /// Asks for a path as the person does, and gives how long the answer is.
    pub async fn get(&self, path: &str, cookies: &str) -> Result<usize> {
        let mut request = Request::get(path).header(header::HOST, "localhost:3000").body(Body::empty())?;
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.parse()?);
        }
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000));
        request.extensions_mut().insert(ConnectInfo(from));
        let answer = self.router.clone().oneshot(request).await?;
        ensure!(answer.status().is_success(), "{path} is answered with {}", answer.status());
        Ok(axum::body::to_bytes(answer.into_body(), usize::MAX).await?.len())
    }

    /// Has their session checked.
    pub async fn check(&self) -> Result<usize> {
        // As the worker says that follows the changes: there is nobody here who could make any.
        self.cache.knows_all_until(self.cache.moment());
        self.get("/api/auth/session", &self.cookies).await
    }
}

struct Ready;

#[async_trait]
impl Readiness for Ready {
    async fn check(&self) -> Result<(), String> {
        Ok(())
    }
}
