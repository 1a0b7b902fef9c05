//! `/api/auth/verify`: a reverse proxy asks whether a request may pass, and whose it is (forward auth).

use ::vestibule::models::{CsrfProof, PersonName, Role, User};
use ::vestibule::services::{Asked, CurrentSession};
use axum::Extension;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::cookies;
use crate::guard::{
    Bearer, RequestOf, accepts_page, bearer, check_api, check_or_refresh, clearing_duplicates,
    comes_from_this_site, header_token, opens_web_socket, page_for, page_of_the_form,
};
use crate::problem::ProblemBody;
use crate::request_log::ReadBy;
use crate::routes::Face;
use crate::{CookieValues, ForwardedRequest, Problem, Query, Vestibule};

const USER_ID: HeaderName = HeaderName::from_static("x-auth-user-id");
const EMAIL: HeaderName = HeaderName::from_static("x-auth-email");
const NAME: HeaderName = HeaderName::from_static("x-auth-name");
const ROLE: HeaderName = HeaderName::from_static("x-auth-role");

/// What the proxy's configuration asks for.
#[derive(Deserialize)]
pub struct VerifyQuery {
    role: Option<String>,
    #[serde(default)]
    redirect: Redirects,
}

/// Whether people are led to the log-in page, or told 401 as programs are: for proxies that take no redirect from here.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Redirects {
    #[default]
    On,
    Off,
}

