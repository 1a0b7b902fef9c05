use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::patience::Patience;
use crate::certificates::challenges::{Challenges, TLS_ALPN_01};
use crate::certificates::{Served, tls_config};

/// The TLS that is spoken at a door. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    challenges: Option<Challenges>,
}

impl Tls {
    /// TLS with the certificate that is served at the moment of each handshake. `challenges` knows what certificate
    /// authorities want to see in one.
    pub(crate) fn new(served: Arc<Served>, challenges: Option<Challenges>) -> Self {
        Self { config: Arc::new(tls_config(served)), challenges }
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
            agreed = self.agree(io) => agreed,
            _ = patience.over() => None,
            _ = stopped.wait_for(|is_stopping| *is_stopping) => None,
        }
    }

    /// What goes wrong is the other side's affair, or there is no certificate yet, which is told elsewhere.
    async fn agree<I>(&self, io: I) -> Option<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), io).await.ok()?;
        let hello = begun.client_hello();
        // Who asks for this protocol asks for it alone (RFC 8737, 3), and wants nothing but the handshake.
        let is_challenge = hello
            .alpn()
            .is_some_and(|mut offered| offered.next() == Some(TLS_ALPN_01) && offered.next().is_none());
        if let (true, Some(challenges)) = (is_challenge, &self.challenges) {
            let name = hello.server_name()?.to_owned();
            let answer = challenges.answer(&name).await?;
            let mut stream = begun.into_stream(Arc::new(answer)).await.ok()?;
            let _ = stream.shutdown().await;
            return None;
        }
        begun.into_stream(Arc::clone(&self.config)).await.ok()
    }
}
