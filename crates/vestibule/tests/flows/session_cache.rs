//! What is remembered of sessions, on one server and on two.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration as Wait;

use rstest::rstest;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use vestibule::TRUSTED_FOR;
use vestibule::models::Role;
use vestibule::services::{
    Administrator, Asked, ChangePassword, CheckError, ConfirmEmail, LoggedIn, PresentedSession, ResetPassword,
};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{
    House, HouseOptions, PASSWORD, TestDatabase, client, generous, reading, values, writing,
};

const NEW: &str = "velvet orchard seventeen";

async fn remembering(kind: DatabaseKind) -> House {
    let options = HouseOptions { remembered_sessions: 1000, policy: generous, ..HouseOptions::default() };
    House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
}

/// Whether somebody is let in, and whether that took no statement.
async fn check(house: &House, ann: &LoggedIn, role: Role) -> (bool, bool) {
    let before = house.database.round_trips();
    let checked = house.accounts.check_session(&reading(ann), Asked::role(role)).await;
    let took = house.database.round_trips() - before;
    (checked.is_ok(), took == 0)
}

/// Makes a server remember a session.
async fn remember(house: &House, ann: &LoggedIn) {
    house.missed_nothing();
    for _ in 0..2 {
        assert!(check(house, ann, Role::User).await.0);
    }
    house.missed_nothing();
    assert_eq!(check(house, ann, Role::User).await, (true, true), "it is remembered");
    house.missed_nothing();
}

#[rstest]
#[tokio::test]
async fn a_session_that_was_read_a_moment_ago_is_checked_without_a_statement(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = remembering(kind).await;
    let ann = house.signed_up("ann").await;
    assert_eq!(check(&house, &ann, Role::User).await, (true, false), "nobody follows");
    remember(&house, &ann).await;
    let before = house.database.round_trips();
    house.accounts.check_bearer(&ann.tokens.access, Asked::role(Role::User)).await.unwrap();
    assert!(house.database.round_trips() > before, "a token by itself is another thing than the two cookies");
    let before = house.database.round_trips();
    house.accounts.check_bearer(&ann.tokens.access, Asked::role(Role::User)).await.unwrap();
    assert_eq!(house.database.round_trips(), before, "and remembered too");
    // A refusal is never taken from memory.
    assert_eq!(check(&house, &ann, Role::Admin).await, (false, false));
    let mut shown = reading(&ann);
    shown.csrf_cookies = values(&["another"]);
    let refused = house.accounts.check_session(&shown, Asked::role(Role::User)).await;
    assert!(matches!(refused, Err(CheckError::CsrfFailed)));
    let mut shown = reading(&ann);
    shown.refresh = values(&[]);
    assert!(house.accounts.check_session(&shown, Asked::role(Role::User)).await.is_err());
}