/// Whether a request may pass, for reverse proxies.
///
/// The proxy sends the cookies or the `Authorization` of the request that it was sent, and says in `X-Forwarded-Method` and
/// `X-Forwarded-Uri` what was asked for. Any method is taken. A header of the proxy that cannot be read is a 401.
#[utoipa::path(
    get,
    path = "/api/auth/verify",
    operation_id = "verify",
    tag = "Other programs",
    params(
        ("role" = Option<String>, Query, description = "The role that is asked for; everybody who is logged in has `user`"),
        ("redirect" = Option<String>, Query, description = "`off`: 401 also where a page was asked for"),
        ("X-Forwarded-Method" = Option<String>, Header, description = "The method of the request"),
        ("X-Forwarded-Uri" = Option<String>, Header, description = "Its path and query"),
    ),
    responses(
        (status = 200, description = "It may pass, and is of this user", headers(
            ("X-Auth-User-Id" = String, description = "The user's id"),
            ("X-Auth-Email" = String, description = "Their address"),
            ("X-Auth-Name" = String, description = "Their name; percent-encoded where it is more than ASCII, `%` too"),
            ("X-Auth-Role" = String, description = "Their role"),
        )),
        (status = 303, description = "A page was asked for: the way to the log-in page and back"),
        (status = 401, description = "Nobody is logged in, or a header cannot be read", body = ProblemBody),
        (status = 403, description = "The role is missing, or another site may have sent the request", body = ProblemBody),
    ),
    security(("session" = []), ("bearer" = [])),
)]
pub async fn verify(
    State(vestibule): State<Vestibule>,
    query: Result<Query<VerifyQuery>, Problem>,
    parts: Parts,
) -> Response {
    let (asked, redirect) = match asked(query) {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let forwarded = match ForwardedRequest::read(&parts.method, &parts.headers) {
        Ok(forwarded) => forwarded,
        Err(malformed) => return unreadable(malformed.to_string()).into_response(),
    };
    let is_for_people = redirect == Redirects::On && is_navigation(&parts.headers);
    match check(&vestibule, &parts, &forwarded, asked).await {
        Ok(current) => (Extension(RequestOf(current.user.id)), headers_of(&current.user)).into_response(),
        Err(problem) if is_for_people => refuse_person(&vestibule, &parts.headers, &forwarded, problem),
        Err(problem) => problem.into_response(),
    }
}

/// What the configuration asks for. A mistake in it lets nobody pass.
fn asked(query: Result<Query<VerifyQuery>, Problem>) -> Result<(Asked, Redirects), Problem> {
    let Query(query) = query.map_err(|problem| unreadable(problem.detail))?;
    let role = match query.role {
        None => Role::User,
        Some(name) => name.parse().map_err(|error| unreadable(format!("role: {error}.")))?,
    };
    Ok((Asked::role(role), query.redirect))
}

fn unreadable(detail: String) -> Problem {
    Problem { detail, ..Problem::unauthenticated() }
}

/// Who asks.
///
/// Of the cookies that a refresh would set, none would come to the browser: proxies throw them away. So a page that is asked for
/// is led over `/refresh`, and a program is told to refresh, as everywhere. Only for a form that was posted after a long pause
/// the session is refreshed here, so that what was written is not lost: the next secret is made from the one before it, so that
/// the browser can go on with what it has. It is done too where cookies came twice, which a way over `/refresh` would
/// not change.
async fn check(
    vestibule: &Vestibule,
    parts: &Parts,
    forwarded: &ForwardedRequest,
    asked: Asked,
) -> Result<CurrentSession, Problem> {
    let is_safe = forwarded.method().is_safe() && !opens_web_socket(&parts.headers);
    let proof = if is_safe || comes_from_this_site(vestibule, &parts.headers) {
        CsrfProof::NotNeeded
    } else {
        CsrfProof::Sent(header_token(&parts.headers))
    };
    let presented = CookieValues::read(&parts.headers, vestibule.cookie_names()).presented(proof);
    let leads_nowhere = !forwarded.method().is_safe() || cookies::has_duplicates(&presented);
    if leads_nowhere && is_navigation(&parts.headers) && matches!(bearer(&parts.headers), Bearer::None) {
        let checked = check_or_refresh(vestibule, parts, &presented, asked).await;
        return checked
            .map(|(current, _)| current)
            .map_err(|problem| clearing_duplicates(&presented, problem));
    }
    check_api(vestibule, &parts.headers, asked, proof).await
}

/// Leads somebody to where they can do what is missing, by the public URL: proxies read a path as one of this server's own
/// address.
fn refuse_person(
    vestibule: &Vestibule,
    headers: &HeaderMap,
    forwarded: &ForwardedRequest,
    problem: Problem,
) -> Response {
    let next = || {
        if forwarded.method().is_safe() { forwarded.page() } else { page_of_the_form(headers) }
    };
    match page_for(&problem, forwarded.method(), next) {
        Some(page) => {
            let place = vestibule.accounts().policy().public_url.link(&page);
            // For the log, and so that cookies of a session that is over are cleared.
            (Extension(problem), Redirect::to(&place)).into_response()
        }
        None => (Extension(ReadBy(Face::Page)), problem).into_response(),
    }
}

/// Whether a browser goes to a page. What scripts fetch may accept pages too, and browsers say which it is.
fn is_navigation(headers: &HeaderMap) -> bool {
    let mode = headers.get("sec-fetch-mode");
    accepts_page(headers) && mode.is_none_or(|mode| mode == "navigate")
}

fn headers_of(user: &User) -> [(HeaderName, HeaderValue); 4] {
    let value =
        |text: String| HeaderValue::try_from(text).expect("ids, addresses and roles are visible ASCII");
    [
        (USER_ID, value(user.id.to_string())),
        (EMAIL, value(user.email.as_str().to_owned())),
        (NAME, value(encoded(&user.name))),
        (ROLE, value(user.role.as_str().to_owned())),
    ]
}

/// A name as it can stand in a header. Most stay as they are; of the others each byte of UTF-8 is percent-encoded (RFC 3986,
/// section 2.1), and `%` itself, so that one decoding always gives the name. Raw UTF-8 is read as Latin-1 by many.
fn encoded(name: &PersonName) -> String {
    let is_kept = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    let bytes = name.as_str().bytes();
    bytes
        .map(|byte| if is_kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_stands_in_a_header_as_it_is_or_percent_encoded() {
        for (name, text) in [
            ("Ann Example", "Ann Example"),
            ("O'Hara, \"Z\"; =1", "O'Hara, \"Z\"; =1"),
            ("100%", "100%25"),
            ("Zoë", "Zo%C3%AB"),
            ("李", "%E6%9D%8E"),
        ] {
            assert_eq!(encoded(&PersonName::parse(name).unwrap()), text);
        }
    }

    proptest! {
        #[test]
        fn every_name_can_be_read_again(name in "\\PC{1,20}") {
            let Ok(name) = PersonName::parse(&name) else { return Ok(()) };
            let text = encoded(&name);
            prop_assert!(HeaderValue::try_from(&text).is_ok_and(|value| value.to_str().is_ok()));
            let plus_is_plus = text.replace('+', "%2B");
            let pair = format!("n={}", plus_is_plus.replace('&', "%26"));
            let read = url::form_urlencoded::parse(pair.as_bytes()).next().expect("a pair").1;
            prop_assert_eq!(&*read, name.as_str());
        }
    }
}
