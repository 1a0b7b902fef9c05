//! What a server does besides answering: it sends the mails that wait, removes what is over, writes down who was seen, and
//! keeps up with the signing keys and with what others change. Every server of an installation does all of it; the database sees to it
//! that none does the work of another.
//!
//! Each is a function that runs until it is asked to stop by a [`watch`] that turns `true`.

pub mod cleaning;
pub mod follow_changes;
pub mod mail;
pub mod note_seen;
pub mod rotate_keys;

use std::time::Duration;

use tokio::sync::watch;

/// Waits for a pause. Says whether to go on: not where the program was asked to stop, which ends the pause.
pub async fn is_to_go_on_after(pause: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(pause) => true,
        _ = stop.wait_for(|is_stopping| *is_stopping) => false,
    }
}
