//! The refresh protocol as a model, all of whose ways are walked (<https://docs.rs/stateright>): two tabs with one jar of
//! cookies, a network that loses, repeats and delays, two servers over one row, and a thief who copied the cookies.
//!
//! What the model takes for granted, and the contract with it: a request or an answer is under way for less than the
//! grace; a tab refreshes when its access token is over and not before; a server answers within a moment, though
//! anything may happen between its two statements. A thief keeps to none of this.
//!
//! Each rule of the protocol has a mutant that breaks it, and for each the checker finds a way that ends badly: so a
//! green check says something. `refresh_replayed.rs` walks the same model with the real services beside it.

use stateright::{Checker, HasDiscoveries, Model, Property};

/// Ticks of five seconds: the grace is ten.
pub const GRACE: u8 = 2;
/// Secrets are numbered from 0. No walk goes further.
const LAST_SECRET: u8 = 3;
/// Messages under way at once. A tab has one, and the network may repeat one.
const UNDER_WAY: usize = 3;

/// The protocol, or what is left of it with one rule broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    AsItIs,
    /// The secret before the current one is not honoured.
    NoGrace,
    /// It is honoured for five seconds.
    HalfOfTheGrace,
    /// The grace begins as the current secret is made, whether or not its answer arrived.
    GraceFromRotation,
    /// It is honoured for ever.
    GraceForEver,
    /// The next secret is drawn and not derived.
    RandomSuccessor,
    /// A failed answer clears the cookies, whatever it says.
    ClearingOnFailure,
    /// The row is read, the decision made, and then written, by one of two servers.
    ReadDecideWrite,
    /// An old secret is refused and its session goes on.
    NoReuseDetection,
}

/// The network's and everybody's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Send {
        tab: u8,
        kind: Kind,
    },
    /// A request reaches a server, which reads the row. `again`: the network will deliver it once more.
    Deliver {
        message: usize,
        again: bool,
    },
    /// A server's second statement.
    Decide {
        server: usize,
    },
    Receive {
        message: usize,
    },
    Lose {
        message: usize,
    },
    FiveSeconds,
    /// Long enough for access tokens to be over and for everything under way to be lost.
    FiveMinutes,
    Steal,
    ThiefSends {
        kind: Kind,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Check,
    Refresh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    pub kind: Kind,
    pub secret: u8,
    /// Whether the access token that comes with it is good.
    pub has_access: bool,
}

/// What a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Told {
    Ok,
    Secret(u8),
    AccessOver,
    NotLoggedIn,
    Reused,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    Request { request: Request, is_repeated: bool },
    Answer(Told),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    pub tab: u8,
    age: u8,
    pub content: Content,
}

/// The row of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    pub current: u8,
    previous: Option<u8>,
    /// How many ticks ago the current secret was first used.
    first_used: Option<u8>,
    /// How many ticks ago it became current.
    rotated: u8,
    pub is_revoked: bool,
}

/// A browser's cookies: the secret, and whether the access token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cookies {
    pub secret: u8,
    pub has_access: bool,
}

/// A server between its two statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Underway {
    tab: u8,
    request: Request,
    statement: Statement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Statement {
    MarkUsed,
    /// The successor goes in the current secret's place; how many readings are left if it is refused. `is_current` is
    /// what was read, and only a mutant goes by it.
    Rotate {
        readings_left: u8,
        is_current: bool,
    },
    EndReplayed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub row: Row,
    /// None: logged out.
    pub jar: Option<Cookies>,
    pub thief: Option<Cookies>,
    pub network: Vec<Message>,
    servers: Vec<Underway>,
    /// Known to the property and to nobody else: how many ticks ago each secret was first accepted from anybody.
    accepted: [Option<u8>; LAST_SECRET as usize + 2],
    has_accepted_stale: bool,
    has_spared_replay: bool,
    has_told_wrong_end: bool,
}

/// Which protocol, and among whom.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    pub rule: Rule,
    pub has_thief: bool,
    /// Whether anything may happen between a server's two statements.
    pub is_split: bool,
}

impl Row {
    fn honours(self, shown: u8, rule: Rule) -> bool {
        self.current == shown || (self.previous == Some(shown) && self.is_in_grace(rule))
    }

