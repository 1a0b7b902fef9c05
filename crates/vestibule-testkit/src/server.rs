use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Method;
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use vestibule::models::Role;
use vestibule::ports::OsRandom;
use vestibule_sql::Database;
use vestibule_web::{
    CurrentUser, DefaultLayout, DevMailbox, Layout, Parts, Readiness, Route, Routes, TrustedProxies,
    Vestibule, Who, routes,
};

use crate::{Anonymous, Browser, DatabaseKind, FakeClock, House, HouseOptions, Program, TestDatabase};

/// A real server on a port of its own, over a database of its own, on a clock that is moved.
pub struct TestServer {
    /// The accounts behind it.
    pub house: House,
    /// The clock.
    pub clock: FakeClock,
    /// Every route that it has.
    pub list: Vec<Route>,
    address: SocketAddr,
    origin: String,
    // Dropped with the server, which tells it to stop.
    _stop: oneshot::Sender<()>,
}

/// What a test may want to be otherwise.
pub struct ServerOptions {
    /// What accounts are opened with.
    pub house: HouseOptions,
    /// What stands around the pages.
    pub layout: Arc<dyn Layout>,
    /// Whose word is taken for where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// The development mailbox, where its pages are wanted.
    pub dev_mailbox: Option<DevMailbox>,
    /// How long after the last of a request came an answer is given where the time must not tell. Nothing, unless a test is about
    /// that moment.
    pub answers_are_held_for: Duration,
    /// The application's own routes, in place of the examples of [`TestServer`].
    pub routes: fn(&Vestibule, &Database) -> Routes,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            house: HouseOptions::default(),
            layout: Arc::new(DefaultLayout),
            trusted_proxies: TrustedProxies::default(),
            dev_mailbox: None,
            answers_are_held_for: Duration::ZERO,
            routes: example_routes,
        }
    }
}

impl TestServer {
    /// A server over a fresh database.
    pub async fn start(kind: DatabaseKind) -> Self {
        Self::start_on(&TestDatabase::create(kind).await, ServerOptions::default()).await
    }

    /// A server over a given database.
    pub async fn start_on(database: &TestDatabase, options: ServerOptions) -> Self {
        let house =
            House::open_on(database, options.house.clone()).await.expect("the accounts can be opened");
        Self::serve(house, options).await
    }

    /// One more server of the same installation.
    pub async fn second_server(&self) -> Self {
        Self::serve(self.house.second_server().await, ServerOptions::default()).await
    }

    async fn serve(house: House, options: ServerOptions) -> Self {
        let parts = Parts {
            accounts: Arc::clone(&house.accounts),
            random: Arc::new(OsRandom),
            layout: options.layout,
            readiness: Arc::new(Answering(house.database.clone())),
            trusted_proxies: options.trusted_proxies,
            dev_mailbox: options.dev_mailbox,
            openapi: None,
            answers_are_held_for: options.answers_are_held_for,
            observer: None,
        };
        let vestibule = Vestibule::new(parts);
        let routes: Routes = routes(&vestibule).merge((options.routes)(&vestibule, &house.database));
        let list = routes.list().to_vec();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the system gives a port");
        let address = listener.local_addr().expect("a listener has an address");
        let service = routes.into_router().into_make_service_with_connect_info::<SocketAddr>();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let asked_to_stop = async move { drop(stopped.await) };
            let serving = axum::serve(listener, service).with_graceful_shutdown(asked_to_stop);
            serving.await.expect("a test's server serves until it is dropped");
        });
        let clock = house.clock.clone();
        Self { house, clock, list, address, origin: options.house.public_url, _stop: stop }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The public URL, from which requests of its own pages come.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Somebody of whom nothing is known, with nothing but `curl`.
    pub fn anonymous(&self) -> Anonymous {
        Anonymous::of(self)
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::of(self)
    }

    /// A program with an access token.
    pub fn program(&self, access_token: &str) -> Program {
        Program::of(self, access_token)
    }
}

/// Ready while the database answers.
struct Answering(Database);

#[async_trait]
impl Readiness for Answering {
    async fn check(&self) -> Result<(), String> {
        self.0.ping().await.map_err(|_| "the database does not answer".to_owned())
    }
}

/// One route for each kind of guard.
fn example_routes(vestibule: &Vestibule, _: &Database) -> Routes {
    Routes::new(vestibule.clone())
        .page(Who::Anyone, Method::GET, "/", home)
        .page(Who::LoggedIn, Method::GET, "/dashboard", greet)
        .page(Who::LoggedIn, Method::POST, "/dashboard", echo)
        .page(Who::Role(Role::Admin), Method::GET, "/test/admin", greet)
        .api(Who::LoggedIn, Method::POST, "/api/echo", echo)
        .api(Who::Role(Role::Admin), Method::GET, "/api/test/admin", greet)
        .api(Who::Anyone, Method::GET, "/api/panic", panic)
}

async fn home(visit: vestibule_web::PageVisit) -> String {
    visit
        .current_user()
        .map_or_else(|| "hello, stranger".into(), |current| format!("hello, {}", current.user().name))
}

async fn greet(current: CurrentUser) -> String {
    format!("hello, {}", current.user().name)
}

async fn echo(current: CurrentUser, body: String) -> impl IntoResponse {
    format!("{} said {body}", current.user().name)
}

async fn panic() -> &'static str {
    panic!("a handler of a test panics")
}
