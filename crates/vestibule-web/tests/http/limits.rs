//! Every route that checks a credential or sends a mail, and what limits it. A route that changes something and stands
//! neither in the table nor among the exempt fails the first test: no door is forgotten (A13).

use reqwest::Method;
use rstest::rstest;
use time::Duration;
use vestibule::Policy;
use vestibule::models::{Client, Quota, RateLimits, Role, SignUpMode};
use vestibule::services::{SignUpRequest, SignedUp};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{
    Answer, Browser, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer, generous, signing_up,
};

use crate::{CHANGING, FORM, JSON};

const WRONG: &str = "wrong window thursday";
const LINK: &str = "no-link-at-all";

/// A route with a limit: which quotas, how the test calls it, how often it may in the test, and what a page keeps of what
/// was typed.
struct Limited {
    method: Method,
    path: &'static str,
    quotas: &'static str,
    why: &'static str,
    caller: Caller,
    fields: &'static [(&'static str, &'static str)],
    allowed: u32,
    kept: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Stranger,
    /// The same, where the address is confirmed first.
    Newcomer,
    User,
    Admin,
}

const CHANGES: &str = "changes";
const EXPORTS: &str = "exports";
const PASSWORDS: &str = "passwords";
const SIGN_UPS: &str = "sign-ups";
const LINKS: &str = "links";
const LINKS_AND_PASSWORDS: &str = "links, passwords";
const RESETS: &str = "resets";
const MAILS_AND_RESETS: &str = "mails, resets";
const MAILS_AND_CONFIRMATIONS: &str = "mails, confirmations";
const PASSWORDS_AND_NEW_ADDRESSES: &str = "passwords, mails, new addresses";
const SIGN_UPS_AND_MAILS: &str = "sign-ups, mails, sign-up mails";
const MAILS_AND_SIGN_UP_MAILS: &str = "mails, sign-up mails";
const JUDGEMENTS: &str = "judgements";

const POST: Method = Method::POST;
const CURRENT: (&str, &str) = ("current_password", WRONG);
const EMAIL: (&str, &str) = ("email", "ann@example.com");
const KEEPS_EMAIL: &[&str] = &["value=\"ann@example.com\""];
const NEW_EMAIL: &[(&str, &str)] = &[("email", "ann@example.org"), CURRENT];
const NEW_PASSWORD: &[(&str, &str)] = &[CURRENT, ("new_password", "velvet orchard seventeen")];
const RESET: &[(&str, &str)] = &[("token", LINK), ("password", PASSWORD)];
const SIGN_UP: &[(&str, &str)] = &[("name", "Bob"), ("email", "bob@example.com"), ("password", PASSWORD)];
const LOG_IN: &[(&str, &str)] = &[EMAIL, ("password", WRONG)];