#[rstest]
#[tokio::test]
async fn cookies_that_do_not_belong_together_are_refused_also_where_each_is_remembered(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = remembering(kind).await;
    let (ann, eve) = (house.signed_up("ann").await, house.signed_up("eve").await);
    for somebody in [&ann, &eve] {
        remember(&house, somebody).await;
        house.accounts.check_bearer(&somebody.tokens.access, Asked::role(Role::User)).await.unwrap();
    }
    let mut forged = ann.tokens.refresh.to_string();
    forged.pop();
    let cases = [
        (values(&[&eve.tokens.refresh]), "another's refresh cookie"),
        (values(&[&forged]), "a damaged one"),
        (values(&[""]), "an empty one, beside a token that is remembered by itself"),
        (values(&[]), "none"),
    ];
    for (refresh, case) in cases {
        let shown = PresentedSession { refresh, ..reading(&ann) };
        let refused = house.accounts.check_session(&shown, Asked::role(Role::User)).await;
        assert!(matches!(refused, Err(CheckError::NotLoggedIn)), "{case}: {refused:?}");
    }
    // Of several refresh cookies the first that fits counts, as if nothing were remembered.
    let second = house.accounts.refresh(&writing(&ann), &client()).await.unwrap();
    let both =
        PresentedSession { refresh: values(&[&second.tokens.refresh, &ann.tokens.refresh]), ..reading(&ann) };
    house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    let read = house.session_cache.state().misses;
    house.accounts.check_session(&both, Asked::role(Role::User)).await.unwrap();
    assert_eq!(house.session_cache.state().misses, read + 1, "that it was read is counted");
    house.clock.advance(time::Duration::seconds(11));
    house.missed_nothing();
    let stale = house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await;
    assert!(
        matches!(stale, Err(CheckError::NotLoggedIn)),
        "the first use of the second was noticed: {stale:?}"
    );
    // The session that comes first is theirs, also where only that of another is remembered.
    let ann = house.log_in("ann@example.com", PASSWORD).await.unwrap();
    let both = PresentedSession {
        access: values(&[&ann.tokens.access, &eve.tokens.access]),
        refresh: values(&[&eve.tokens.refresh, &ann.tokens.refresh]),
        csrf_cookies: values(&[eve.tokens.csrf.as_str(), ann.tokens.csrf.as_str()]),
        ..reading(&ann)
    };
    let current = house.accounts.check_session(&both, Asked::role(Role::User)).await.unwrap();
    assert_eq!(current.user.id, ann.user.id);
}

#[rstest]
#[tokio::test]
async fn what_is_told_of_a_session_is_written_once_and_anew_after_a_change(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    async fn told(house: &House, ann: &LoggedIn) -> (Vec<u8>, bool) {
        let current = house.accounts.check_session(&reading(ann), Asked::role(Role::User)).await.unwrap();
        let mut is_written = false;
        let told = current.told.or_write(|| {
            is_written = true;
            Ok::<_, Infallible>(current.user.name.as_str().as_bytes().to_vec())
        });
        (told.unwrap().to_vec(), is_written)
    }
    let house = remembering(kind).await;
    let ann = house.signed_up("ann").await;
    let name = ann.user.name.as_str().as_bytes().to_vec();
    assert_eq!(told(&house, &ann).await, (name.clone(), true));
    assert_eq!(told(&house, &ann).await, (name.clone(), true), "nobody follows, so nothing is kept");
    remember(&house, &ann).await;
    assert_eq!(told(&house, &ann).await, (name.clone(), true));
    assert_eq!(told(&house, &ann).await, (name, false));
    house.accounts.change_name(&house.current(&ann).await, "Ann the Second", &client()).await.unwrap();
    remember(&house, &ann).await;
    assert_eq!(told(&house, &ann).await, (b"Ann the Second".to_vec(), true));
}

#[rstest]
#[tokio::test]
async fn a_refresh_is_known_at_once_and_its_first_use_is_written(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = remembering(kind).await;
    let ann = house.signed_up("ann").await;
    remember(&house, &ann).await;
    let second = house.accounts.refresh(&writing(&ann), &client()).await.unwrap();
    assert!(check(&house, &ann, Role::User).await.0, "the secret before is honoured for a while");
    remember(&house, &second).await;
    house.clock.advance(time::Duration::seconds(11));
    let stale = house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await;
    assert!(matches!(stale, Err(CheckError::NotLoggedIn)), "{stale:?}");
    house.accounts.refresh(&writing(&ann), &client()).await.unwrap_err();
    house.missed_nothing();
    assert!(!check(&house, &second, Role::User).await.0, "an old secret ended the session");
}

/// Everything that ends a session or takes something from a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    LogOut,
    EndSession,
    EndOthers,
    EndAll,
    ChangePassword,
    ResetPassword,
    TakeRole,
    Disable,
    DeleteUser,
    DeleteAccount,
    Replay,
}

