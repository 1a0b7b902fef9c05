use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ::vestibule::ports::MailError;
use async_trait::async_trait;

use crate::mails::{Letter, Transport};

/// As many as anybody looks through. Older ones are dropped.
const MAX_LETTERS: usize = 200;

/// The development mailbox: every mail, to whomever, ends here and can be read at `/dev/mailbox`. It is kept in memory
/// and for a site on localhost only: who can open it can open every account.
#[derive(Clone, Default)]
pub struct DevMailbox(Arc<Mutex<VecDeque<Letter>>>);

impl DevMailbox {
    /// All letters, newest first.
    pub fn letters(&self) -> Vec<Letter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// One letter.
    pub fn letter(&self, id: &str) -> Option<Letter> {
        let letters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        letters.iter().find(|letter| letter.id == id).cloned()
    }
}

#[async_trait]
impl Transport for DevMailbox {
    async fn deliver(&self, letter: &Letter) -> Result<(), MailError> {
        let mut letters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        letters.push_front(letter.clone());
        letters.truncate(MAX_LETTERS);
        Ok(())
    }
}