#[rustfmt::skip]
fn table() -> Vec<Limited> {
    use Caller::{Admin, Newcomer, Stranger, User};
    let row = |method, path, quotas, why, caller, fields, allowed, kept| {
        Limited { method, path, quotas, why, caller, fields, allowed, kept }
    };
    let password = "checks a password";
    let link = "checks a link";
    let mail = "sends a mail";
    let event = "leaves an audit event each time";
    vec![
        row(POST, "/sign-up", SIGN_UPS, mail, Stranger, SIGN_UP, 2, &["value=\"bob@example.com\"", "value=\"Bob\""]),
        row(POST, "/sign-up", SIGN_UPS_AND_MAILS, "sends a mail, where the address is confirmed first", Newcomer, SIGN_UP, 2, &["value=\"bob@example.com\"", "value=\"Bob\""]),
        row(POST, "/sign-up/sent", MAILS_AND_SIGN_UP_MAILS, mail, Newcomer, &[EMAIL], 2, KEEPS_EMAIL),
        row(POST, "/confirm-sign-up", LINKS_AND_PASSWORDS, "checks a link, and a password", Newcomer, &[("token", LINK), ("password", WRONG)], 2, &["value=\"no-link-at-all\""]),
        row(POST, "/confirm-sign-up/decline", LINKS, link, Newcomer, &[("token", LINK)], 2, &[]),
        row(POST, "/log-in", PASSWORDS, password, Stranger, LOG_IN, 2, KEEPS_EMAIL),
        row(POST, "/confirm-email", LINKS_AND_PASSWORDS, "checks a link, and a password", Stranger, &[("token", LINK), ("password", WRONG)], 2, &["value=\"no-link-at-all\""]),
        row(POST, "/confirm-email/resend", MAILS_AND_CONFIRMATIONS, mail, User, &[], 2, &[]),
        row(POST, "/forgot-password", MAILS_AND_RESETS, mail, Stranger, &[EMAIL], 2, KEEPS_EMAIL),
        row(POST, "/reset-password", LINKS, link, Stranger, RESET, 2, &["value=\"no-link-at-all\""]),
        row(POST, "/account/name", CHANGES, event, User, &[("name", "Ann Lee")], 2, &["value=\"Ann Lee\""]),
        row(POST, "/account/email", PASSWORDS_AND_NEW_ADDRESSES, "checks a password, sends two mails", User, NEW_EMAIL, 2, &["value=\"ann@example.org\""]),
        row(POST, "/account/password", PASSWORDS, password, User, NEW_PASSWORD, 2, &[]),
        row(POST, "/account/sessions/end-others", CHANGES, event, User, &[], 2, &[]),
        row(Method::GET, "/account/export", EXPORTS, "reads all that is held", User, &[], 2, &[]),
        row(POST, "/account/delete", PASSWORDS, password, User, &[CURRENT], 2, &[]),
        row(POST, "/confirm-password", PASSWORDS, password, User, &[("password", WRONG), ("next", "/account")], 2, &["value=\"/account\""]),
        row(POST, "/api/auth/sign-up", SIGN_UPS, mail, Stranger, SIGN_UP, 2, &[]),
        row(POST, "/api/auth/sign-up", SIGN_UPS_AND_MAILS, "sends a mail, where the address is confirmed first", Newcomer, SIGN_UP, 2, &[]),
        row(POST, "/api/auth/confirm-sign-up", LINKS_AND_PASSWORDS, "checks a link, and a password", Newcomer, &[("token", LINK), ("password", WRONG)], 2, &[]),
        row(POST, "/api/auth/confirm-sign-up/decline", LINKS, link, Newcomer, &[("token", LINK)], 2, &[]),
        row(POST, "/api/auth/log-in", PASSWORDS, password, Stranger, LOG_IN, 2, &[]),
        row(POST, "/api/auth/confirm-email", LINKS_AND_PASSWORDS, "checks a link, and a password", Stranger, &[("token", LINK), ("password", WRONG)], 2, &[]),
        row(POST, "/api/auth/confirm-email/resend", MAILS_AND_CONFIRMATIONS, mail, User, &[], 2, &[]),
        row(POST, "/api/auth/check-password", JUDGEMENTS, "costs as much as a hash", Stranger, &[("password", PASSWORD)], 2, &[]),
        row(POST, "/api/auth/confirm-password", PASSWORDS, password, User, &[("password", WRONG)], 2, &[]),
        row(POST, "/api/auth/forgot-password", MAILS_AND_RESETS, mail, Stranger, &[EMAIL], 2, &[]),
        row(POST, "/api/auth/reset-password", LINKS, link, Stranger, RESET, 2, &[]),
        row(Method::PATCH, "/api/account", CHANGES, event, User, &[("name", "Ann Lee")], 2, &[]),
        row(Method::DELETE, "/api/account/sessions", CHANGES, event, User, &[], 2, &[]),
        row(Method::GET, "/api/account/export", EXPORTS, "reads all that is held", User, &[], 2, &[]),
        row(Method::DELETE, "/api/account", PASSWORDS, password, User, &[CURRENT], 2, &[]),
        row(POST, "/api/account/password", PASSWORDS, password, User, NEW_PASSWORD, 2, &[]),
        row(POST, "/api/account/email", PASSWORDS_AND_NEW_ADDRESSES, "checks a password, sends two mails", User, NEW_EMAIL, 2, &[]),
        row(POST, "/admin/users/{id}/reset-link", RESETS, mail, Admin, &[], 2, &[]),
    ]
}

