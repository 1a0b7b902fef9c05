use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use ::vestibule::models::Client;
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};

use crate::vestibule::Vestibule;

/// The address that a request comes from, found once as it arrives. `None` where it is not known for certain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub Option<IpAddr>);

/// That addresses are missing is told once.
static UNKNOWN_PEERS: Once = Once::new();

/// Finds out where a request comes from. Headers are believed where a trusted proxy wrote them.
pub(crate) fn note_address(vestibule: &Vestibule, request: &mut Request) {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    if peer.is_none() {
        UNKNOWN_PEERS.call_once(|| {
            tracing::warn!(
                "it is not known where requests come from, so attempts are not counted for each network: serve with \
                 `into_make_service_with_connect_info::<SocketAddr>()`"
            );
        });
    }
    let address = peer.and_then(|peer| vestibule.trusted_proxies().client_address(peer, request.headers()));
    request.extensions_mut().insert(ClientAddress(address));
}

/// Where a request comes from: its address, and the `User-Agent`. What a client claims by itself is not believed.
pub struct ClientOf(pub Client);

impl ClientOf {
    /// Reads it.
    pub fn read(extensions: &Extensions, headers: &HeaderMap) -> Self {
        let ip = extensions.get::<ClientAddress>().and_then(|ClientAddress(address)| *address);
        let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self(Client::new(ip, user_agent))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientOf {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.extensions, &parts.headers))
    }
}
