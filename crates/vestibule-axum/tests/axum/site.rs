use std::net::SocketAddr;

use axum::extract::State;
use axum::routing::get;
use axum::{Router, extract::FromRef};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vestibule_axum::models::SignUpMode;
use vestibule_axum::{Builder, CurrentUser, Vestibule};
use vestibule_testkit::Browser;

/// An application's state.
#[derive(Clone)]
struct AppState {
    greeting: String,
    vestibule: Vestibule,
}

impl FromRef<AppState> for Vestibule {
    fn from_ref(state: &AppState) -> Self {
        state.vestibule.clone()
    }
}

async fn greet(State(state): State<AppState>, current: CurrentUser) -> String {
    format!("{}, {}", state.greeting, current.user().name)
}

/// An application that serves.
pub struct Site {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Site {
    pub async fn start(builder: Builder) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let public_url = format!("http://localhost:{}", address.port());
        let vestibule = builder.public_url(public_url).sign_up(SignUpMode::Open).open().await.unwrap();
        let members = Router::new().route("/greet", get(greet)).route_layer(vestibule.require_log_in());
        let app = Router::new()
            .merge(members)
            .merge(vestibule.router())
            .with_state(AppState { greeting: "hello".to_owned(), vestibule: vestibule.clone() });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            vestibule.serve_until(listener, app, async move { drop(stopped.await) }).await
        });
        Self { address, stop, serving }
    }

    pub fn browser(&self) -> Browser {
        Browser::at(self.address)
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) {
        drop(self.stop);
        self.serving.await.unwrap().unwrap();
    }
}
