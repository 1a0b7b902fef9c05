use std::cell::Cell;

use anyhow::{Context, Result, ensure};
use time::OffsetDateTime;
use vestibule::models::{SecretKey, ServerKeys};
use vestibule::ports::{Clock, OsRandom, SystemClock};

use crate::load::{self, Loaded};
use crate::measuring::Bench;
use crate::population::{PASSWORD, Population, SESSIONS_EACH, address};
use crate::site::{Site, Start};
use crate::wire::{Browser, Wire, request};

/// As many people as a small site has.
pub const FEW: u64 = 1000;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Sqlite,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }
}

/// A database with people in it, and the program serving it.
pub struct House<'a> {
    pub site: Site,
    pub loaded: Loaded,
    pub database_url: String,
    population: Population,
    keys: ServerKeys,
    start: Start<'a>,
    /// The sessions before this one were handed out.
    next_session: Cell<u64>,
}

impl<'a> House<'a> {
    /// A house with so many people. `settings` are the program's, beside those that all have.
    pub fn open(
        bench: &'a Bench,
        engine: Engine,
        users: u64,
        settings: &[(&'static str, &str)],
    ) -> Result<Self> {
        let folder = bench.new_folder()?;
        let secret = SecretKey::generate(&OsRandom);
        let file = folder.join("vestibule.db");
        let database_url = match engine {
            Engine::Postgres => bench.new_database()?,
            Engine::Sqlite => format!("sqlite://{}", file.display()),
        };
        let mut settings: Vec<_> =
            settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        settings.push(("VESTIBULE_DATABASE_URL", database_url.clone()));
        settings.push(("VESTIBULE_SECRET_KEY", secret.to_base64().to_string()));
        let start = Start { program: &bench.program, folder, settings };
        start.run(&["migrate"])?;
        let population = Population { users, now: now(), seed: 0x7665_7374 };
        let loaded = match engine {
            Engine::Postgres => bench.block_on(load::postgres(&database_url, population))?,
            Engine::Sqlite => bench.block_on(load::sqlite(&file, population))?,
        };
        let site = start.serve()?;
        let next_session = Cell::new(0);
        Ok(Self { site, loaded, database_url, population, keys: secret.derive(), start, next_session })
    }

    /// One more server of the same database.
    pub fn second_server(&self) -> Result<Site> {
        self.start.serve()
    }

    /// The same with another setting.
    pub fn second_server_with(&self, name: &'static str, value: &str) -> Result<Site> {
        let Start { program, folder, settings } = &self.start;
        let mut settings = settings.clone();
        // The last one holds.
        settings.push((name, value.to_owned()));
        Start { program, folder: folder.clone(), settings }.serve()
    }

    /// A command of the program, beside the server.
    pub fn command(&self, arguments: &[&str]) -> Result<()> {
        self.start.run(arguments)
    }

    /// Somebody who logs in with a browser that the account knows.
    pub fn log_in_of(&self, number: u64) -> Result<(Vec<u8>, String)> {
        let person = self.population.person(number % self.population.users)?;
        let device = person.device.to_cookie(&self.keys);
        let browser = Browser { device, from: address(number), ..Browser::default() };
        let email = person.user.email.as_str().to_owned();
        let body = format!(r#"{{"email":"{email}","password":"{PASSWORD}"}}"#);
        let headers = format!("{}Content-Type: application/json\r\n", browser.headers());
        Ok((request("POST /api/auth/log-in", &headers, &body), email))
    }

    /// So many log-ins, of people here and there.
    pub fn log_ins(&self, count: u64) -> Result<Vec<Vec<u8>>> {
        (0..count).map(|number| Ok(self.log_in_of(self.scattered(number))?.0)).collect()
    }

    /// A browser of which one session is refreshed for the first time, and so has an access token.
    fn browser(&self, session: u64) -> Result<Browser> {
        let (number, which) = (session / SESSIONS_EACH, usize::try_from(session % SESSIONS_EACH)?);
        let person = self.population.person(number)?;
        let (session, token) = person.sessions.get(which).context("a person has so many sessions")?;
        Ok(Browser {
            access: String::new(),
            refresh: token.to_cookie(&self.keys).to_string(),
            csrf: session.csrf_token.as_str().to_owned(),
            device: person.device.to_cookie(&self.keys),
            from: address(number),
        })
    }

    /// So many browsers that are logged in, whose sessions nobody else here uses. Each was refreshed and has shown its new
    /// secret, as browsers have that are in use.
    pub fn browsers(&self, count: u64) -> Result<Vec<Browser>> {
        let mut wire = Wire::open(&self.site.address)?;
        let mut browsers = Vec::new();
        for session in self.take_sessions(count)? {
            let mut browser = self.browser(session)?;
            let answer = wire.ask(&browser.send("POST", "/api/auth/refresh", ""))?;
            ensure!(answer.status == 200, "a refresh is answered with {}: {}", answer.status, answer.body);
            browser.take(&answer);
            let checked = wire.ask(&browser.get("/api/auth/session"))?;
            ensure!(checked.status == 200, "a check is answered with {}: {}", checked.status, checked.body);
            browsers.push(browser);
        }
        Ok(browsers)
    }

    /// So many checks, each of another session.
    pub fn checks(&self, sessions: u64) -> Result<Vec<Vec<u8>>> {
        let browsers = self.browsers(sessions)?;
        Ok(browsers.iter().map(|browser| browser.get("/api/auth/session")).collect())
    }

    /// At least so many refreshes, each with a secret of its own: those of a few hundred sessions, whose secrets to come are derived
    /// as the server derives them. Those of one session are far apart, so none overtakes the one before it.
    pub fn refreshes(&self, count: u64, sessions: u64) -> Result<Vec<Vec<u8>>> {
        let mut turn = Vec::new();
        for session in self.take_sessions(sessions)? {
            let (number, which) = (session / SESSIONS_EACH, usize::try_from(session % SESSIONS_EACH)?);
            let person = self.population.person(number)?;
            let (_, token) = person.sessions.get(which).context("a person has so many sessions")?;
            turn.push((token.clone(), self.browser(session)?));
        }
        let mut requests = Vec::new();
        while (requests.len() as u64) < count {
            for (token, browser) in &mut turn {
                browser.refresh = token.to_cookie(&self.keys).to_string();
                requests.push(browser.send("POST", "/api/auth/refresh", ""));
                *token = token.successor(&self.keys);
            }
        }
        Ok(requests)
    }

    /// Sessions that were not handed out before, from all over the database.
    fn take_sessions(&self, count: u64) -> Result<Vec<u64>> {
        let first = self.next_session.get();
        let all = self.population.users * SESSIONS_EACH;
        ensure!(first + count <= all, "the {all} sessions of the database are used up");
        self.next_session.set(first + count);
        Ok((first..first + count).map(|number| self.scattered(number) % all).collect())
    }

    /// Another number for each number: neighbours are far from each other.
    fn scattered(&self, number: u64) -> u64 {
        let all = self.population.users * SESSIONS_EACH;
        // A prime that divides no number of sessions here, so each number is met once.
        (number % all) * 7_368_787 % all
    }

    /// Whose the sessions are that are handed out first.
    pub fn people_of_first_sessions(&self, count: u64) -> Vec<u64> {
        (0..count).map(|number| self.scattered(number) / SESSIONS_EACH).collect()
    }

    /// How many people there are.
    pub fn users(&self) -> u64 {
        self.population.users
    }
}

fn now() -> OffsetDateTime {
    SystemClock.now()
}
