//! Leaked passwords: the file, the service and what becomes of a sign-up where either is wrong.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use rstest::rstest;
use serde_json::json;
use time::Duration;
use vestibule::models::LeakFingerprint;
use vestibule::ports::{BreachedPasswords, Clock, SystemClock};
use vestibule_server::breached_passwords::{
    BuildError, Built, Filter, FilterError, RangeApi, RangeApiUrl, build,
};
use vestibule_testkit::FakeClock;

use crate::operator::with_input;
use crate::program::{Program, command, run};
use crate::smtp_server::{Manners, SmtpServer};

const LEAKED: &str = "velvet orchard seventeen";
const GOOD: &str = "marble ladder november";
/// `printf 'velvet orchard seventeen' | sha1sum`.
const LEAKED_SHA1: &str = "4D10D1C0D515C3FD9932A3E5CE8C8690EF98BA53";

fn fingerprint(password: &str) -> LeakFingerprint {
    LeakFingerprint::of(password)
}

/// The fingerprints of made-up passwords, in order.
fn many(name: &str, count: usize) -> Vec<u64> {
    let mut keys: Vec<u64> =
        (0..count).map(|number| fingerprint(&format!("{name} {number}")).key()).collect();
    keys.sort_unstable();
    keys
}

fn list_of(keys: impl IntoIterator<Item = u64>) -> String {
    keys.into_iter().enumerate().fold(String::new(), |mut list, (place, key)| {
        writeln!(list, "{key:016X}{:024X}:{}", 0, place % 10 + 1).unwrap();
        list
    })
}

fn built(folder: &Path, list: &str, min_count: u64) -> Result<(Built, Filter), BuildError> {
    let (list_path, file) = (folder.join("list.txt"), folder.join("leaks.filter"));
    std::fs::write(&list_path, list).unwrap();
    let built = build(&list_path, &file, min_count, |_| ())?;
    Ok((built, Filter::read(&file).unwrap()))
}

#[test]
fn a_file_finds_all_that_is_in_its_list_and_hardly_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let keys = many("leaked", 200_000);
    let list = list_of(keys.iter().copied());
    let (built, filter) = built(folder.path(), &list, 1).unwrap();
    assert_eq!((built.entries, filter.entries(), built.left_out), (200_000, 200_000, 0));
    // The fewer a part has, the more room each takes: at millions it is 2.5 bytes.
    assert!(built.bytes < 200_000 * 7 / 2, "{} bytes", built.bytes);
    let leaked = (0..200_000).filter(|number| filter.has(&fingerprint(&format!("leaked {number}")))).count();
    assert_eq!(leaked, 200_000);
    let others = (0..400_000).filter(|number| filter.has(&fingerprint(&format!("other {number}")))).count();
    // One in 65,536: six are expected, and forty would be a wonder.
    assert!(others < 40, "{others} of 400,000 others were taken for leaked");
    assert!(std::fs::read_dir(folder.path()).unwrap().count() == 2, "no draft stays");
}

#[test]
fn the_order_of_a_list_and_the_form_of_its_lines_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let keys = many("leaked", 3000);
    let in_order = list_of(keys.iter().copied());
    let backwards = list_of(keys.iter().rev().copied());
    let plain: String = (0..3000).fold(String::new(), |list, number| format!("{list}leaked {number:06}\r\n"));
    for (list, name) in [(in_order, "leaked {}"), (backwards, "leaked {}"), (plain, "leaked {:06}")] {
        let (built, filter) = built(folder.path(), &list, 1).unwrap();
        assert_eq!(built.entries, 3000);
        for number in 0..3000 {
            let password =
                if name.contains("06") { format!("leaked {number:06}") } else { format!("leaked {number}") };
            assert!(filter.has(&fingerprint(&password)), "{password}");
        }
        assert!(!filter.has(&fingerprint(GOOD)));
    }
}

