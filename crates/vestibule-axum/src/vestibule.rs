use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::MethodRouter;
use tokio::net::{TcpListener, ToSocketAddrs};
use vestibule::ports::Mailer;
use vestibule::{Accounts, SessionCache};
use vestibule_house::asked_to_stop;
use vestibule_house::workers::mail::MailObserver;
use vestibule_sql::{Database, DatabaseUrl};
use vestibule_web::{Check, Content, PageVisit, Routes, Who};

use crate::builder::Builder;
use crate::workers::{DRAIN_LIMIT, Workers};

/// The accounts of an application: what it merges into its router, puts before its routes, and asks. Cheap to clone, and made to be a
/// part of the application's state.
#[derive(Clone)]
pub struct Vestibule(Arc<Inner>);

pub(crate) struct Inner {
    pub web: vestibule_web::Vestibule,
    pub accounts: Arc<Accounts>,
    pub database: Database,
    pub listen_at: DatabaseUrl,
    pub session_cache: Arc<SessionCache>,
    pub mailer: Option<Arc<dyn Mailer>>,
    pub mail_observer: Arc<dyn MailObserver>,
}

impl Vestibule {
    /// Begins to put accounts together.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn of(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

/// What is merged into the application's router and put before its routes.
impl Vestibule {
    /// The pages and the API of accounts, to be merged into the application's router at its root, whatever state that has. The guide
    /// names all their addresses; where the application has a route at one of them, axum says so as they are merged.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        self.routes().into_part()
    }

    /// The same as a list that says who may call each, to which an application adds [`Routes`] of its own.
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Routes<S> {
        vestibule_web::routes(&self.0.web)
    }

    /// A layer that lets pass who is logged in and, where the policy wants that, has confirmed their address.
    ///
    /// ```
    /// # use axum::{Router, routing::get};
    /// # use vestibule_axum::{CurrentUser, Vestibule};
    /// # fn with(vestibule: &Vestibule) -> Router {
    /// Router::new()
    ///     .route("/orders", get(|current: CurrentUser| async move { format!("orders of {}", current.user().name) }))
    ///     .route_layer(vestibule.require_log_in())
    /// # }
    /// ```
    pub fn require_log_in(&self) -> Check {
        self.0.web.require_log_in()
    }

    /// A layer that lets pass who is logged in and has a role. An admin may do what every role may.
    ///
    /// # Panics
    ///
    /// Where the application has no such role: a route that nobody can ever call is a mistake, which shows as the application starts.
    pub fn require_role(&self, role: &str) -> Check {
        self.0.web.require_role(role)
    }

    /// A layer that lets everybody pass and tells who is logged in: for handlers that ask for `Option<CurrentUser>` or [`PageVisit`].
    ///
    /// What changes something (POST and the like) must come from a page of this site: there may be no session that has a CSRF token.
    pub fn optional_user(&self) -> Check {
        self.0.web.optional_user()
    }

    /// A layer for any [`Who`], such as [`Who::Recently`] for what asks for the password once more.
    pub fn require(&self, who: Who) -> Check {
        self.0.web.require(who)
    }

    /// What is answered where nothing is, in the site's layout: for [`Router::fallback`].
    pub fn not_found<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        self.0.web.not_found()
    }

    /// Answers with a page: its content, a template of the application's or [`Markup`](crate::Markup), in the site's layout.
    pub fn page(&self, visit: &PageVisit, title: &str, content: &impl Content) -> Response {
        self.0.web.page(visit, title, content)
    }

    /// The same, with another status than 200.
    pub fn page_with_status(
        &self,
        status: StatusCode,
        visit: &PageVisit,
        title: &str,
        content: &impl Content,
    ) -> Response {
        self.0.web.page_with_status(status, visit, title, content)
    }
}

/// What an application asks, and what has to run beside it.
impl Vestibule {
    /// Everything that can be done with accounts, for an application's own pages and commands.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.0.accounts
    }

    /// The database, for tables of the application's own.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// The web side by itself.
    pub fn web(&self) -> &vestibule_web::Vestibule {
        &self.0.web
    }

    /// Starts what has to run beside the answering: it sends mails, removes what is over, writes down who was seen, and keeps up with
    /// what other servers change. Without it no mail leaves the house. [`serve`](Self::serve) does it by itself.
    pub fn start_workers(&self) -> Workers {
        Workers::start(self)
    }

    /// The same until `shutdown` ends, and then until all is written down: for a `tokio::join!` or a task.
    pub async fn run_workers(&self, shutdown: impl Future<Output = ()>) {
        let workers = self.start_workers();
        shutdown.await;
        workers.stop().await;
    }

    /// Serves an application until Ctrl-C or SIGTERM, with the workers beside it; requests under way get ten seconds to end. Then the
    /// database is closed.
    ///
    /// An application that serves itself asks axum for the address of clients, by which attempts are counted
    /// (`into_make_service_with_connect_info::<SocketAddr>()`), and starts the workers.
    ///
    /// # Errors
    ///
    /// Where the address cannot be listened to.
    pub async fn serve(&self, address: impl ToSocketAddrs, app: Router) -> std::io::Result<()> {
        let served = self.serve_until(TcpListener::bind(address).await?, app, asked_to_stop()).await;
        self.0.database.close().await;
        tracing::info!("stopped");
        served
    }

    /// The same on a listener, until `shutdown` ends. The database stays open.
    ///
    /// # Errors
    ///
    /// Where the listener fails.
    pub async fn serve_until(
        &self,
        listener: TcpListener,
        app: Router,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let public_url = &self.0.accounts.policy().public_url;
        tracing::info!(address = %listener.local_addr()?, %public_url, database = %self.0.database.url(), "serving");
        if !listener.local_addr()?.ip().is_loopback() && !public_url.is_https() {
            tracing::warn!(
                "this address can be reached from elsewhere, and {public_url} is plain http: passwords and cookies go over the network in \
                 the clear. Speak https before it, and say so by `.public_url(\"https://…\")`"
            );
        }
        let workers = self.start_workers();
        let (stop, stopping) = tokio::sync::oneshot::channel();
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
            shutdown.await;
            tracing::info!("stopping: no new connections, finishing what is under way");
            let _ = stop.send(());
        });
        let too_late = async {
            if stopping.await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(DRAIN_LIMIT).await;
        };
        let served = tokio::select! {
            served = serving.into_future() => served,
            () = too_late => {
                tracing::warn!("what is still under way after {} s is cut off", DRAIN_LIMIT.as_secs());
                Ok(())
            }
        };
        workers.stop().await;
        served
    }
}
