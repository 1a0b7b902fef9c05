use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vestibule::models::{Mail, MailKind, MailMessage, MailedLink};
use vestibule::ports::{MailError, Mailer};

/// A post office that delivers at once and shows what it delivered. It can be told to fail. Its clones are the same.
#[derive(Clone, Default)]
pub struct Post(Arc<Mutex<Counter>>);

#[derive(Default)]
struct Counter {
    delivered: Vec<Mail>,
    trouble: Option<MailError>,
    tried: usize,
}

impl Post {
    /// All mails that were delivered, oldest first.
    pub fn delivered(&self) -> Vec<Mail> {
        self.with(|counter| counter.delivered.clone())
    }

    /// What kinds of mails went to an address, oldest first.
    pub fn kinds_for(&self, email: &str) -> Vec<MailKind> {
        let delivered = self.delivered();
        let to_them = delivered.iter().filter(|mail| mail.to.as_str() == email);
        to_them.map(|mail| mail.message.kind()).collect()
    }

    /// The token of the last link that went to an address.
    ///
    /// # Panics
    /// Where none did.
    pub fn token_for(&self, email: &str) -> String {
        self.token_among(email, |_| true)
    }

    /// The token of the last link of a kind that went to an address.
    ///
    /// # Panics
    /// Where none did.
    pub fn token_of(&self, kind: MailKind, email: &str) -> String {
        self.token_among(email, |mail| mail.message.kind() == kind)
    }

    fn token_among(&self, email: &str, is_wanted: impl Fn(&Mail) -> bool) -> String {
        let delivered = self.delivered();
        let to_them = delivered.iter().rev().filter(|mail| mail.to.as_str() == email && is_wanted(mail));
        let url = to_them.filter_map(|mail| link(&mail.message)).map(|link| link.url().to_owned()).next();
        let url = url.unwrap_or_else(|| panic!("no link was mailed to {email}"));
        let (_, token) = url.split_once("?token=").expect("a link carries a token");
        token.to_owned()
    }

    /// From now on nothing is delivered.
    pub fn fail_with(&self, trouble: MailError) {
        self.with(|counter| counter.trouble = Some(trouble));
    }

    /// From now on everything is delivered again.
    pub fn recover(&self) {
        self.with(|counter| counter.trouble = None);
    }

    /// How many mails were brought here, delivered or not.
    pub fn tried(&self) -> usize {
        self.with(|counter| counter.tried)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Counter) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Mailer for Post {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.with(|counter| {
            counter.tried += 1;
            if let Some(trouble) = &counter.trouble {
                return Err(trouble.clone());
            }
            counter.delivered.push(mail.clone());
            Ok(())
        })
    }
}

/// The bytes of a token in hexadecimal, as a dump of a database would show them.
pub fn in_hex(token: &str) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(token).expect("a token is base64");
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The address of the link that a mail carries.
pub fn link_of(mail: &Mail) -> Option<&str> {
    link(&mail.message).map(MailedLink::url)
}

fn link(message: &MailMessage) -> Option<&MailedLink> {
    match message {
        MailMessage::ConfirmEmail(link)
        | MailMessage::ConfirmSignUp(link, _)
        | MailMessage::ConfirmNewEmail(link)
        | MailMessage::ResetPassword(link, _) => Some(link),
        _ => None,
    }
}
