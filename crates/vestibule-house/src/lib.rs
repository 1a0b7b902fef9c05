//! What a server with Vestibule does besides answering, for the runner (`vestibule-server`) and for applications that run themselves
//! (`vestibule-axum`).
//!
//! 1. [`workers`]: who sends the mails that wait, removes what is over, writes down who was seen, and keeps up with signing keys and
//!    with what other servers change;
//! 2. [`DatabaseReadiness`]: whether the database answers and has the schema that is needed;
//! 3. [`secret_file`]: the secret key of development, kept beside the database;
//! 4. [`exposure`] of a file with secrets, [`lower_priority_of_this_thread`] for threads that hash, [`with_causes`] for logs, [`unverified_host_elsewhere`]
//!    for databases, and [`asked_to_stop`].

#![forbid(unsafe_code)]

mod asked_to_stop;
mod causes;
mod exposed_file;
mod priority;
mod readiness;
pub mod secret_file;
mod unverified_host;
pub mod workers;

pub use asked_to_stop::asked_to_stop;
pub use causes::with_causes;
pub use exposed_file::exposure;
pub use priority::lower_priority_of_this_thread;
pub use readiness::{DatabaseReadiness, difference};
pub use unverified_host::unverified_host_elsewhere;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
