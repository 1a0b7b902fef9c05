use std::convert::Infallible;
use std::net::SocketAddr;

use ::vestibule::models::Client;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};

/// Where a request comes from: the address of the socket and the `User-Agent`. Headers that claim another
/// address are not believed.
pub struct ClientOf(pub Client);

impl ClientOf {
    /// Reads it.
    pub fn read(extensions: &Extensions, headers: &HeaderMap) -> Self {
        let ip = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
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
