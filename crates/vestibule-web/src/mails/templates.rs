use std::path::Path;

use ::vestibule::models::{
    Client, EmailAddress, Happened, Mail, MailKind, MailMessage, MailedLink, OutgoingMailId, PersonName,
    PublicUrl,
};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::Letter;
use super::greeting::greeting;
use crate::moments::minute;

/// More than any mail program shows.
const MAX_SUBJECT_CHARACTERS: usize = 150;
const SUBJECT: &str = "Subject: ";

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/mails/", $name)))),+]
    };
}

/// All files, by name. What they share comes first.
const BUILT_IN: [(&str, &str); 29] = built_in![
    "layout.txt",
    "layout.html",
    "button.html",
    "what_happened.txt",
    "what_happened.html",
    "confirm_email.txt",
    "confirm_email.html",
    "confirm_sign_up.txt",
    "confirm_sign_up.html",
    "sign_up_attempted.txt",
    "sign_up_attempted.html",
    "confirm_new_email.txt",
    "confirm_new_email.html",
    "reset_password.txt",
    "reset_password.html",
    "password_changed.txt",
    "password_changed.html",
    "email_change_requested.txt",
    "email_change_requested.html",
    "email_changed.txt",
    "email_changed.html",
    "new_log_in.txt",
    "new_log_in.html",
    "refresh_reused.txt",
    "refresh_reused.html",
    "account_deleted.txt",
    "account_deleted.html",
    "service_key_made.txt",
    "service_key_made.html",
];

/// The site that a mail comes from.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Its address, from which every link is made.
    pub public_url: PublicUrl,
}

/// The texts of all mails, each as plain text and as HTML.
pub struct MailTemplates {
    environment: Environment<'static>,
}

/// Why mails cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The folder or a file in it cannot be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the folder is none that takes the place of another: a mistyped name would be without any effect.
    #[error("there is no template {name} to override; there are {}", BUILT_IN.map(|(name, _)| name).join(", "))]
    Unknown {
        /// Its name.
        name: String,
    },
    /// A template does not say what it should.
    #[error("{} is wrong{}", .source.name().unwrap_or("a template"), .source.line().map(|line| format!(", line {line}")).unwrap_or_default())]
    Wrong {
        /// What and where.
        #[from]
        source: minijinja::Error,
    },
    /// The text does not begin with its subject.
    #[error("{name} must begin with a line such as `Subject: Confirm your address`")]
    NoSubject {
        /// Its name.
        name: String,
    },
    /// A text says nothing at all.
    #[error("{name} is empty when it is rendered")]
    Blank {
        /// Its name.
        name: String,
    },
    /// Without the link, the mail is of no use.
    #[error("{name} must show {{{{ link }}}}, which is what the mail is for")]
    NoLink {
        /// Its name.
        name: String,
    },
}

impl MailTemplates {
    /// The texts that come with the library.
    pub fn built_in() -> Self {
        Self::of(BUILT_IN.map(|(name, text)| (name, text.to_owned())))
            .expect("the built-in templates are tried by a test")
    }