const ENDS_OWN: &str = "ends sessions of who asks, and asks for no password";
const NEEDS_SESSION: &str = "asks for a session and its CSRF token, checks no password and sends nothing";
const NEEDS_ADMIN: &str =
    "asks for an admin who gave their password within ten minutes, and there it was limited";

/// Routes that change something and need no limit, with the reason.
const EXEMPT: [(&str, &str, &str); 29] = [
    ("POST", "/log-out", ENDS_OWN),
    ("POST", "/account/email/cancel", NEEDS_SESSION),
    ("POST", "/account/sessions/{id}/end", ENDS_OWN),
    ("POST", "/api/auth/log-out", ENDS_OWN),
    (
        "POST",
        "/api/auth/refresh",
        "the secret has 256 bits and a MAC: there is no guessing, and a wrong one costs no hash",
    ),
    ("DELETE", "/api/account/email", NEEDS_SESSION),
    ("DELETE", "/api/account/sessions/{id}", ENDS_OWN),
    ("POST", "/admin/users/{id}/role", NEEDS_ADMIN),
    ("POST", "/admin/users/{id}/disable", NEEDS_ADMIN),
    ("POST", "/admin/users/{id}/enable", NEEDS_ADMIN),
    ("POST", "/admin/users/{id}/delete", NEEDS_ADMIN),
    ("POST", "/admin/invitations", NEEDS_ADMIN),
    ("POST", "/admin/invitations/{id}/revoke", NEEDS_ADMIN),
    ("POST", "/admin/users/{id}/sessions/end", NEEDS_ADMIN),
    ("POST", "/admin/users/{id}/sessions/{session}/end", NEEDS_ADMIN),
    ("POST", "/admin/service-keys", NEEDS_ADMIN),
    ("POST", "/admin/service-keys/{id}/revoke", NEEDS_ADMIN),
    ("GET", "/api/auth/revocations", "a service key has 256 random bits: there is no guessing"),
    ("GET", "/api/users/{id}", "a service key has 256 random bits: there is no guessing"),
    (
        "POST",
        "/admin/mails/{id}/retry",
        "asks for an admin, and tries a mail again that was given up: it makes no new one",
    ),
    ("POST", "/dashboard", "an example of the test server's"),
    ("POST", "/api/echo", "an example of the test server's"),
    ("GET", "/refresh", "as /api/auth/refresh"),
    ("GET", "/api/auth/refresh", "as /api/auth/refresh"),
    ("GET", "/api/auth/session", "an access token is signed: there is no guessing"),
    ("POST", "/api/auth/verify", "changes nothing, and as /api/auth/session"),
    ("PUT", "/api/auth/verify", "changes nothing, and as /api/auth/session"),
    ("PATCH", "/api/auth/verify", "changes nothing, and as /api/auth/session"),
    ("DELETE", "/api/auth/verify", "changes nothing, and as /api/auth/session"),
];

// A13: one side door had no limiter.
#[rstest]
#[tokio::test]
async fn every_route_that_changes_something_is_limited_or_exempt_for_a_reason(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let table = table();
    let is_limited =
        |method: &Method, path: &str| table.iter().any(|row| row.method == *method && row.path == path);
    let is_exempt = |method: &Method, path: &str| {
        EXEMPT.iter().any(|(exempt, at, _)| *exempt == method.as_str() && *at == path)
    };
    for route in server.list.iter().filter(|route| CHANGING.contains(&route.method)) {
        let (limited, exempt) = (is_limited(&route.method, route.path), is_exempt(&route.method, route.path));
        assert!(
            limited != exempt,
            "{route:?}: give it a limit or a reason (limited {limited}, exempt {exempt})"
        );
    }
    for (method, path) in table
        .iter()
        .map(|row| (row.method.as_str(), row.path))
        .chain(EXEMPT.map(|(method, path, _)| (method, path)))
    {
        let is_there = server.list.iter().any(|route| route.method == method && route.path == path);
        assert!(is_there, "{method} {path} is in the table and not in the router");
    }
}

