//! Files that go out as they are: style sheets, pictures. They are built into the program, named with a
//! fingerprint of their content, and may then be kept by browsers for ever.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Deserialize;

use crate::body::{Path, Query};
use crate::problem::Problem;

/// 96 bits of SHA-256: no two versions of a file share it.
const FINGERPRINT_BYTES: usize = 12;
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "public, no-cache";

#[derive(RustEmbed)]
#[folder = "assets/"]
struct LibraryAssets;

/// The address of the library's style sheet.
pub fn stylesheet() -> String {
    address::<LibraryAssets>("/assets", "vestibule.css")
}

/// The address of the library's script, which pages load as a module and work without.
pub fn script() -> String {
    address::<LibraryAssets>("/assets", "vestibule.js")
}

/// The address of a file under a prefix, with its fingerprint. A file that is not there gets none.
pub fn address<E: RustEmbed>(prefix: &str, file: &str) -> String {
    match E::get(file) {
        Some(embedded) => format!("{prefix}/{file}?v={}", fingerprint(&embedded)),
        None => format!("{prefix}/{file}"),
    }
}

/// The version that a page asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Version {
    v: Option<String>,
}

/// Answers with a file. With the right fingerprint it may be kept for ever, else the browser asks again each time
/// and is told `304` while it has not changed.
pub fn serve<E: RustEmbed>(file: &str, version: &Version, headers: &HeaderMap) -> Response {
    let Some(embedded) = E::get(file) else {
        return Problem::not_found().into_response();
    };
    let fingerprint = fingerprint(&embedded);
    let packed = is_taken_packed(headers).then(|| packed(&fingerprint, &embedded)).flatten();
    let etag = format!("\"{fingerprint}{}\"", if packed.is_some() { "-gzip" } else { "" });
    let caching = if version.v.as_deref() == Some(fingerprint.as_str()) { FOR_EVER } else { ASK_AGAIN };
    let is_known = is_known(headers, &etag);
    let common =
        [(header::CACHE_CONTROL, caching), (header::ETAG, etag.as_str()), (header::VARY, "accept-encoding")];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let mut response = match packed {
        Some(packed) => (common, [(header::CONTENT_ENCODING, "gzip")], packed).into_response(),
        None => (common, embedded.data.to_vec()).into_response(),
    };
    let kind = embedded.metadata.mimetype();
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    if let Ok(kind) = HeaderValue::try_from(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// Whether who asks has this version already.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

/// The route of the library's own files.
pub(crate) async fn library(
    Path(file): Path<String>,
    Query(version): Query<Version>,
    headers: HeaderMap,
) -> Response {
    serve::<LibraryAssets>(&file, &version, &headers)
}

/// Files smaller than this are sent as they are.
const WORTH_PACKING: usize = 1024;

/// Whether the browser takes gzip.
fn is_taken_packed(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        is_gzip && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// A text, packed once. Only files are: the length of a packed page that holds a secret and something that a stranger
/// chose would tell of the secret (BREACH).
fn packed(fingerprint: &str, file: &EmbeddedFile) -> Option<Bytes> {
    static PACKED: Mutex<BTreeMap<String, Bytes>> = Mutex::new(BTreeMap::new());
    let kind = file.metadata.mimetype();
    let is_text = kind.starts_with("text/") || kind.ends_with("+xml") || kind == "application/json";
    if !is_text || file.data.len() < WORTH_PACKING {
        return None;
    }
    let mut all = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(packed) = all.get(fingerprint) {
        return Some(packed.clone());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(&file.data).and_then(|()| encoder.finish()).ok().map(Bytes::from)?;
    all.insert(fingerprint.to_owned(), packed.clone());
    Some(packed)
}

fn fingerprint(file: &EmbeddedFile) -> String {
    URL_SAFE_NO_PAD.encode(&file.metadata.sha256_hash()[..FINGERPRINT_BYTES])
}
