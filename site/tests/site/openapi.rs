//! The description of the site's API that is checked in, for who generates a client.

use std::path::Path;

#[test]
fn the_description_that_is_checked_in_is_that_of_the_program() {
    let told = vestibule_web::api::openapi::described(Some(site::openapi()));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept.trim_end() == told,
        "docs/openapi.json is not what `cargo run -- openapi > docs/openapi.json` writes"
    );
    assert!(told.contains("/api/notes/{id}") && told.contains("/api/auth/log-in"));
}