#[test]
fn the_page_about_limits_tells_what_is() {
    let page = include_str!("../../../../docs/security/limits.md");
    for row in table() {
        let line = format!("| `{} {}` | {} | {} |", row.method, row.path, row.why, row.quotas);
        assert!(page.contains(&line), "docs/security/limits.md should have the row:\n{line}");
    }
    for (method, path, reason) in EXEMPT.iter().filter(|(_, _, reason)| !reason.contains("test server")) {
        let line = format!("| `{method} {path}` | {reason} |");
        assert!(page.contains(&line), "docs/security/limits.md should have the row:\n{line}");
    }
    let limits = RateLimits::default();
    for (quota, whose, size) in [
        ("passwords", "one network address", limits.passwords_by_address),
        ("passwords", "one account, by browsers that it was not used with", limits.passwords_by_account),
        ("passwords", "one network address at one account", limits.passwords_by_pair),
        ("passwords", "a browser that the account was used with", limits.passwords_by_device),
        ("sign-ups", "one network address", limits.sign_ups_by_address),
        ("links", "one network address", limits.links_by_address),
        ("mails", "one network address", limits.mails_by_address),
        ("resets", "one mailbox", limits.resets_by_mailbox),
        ("confirmations", "one mailbox", limits.confirmations_by_mailbox),
        ("sign-up mails", "one mailbox, where sign-ups are confirmed first", limits.sign_ups_by_mailbox),
        ("new addresses", "one mailbox", limits.new_addresses_by_mailbox),
        ("new addresses", "one account", limits.new_addresses_by_account),
        ("changes", "one account", limits.changes_by_account),
        ("exports", "one account", limits.exports_by_account),
        ("judgements", "one network address", limits.judgements_by_address),
    ] {
        let line = format!("| {quota} | {whose} | {} | {} |", size.burst, in_words(size.every));
        assert!(page.contains(&line), "docs/security/limits.md should have the row:\n{line}");
    }
}

fn in_words(every: Duration) -> String {
    let seconds = every.whole_seconds();
    if seconds % 60 == 0 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

const TWO: Quota = Quota::new(2, Duration::hours(1));

/// A quota that a test makes small while all others are as good as endless: what refuses is then this one. Where one comes after
/// another, as a password's after a link's, what is sent is right up to there.
struct Case {
    field: &'static str,
    policy: fn(Policy) -> Policy,
    /// The same where the address is confirmed first.
    policy_for_newcomers: fn(Policy) -> Policy,
    is_right: Right,
    is_told: bool,
}

/// What is right of what is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Nothing,
    Link,
    Password,
}

fn two_of(policy: Policy, make_small: fn(&mut RateLimits)) -> Policy {
    let mut policy = generous(policy);
    policy.rate_limits.as_mut().map(make_small);
    policy
}

macro_rules! case {
    ($field:ident, $right:ident) => {
        Case {
            field: stringify!($field),
            policy: |policy| two_of(policy, |limits| limits.$field = TWO),
            policy_for_newcomers: |policy| Policy {
                sign_up: SignUpMode::ConfirmFirst,
                ..two_of(policy, |limits| limits.$field = TWO)
            },
            is_right: Right::$right,
            is_told: true,
        }
    };
}

