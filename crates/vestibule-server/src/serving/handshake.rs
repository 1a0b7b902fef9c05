use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::patience::Patience;
use crate::certificates::{Served, tls_config};

/// The TLS that is spoken at a door. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
}

impl Tls {
    /// TLS with the certificate that is served at the moment of each handshake.
    pub(crate) fn new(served: Arc<Served>) -> Self {
        Self { config: Arc::new(tls_config(served)) }
    }

    /// Agrees on keys with a stranger; nothing where that fails, takes too long, or the program is asked to stop. The time is
    /// that of a first request, which has what is left of it.
    pub(super) async fn shake_hands<I>(
        &self,
        io: I,
        patience: &Patience,
        mut stopped: watch::Receiver<bool>,
    ) -> Option<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send,
    {
        tokio::select! {
            // What went wrong is the other side's affair, or there is no certificate yet, which is told elsewhere.
            agreed = TlsAcceptor::from(Arc::clone(&self.config)).accept(io) => agreed.ok(),
            _ = patience.over() => None,
            _ = stopped.wait_for(|is_stopping| *is_stopping) => None,
        }
    }
}
