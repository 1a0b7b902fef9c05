//! `GET /.well-known/jwks.json`: the public keys that verify access tokens (RFC 7517, RFC 8037).

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Vestibule;

/// Verifiers may keep the keys for five minutes: as long as an access token lives.
const CACHING: &str = "public, max-age=300";

#[derive(Serialize, ToSchema)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Key {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    r#use: &'static str,
    kid: String,
    x: String,
}

/// All public keys.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    tag = "Other programs",
    responses(
        (status = 200, description = "The public keys that verify access tokens (RFC 7517)", body = KeySet),
    ),
)]
pub async fn jwks(State(vestibule): State<Vestibule>) -> Response {
    let keys = vestibule.accounts().public_keys().into_iter().map(|key| Key {
        kty: "OKP",
        crv: "Ed25519",
        alg: "EdDSA",
        r#use: "sig",
        kid: key.kid,
        x: key.x,
    });
    ([(header::CACHE_CONTROL, CACHING)], Json(KeySet { keys: keys.collect() })).into_response()
}