/// The quotas that stand behind one word of a row.
fn cases_of(quota: &str, row: &Limited) -> Vec<Case> {
    let silent = |case: Case| Case { is_told: false, ..case };
    match quota {
        "passwords" => {
            let known = case!(passwords_by_device, Link);
            // Who signed up has the cookie of a known browser, and so a quota that no other shares.
            if matches!(row.caller, Caller::User) {
                return vec![known];
            }
            vec![
                case!(passwords_by_address, Link),
                case!(passwords_by_account, Link),
                case!(passwords_by_pair, Link),
            ]
        }
        "sign-ups" => vec![case!(sign_ups_by_address, Nothing)],
        "links" => vec![case!(links_by_address, Nothing)],
        "mails" => vec![case!(mails_by_address, Password)],
        "resets" if matches!(row.caller, Caller::Admin) => vec![case!(resets_by_mailbox, Nothing)],
        "resets" => vec![silent(case!(resets_by_mailbox, Nothing))],
        "confirmations" => vec![case!(confirmations_by_mailbox, Nothing)],
        "sign-up mails" => vec![silent(case!(sign_ups_by_mailbox, Nothing))],
        "new addresses" => {
            vec![case!(new_addresses_by_mailbox, Password), case!(new_addresses_by_account, Password)]
        }
        "changes" => vec![case!(changes_by_account, Nothing)],
        "exports" => vec![case!(exports_by_account, Nothing)],
        "judgements" => vec![case!(judgements_by_address, Nothing)],
        other => panic!("say which quotas `{other}` are"),
    }
}

/// Somebody who is about to use a limit up, and what they send.
struct Caught {
    server: TestServer,
    browser: Browser,
    path: String,
    link: String,
    fields: Vec<(&'static str, String)>,
}

impl Caught {
    /// A site with one small quota. What went before took nothing from it.
    async fn prepare(kind: DatabaseKind, row: &Limited, case: &Case) -> Self {
        let is_newcomer = row.caller == Caller::Newcomer;
        let policy = if is_newcomer { case.policy_for_newcomers } else { case.policy };
        let house = HouseOptions { policy, ..HouseOptions::default() };
        let options = ServerOptions { house, ..ServerOptions::default() };
        let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
        let mut browser = server.browser();
        let mut path = row.path.to_owned();
        let mut link = LINK.to_owned();
        match row.caller {
            // From an address that nobody knows, so that it is not counted by any.
            Caller::Stranger | Caller::Newcomer => {
                let request =
                    SignUpRequest { typed: signing_up("ann@example.com", "Ann"), invite: "", browsers: &[] };
                let signed_up = server.house.accounts.request_sign_up(request, &Client::default()).await;
                let signed_up = signed_up.expect("a good sign-up succeeds");
                if let SignedUp::Begun(begun) = signed_up
                    && row.path == "/sign-up/sent"
                {
                    browser.set_cookie("vestibule_sign_up", &begun.cookie);
                }
                server.house.deliver().await;
                if case.is_right == Right::Link && row.fields.iter().any(|(_, value)| *value == LINK) {
                    link = server.house.post.token_for("ann@example.com");
                }
            }
            Caller::User | Caller::Admin => {
                browser.sign_up("ann").await;
                let session = browser.session().await.json();
                path = path.replace("{id}", session["user"]["id"].as_str().expect("a user has an id"));
            }
        }
        if row.caller == Caller::Admin {
            server.house.set_role("ann@example.com", Role::Admin).await;
        }
        let typed = |value: &str| match value {
            LINK => link.clone(),
            WRONG if case.is_right == Right::Password => PASSWORD.to_owned(),
            other => other.to_owned(),
        };
        let fields = row.fields.iter().map(|(name, value)| (*name, typed(value))).collect();
        Self { server, browser, path, link, fields }
    }

    /// How many mails went.
    async fn mails(&self) -> usize {
        self.server.house.deliver().await;
        self.server.house.post.delivered().len()
    }

    async fn call(&self, row: &Limited) -> Answer {
        // A stranger throws all that is new away each time (A31).
        let mut browser = self.browser.clone();
        let csrf = browser.csrf().to_owned();
        if is_page(row) {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(&self.fields).append_pair("csrf_token", &csrf);
            browser.send(row.method.clone(), &self.path, &[FORM], form.finish()).await
        } else {
            let fields = self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
            let body = serde_json::Value::Object(fields.collect()).to_string();
            browser.send(row.method.clone(), &self.path, &[JSON, ("x-csrf-token", &csrf)], body).await
        }
    }

