//! `/dev/mailbox`: the mails of a site under development, which go no further.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use crate::client::ClientAddress;
use crate::mails::Letter;
use crate::moments::{iso, minute};
use crate::{DevMailbox, PageVisit, Path, Problem, Vestibule};

/// For the HTML of a mail: its own styles, and nothing else at all.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                           sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

/// How many mails the page shows; the JSON has all.
const NEWEST: usize = 20;

/// What the page shows.
pub struct DevMailboxPage {
    /// The newest mails, newest first.
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

/// The newest mails, newest first.
pub async fn mailbox(
    State(vestibule): State<Vestibule>,
    mailbox: OfThisMachine,
    visit: PageVisit,
) -> Response {
    let content = DevMailboxPage {
        letters: mailbox.letters().into_iter().take(NEWEST).map(LetterView::from).collect(),
    };
    vestibule.page(&visit, "Development mailbox", &content)
}

/// One mail as a mail program would show it.
pub async fn letter(mailbox: OfThisMachine, Path(id): Path<String>) -> Result<Response, Problem> {
    let letter = mailbox.letter(&id).ok_or_else(Problem::not_found)?;
    let mut response = Html(letter.html).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MAIL_POLICY));
    Ok(response)
}

/// The mailbox, for who asks from this machine and by a name of it. Whoever reads it can open every account, so it takes both: a
/// stranger on another machine can write any `Host`, and a page elsewhere, open in a browser here, can let its own name lead here
/// (DNS rebinding). A proxy of this machine that is not trusted hides who asks; where it says that it is one, nobody is answered.
pub struct OfThisMachine(DevMailbox);

impl FromRequestParts<Vestibule> for OfThisMachine {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, vestibule: &Vestibule) -> Result<Self, Problem> {
        let may_read = is_from_this_machine(parts, vestibule) && is_by_its_name(&parts.headers);
        let mailbox = vestibule.dev_mailbox().filter(|_| may_read).ok_or_else(Problem::not_found)?;
        Ok(Self(mailbox.clone()))
    }
}

impl Deref for OfThisMachine {
    type Target = DevMailbox;

    fn deref(&self) -> &DevMailbox {
        &self.0
    }
}

fn is_from_this_machine(parts: &Parts, vestibule: &Vestibule) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let proxies = vestibule.trusted_proxies();
    let is_hidden = peer.is_none_or(|peer| proxies.is_handed_on_by_others(peer, &parts.headers));
    let client = parts.extensions.get::<ClientAddress>().and_then(|ClientAddress(address)| *address);
    !is_hidden && are_here(peer, client)
}

/// Both who holds the connection and whom they speak for: a proxy of another machine may be trusted with addresses, and one with a
/// wide range that others stand in too, so what it says must not open the mailbox.
fn are_here(peer: Option<IpAddr>, client: Option<IpAddr>) -> bool {
    [peer, client].iter().all(|address| address.is_some_and(|ip| ip.to_canonical().is_loopback()))
}

fn is_by_its_name(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trusted_proxy_of_another_machine_opens_nothing_whatever_it_says() {
        let [here, mapped, gateway] =
            ["127.0.0.1", "::ffff:127.0.0.1", "172.17.0.1"].map(|ip| Some(ip.parse().unwrap()));
        assert!(are_here(here, here) && are_here(mapped, here));
        for (peer, client) in
            [(gateway, here), (here, gateway), (gateway, gateway), (None, here), (here, None)]
        {
            assert!(!are_here(peer, client), "{peer:?} {client:?}");
        }
    }
}
