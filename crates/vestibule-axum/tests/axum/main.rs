//! What an application puts together with the builder, driven from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod builder;
mod serving;
#[cfg(feature = "server")]
mod settings;
mod site;