    /// The same, with those files of a folder that have the names of built-in ones in their places.
    ///
    /// Every text is rendered once, with names and links for a try. What is wrong is told here and not when a mail
    /// should go.
    pub fn with_overrides(folder: &Path) -> Result<Self, TemplateError> {
        let mut texts = BUILT_IN.map(|(name, text)| (name, text.to_owned()));
        let unreadable =
            |path: &Path, source| TemplateError::Unreadable { file: path.display().to_string(), source };
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Of editors and version control, and words for people.
            if name.starts_with('.') || name == "README.md" {
                continue;
            }
            let Some((_, text)) = texts.iter_mut().find(|(known, _)| *known == name) else {
                return Err(TemplateError::Unknown { name });
            };
            *text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        }
        Self::of(texts)
    }

    fn of(texts: [(&'static str, String); BUILT_IN.len()]) -> Result<Self, TemplateError> {
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("the usual delimiters can be told apart");
        let mut environment = Environment::new();
        // A mistyped name is an error and not an empty place in a mail.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // A line that holds only a tag leaves no empty line in a text.
        environment.set_syntax(syntax);
        for (name, text) in texts {
            environment.add_template_owned(name, text)?;
        }
        let templates = Self { environment };
        for kind in MailKind::ALL {
            let mail = sample(kind);
            let letter = templates.render(&mail, &sample_site())?;
            check_complete(&mail, &letter)?;
        }
        Ok(templates)
    }

    /// Writes a mail.
    pub fn render(&self, mail: &Mail, site: &Site) -> Result<Letter, TemplateError> {
        let kind = mail.message.kind().as_str();
        let values = values(mail, site);
        let text_name = format!("{kind}.txt");
        let text = self.environment.get_template(&text_name)?.render(&values)?;
        let html = self.environment.get_template(&format!("{kind}.html"))?.render(&values)?;
        let (subject, text) = text
            .strip_prefix(SUBJECT)
            .and_then(|text| text.split_once('\n'))
            .ok_or(TemplateError::NoSubject { name: text_name })?;
        Ok(Letter {
            id: format!("{}.{}", mail.id, mail.attempt),
            to: mail.to.clone(),
            subject: one_line(subject),
            text: format!("{}\n", text.trim()),
            html,
            created_at: mail.sent_at,
        })
    }
}

/// Whether a mail can do what it is for.
fn check_complete(mail: &Mail, letter: &Letter) -> Result<(), TemplateError> {
    let kind = mail.message.kind().as_str();
    let link = match &mail.message {
        MailMessage::ConfirmEmail(link)
        | MailMessage::ConfirmSignUp(link, _)
        | MailMessage::ConfirmNewEmail(link)
        | MailMessage::ResetPassword(link, _) => Some(link.url()),
        MailMessage::SignUpAttempted(_)
        | MailMessage::PasswordChanged(_)
        | MailMessage::EmailChangeRequested(_)
        | MailMessage::EmailChanged(_)
        | MailMessage::NewLogIn(_)
        | MailMessage::RefreshReused(_)
        | MailMessage::AccountDeleted(_)
        | MailMessage::ServiceKeyMade(_) => None,
    };
    for (ending, rendered) in [("txt", &letter.text), ("html", &letter.html)] {
        let name = || format!("{kind}.{ending}");
        if rendered.trim().is_empty() {
            return Err(TemplateError::Blank { name: name() });
        }
        if link.is_some_and(|link| !rendered.contains(link)) {
            return Err(TemplateError::NoLink { name: name() });
        }
    }
    Ok(())
}

/// Nothing in a subject can begin another header, nor anything in a name another line.
fn one_line(subject: &str) -> String {
    let spaced = subject.chars().map(|c| if c.is_control() { ' ' } else { c });
    spaced.collect::<String>().trim().chars().take(MAX_SUBJECT_CHARACTERS).collect()
}

/// What the texts can say. Each kind has the values that it needs and no others.
fn values(mail: &Mail, site: &Site) -> Value {
    let url = &site.public_url;
    // The escaping would write `/` as `&#x2f;`. Our own addresses are of letters, digits and `:/.?=-_` alone.
    let address = Value::from_safe_string;
    let common = context! {
        site_name => one_line(&site.name),
        site_url => address(url.origin()),
        log_in_url => address(url.link("/log-in")),
        forgot_password_url => address(url.link("/forgot-password")),
        account_url => address(url.link("/account")),
        greeting => greeting(mail.name.as_ref()),
    };
    let link = |link: &MailedLink| {
        context! { link => address(link.url().to_owned()), lifetime => in_words(link.lifetime) }
    };
    let happened = |happened: &Happened| {
        context! {
            time => minute(happened.at),
            device => happened.client.device_in_words(),
            place => happened.client.place_in_words(),
        }
    };
    match &mail.message {
        MailMessage::ConfirmEmail(of) | MailMessage::ConfirmNewEmail(of) => context! { ..link(of), ..common },
        MailMessage::ConfirmSignUp(of, what) | MailMessage::ResetPassword(of, what) => {
            context! { ..link(of), ..happened(what), ..common }
        }
        MailMessage::SignUpAttempted(what)
        | MailMessage::PasswordChanged(what)
        | MailMessage::EmailChangeRequested(what)
        | MailMessage::EmailChanged(what)
        | MailMessage::NewLogIn(what)
        | MailMessage::RefreshReused(what)
        | MailMessage::AccountDeleted(what) => context! { ..happened(what), ..common },
        MailMessage::ServiceKeyMade(what) => {
            let page = context! { service_keys_url => address(url.link("/admin/service-keys")) };
            context! { ..page, ..happened(what), ..common }
        }
    }
}

/// `30 minutes`, `24 hours`, `2 days`.
fn in_words(duration: Duration) -> String {
    let minutes = duration.whole_minutes().max(1);
    let (count, unit) = match minutes {
        minutes if minutes % (48 * 60) == 0 || minutes > 72 * 60 => (minutes / (24 * 60), "day"),
        minutes if minutes % 60 == 0 || minutes > 3 * 60 => (minutes / 60, "hour"),
        minutes => (minutes, "minute"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

const SAMPLE_TIME: OffsetDateTime = datetime!(2026-11-23 20:38 UTC);

fn sample_site() -> Site {
    let public_url = PublicUrl::parse("https://example.com").expect("an example of a URL is one");
    Site { name: "Example".into(), public_url }
}

/// A mail of a kind, for a try.
fn sample(kind: MailKind) -> Mail {
    let link =
        |path: &str| MailedLink::new(format!("https://example.com{path}?token=x"), Duration::minutes(30));
    let happened = Happened { at: SAMPLE_TIME, client: Client::default() };
    Mail {
        id: OutgoingMailId::from(uuid::Uuid::nil()),
        attempt: 1,
        to: EmailAddress::parse("ann@example.com").expect("an example of an address is one"),
        name: Some(PersonName::parse("Ann").expect("an example of a name is one")),
        sent_at: SAMPLE_TIME,
        message: match kind {
            MailKind::ConfirmEmail => MailMessage::ConfirmEmail(link("/confirm-email")),
            MailKind::ConfirmSignUp => MailMessage::ConfirmSignUp(link("/confirm-sign-up"), happened),
            MailKind::SignUpAttempted => MailMessage::SignUpAttempted(happened),
            MailKind::ConfirmNewEmail => MailMessage::ConfirmNewEmail(link("/confirm-email")),
            MailKind::ResetPassword => MailMessage::ResetPassword(link("/reset-password"), happened),
            MailKind::PasswordChanged => MailMessage::PasswordChanged(happened),
            MailKind::EmailChangeRequested => MailMessage::EmailChangeRequested(happened),
            MailKind::EmailChanged => MailMessage::EmailChanged(happened),
            MailKind::NewLogIn => MailMessage::NewLogIn(happened),
            MailKind::RefreshReused => MailMessage::RefreshReused(happened),
            MailKind::AccountDeleted => MailMessage::AccountDeleted(happened),
            MailKind::ServiceKeyMade => MailMessage::ServiceKeyMade(happened),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(mail: &Mail) -> Letter {
        MailTemplates::built_in().render(mail, &sample_site()).unwrap()
    }

    fn overridden(files: &[(&str, &str)]) -> Result<MailTemplates, TemplateError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        MailTemplates::with_overrides(folder.path())
    }

    #[test]
    fn every_kind_has_its_words_and_no_foreign_link() {
        for kind in MailKind::ALL {
            let letter = render(&sample(kind));
            assert!(letter.text.starts_with("Hello Ann,\n"), "{}", letter.text);
            assert!(!letter.subject.is_empty() && letter.text.len() > 200, "{kind:?}");
            for body in [&letter.text, &letter.html] {
                let links = body.match_indices("http");
                for (at, _) in links {
                    assert!(body[at..].starts_with("https://example.com"), "{kind:?}: {:.60}", &body[at..]);
                }
                assert!(!body.contains("<img") && !body.contains("src="), "nothing is loaded from anywhere");
            }
            let link = "https://example.com";
            assert!(letter.html.contains(&format!("href=\"{link}")), "{kind:?}");
            assert!(letter.text.lines().all(|line| line.chars().count() < 90), "{}", letter.text);
        }
    }

    #[test]
    fn a_link_stands_alone_on_its_line() {
        for kind in MailKind::ALL.into_iter().filter(|kind| kind.has_link()) {
            let letter = render(&sample(kind));
            assert!(
                letter
                    .text
                    .lines()
                    .any(|line| line.starts_with("https://example.com/") && line.ends_with("?token=x"))
            );
            assert_eq!(letter.html.matches("?token=x").count(), 2, "the button, and the address to copy");
            assert!(letter.text.contains("30 minutes"), "{}", letter.text);
        }
    }

    #[test]
    fn security_notices_say_when_from_where_and_what_to_do() {
        let happened = Happened {
            at: SAMPLE_TIME,
            client: Client::new(
                "192.0.2.7".parse().ok(),
                Some("Mozilla/5.0 (Windows NT 10.0; rv:143.0) Firefox/143.0"),
            ),
        };
        for message in [
            MailMessage::SignUpAttempted(happened.clone()),
            MailMessage::PasswordChanged(happened.clone()),
            MailMessage::EmailChangeRequested(happened.clone()),
            MailMessage::EmailChanged(happened.clone()),
            MailMessage::NewLogIn(happened.clone()),
            MailMessage::RefreshReused(happened.clone()),
            MailMessage::AccountDeleted(happened.clone()),
            MailMessage::ServiceKeyMade(happened),
        ] {
            let kind = message.kind();
            let letter = render(&Mail { message, ..sample(kind) });
            for body in [&letter.text, &letter.html] {
                for words in ["23 November 2026, 20:38 UTC", "Firefox on Windows", "192.0.2.7", "not you"] {
                    assert!(body.contains(words), "{kind:?} {words}: {body}");
                }
            }
        }
    }

    #[test]
    fn markup_and_line_breaks_in_names_are_text() {
        let site = Site { name: "A & <b>B</b>\r\nBcc: eve@example.com".into(), ..sample_site() };
        let name = PersonName::parse("<script>x</script>").unwrap();
        let mail = Mail { name: Some(name), ..sample(MailKind::ConfirmEmail) };
        let letter = MailTemplates::built_in().render(&mail, &site).unwrap();
        assert!(!letter.html.contains("<b>B") && !letter.html.contains("<script"), "{}", letter.html);
        assert!(letter.html.contains("A &amp; &lt;b&gt;B"), "{}", letter.html);
        assert!(!letter.subject.contains(['\r', '\n']), "{}", letter.subject);
        assert!(letter.text.starts_with("Hello,\n"), "{}", letter.text);
    }

    #[test]
    fn a_folder_overrides_one_text_and_leaves_the_others() {
        let text = "Subject: Bienvenue chez {{ site_name }}\n\n{{ greeting }}\n{{ link }}\n";
        let templates =
            overridden(&[("confirm_email.txt", text), ("README.md", "ours"), (".keep", "")]).unwrap();
        let letter = templates.render(&sample(MailKind::ConfirmEmail), &sample_site()).unwrap();
        assert_eq!(letter.subject, "Bienvenue chez Example");
        assert_eq!(letter.text, "Hello Ann,\nhttps://example.com/confirm-email?token=x\n");
        let reset = templates.render(&sample(MailKind::ResetPassword), &sample_site()).unwrap();
        assert_eq!(reset.text, render(&sample(MailKind::ResetPassword)).text);
    }

    #[test]
    fn a_wrong_template_is_told_with_its_name_and_line() {
        let told = |name: &str, text: &str| {
            let error = overridden(&[(name, text)]).err().unwrap();
            format!("{error} {:?}", std::error::Error::source(&error).map(ToString::to_string))
        };
        let mistyped = told("reset_password.txt", "Subject: x\n\n{{ greeting }}\n{{ lnik }}\n");
        assert!(mistyped.contains("reset_password.txt is wrong, line 4"), "{mistyped}");
        let open = told("layout.html", "<p>\n{% block body %}");
        assert!(open.contains("layout.html is wrong"), "{open}");
        let unknown = told("confirm-email.txt", "x");
        assert!(
            unknown.contains("no template confirm-email.txt") && unknown.contains("confirm_email.txt"),
            "{unknown}"
        );
        let headless = told("new_log_in.txt", "Hello\n");
        assert!(headless.contains("new_log_in.txt must begin"), "{headless}");
        for empty in ["", "\n", "{# nothing yet #}"] {
            let blank = told("new_log_in.html", empty);
            assert!(blank.contains("new_log_in.html is empty"), "{blank}");
        }
        let blank = told("layout.html", "");
        assert!(blank.contains(".html is empty"), "{blank}");
        let useless = told("reset_password.txt", "Subject: Your link\n\nHere it is.\n");
        assert!(useless.contains("reset_password.txt must show {{ link }}"), "{useless}");
        assert!(matches!(
            MailTemplates::with_overrides(Path::new("/nowhere")),
            Err(TemplateError::Unreadable { .. })
        ));
    }

    #[test]
    fn lifetimes_are_told_as_people_say_them() {
        for (duration, told) in [
            (Duration::seconds(10), "1 minute"),
            (Duration::minutes(30), "30 minutes"),
            (Duration::minutes(90), "90 minutes"),
            (Duration::hours(1), "1 hour"),
            (Duration::hours(24), "24 hours"),
            (Duration::hours(48), "2 days"),
            (Duration::days(7), "7 days"),
        ] {
            assert_eq!(in_words(duration), told);
        }
    }
}