pub const ACTS: [Act; 11] = [
    Act::LogOut,
    Act::EndSession,
    Act::EndOthers,
    Act::EndAll,
    Act::ChangePassword,
    Act::ResetPassword,
    Act::TakeRole,
    Act::Disable,
    Act::DeleteUser,
    Act::DeleteAccount,
    Act::Replay,
];

/// Does it to a session of an admin's, and gives the session.
pub async fn do_it(act: Act, house: &House, ann: &LoggedIn, others: &LoggedIn) {
    let (accounts, by) = (&house.accounts, Administrator::at_the_command_line());
    let other = house.current(others).await;
    let user = ann.user.id;
    match act {
        Act::LogOut => accounts.log_out(&house.current(ann).await, &client()).await.unwrap(),
        Act::EndSession => {
            let id = house.current(ann).await.session.public_id;
            accounts.end_session(&other, id, &client()).await.unwrap();
        }
        Act::EndOthers => assert_eq!(accounts.end_other_sessions(&other, &client()).await.unwrap(), 1),
        Act::EndAll => assert_eq!(accounts.end_sessions_of(user, &by).await.unwrap(), 2),
        Act::ChangePassword => {
            let typed = ChangePassword { current_password: PASSWORD, new_password: NEW };
            accounts.change_password(&other, typed, &client()).await.unwrap();
        }
        Act::ResetPassword => {
            house.deliver().await;
            accounts.forgot_password(ann.user.email.as_str(), &client()).await.unwrap();
            let token = house.mailed_token(ann.user.email.as_str()).await;
            let typed = ResetPassword { token: &token, password: NEW, devices: &[] };
            accounts.reset_password(typed, &client()).await.unwrap();
        }
        Act::TakeRole => drop(accounts.change_role(user, &Role::User, &by).await.unwrap()),
        Act::Disable => drop(accounts.disable_user(user, &by).await.unwrap()),
        Act::DeleteUser => accounts.delete_user(user, &by).await.unwrap(),
        Act::DeleteAccount => accounts.delete_account(&other, PASSWORD, &client()).await.unwrap(),
        Act::Replay => {
            let second = accounts.refresh(&writing(ann), &client()).await.unwrap();
            assert!(check(house, &second, Role::Admin).await.0);
            house.clock.advance(time::Duration::seconds(11));
            accounts.refresh(&writing(ann), &client()).await.unwrap_err();
        }
    }
}

/// An admin with two sessions; another admin is there, so that nothing is refused for want of one.
pub async fn admin(house: &House, name: &str) -> (LoggedIn, LoggedIn) {
    let ann = house.signed_up(name).await;
    let by = Administrator::at_the_command_line();
    house.accounts.change_role(ann.user.id, &Role::Admin, &by).await.unwrap();
    let others = house.log_in(ann.user.email.as_str(), PASSWORD).await.unwrap();
    (ann, others)
}

#[rstest]
#[tokio::test]
async fn what_ends_a_session_is_known_at_once_on_the_server_that_does_it(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    // Nobody follows: only what the server itself tells its memory counts.
    let house = remembering(kind).await;
    admin(&house, "root").await;
    for act in ACTS {
        let (ann, others) = admin(&house, &format!("{act:?}").to_lowercase()).await;
        remember(&house, &ann).await;
        assert!(check(&house, &ann, Role::Admin).await.0);
        do_it(act, &house, &ann, &others).await;
        house.missed_nothing();
        assert!(!check(&house, &ann, Role::Admin).await.0, "{act:?}");
    }
}

#[rstest]
#[tokio::test]
async fn what_is_told_of_a_user_is_true_at_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = remembering(kind).await;
    let ann = house.signed_up("ann").await;
    remember(&house, &ann).await;
    let current = house.current(&ann).await;
    house.accounts.change_name(&current, "Anna", &client()).await.unwrap();
    house.missed_nothing();
    assert_eq!(house.current(&ann).await.user.name.as_str(), "Anna");
    remember(&house, &ann).await;
    let token = house.mailed_token("ann@example.com").await;
    house
        .accounts
        .confirm_email(
            ConfirmEmail { token: &token, password: Some(PASSWORD), devices: &[] },
            None,
            &client(),
        )
        .await
        .unwrap();
    house.missed_nothing();
    assert!(house.current(&ann).await.user.is_email_verified);
}