#[test]
fn what_was_seen_seldom_or_is_too_short_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let list = list_of(many("leaked", 1000));
    let made = built(folder.path(), &list, 9).unwrap().0;
    assert_eq!((made.entries, made.left_out), (200, 800));
    let (made, filter) =
        built(folder.path(), &format!("password\n{LEAKED}\nqwertyuiop1\n\n{LEAKED}\n"), 1).unwrap();
    assert_eq!((made.entries, made.left_out), (1, 2));
    assert!(filter.has(&fingerprint(LEAKED)) && !filter.has(&fingerprint("password")));
}

#[test]
fn small_lists_make_files_too() {
    let folder = tempfile::tempdir().unwrap();
    for count in [1, 2, 3, 4, 5, 10, 100, 600] {
        let (made, filter) = built(folder.path(), &list_of(many("leaked", count)), 1).unwrap();
        assert_eq!(made.entries, count as u64);
        for number in 0..count {
            assert!(filter.has(&fingerprint(&format!("leaked {number}"))), "{number} of {count}");
        }
    }
}

#[test]
fn a_list_that_is_none_is_refused_and_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    built(folder.path(), &format!("{LEAKED}\n"), 1).unwrap();
    let before = std::fs::read(folder.path().join("leaks.filter")).unwrap();
    let hash = "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8";
    for (list, min_count, told) in [
        (String::new(), 1, "no password to keep"),
        (format!("{hash}:1\n"), 2, "no password to keep"),
        (format!("{hash}:1\nnothing\n"), 1, "line 2"),
        (format!("{hash}:many\n"), 1, "line 1"),
        (format!("{}:3\n", &hash[8..]), 1, "NTLM"),
        (format!("{hash}\n"), 2, "how often"),
        (format!("{LEAKED}\n"), 2, "how often"),
    ] {
        let error = built(folder.path(), &list, min_count).err().unwrap();
        assert!(error.to_string().contains(told), "{list:?}: {error}");
        assert_eq!(std::fs::read(folder.path().join("leaks.filter")).unwrap(), before, "{list:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "{list:?}: no draft stays");
    }
    let file = folder.path().join("leaks.filter");
    assert!(matches!(build(&file, &file, 1, |_| ()), Err(BuildError::SameFile)));
}

#[test]
fn a_file_that_is_cut_changed_or_foreign_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    built(folder.path(), &list_of(many("leaked", 1000)), 1).unwrap();
    let file = folder.path().join("leaks.filter");
    let good = std::fs::read(&file).unwrap();
    let refusal = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        Filter::read(&file).err().unwrap()
    };
    assert!(matches!(refusal(b""), FilterError::Foreign));
    assert!(matches!(refusal(&b"velvet orchard\n".repeat(100)), FilterError::Foreign));
    for length in [68, 100, good.len() / 2, good.len() - 1] {
        assert!(matches!(refusal(&good[..length]), FilterError::Length { .. }), "{length}");
    }
    assert!(matches!(refusal(&[&good[..], b"\n"].concat()), FilterError::Length { .. }));
    let mut later = good.clone();
    later[16] = 2;
    assert!(matches!(refusal(&later), FilterError::Version(2)));
    // Every byte of the first parts, and some of the rest.
    for place in (36..200).chain((200..good.len()).step_by(997)).chain([good.len() - 1]) {
        let mut changed = good.clone();
        changed[place] ^= 0x41;
        assert!(matches!(refusal(&changed), FilterError::Damaged), "byte {place}");
    }
    std::fs::write(&file, &good).unwrap();
    assert!(Filter::read(&file).is_ok());
}

#[test]
fn a_server_does_not_start_with_a_file_that_is_wrong_and_says_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leaks.filter");
    std::fs::write(&file, "cut").unwrap();
    for arguments in [&["serve"][..], &["config", "check"], &["passwords", "check"]] {
        let mut command = command(folder.path());
        let (output, told) = run(command.env("VESTIBULE_BREACHED_PASSWORDS", &file).args(arguments));
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains("VESTIBULE_BREACHED_PASSWORDS") && told.contains("passwords build"), "{told}");
    }
    // Whoever has to shut somebody out does not need it.
    let (output, told) = run(command(folder.path()).arg("migrate"));
    assert!(output.status.success(), "{told}");
    let mut command = command(folder.path());
    let (output, told) = run(command.env("VESTIBULE_BREACHED_PASSWORDS", &file).args(["user", "list"]));
    assert!(output.status.success(), "{told}");
}