    fn is_in_grace(self, rule: Rule) -> bool {
        let limit = match rule {
            Rule::NoGrace => return false,
            Rule::GraceForEver => return true,
            Rule::GraceFromRotation => return self.rotated < GRACE,
            Rule::HalfOfTheGrace => GRACE / 2,
            _ => GRACE,
        };
        self.first_used.is_none_or(|age| age < limit)
    }

    fn move_on(&mut self, shown: u8, next: u8) {
        *self = Self {
            current: next,
            previous: Some(shown),
            first_used: None,
            rotated: 0,
            is_revoked: self.is_revoked,
        };
    }
}

impl State {
    fn start() -> Self {
        Self {
            row: Row { current: 0, previous: None, first_used: None, rotated: 0, is_revoked: false },
            jar: Some(Cookies { secret: 0, has_access: true }),
            thief: None,
            network: Vec::new(),
            servers: Vec::new(),
            accepted: [None; LAST_SECRET as usize + 2],
            has_accepted_stale: false,
            has_spared_replay: false,
            has_told_wrong_end: false,
        }
    }

    /// The first statement: the row is read. Gives the answer, or what is to be done second.
    fn read(&self, request: Request, rule: Rule, readings_left: u8) -> Result<Told, Statement> {
        let row = &self.row;
        match request.kind {
            Kind::Check if !request.has_access => Ok(Told::AccessOver),
            _ if row.is_revoked => Ok(Told::Ended),
            Kind::Check if !row.honours(request.secret, rule) => Ok(Told::NotLoggedIn),
            Kind::Check => {
                let is_news =
                    row.current == request.secret && row.previous.is_some() && row.first_used.is_none();
                if is_news { Err(Statement::MarkUsed) } else { Ok(Told::Ok) }
            }
            Kind::Refresh if !row.honours(request.secret, rule) => Err(Statement::EndReplayed),
            Kind::Refresh => {
                Err(Statement::Rotate { readings_left, is_current: row.current == request.secret })
            }
        }
    }

    /// The second statement, which decides by what the row is now.
    fn decide(&mut self, request: Request, statement: Statement, rule: Rule) -> Result<Told, Statement> {
        let (shown, row) = (request.secret, &mut self.row);
        match statement {
            Statement::MarkUsed => {
                if row.current == shown && row.first_used.is_none() {
                    row.first_used = Some(0);
                }
                Ok(Told::Ok)
            }
            Statement::Rotate { readings_left, is_current } => {
                let next = if rule == Rule::RandomSuccessor { row.current + 1 } else { shown + 1 };
                let is_current = match rule {
                    Rule::ReadDecideWrite => is_current,
                    _ => row.current == shown && !row.is_revoked,
                };
                if is_current {
                    row.move_on(shown, next);
                    return Ok(Told::Secret(next));
                }
                let is_honoured = row.previous == Some(shown) && row.is_in_grace(rule) && !row.is_revoked;
                if is_honoured && rule == Rule::RandomSuccessor {
                    row.move_on(shown, next);
                    return Ok(Told::Secret(next));
                }
                if is_honoured && row.current == next {
                    return Ok(Told::Secret(next));
                }
                if readings_left == 0 {
                    return Ok(Told::NotLoggedIn);
                }
                self.read(request, rule, readings_left - 1)
            }
            Statement::EndReplayed => {
                let is_stale =
                    row.current != shown && !(row.previous == Some(shown) && row.is_in_grace(rule));
                if rule == Rule::NoReuseDetection {
                    return Ok(Told::NotLoggedIn);
                }
                if row.is_revoked || !is_stale {
                    return Ok(Told::Ended);
                }
                row.is_revoked = true;
                Ok(Told::Reused)
            }
        }
    }

    /// What the properties are about.
    fn witness(&mut self, request: Request, told: Told) {
        let (shown, successor) = (usize::from(request.secret), usize::from(request.secret) + 1);
        let is_worn_out = self.accepted[successor].is_some_and(|age| age >= GRACE);
        if matches!(told, Told::Ok | Told::Secret(_)) {
            self.has_accepted_stale |= is_worn_out;
            self.accepted[shown].get_or_insert(0);
        } else if request.kind == Kind::Refresh {
            self.has_spared_replay |= is_worn_out && !self.row.is_revoked;
        }
        self.has_told_wrong_end |= matches!(told, Told::Ended | Told::Reused) && !self.row.is_revoked;
    }

