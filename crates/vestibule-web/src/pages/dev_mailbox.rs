//! `/dev/mailbox`: the mails of a site under development, which go no further.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use crate::mails::Letter;
use crate::moments::{iso, minute};
use crate::{DevMailbox, PageVisit, Path, Problem, Vestibule};

/// For the HTML of a mail: its own styles, and nothing else at all.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                           sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

/// What the page shows.
pub struct DevMailboxPage {
    /// All mails, newest first.
    pub letters: Vec<LetterView>,
}

/// A mail of the page.
pub struct LetterView {
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// The link that it is about, if it has one.
    pub link: Option<String>,
    /// Where its HTML is.
    pub html_href: String,
    /// When it was written.
    pub created: String,
    /// The same in the form of RFC 3339.
    pub created_iso: String,
}

impl From<Letter> for LetterView {
    fn from(letter: Letter) -> Self {
        let is_link = |line: &&str| line.starts_with("http") && line.contains("?token=");
        Self {
            to: letter.to.as_str().to_owned(),
            link: letter.text.lines().map(str::trim).find(is_link).map(str::to_owned),
            html_href: format!("/dev/mailbox/{}", letter.id),
            created: minute(letter.created_at),
            created_iso: iso(letter.created_at),
            subject: letter.subject,
            text: letter.text,
        }
    }
}

/// All mails, newest first.
pub async fn mailbox(
    State(vestibule): State<Vestibule>,
    visit: PageVisit,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let letters = of_this_machine(&vestibule, &headers)?.letters();
    let content = DevMailboxPage { letters: letters.into_iter().map(LetterView::from).collect() };
    Ok(vestibule.page(&visit, "Development mailbox", &content))
}

/// One mail as a mail program would show it.
pub async fn letter(
    State(vestibule): State<Vestibule>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let letter = of_this_machine(&vestibule, &headers)?.letter(&id).ok_or_else(Problem::not_found)?;
    let mut response = Html(letter.html).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MAIL_POLICY));
    Ok(response)
}

/// The mailbox, for who asks by a name of this machine. A page elsewhere can let its own name lead here (DNS
/// rebinding) and would then read the links.
pub(crate) fn of_this_machine<'a>(
    vestibule: &'a Vestibule,
    headers: &HeaderMap,
) -> Result<&'a DevMailbox, Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    let is_of_this_machine =
        name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name == "[::1]";
    vestibule.dev_mailbox().filter(|_| is_of_this_machine).ok_or_else(Problem::not_found)
}