/// How long it is checked whether another server refuses. The bench measures how soon it does; here a loaded machine must not matter.
async fn refused_within(house: &House, ann: &LoggedIn, limit: Wait) -> bool {
    let began = Instant::now();
    while began.elapsed() < limit {
        if !check(house, ann, Role::Admin).await.0 {
            return true;
        }
        tokio::time::sleep(Wait::from_millis(1)).await;
    }
    false
}

/// Waits until a server that is followed for remembers a session.
async fn remembered(house: &House, ann: &LoggedIn) {
    let began = Instant::now();
    while check(house, ann, Role::User).await != (true, true) {
        assert!(began.elapsed() < Wait::from_secs(10), "it is remembered at last");
        tokio::time::sleep(Wait::from_millis(5)).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_a_session_is_soon_known_on_another_server(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let here = remembering(kind).await;
    let there = here.second_server().await;
    let _following = (here.follow(), there.follow());
    admin(&here, "root").await;
    for act in ACTS {
        let (ann, others) = admin(&here, &format!("{act:?}").to_lowercase()).await;
        remembered(&there, &ann).await;
        do_it(act, &here, &ann, &others).await;
        assert!(refused_within(&there, &ann, TRUSTED_FOR).await, "{act:?}");
    }
}

/// A way to PostgreSQL that can be cut without anybody being told.
struct Cable {
    address: String,
    is_cut: Arc<AtomicBool>,
}

impl Cable {
    async fn to(url: &str) -> Self {
        let mut parsed: url::Url = url.parse().unwrap();
        let target = (parsed.host_str().unwrap().to_owned(), parsed.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        parsed.set_host(Some("127.0.0.1")).unwrap();
        parsed.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, cut) = (target.clone(), Arc::clone(&cut));
                tokio::spawn(async move {
                    let mut far = TcpStream::connect((target.0.as_str(), target.1)).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = until(&cut) => std::future::pending().await,
                    }
                });
            }
        });
        Self { address: parsed.to_string(), is_cut }
    }
}