#[tokio::test]
async fn an_operator_makes_a_file_and_nobody_takes_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.txt"), format!("{LEAKED_SHA1}:17\n{}", list_of([u64::MAX])))
        .unwrap();
    let mut build = command(folder.path());
    build.args(["passwords", "build", "list.txt", "leaks.filter", "--min-count", "2", "--json"]);
    let (code, answer, told) = with_input(build, "");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("100 %"), "progress is told: {told}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["passwords"], &answer["left_out"]), (&json!(1), &json!(1)));

    let check = |password: &str| {
        let mut check = command(folder.path());
        check.env("VESTIBULE_BREACHED_PASSWORDS", "leaks.filter").args(["passwords", "check"]);
        with_input(check, &format!("{password}\n"))
    };
    for (password, code, said) in [
        (LEAKED, 1, "has appeared in a leak"),
        ("stairwaytoheaven", 1, "the built-in list"),
        ("password1234", 1, "easy to guess"),
        (GOOD, 0, "would be taken"),
    ] {
        let (is, answer, told) = check(password);
        assert!(is == code && answer.contains(said), "{password}: {answer} {told}");
        assert!(!answer.contains(password) && !told.contains(password), "{password}: {answer} {told}");
    }

    let settings = [("VESTIBULE_BREACHED_PASSWORDS", "leaks.filter")];
    let program = Program::start_with(folder.path(), None, &settings);
    let (status, answer) = sign_up(&program.origin, LEAKED).await;
    assert_eq!(status, 422, "{answer}");
    assert_eq!(
        (&answer["errors"][0]["field"], &answer["errors"][0]["code"]),
        (&json!("password"), &json!("breached"))
    );
    assert_eq!(sign_up(&program.origin, GOOD).await.0, 201);
}

async fn sign_up(origin: &str, password: &str) -> (u16, serde_json::Value) {
    let body = json!({ "name": "Ann", "email": "ann@example.com", "password": password });
    let request = reqwest::Client::new().post(format!("{origin}/api/auth/sign-up")).json(&body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// How the service behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Hangs,
    Busy,
    Garbage,
    Leads,
    Endless,
}

/// A range API, and what it was asked.
#[derive(Clone)]
struct Service {
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    url: String,
}

impl Service {
    async fn start(mood: Mood) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Self { mood: Arc::new(Mutex::new(mood)), asked: Arc::default(), url };
        let router = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        service
    }

    fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn api(&self, clock: &FakeClock) -> RangeApi {
        RangeApi::new(&self.url.parse().unwrap(), Arc::new(clock.clone())).unwrap()
    }
}

async fn answer(State(service): State<Service>, request: Request) -> Response {
    service.asked.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
    let mood = *service.mood.lock().unwrap();
    let padding = format!("{}:0\r\n", "A".repeat(35));
    match mood {
        // It knows the leaked password, and pads with the good one.
        Mood::Well => {
            let rest = &LEAKED_SHA1[5..];
            format!("{padding}{rest}:17\r\n{}:3\r\n{padding}", "0".repeat(35)).into_response()
        }
        Mood::Hangs => std::future::pending().await,
        Mood::Busy => (StatusCode::TOO_MANY_REQUESTS, "slower").into_response(),
        Mood::Garbage => "<html>We will be back soon".into_response(),
        Mood::Leads => Redirect::temporary("/elsewhere").into_response(),
        Mood::Endless => format!("{}:1\r\n", "B".repeat(35)).repeat(100_000).into_response(),
    }
}

#[tokio::test]
async fn five_digits_are_told_and_the_rest_is_looked_for_here() {
    let service = Service::start(Mood::Well).await;
    let api = service.api(&FakeClock::default());
    assert!(api.contain(&fingerprint(LEAKED)).await);
    assert!(!api.contain(&fingerprint(GOOD)).await);
    let asked = service.asked.lock().unwrap();
    assert_eq!(asked[0].0, format!("/range/{}", &LEAKED_SHA1[..5]));
    assert_eq!(asked[1].0.len(), "/range/12345".len());
    for (_, headers) in asked.iter() {
        assert_eq!(headers["add-padding"], "true");
        assert!(headers["user-agent"].to_str().unwrap().starts_with("vestibule/"));
        assert!(!headers.contains_key("cookie") && !headers.contains_key("authorization"));
    }
}

