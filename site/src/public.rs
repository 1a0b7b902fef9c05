use axum::http::HeaderMap;
use axum::response::Response;
use rust_embed::RustEmbed;
use vestibule_web::{Path, Query, assets};

/// The folder `public/`: whatever is in it can be fetched under `/public/`.
#[derive(RustEmbed)]
#[folder = "public/"]
struct Public;

/// The address of a file of `public/`, with a fingerprint of its content.
pub(crate) fn address(file: &str) -> String {
    assets::address::<Public>("/public", file)
}

pub(crate) async fn public(
    Path(file): Path<String>,
    Query(version): Query<assets::Version>,
    headers: HeaderMap,
) -> Response {
    assets::serve::<Public>(&file, &version, &headers)
}