    /// Answers at once, with nothing between the statements.
    pub fn answer(&mut self, request: Request, rule: Rule) -> Told {
        let mut outcome = self.read(request, rule, 1);
        loop {
            match outcome {
                Ok(told) => {
                    self.witness(request, told);
                    return told;
                }
                Err(statement) => outcome = self.decide(request, statement, rule),
            }
        }
    }

    fn reply(&mut self, tab: u8, told: Told) {
        self.network.push(Message { tab, age: 0, content: Content::Answer(told) });
    }

    fn receive(&mut self, told: Told, rule: Rule) {
        match told {
            Told::Secret(secret) => self.jar = Some(Cookies { secret, has_access: true }),
            // The session is certainly over.
            Told::Reused | Told::Ended => self.jar = None,
            Told::AccessOver | Told::NotLoggedIn if rule == Rule::ClearingOnFailure => self.jar = None,
            Told::Ok | Told::AccessOver | Told::NotLoggedIn => {}
        }
    }

    fn pass(&mut self, ticks: u8) {
        let older = |age: u8| (age + ticks).min(GRACE);
        self.row.first_used = self.row.first_used.map(older);
        self.row.rotated = older(self.row.rotated);
        self.accepted = self.accepted.map(|age| age.map(older));
        for message in &mut self.network {
            message.age += ticks;
        }
        self.network.retain(|message| message.age < GRACE);
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![State::start()]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        let is_busy = |tab| {
            state.network.iter().any(|message| message.tab == tab)
                || state.servers.iter().any(|server| server.tab == tab)
        };
        if let Some(jar) = state.jar {
            for tab in (0..2).filter(|tab| !is_busy(*tab)) {
                acts.push(Act::Send { tab, kind: Kind::Check });
                if !jar.has_access {
                    acts.push(Act::Send { tab, kind: Kind::Refresh });
                }
            }
        }
        for (message, content) in state.network.iter().map(|message| message.content).enumerate() {
            match content {
                Content::Request { is_repeated, .. } if state.servers.len() < 2 => {
                    acts.push(Act::Deliver { message, again: false });
                    if !is_repeated && state.network.len() < UNDER_WAY {
                        acts.push(Act::Deliver { message, again: true });
                    }
                }
                Content::Request { .. } => {}
                Content::Answer(_) => acts.push(Act::Receive { message }),
            }
            acts.push(Act::Lose { message });
        }
        acts.extend((0..state.servers.len()).map(|server| Act::Decide { server }));
        if state.servers.is_empty() {
            acts.extend([Act::FiveSeconds, Act::FiveMinutes]);
        }
        if self.has_thief && state.thief.is_none() && state.jar.is_some() {
            acts.push(Act::Steal);
        }
        if state.thief.is_some() {
            acts.extend([Kind::Check, Kind::Refresh].map(|kind| Act::ThiefSends { kind }));
        }
    }

