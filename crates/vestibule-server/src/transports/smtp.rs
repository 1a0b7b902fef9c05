use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::header::{self, ContentType};
use lettre::message::{MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use url::{Host, Url};
use vestibule::ports::MailError;
use vestibule_web::mails::{Letter, Transport};

use super::told::fit_to_tell;
use super::{MailUrlError, Patience, Sender, TransportError, within_the_limit};
use crate::failure::with_causes;

/// RFC 8314: submission over TLS from the first byte.
const PORT_OF_IMPLICIT_TLS: u16 = 465;
/// RFC 6409: submission.
const PORT_OF_SUBMISSION: u16 = 587;
/// Where a mail server on this machine takes mails from its neighbours, without log-in and TLS.
const PORT_ON_THIS_MACHINE: u16 = 25;
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// How long we wait for a good-bye. The letter is theirs by then, whatever they do.
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);
/// What is wrong with the recipient, or with the text (RFC 3463, RFC 7505): no such mailbox, no such host, no address, moved,
/// a domain that takes no mail, a mailbox that is closed. All else that a server may refuse for good, the operator can mend:
/// a sender that it does not know, a domain without SPF, a log-in that is missing, an address that is not verified.
const ABOUT_THE_RECIPIENT: [&str; 6] = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"];
const ABOUT_THE_TEXT: &str = "5.6.";
/// Words with which servers that give no code of RFC 3463 refuse us and not the recipient.
const ABOUT_US: [&str; 8] = ["relay", "sender", "helo", "auth", "block", "spam", "policy", "reputation"];

/// A mail server, and how to speak to it.
#[derive(Clone)]
pub struct SmtpSettings {
    host: Host,
    port: u16,
    encryption: Encryption,
    credentials: Option<Credentials>,
    authority: Option<Certificate>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte.
    Implicit,
    /// It begins in the clear and nothing is said before it is encrypted. A server that does not offer that is not
    /// spoken to: whoever stands between could have taken the offer away.
    StartTls,
    /// Not at all: the server is on this machine.
    None,
}

impl SmtpSettings {
    pub(super) fn parse(url: &Url) -> Result<Self, MailUrlError> {
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(MailUrlError::NoHost)?;
        // Other schemes than http leave hosts as they are written.
        let host = Host::parse(host).map_err(|error| MailUrlError::Malformed(error.to_string()))?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(MailUrlError::TooMuch);
        }
        let (mut tls, mut authority) = (None, None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "tls" => tls = Some(value.into_owned()),
                "ca" => authority = Some(read_authority(&value)?),
                _ => return Err(MailUrlError::UnknownParameter(name.into_owned())),
            }
        }
        let encryption = match (url.scheme(), tls.as_deref()) {
            ("smtps", None | Some("implicit")) | ("smtp", Some("implicit")) => Encryption::Implicit,
            ("smtp", Some("starttls")) => Encryption::StartTls,
            ("smtp", None) if !is_this_machine(&host) => Encryption::StartTls,
            ("smtp", Some("none")) if !is_this_machine(&host) => return Err(MailUrlError::Unencrypted),
            ("smtp", None | Some("none")) => Encryption::None,
            _ => return Err(MailUrlError::Tls),
        };
        let default_port = match encryption {
            Encryption::Implicit => PORT_OF_IMPLICIT_TLS,
            Encryption::StartTls => PORT_OF_SUBMISSION,
            Encryption::None => PORT_ON_THIS_MACHINE,
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(default_port),
            encryption,
            credentials: credentials(url)?,
            authority,
        })
    }

    /// How the connection is encrypted.
    pub fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// Whether the mail server is on this machine.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        is_this_machine(&self.host)
    }

    /// Goes as far as a delivery does before it names anybody: connection, TLS and log-in.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn try_out(&self, from: &Sender) -> Result<(), String> {
        let smtp = Smtp::new(self, from, Patience::default()).map_err(|error| with_causes(&error))?;
        let trying = async {
            let failed = |error: Error| smtp.in_words(Step::Connect, &error.to_string());
            let mut connection = smtp.connect().await.map_err(failed)?;
            smtp.enter(&mut connection).await.map_err(|refusal| match refusal {
                Refusal::NoStartTls => smtp.no_starttls(),
                Refusal::At(step, error) => smtp.in_words(step, &error.to_string()),
            })?;
            let _ = tokio::time::timeout(GOODBYE_LIMIT, connection.quit()).await;
            Ok(())
        };
        let limit = CONNECT_LIMIT * 2;
        tokio::time::timeout(limit, trying)
            .await
            .unwrap_or_else(|_| Err(format!("{self} did not come to an end within {} s", limit.as_secs())))
    }

    /// What [`SmtpSettings::try_out`] has shown, in words.
    pub(crate) fn what_was_tried(&self) -> &'static str {
        match (self.encryption, self.credentials.is_some()) {
            (Encryption::None, false) => "takes connections",
            (Encryption::None, true) => "let us log in",
            (_, false) => "takes connections, encrypted and with a trusted certificate",
            (_, true) => "let us log in, encrypted and with a trusted certificate",
        }
    }
}