async fn until(flag: &AtomicBool) {
    while !flag.load(Ordering::Relaxed) {
        tokio::time::sleep(Wait::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_channel_is_cut_in_silence_each_check_reads_the_database_after_a_second() {
    let here = remembering(Postgres).await;
    let there = here.second_server().await;
    let cable = Cable::to(here.test_database().url_text()).await;
    let _following = there.follow_at(cable.address.parse().unwrap());
    let (ann, others) = admin(&here, "ann").await;
    let (eve, _) = admin(&here, "eve").await;
    remembered(&there, &ann).await;
    remembered(&there, &eve).await;
    cable.is_cut.store(true, Ordering::Relaxed);
    do_it(Act::EndSession, &here, &ann, &others).await;
    assert!(refused_within(&there, &ann, TRUSTED_FOR + Wait::from_millis(500)).await);
    assert_eq!(
        check(&there, &eve, Role::Admin).await,
        (true, false),
        "the honest are let in, by the database"
    );
    cable.is_cut.store(false, Ordering::Relaxed);
    remembered(&there, &eve).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_connection_is_ended_what_was_missed_is_read() {
    let here = remembering(Postgres).await;
    let there = here.second_server().await;
    let _following = there.follow();
    let (eve, _) = admin(&here, "eve").await;
    for round in 0..3 {
        let (ann, others) = admin(&here, &format!("ann{round}")).await;
        remembered(&there, &ann).await;
        let ended = here
            .count(
                "SELECT COUNT(*) AS count FROM (
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE application_name = 'vestibule listener' AND datname = current_database()
                 ) AS ended",
            )
            .await;
        assert!(ended > 0);
        do_it(Act::EndSession, &here, &ann, &others).await;
        assert!(refused_within(&there, &ann, TRUSTED_FOR).await);
        remembered(&there, &eve).await;
    }
}

/// Two servers, six people each with a session on both, whose checks and log-outs come in any order: nobody who was logged out is let
/// in, on the same server from that moment on, on the other one beyond the bound.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_ended_session_is_honoured_beyond_the_bound(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    const PEOPLE: u32 = 6;
    const ROUNDS: u32 = 8;
    let here = remembering(kind).await;
    let there = here.second_server().await;
    let _following = (here.follow(), there.follow());
    let houses = Arc::new([here, there]);
    let (checks, remembered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut people = tokio::task::JoinSet::new();
    for person in 0..PEOPLE {
        let (houses, checks, remembered) =
            (Arc::clone(&houses), Arc::clone(&checks), Arc::clone(&remembered));
        people.spawn(async move {
            let email = format!("p{person}@example.com");
            houses[0].signed_up(&format!("p{person}")).await;
            for round in 0..ROUNDS {
                let session = Arc::new(houses[0].log_in(&email, PASSWORD).await.unwrap());
                let ended = Arc::new(std::sync::Mutex::new(None::<(usize, Instant)>));
                let mut visitors = tokio::task::JoinSet::new();
                for at in [0, 1, 0, 1] {
                    let (houses, session, ended) =
                        (Arc::clone(&houses), Arc::clone(&session), Arc::clone(&ended));
                    let (checks, remembered) = (Arc::clone(&checks), Arc::clone(&remembered));
                    visitors.spawn(async move {
                        loop {
                            let known = *ended.lock().unwrap();
                            let began = Instant::now();
                            let before = houses[at].session_cache.state().hits;
                            let is_in = check(&houses[at], &session, Role::User).await.0;
                            checks.fetch_add(1, Ordering::Relaxed);
                            if houses[at].session_cache.state().hits > before {
                                remembered.fetch_add(1, Ordering::Relaxed);
                            }
                            if let Some((by, since)) = known {
                                let bound = if by == at { Wait::ZERO } else { TRUSTED_FOR };
                                if !is_in {
                                    break;
                                }
                                assert!(
                                    began.duration_since(since) < bound,
                                    "let in at {at} after the end at {by}"
                                );
                            }
                            tokio::task::yield_now().await;
                        }
                    });
                }
                tokio::time::sleep(Wait::from_millis(u64::from(50 + 37 * ((person + round) % 5)))).await;
                let by = usize::try_from((person + round) % 2).unwrap();
                let current = houses[by].current(&session).await;
                houses[by].accounts.log_out(&current, &client()).await.unwrap();
                *ended.lock().unwrap() = Some((by, Instant::now()));
                while let Some(visited) = visitors.join_next().await {
                    visited.unwrap();
                }
            }
        });
    }
    while let Some(done) = people.join_next().await {
        done.unwrap();
    }
    let (checks, remembered) = (checks.load(Ordering::Relaxed), remembered.load(Ordering::Relaxed));
    assert!(
        checks > 1000 && remembered > checks / 4,
        "{remembered} of {checks} checks were answered from memory"
    );
}

#[rstest]
#[tokio::test]
async fn when_a_session_was_last_seen_is_written_once_a_minute(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = remembering(kind).await;
    let mut people = Vec::new();
    for person in 0..40 {
        people.push(house.signed_up(&format!("p{person}")).await);
    }
    let last_seen = async |ann: &LoggedIn| house.current(ann).await.session.last_seen_at;
    let at_first = last_seen(&people[0]).await;
    assert_eq!(house.accounts.write_seen().await.unwrap(), 0, "less than a minute ago is as good as now");
    house.clock.advance(time::Duration::minutes(2));
    for ann in &people {
        for _ in 0..3 {
            assert!(check(&house, ann, Role::User).await.0);
        }
    }
    assert_eq!(last_seen(&people[0]).await, at_first);
    let before = house.database.round_trips();
    assert_eq!(house.accounts.write_seen().await.unwrap(), 40);
    assert_eq!(house.database.round_trips() - before, 2, "32 with a statement");
    assert_eq!(house.accounts.write_seen().await.unwrap(), 0);
    let now = house.accounts.now();
    assert!(now - last_seen(&people[0]).await < time::Duration::SECOND);
    // One that is ended meanwhile does no harm.
    house.clock.advance(time::Duration::minutes(2));
    let current = house.current(&people[0]).await;
    house.accounts.log_out(&current, &client()).await.unwrap();
    assert_eq!(house.accounts.write_seen().await.unwrap(), 0);
}

/// Asks a future to go on so many times, and gives it up where it is not done, as a server does with the request of somebody who closed the page.
async fn is_done_after(turns: u32, asked: impl Future) -> bool {
    let mut asked = Box::pin(asked);
    for turn in 0..turns {
        if turn > 0 {
            tokio::time::sleep(Wait::from_micros(40)).await;
        }
        if poll_fn(|context| Poll::Ready(asked.as_mut().poll(context).is_ready())).await {
            return true;
        }
    }
    false
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_out_that_was_given_up_and_holds_all_the_same_is_known(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = remembering(kind).await;
    let _following = house.follow();
    house.signed_up("ann").await;
    let (mut given_up, mut held) = (0, 0);
    for round in 0..48 {
        let session = house.log_in("ann@example.com", PASSWORD).await.unwrap();
        remembered(&house, &session).await;
        let (current, before) = (house.current(&session).await, house.count_sessions().await);
        let is_done = is_done_after(1 + round % 8, house.accounts.log_out(&current, &client())).await;
        tokio::time::sleep(Wait::from_millis(20)).await;
        let is_ended = house.count_sessions().await < before;
        if is_ended {
            let bound = if kind == Sqlite { Wait::from_millis(5) } else { TRUSTED_FOR };
            assert!(refused_within(&house, &session, bound).await, "given up in round {round}");
        } else {
            assert!(check(&house, &session, Role::User).await.0);
        }
        given_up += u32::from(!is_done);
        held += u32::from(!is_done && is_ended);
    }
    if kind == Postgres {
        // A connection that was left within a transaction would take with it what others do on it later.
        let left = "SELECT COUNT(*) AS count FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
        assert_eq!(house.count(left).await, 0);
    }
    assert!(given_up > 0, "{held} of those that were given up held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_trusted_where_another_database_is_listened_to_or_this_one_does_not_tell() {
    let house = remembering(Postgres).await;
    let ann = house.signed_up("ann").await;
    let elsewhere = TestDatabase::create(Postgres).await;
    let nothing_is_remembered = async || {
        let began = Instant::now();
        while began.elapsed() < Wait::from_millis(1200) {
            assert_eq!(check(&house, &ann, Role::User).await, (true, false));
            tokio::time::sleep(Wait::from_millis(10)).await;
        }
    };
    let following = house.follow_at(elsewhere.url());
    nothing_is_remembered().await;
    drop(following);
    let switch = async |sql: &'static str| house.database.alone().write(sql).execute().await.unwrap();
    switch("ALTER TABLE users DISABLE TRIGGER vestibule_user_changed").await;
    let _following = house.follow();
    nothing_is_remembered().await;
    switch("ALTER TABLE users ENABLE TRIGGER vestibule_user_changed").await;
    remembered(&house, &ann).await;
    switch("TRUNCATE sessions").await;
    assert!(refused_within(&house, &ann, TRUSTED_FOR).await, "a table that was emptied by hand");
}
