//! The real services beside the model of `refresh_checked.rs`: walks of chance through the model, a thief among them, and
//! at each step the services have to say what the model says.

use rstest::rstest;
use stateright::Model;
use time::Duration;
use vestibule::models::{AuditEventKind, Client, CsrfProof, MailKind, Role, SessionEnded};
use vestibule::services::{Asked, CheckError, LoggedIn, PresentedSession, RefreshError};
use vestibule_testkit::{
    DatabaseKind, Dice, House, HouseOptions, PASSWORD, TestDatabase, generous, values, writing,
};

use crate::refresh_checked::{Act, Content, Kind, Protocol, Request, Rule, State, Told};

const WALKS: usize = 60;
const STEPS: usize = 60;
/// Five seconds each, and an access token is good for five minutes.
const TICKS_IN_A_ROW: usize = 50;

const PROTOCOL: Protocol = Protocol { rule: Rule::AsItIs, has_thief: true, is_split: false };

/// The real session, with the refresh cookies in the order of their secrets.
struct Real<'a> {
    servers: [&'a House; 2],
    cookies: Vec<String>,
    newest: LoggedIn,
}

impl Real<'_> {
    async fn answer(&mut self, server: usize, request: Request) -> Told {
        let accounts = &self.servers[server].accounts;
        let mut shown = PresentedSession {
            refresh: values(&[&self.cookies[usize::from(request.secret)]]),
            ..writing(&self.newest)
        };
        if !request.has_access {
            shown.access = values(&[]);
        }
        match request.kind {
            Kind::Check => {
                shown.csrf = CsrfProof::NotNeeded;
                match accounts.check_session(&shown, Asked::role(Role::User)).await {
                    Ok(_) => Told::Ok,
                    Err(CheckError::AccessTokenExpired) => Told::AccessOver,
                    Err(CheckError::NotLoggedIn) => Told::NotLoggedIn,
                    Err(CheckError::SessionEnded(SessionEnded::Revoked)) => Told::Ended,
                    Err(other) => panic!("none of the protocol's answers: {other:?}"),
                }
            }
            Kind::Refresh => match accounts.refresh(&shown, &Client::default()).await {
                Ok(refreshed) => {
                    let cookie = refreshed.tokens.refresh.to_string();
                    let known = self.cookies.iter().position(|known| *known == cookie);
                    let number = known.unwrap_or(self.cookies.len());
                    if known.is_none() {
                        self.cookies.push(cookie);
                    }
                    self.newest = refreshed;
                    Told::Secret(u8::try_from(number).unwrap())
                }
                Err(RefreshError::NotLoggedIn) => Told::NotLoggedIn,
                Err(RefreshError::Reused) => Told::Reused,
                Err(RefreshError::SessionEnded(SessionEnded::Revoked)) => Told::Ended,
                Err(other) => panic!("none of the protocol's answers: {other:?}"),
            },
        }
    }
}

/// What is asked of a server in this step, if anything is.
fn asked(state: &State, act: Act) -> Option<Request> {
    match act {
        Act::Deliver { message, .. } => match state.network[message].content {
            Content::Request { request, .. } => Some(request),
            Content::Answer(_) => None,
        },
        Act::ThiefSends { kind } => state.thief.map(|cookies| Request {
            kind,
            secret: cookies.secret,
            has_access: cookies.has_access,
        }),
        _ => None,
    }
}

/// Goes one of the ways that the model allows. Five minutes are one way among many, and must come often enough.
fn choose(dice: &mut Dice, state: &State, ticks: usize) -> Option<Act> {
    let mut acts = Vec::new();
    PROTOCOL.actions(state, &mut acts);
    acts.retain(|act| {
        (*act != Act::FiveSeconds || ticks < TICKS_IN_A_ROW)
            && PROTOCOL.next_state(state, *act).is_some_and(|next| PROTOCOL.within_boundary(&next))
    });
    // A thief who takes every second turn leaves the owner no time.
    if !dice.one_in(4) && acts.iter().any(|act| !is_thievish(*act)) {
        acts.retain(|act| !is_thievish(*act));
    }
    (!acts.is_empty()).then(|| acts[dice.index(acts.len())])
}

fn is_thievish(act: Act) -> bool {
    matches!(act, Act::Steal | Act::ThiefSends { .. })
}

#[rstest]
#[tokio::test]
async fn the_services_say_what_the_model_says_at_every_step(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
    #[values(1, 2, 3)] seed: u64,
) {
    // Each walk logs in anew.
    let options = HouseOptions { policy: generous, ..HouseOptions::default() };
    let first = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    let servers = [&first, &first.second_server().await];
    let mut dice = Dice::new(seed);
    let newest = first.signed_up("ann").await;
    let mut real = Real { servers, cookies: vec![newest.tokens.refresh.to_string()], newest };
    let (mut answers, mut rotations, mut replays) = (0, 0, 0);

    for walk in 0..WALKS {
        let mut state = PROTOCOL.init_states().remove(0);
        let (mut path, mut ticks) = (Vec::new(), 0);
        while path.len() < STEPS
            && let Some(act) = choose(&mut dice, &state, ticks)
        {
            path.push(act);
            let place = || format!("seed {seed}, walk {walk}: {path:?}");
            if let Some(request) = asked(&state, act) {
                let expected = state.clone().answer(request, PROTOCOL.rule);
                let told = real.answer(dice.index(2), request).await;
                assert_eq!(told, expected, "{}", place());
                answers += 1;
                rotations += usize::from(matches!(told, Told::Secret(secret) if secret > state.row.current));
                replays += usize::from(told == Told::Reused);
            }
            match act {
                Act::FiveSeconds => {
                    first.clock.advance(Duration::seconds(5));
                    ticks += 1;
                }
                Act::FiveMinutes => {
                    first.clock.advance(Duration::minutes(5));
                    ticks = 0;
                }
                _ => {}
            }
            state = PROTOCOL.next_state(&state, act).unwrap();
        }
        let newest = first.log_in("ann@example.com", PASSWORD).await.unwrap();
        real = Real { servers, cookies: vec![newest.tokens.refresh.to_string()], newest };
    }

    let happened = format!("seed {seed}: {answers} answers, {rotations} rotations, {replays} replays");
    assert!(answers > 500 && rotations > 60 && replays > 5, "{happened}");
    let mails = first.outbox_kinds().await.into_iter().filter(|kind| *kind == MailKind::RefreshReused);
    let events = first.audit_kinds().await.into_iter().filter(|kind| *kind == AuditEventKind::RefreshReused);
    assert_eq!((mails.count(), events.count()), (replays, replays), "each is told once: {happened}");
}