    /// Asks as often as it may and once more, and says what was answered then.
    async fn use_up(&self, row: &Limited, what: &str) -> Answer {
        for number in 1..=row.allowed {
            let answer = self.call(row).await;
            let status = answer.status.as_u16();
            assert!(status < 500 && ![403, 404, 429].contains(&status), "{what}, {number}: {answer:?}");
            assert!(answer.header("retry-after").is_none(), "{what}");
            // At once, before a later link takes the place of this one.
            self.server.house.deliver().await;
        }
        self.call(row).await
    }
}

fn is_page(row: &Limited) -> bool {
    !row.path.starts_with("/api/")
}

/// Every quota of every row is really used up, alone.
#[rstest]
#[tokio::test]
async fn every_limit_of_the_table_holds(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    for row in table() {
        let is_stranger = matches!(row.caller, Caller::Stranger | Caller::Newcomer);
        for case in row.quotas.split(", ").flat_map(|quota| cases_of(quota, &row)) {
            let what = format!("{} {}, {}", row.method, row.path, case.field);
            let caught = Caught::prepare(kind, &row, &case).await;
            let mails = caught.mails().await;
            let answer = caught.use_up(&row, &what).await;
            if !case.is_told {
                // Nobody is told, and no mail more goes.
                assert!(answer.status.as_u16() < 400 || answer.status == 409, "{what}: {answer:?}");
                // The sign-up that waits took one of its own.
                let left = if row.path == "/sign-up/sent" { 1 } else { 2 };
                assert_eq!(caught.mails().await, mails + left, "{what}");
                continue;
            }
            assert_eq!(answer.status, 429, "{what}: {answer:?}");
            assert_told(&row, &what, &caught.link, &answer);
            // What is told is true: a second too early is too early, and then there is one more.
            let seconds: i64 = answer.header("retry-after").unwrap().parse().unwrap();
            if is_stranger {
                caught.server.clock.advance(Duration::seconds(seconds - 1));
                assert_eq!(caught.call(&row).await.status, 429, "{what}");
                caught.server.clock.advance(Duration::SECOND);
                assert_ne!(caught.call(&row).await.status, 429, "{what}");
                assert_eq!(caught.call(&row).await.status, 429, "{what}: and one alone");
            }
        }
    }
}

fn assert_told(row: &Limited, what: &str, link: &str, answer: &Answer) {
    let seconds: i64 = answer.header("retry-after").expect("when to try again").parse().expect("in seconds");
    assert!((1..=3600).contains(&seconds), "{what}: {seconds}");
    let policy = answer.header("ratelimit-policy").unwrap_or_default();
    assert!(policy.starts_with("\"attempts\";q=") && policy.contains(";w="), "{what}: {policy}");
    assert_eq!(answer.header("ratelimit"), Some(format!("\"attempts\";r=0;t={seconds}").as_str()), "{what}");
    assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{what}");
    let words = match row.path {
        "/sign-up/sent" => "Several mails were sent already.",
        path if path.ends_with("/resend") => "We have sent several mails lately.",
        _ => "There were too many attempts. Please try again in",
    };
    assert!(answer.text.contains(words), "{what}: {answer:?}");
    for secret in [WRONG, PASSWORD, "velvet orchard"] {
        assert!(!answer.text.contains(secret), "{what} shows a password again");
    }
    if is_page(row) {
        assert!(answer.text.contains("<!doctype html>"), "{what}");
        for kept in row.kept {
            assert!(
                answer.text.contains(&kept.replace(LINK, link)),
                "{what} keeps what was typed: {answer:?}"
            );
        }
    } else {
        assert_eq!(answer.code(), "too_many_requests", "{what}");
    }
}