    fn next_state(&self, last: &State, act: Act) -> Option<State> {
        let mut state = last.clone();
        match act {
            Act::Send { tab, kind } => {
                let Cookies { secret, has_access } = state.jar?;
                let request = Request { kind, secret, has_access };
                let content = Content::Request { request, is_repeated: false };
                state.network.push(Message { tab, age: 0, content });
            }
            Act::Deliver { message, again } => {
                let Content::Request { request, .. } = state.network[message].content else { return None };
                let tab = state.network[message].tab;
                if again {
                    state.network[message].content = Content::Request { request, is_repeated: true };
                } else {
                    state.network.remove(message);
                }
                if self.is_split {
                    match state.read(request, self.rule, 1) {
                        Ok(told) => {
                            state.witness(request, told);
                            state.reply(tab, told);
                        }
                        Err(statement) => state.servers.push(Underway { tab, request, statement }),
                    }
                } else {
                    let told = state.answer(request, self.rule);
                    state.reply(tab, told);
                }
            }
            Act::Decide { server } => {
                let Underway { tab, request, statement } = state.servers.remove(server);
                match state.decide(request, statement, self.rule) {
                    Ok(told) => {
                        state.witness(request, told);
                        state.reply(tab, told);
                    }
                    Err(statement) => state.servers.push(Underway { tab, request, statement }),
                }
            }
            Act::Receive { message } => {
                let Content::Answer(told) = state.network.remove(message).content else { return None };
                state.receive(told, self.rule);
            }
            Act::Lose { message } => {
                state.network.remove(message);
            }
            Act::FiveSeconds => state.pass(1),
            Act::FiveMinutes => {
                state.pass(GRACE);
                for cookies in state.jar.iter_mut().chain(&mut state.thief) {
                    cookies.has_access = false;
                }
            }
            Act::Steal => state.thief = state.jar,
            Act::ThiefSends { kind } => {
                let Cookies { secret, has_access } = state.thief?;
                let told = state.answer(Request { kind, secret, has_access }, self.rule);
                if let Told::Secret(secret) = told {
                    state.thief = Some(Cookies { secret, has_access: true });
                }
            }
        }
        // Who came first on the way makes no difference.
        state.network.sort_unstable();
        state.servers.sort_unstable();
        (state != *last).then_some(state)
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.row.current <= LAST_SECRET
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("an end is told only of what has ended", |_, state: &State| {
                !state.has_told_wrong_end
            }),
            Property::sometimes("the secret is rotated twice", |_, state: &State| state.row.current == 2),
            Property::sometimes("two tabs get the same successor", |_, state: &State| {
                let both = |message: &Message| message.content == Content::Answer(Told::Secret(1));
                state.network.iter().filter(|message| both(message)).count() == 2
            }),
            Property::sometimes("a late request is within the grace", |_, state: &State| {
                let late = |server: &Underway| Some(server.request.secret) == state.row.previous;
                state.row.first_used == Some(GRACE - 1) && state.servers.iter().any(late)
            }),
        ];
        if self.has_thief {
            properties.extend([
                Property::always("a thief and the owner never both go on", |_, state: &State| {
                    !state.has_accepted_stale && !state.has_spared_replay
                }),
                Property::sometimes("a replay is found out", |_, state: &State| state.row.is_revoked),
                Property::sometimes(
                    "the owner's refresh ends what a thief went on with",
                    |_, state: &State| {
                        let told = |message: &Message| message.content == Content::Answer(Told::Reused);
                        state.network.iter().any(told)
                    },
                ),
            ]);
        } else {
            properties.push(Property::always("no honest person is logged out", |_, state: &State| {
                state.jar.is_some() && !state.row.is_revoked
            }));
        }
        properties
    }
}

/// Walks all ways, or until one of the properties turns out to be broken.
fn check(rule: Rule, has_thief: bool, until: HasDiscoveries) -> impl Checker<Protocol> {
    let protocol = Protocol { rule, has_thief, is_split: true };
    protocol.checker().threads(2).finish_when(until).spawn_bfs().join()
}

#[test]
fn no_way_of_tabs_servers_and_network_logs_an_honest_person_out() {
    let checked = check(Rule::AsItIs, false, HasDiscoveries::AnyFailures);
    checked.assert_properties();
    // So that a model which was cut down to nothing is noticed.
    assert!(checked.unique_state_count() > 10_000, "{} states", checked.unique_state_count());
}

#[test]
fn no_way_lets_a_thief_and_the_owner_both_go_on() {
    let checked = check(Rule::AsItIs, true, HasDiscoveries::AnyFailures);
    checked.assert_properties();
    assert!(checked.unique_state_count() > 10_000, "{} states", checked.unique_state_count());
}

#[rstest::rstest]
#[case(Rule::NoGrace)]
#[case(Rule::HalfOfTheGrace)]
#[case(Rule::GraceFromRotation)]
#[case(Rule::RandomSuccessor)]
#[case(Rule::ClearingOnFailure)]
fn a_broken_rule_logs_somebody_honest_out(#[case] rule: Rule) {
    let broken = "no honest person is logged out";
    let path = check(rule, false, HasDiscoveries::AnyOf([broken].into())).assert_any_discovery(broken);
    let end = path.last_state();
    assert!(end.jar.is_none() || end.row.is_revoked, "{rule:?}");
}

#[rstest::rstest]
#[case(Rule::GraceForEver)]
#[case(Rule::NoReuseDetection)]
#[case(Rule::ReadDecideWrite)]
fn a_broken_rule_lets_both_go_on(#[case] rule: Rule) {
    let broken = "a thief and the owner never both go on";
    let path = check(rule, true, HasDiscoveries::AnyOf([broken].into())).assert_any_discovery(broken);
    let end = path.last_state();
    assert!(end.has_accepted_stale || end.has_spared_replay, "{rule:?}");
}
