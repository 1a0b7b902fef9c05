//! Starts the site. `--help` tells what else it can do.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;

use vestibule_server::App;

fn main() -> ExitCode {
    vestibule_server::run(&App {
        name: "site",
        about: "A website with accounts.",
        site_name: "Vestibule",
        layout: Arc::new(site::SiteLayout),
        migrations: vec![site::MIGRATIONS],
        routes: site::routes,
        personal_data: site::personal_data,
        hooks: |_| Vec::new(),
        openapi: Some(site::openapi),
    })
}