fn read_authority(file: &str) -> Result<Certificate, MailUrlError> {
    let pem = std::fs::read(file).map_err(|error| MailUrlError::Authority(error.to_string()))?;
    Certificate::from_pem(&pem).map_err(|error| MailUrlError::Authority(with_causes(&error)))
}

fn credentials(url: &Url) -> Result<Option<Credentials>, MailUrlError> {
    let decoded = |text: &str| {
        // A form's decoding would take a plus for a space.
        url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, text)| text.into_owned())
            .unwrap_or_default()
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) if !user.is_empty() && !password.is_empty() => {
            Ok(Some(Credentials::new(decoded(user), decoded(password))))
        }
        _ => Err(MailUrlError::HalfOfCredentials),
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

impl fmt::Display for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encryption == Encryption::Implicit { "smtps" } else { "smtp" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Delivers by SMTP (RFC 5321), one connection for each letter: there is none that could have grown stale.
pub(super) struct Smtp {
    settings: SmtpSettings,
    tls: Option<TlsParameters>,
    from: Sender,
    hello: ClientId,
    patience: Patience,
}

/// Where in the conversation something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Connect,
    StartTls,
    LogIn,
    Sender,
    Recipient,
    Data,
    Message,
}

/// Why a server did not let us in.
enum Refusal {
    NoStartTls,
    At(Step, Error),
}

impl Smtp {
    pub(super) fn new(
        settings: &SmtpSettings,
        from: &Sender,
        patience: Patience,
    ) -> Result<Self, TransportError> {
        let tls = match settings.encryption {
            Encryption::None => None,
            Encryption::Implicit | Encryption::StartTls => {
                let host = settings.host.to_string();
                let builder = TlsParameters::builder(host.trim_matches(['[', ']']).to_owned());
                let builder = match settings.authority.clone() {
                    Some(authority) => builder.add_root_certificate(authority),
                    None => builder,
                };
                Some(builder.build().map_err(|error| TransportError(with_causes(&error)))?)
            }
        };
        // What stands after the sender's `@` is a name that the server can look up; this machine's own often is none.
        let hello = ClientId::Domain(from.domain().to_owned());
        Ok(Self { settings: settings.clone(), tls, from: from.clone(), hello, patience })
    }

    /// Hands the letter over and gives the connection on which that was done.
    async fn converse(
        &self,
        letter: &Letter,
        message: &[u8],
        envelope: &Envelope,
    ) -> Result<AsyncSmtpConnection, MailError> {
        let announced = async {
            let mut connection =
                self.connect().await.map_err(|error| self.told(letter, Step::Connect, &error))?;
            self.announce(&mut connection, letter, envelope).await?;
            Ok(connection)
        };
        // Until here nothing was sent, so that to leave is to lose nothing.
        let mut connection = tokio::select! {
            announced = announced => announced?,
            () = self.patience.is_over() => {
                return Err(MailError::TryAgain("the program was asked to stop, so nothing was sent".into()));
            }
        };
        connection.message(message).await.map_err(|error| self.told(letter, Step::Message, &error))?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let tls = self.tls.clone().filter(|_| self.settings.encryption == Encryption::Implicit);
        let host = self.settings.host.to_string();
        let server = (host.trim_matches(['[', ']']), self.settings.port);
        AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_LIMIT), &self.hello, tls, None).await
    }

    /// All that comes before the letter itself.
    async fn announce(
        &self,
        connection: &mut AsyncSmtpConnection,
        letter: &Letter,
        envelope: &Envelope,
    ) -> Result<(), MailError> {
        let told = |step| move |error: Error| self.told(letter, step, &error);
        self.enter(connection).await.map_err(|refusal| match refusal {
            Refusal::NoStartTls => MailError::TryAgain(self.no_starttls()),
            Refusal::At(step, error) => self.told(letter, step, &error),
        })?;
        let sender = Mail::new(envelope.from().cloned(), vec![]);
        connection.command(sender).await.map_err(told(Step::Sender))?;
        for recipient in envelope.to() {
            let recipient = Rcpt::new(recipient.clone(), vec![]);
            connection.command(recipient).await.map_err(told(Step::Recipient))?;
        }
        connection.command(Data).await.map_err(told(Step::Data))?;
        Ok(())
    }

    /// What an error means.
    fn told(&self, letter: &Letter, step: Step, error: &Error) -> MailError {
        // Its words hold those of its causes.
        let words = error.to_string();
        let is_refused = error.is_permanent() && is_final(step, error.status().map(u16::from), &words);
        let reason = fit_to_tell(letter, &words);
        let reason = self.in_words(step, &reason);
        if is_refused { MailError::Refused(reason) } else { MailError::TryAgain(reason) }
    }

    /// Begins TLS and logs in, as the settings say.
    async fn enter(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Refusal> {
        if self.settings.encryption == Encryption::StartTls {
            let tls = self.tls.clone().expect("settings with STARTTLS have parameters for it");
            if !connection.can_starttls() {
                return Err(Refusal::NoStartTls);
            }
            let begun = connection.starttls(tls, &self.hello).await;
            begun.map_err(|error| Refusal::At(Step::StartTls, error))?;
        }
        if let Some(credentials) = &self.settings.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let logged_in = connection.auth(&mechanisms, credentials).await;
            logged_in.map_err(|error| Refusal::At(Step::LogIn, error))?;
        }
        Ok(())
    }

    fn no_starttls(&self) -> String {
        format!(
            "{} offers no STARTTLS, so nothing was sent: use smtps:// or another port",
            self.settings.host
        )
    }

    /// Where it went wrong, and why.
    fn in_words(&self, step: Step, reason: &str) -> String {
        let host = &self.settings.host;
        let at = match step {
            Step::Connect => "could not be reached",
            Step::StartTls => "could not begin TLS",
            Step::LogIn => "did not let us log in",
            Step::Sender => "did not take the sender",
            Step::Recipient => "did not take the recipient",
            Step::Data | Step::Message => "did not take the message",
        };
        if matches!(step, Step::Connect | Step::StartTls) && reason.contains("certificate") {
            return format!(
                "the certificate of {host} is not trusted ({reason}): mend it, or name its authority with ?ca=FILE in \
                 VESTIBULE_MAIL_URL"
            );
        }
        format!("{host} {at}: {reason}")
    }
}

