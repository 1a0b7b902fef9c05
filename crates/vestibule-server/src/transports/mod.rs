//! How mails leave the house: one file for each way. Another provider is another file, and a case of [`MailUrl`].

mod resend;
mod smtp;
mod told;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use tokio::sync::watch;
use url::Url;
use vestibule::ports::MailError;
use vestibule_web::mails::Transport;

pub use resend::ResendSettings;
pub use smtp::{Encryption, SmtpSettings};

/// The longest that one delivery may take. The lease of a mail is twice as long.
const DELIVERY_LIMIT: Duration = Duration::from_secs(55);

/// How long deliveries are waited for.
#[derive(Clone)]
pub struct Patience {
    /// The longest that one may take.
    pub limit: Duration,
    /// Says `true` once the program is asked to stop. What was not handed over by then is not begun any more.
    pub stopping: watch::Receiver<bool>,
}

impl Patience {
    /// 55 seconds, and an end when the program is asked to stop.
    pub fn until(stopping: watch::Receiver<bool>) -> Self {
        Self { limit: DELIVERY_LIMIT, stopping }
    }

    /// This long, in a program that is not stopped.
    pub fn of(limit: Duration) -> Self {
        Self { limit, stopping: watch::channel(false).1 }
    }

    /// Comes to an end when the program is asked to stop.
    async fn is_over(&self) {
        if self.stopping.clone().wait_for(|is_stopping| *is_stopping).await.is_err() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::of(DELIVERY_LIMIT)
    }
}

/// A checked `VESTIBULE_MAIL_URL`. It holds a password, so it is never printed in full.
#[derive(Clone)]
pub enum MailUrl {
    /// A mail server.
    Smtp(SmtpSettings),
    /// The HTTP API of Resend.
    Resend(ResendSettings),
}

/// Why a text is not taken for a way to send mail. The texts never repeat it, for it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailUrlError {
    /// Not a URL.
    #[error("it cannot be read: {0}")]
    Malformed(String),
    /// Another way.
    #[error("it must begin with smtp://, smtps:// or resend://")]
    Scheme,
    /// No host.
    #[error("it names no host")]
    NoHost,
    /// A user without a password, or the other way round.
    #[error("it has a user without a password or a password without a user")]
    HalfOfCredentials,
    /// A path or a fragment.
    #[error("it must end after the port, or with parameters such as ?tls=starttls")]
    TooMuch,
    /// A parameter that there is not.
    #[error("there is no parameter `{0}`: there are `tls` and `ca`")]
    UnknownParameter(String),
    /// A value of `tls` that there is not, or not there.
    #[error("`tls` must be `starttls`, `implicit` or `none`, and agree with smtp:// or smtps://")]
    Tls,
    /// Unencrypted mail to another machine.
    #[error(
        "`tls=none` is for a mail server on this machine: everybody on the way could read the links in the mails"
    )]
    Unencrypted,
    /// The authority's file.
    #[error("the certificate of `ca` cannot be read: {0}")]
    Authority(String),
    /// No key of Resend's, or at another host.
    #[error("it must be resend://API_KEY@api.resend.com")]
    Resend,
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct TransportError(String);

/// A checked `VESTIBULE_MAIL_FROM`: an address, with a name or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(Mailbox);

/// Why a text is not taken for a sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not an address such as no-reply@example.com or Example <no-reply@example.com>")]
pub struct SenderError;

impl FromStr for Sender {
    type Err = SenderError;

    fn from_str(text: &str) -> Result<Self, SenderError> {
        if text.chars().any(char::is_control) {
            return Err(SenderError);
        }
        text.trim().parse().map(Self).map_err(|_| SenderError)
    }
}

impl Sender {
    /// What stands after the `@`.
    pub(crate) fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MailUrl {
    type Err = MailUrlError;

    fn from_str(text: &str) -> Result<Self, MailUrlError> {
        let url = Url::parse(text.trim()).map_err(|error| MailUrlError::Malformed(error.to_string()))?;
        match url.scheme() {
            "smtp" | "smtps" => SmtpSettings::parse(&url).map(Self::Smtp),
            "resend" | "resend+http" => ResendSettings::parse(&url).map(Self::Resend),
            _ => Err(MailUrlError::Scheme),
        }
    }
}

impl MailUrl {
    /// The way itself.
    pub fn transport(&self, from: &Sender, patience: Patience) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(match self {
            Self::Smtp(settings) => Arc::new(smtp::Smtp::new(settings, from, patience)?),
            Self::Resend(settings) => Arc::new(resend::Resend::new(settings, from, patience)?),
        })
    }
}

impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smtp(settings) => settings.fmt(f),
            Self::Resend(settings) => settings.fmt(f),
        }
    }
}

impl fmt::Debug for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailUrl({self})")
    }
}

/// Bounds a delivery: a server that sends a byte now and then must not hold a worker.
async fn within_the_limit<T>(
    limit: Duration,
    delivery: impl Future<Output = Result<T, MailError>>,
) -> Result<T, MailError> {
    tokio::time::timeout(limit, delivery)
        .await
        .unwrap_or_else(|_| Err(MailError::TryAgain(format!("no end after {} s", limit.as_secs_f64()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<MailUrl, MailUrlError> {
        text.parse()
    }

    #[test]
    fn mail_servers_are_read_with_the_encryption_that_their_place_asks_for() {
        for (text, shown, encryption) in [
            ("smtp://mail.example.com", "smtp://mail.example.com:587", Encryption::StartTls),
            ("smtp://ann:p%40ss@mail.example.com:2525", "smtp://mail.example.com:2525", Encryption::StartTls),
            ("smtps://ann:pw@mail.example.com", "smtps://mail.example.com:465", Encryption::Implicit),
            (
                "smtp://mail.example.com:465?tls=implicit",
                "smtps://mail.example.com:465",
                Encryption::Implicit,
            ),
            ("smtp://localhost", "smtp://localhost:25", Encryption::None),
            ("smtp://localhost?tls=starttls", "smtp://localhost:587", Encryption::StartTls),
            ("smtp://localhost:1025", "smtp://localhost:1025", Encryption::None),
            ("smtp://127.0.0.1:25", "smtp://127.0.0.1:25", Encryption::None),
            ("smtp://[::1]:25", "smtp://[::1]:25", Encryption::None),
            ("smtp://localhost:25?tls=starttls", "smtp://localhost:25", Encryption::StartTls),
            ("smtp://ann:pw@localhost:25?tls=none", "smtp://localhost:25", Encryption::None),
        ] {
            let url = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((url.to_string().as_str(), format!("{url:?}")), (shown, format!("MailUrl({shown})")));
            let MailUrl::Smtp(settings) = url else { panic!("{text} is a mail server") };
            assert_eq!(settings.encryption(), encryption, "{text}");
        }
    }

    #[test]
    fn no_password_and_no_link_goes_unencrypted_to_another_machine() {
        for text in [
            "smtp://mail.example.com?tls=none",
            "smtp://ann:pw@10.0.0.7?tls=none",
            "smtp://localhost.evil.test?tls=none",
        ] {
            assert_eq!(parse(text).unwrap_err(), MailUrlError::Unencrypted, "{text}");
        }
    }

    #[test]
    fn what_is_no_way_to_send_mail_is_refused_without_its_password() {
        for (text, expected) in [
            ("mail.example.com", None),
            ("https://ann:hunter2@mail.example.com", Some(MailUrlError::Scheme)),
            ("smtp://", None),
            ("smtp://ann@mail.example.com", Some(MailUrlError::HalfOfCredentials)),
            ("smtp://:hunter2@mail.example.com", Some(MailUrlError::HalfOfCredentials)),
            ("smtp://mail.example.com/path", Some(MailUrlError::TooMuch)),
            (
                "smtp://ann:hunter2@mail.example.com?tsl=none",
                Some(MailUrlError::UnknownParameter("tsl".into())),
            ),
            ("smtp://ann:hunter2@mail.example.com?tls=maybe", Some(MailUrlError::Tls)),
            ("smtps://ann:hunter2@mail.example.com?tls=starttls", Some(MailUrlError::Tls)),
            ("resend://api.resend.com", Some(MailUrlError::Resend)),
            ("resend://re_hunter2@evil.test", Some(MailUrlError::Resend)),
            ("resend+http://re_hunter2@mail.example.com", Some(MailUrlError::Resend)),
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(expected.is_none_or(|expected| expected == error), "{text}: {error}");
        }
        assert!(matches!(parse("smtp://mail.example.com?ca=/nowhere.pem"), Err(MailUrlError::Authority(_))));
    }

    #[test]
    fn a_sender_is_one_address_with_a_name_or_without() {
        for text in ["no-reply@localhost", "no-reply@example.com", "Café am Tor <tor@example.com>"] {
            assert!(text.parse::<Sender>().is_ok(), "{text}");
        }
        for text in
            ["", "nobody", "a@example.com, b@example.com", "a@example.com\r\nBcc: b@example.com", "<>"]
        {
            assert!(text.parse::<Sender>().is_err(), "{text:?}");
        }
    }
}
