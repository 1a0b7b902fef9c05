//! What this server does besides answering and besides what every server with Vestibule does ([`vestibule_house::workers`]): it keeps
//! its certificate.

pub(crate) mod keep_certificate;
pub(crate) mod reload_certificate;

pub(crate) use vestibule_house::workers::{cleaning, follow_changes, mail, note_seen, rotate_keys};

use vestibule_house::workers::is_to_go_on_after;