/// Whether what was refused for good is surely the recipient or the text, so that another try would be refused too.
fn is_final(step: Step, status: Option<u16>, words: &str) -> bool {
    if !matches!(step, Step::Recipient | Step::Data | Step::Message) {
        return false;
    }
    if let Some(code) = enhanced_code(words) {
        return ABOUT_THE_RECIPIENT.contains(&code) || code.starts_with(ABOUT_THE_TEXT);
    }
    let words = words.to_lowercase();
    step == Step::Recipient && status == Some(550) && !ABOUT_US.iter().any(|word| words.contains(word))
}

/// The code of RFC 3463, which stands before the words or, with some, in brackets after them.
fn enhanced_code(words: &str) -> Option<&str> {
    let trimmed = words.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_ascii_digit()));
    trimmed.into_iter().find(|word| {
        let mut parts = word.split('.');
        let is_number =
            |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        parts.next() == Some("5")
            && parts.next().is_some_and(is_number)
            && parts.next().is_some_and(is_number)
            && parts.next().is_none()
    })
}

#[async_trait]
impl Transport for Smtp {
    async fn deliver(&self, letter: &Letter) -> Result<(), MailError> {
        let message = message(letter, &self.from)?;
        let (envelope, bytes) = (message.envelope().clone(), message.formatted());
        let handing_over = self.converse(letter, &bytes, &envelope);
        let mut connection = within_the_limit(self.patience.limit, handing_over).await?;
        // The letter is theirs from the answer on: whether and when they say good-bye changes nothing. After an error the
        // connection is only dropped, for lettre panics where it is used once more after a TLS that did not begin.
        let _ = tokio::time::timeout(GOODBYE_LIMIT, connection.quit()).await;
        Ok(())
    }
}

/// The message (RFC 5322) with its text and its HTML. Names and subjects are encoded, so nothing in them can begin
/// another header.
fn message(letter: &Letter, from: &Sender) -> Result<Message, MailError> {
    let unfit = |what: &str, error: &dyn fmt::Display| {
        MailError::Refused(format!("{what} cannot be written: {error}"))
    };
    let to: Address = letter.to.as_str().parse().map_err(|error| unfit("the recipient", &error))?;
    Message::builder()
        .from(from.0.clone())
        .to(to.into())
        .subject(&letter.subject)
        .date(letter.created_at.into())
        .message_id(Some(format!("<{}@{}>", letter.id, from.domain())))
        // RFC 3834: nobody's holiday notice shall answer.
        .header(AutoSubmitted)
        .multipart(
            MultiPart::alternative()
                .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(letter.text.clone()))
                .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(letter.html.clone())),
        )
        .map_err(|error| unfit("the message", &error))
}

/// `Auto-Submitted: auto-generated` (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
