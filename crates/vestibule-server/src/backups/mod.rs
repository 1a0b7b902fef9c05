//! Backups: what is in one (`archive.rs`), who can read it (`sealing.rs`), how each database is copied and put back
//! (`embedded.rs`, `postgres.rs`), and where a backup is kept (`places.rs`, `object_store.rs`).

pub(crate) mod archive;
pub(crate) mod draft;
pub(crate) mod embedded;
pub(crate) mod object_store;
pub(crate) mod places;
pub(crate) mod postgres;
pub(crate) mod progress;
pub(crate) mod sealing;
