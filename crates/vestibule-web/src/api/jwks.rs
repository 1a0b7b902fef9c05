//! `GET /.well-known/jwks.json`: the public keys that verify access tokens (RFC 7517, RFC 8037).

use ::vestibule::models::KEY_LEARNING_TIME;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Vestibule;
use crate::assets::is_known;

/// For how long a verifier may keep the keys, in seconds.
const MAX_AGE: i64 = 300;
/// How much longer while it fetches them anew.
const STALE_WHILE_REVALIDATE: i64 = 60;
/// How much longer while they cannot be fetched: a restart of ours must not stop other programs.
const STALE_IF_ERROR: i64 = 300;
// A new key signs when every verifier that keeps to this must have learnt it: fetched a minute after it was made, from a
// server that had not read it yet, at the latest.
const _: () = assert!(
    MAX_AGE + STALE_WHILE_REVALIDATE + STALE_IF_ERROR + 60 <= KEY_LEARNING_TIME.whole_seconds(),
    "a new key is published long enough before it signs"
);

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

/// All public keys. Who has them already is told so (`304`).
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    tag = "Other programs",
    responses(
        (status = 200, description = "The public keys that verify access tokens (RFC 7517)", body = KeySet),
        (status = 304, description = "They are those that are known"),
    ),
)]
pub async fn jwks(State(vestibule): State<Vestibule>, headers: HeaderMap) -> Response {
    let keys = vestibule.accounts().public_keys();
    // A key's name is its thumbprint, so the names say exactly which keys these are.
    let etag = format!("\"{}\"", keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>().join("."));
    let keys = keys.into_iter().map(|key| Key {
        kty: "OKP",
        crv: "Ed25519",
        alg: "EdDSA",
        r#use: "sig",
        kid: key.kid,
        x: key.x,
    });
    let caching = format!(
        "public, max-age={MAX_AGE}, stale-while-revalidate={STALE_WHILE_REVALIDATE}, \
         stale-if-error={STALE_IF_ERROR}"
    );
    let is_known = is_known(&headers, &etag);
    let common = [(header::CACHE_CONTROL, caching), (header::ETAG, etag)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, Json(KeySet { keys: keys.collect() })).into_response()
}