/// A61: the service is down, hangs, answers garbage or leads elsewhere.
#[rstest]
#[tokio::test]
async fn where_nobody_answers_well_a_password_is_taken_and_nobody_waits_twice(
    #[values(Mood::Hangs, Mood::Busy, Mood::Garbage, Mood::Leads, Mood::Endless)] mood: Mood,
) {
    let (service, clock) = (Service::start(mood).await, FakeClock::default());
    let api = Arc::new(service.api(&clock));
    let began = SystemClock.now();
    assert!(!api.contain(&fingerprint(LEAKED)).await);
    assert!(SystemClock.now() - began < Duration::seconds(3));
    assert_eq!(service.count(), 1, "one attempt, and no redirect is followed");

    // It is left alone for ten seconds, and then one asks for all.
    for _ in 0..20 {
        assert!(!api.contain(&fingerprint(LEAKED)).await);
    }
    clock.advance(Duration::seconds(9));
    assert!(!api.contain(&fingerprint(LEAKED)).await);
    assert_eq!(service.count(), 1);
    clock.advance(Duration::seconds(1));
    let many: Vec<_> = (0..20)
        .map(|_| {
            let api = Arc::clone(&api);
            tokio::spawn(async move { api.contain(&fingerprint(LEAKED)).await })
        })
        .collect();
    for asked in many {
        assert!(!asked.await.unwrap());
    }
    assert_eq!(service.count(), 2);
    // Twice as long after the second time. Then it is well again, and so it stays.
    clock.advance(Duration::seconds(19));
    service.be(Mood::Well);
    assert!(!api.contain(&fingerprint(LEAKED)).await);
    clock.advance(Duration::seconds(1));
    for _ in 0..3 {
        assert!(api.contain(&fingerprint(LEAKED)).await);
    }
    assert_eq!(service.count(), 5);
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_or_shows_a_foreign_certificate_is_gone_without() {
    let clock = FakeClock::default();
    let nobody: RangeApiUrl = "http://127.0.0.1:9".parse().unwrap();
    let api = RangeApi::new(&nobody, Arc::new(clock.clone())).unwrap();
    assert!(!api.contain(&fingerprint(LEAKED)).await);
    let stranger = SmtpServer::start(Manners { is_implicit: true, ..Manners::default() }).await;
    let stranger: RangeApiUrl = format!("https://localhost:{}", stranger.port).parse().unwrap();
    let api = RangeApi::new(&stranger, Arc::new(clock)).unwrap();
    assert!(!api.contain(&fingerprint(LEAKED)).await);
}

#[tokio::test]
async fn while_the_service_hangs_people_sign_up_and_the_log_says_it_once_and_nothing_of_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let service = Service::start(Mood::Well).await;
    let settings = [
        ("VESTIBULE_BREACHED_PASSWORDS_API", service.url.as_str()),
        ("RUST_LOG", "info,vestibule=trace,vestibule_web=trace,vestibule_server=trace"),
        ("VESTIBULE_LOG_FORMAT", "json"),
    ];
    let program = Program::start_logging(folder.path(), None, &settings, File::create(&log).unwrap());
    assert_eq!(sign_up(&program.origin, LEAKED).await.0, 422);
    service.be(Mood::Hangs);
    assert_eq!(sign_up(&program.origin, LEAKED).await.0, 201, "it goes on without");
    assert_eq!(sign_up(&program.origin, GOOD).await.0, 409);
    assert_eq!(service.count(), 2);
    program.stop();

    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("leaked passwords:").count(), 1, "{log}");
    let small = LEAKED_SHA1.to_lowercase();
    for secret in [LEAKED, GOOD, LEAKED_SHA1, &LEAKED_SHA1[..5], &LEAKED_SHA1[5..], &small[5..]] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
