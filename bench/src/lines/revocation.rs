use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use vestibule::ports::{Stopwatch, SystemStopwatch};

use crate::figures::Rounds;
use crate::house::{Engine, FEW, House};
use crate::measuring::{Bench, Line};
use crate::population::PASSWORD;
use crate::site::{Site, rest};
use crate::wire::{Browser, Wire};

const NEW_PASSWORD: &str = "lantern granite october";
const MOST_MS: f64 = 100.0;
const MOST_MEDIAN_MS: f64 = 10.0;
/// Who is not shut out by then never is, as far as this is concerned.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Both servers have seen the session a few times before it ends, so that whatever they remember of it is in their memory.
const CHECKS_BEFORE: usize = 3;
/// Asked with the role `admin`, and no more than a question to the database.
const ADMINS_ONLY: &str = "/admin/invitations";

/// What is taken away at one server: how soon it is gone there, and at another server of the same database.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let house = House::open(bench, Engine::Postgres, FEW, &[])?;
    let two = Servers { here: &house.site, there: &house.second_server()? };
    let times = if bench.is_quick { 5 } else { 30 };
    let mut people = 0..FEW;
    let admin = two.admin(&house, people.next().context("there are people")?)?;

    let mut lines = Vec::new();
    let deeds: [(&str, Deed); 4] = [
        ("log-out", log_out),
        ("a change of the password", change_password),
        ("a change of the role", change_role),
        ("disabling", disable),
    ];
    for (name, deed) in deeds {
        let (mut here_failed, mut took) = (0, Rounds::default());
        for _ in 0..times {
            let person = people.next().context("there are people enough")?;
            let ended =
                deed(&two, &house, &admin, person).with_context(|| format!("{name}, of person {person}"))?;
            here_failed += usize::from(!ended.here_at_once);
            took.push(ended.there_after.as_secs_f64() * 1e3);
        }
        let at_once = if here_failed == 0 { String::new() } else { format!(", {here_failed} not here") };
        lines.push(Line {
            name: format!("{name}, until it holds at another server"),
            measured: format!("{:.2} ms, at most {:.2}{at_once}", took.median(), took.most()),
            asked: format!("{MOST_MEDIAN_MS} ms, {MOST_MS} at most; here at once"),
            holds: Some(here_failed == 0 && took.median() < MOST_MEDIAN_MS && took.most() < MOST_MS),
            figures: json!({ "ms": took.to_json(), "honoured once more at the same server": here_failed }),
        });
    }
    Ok(lines)
}

type Deed = fn(&Servers<'_>, &House<'_>, &Browser, u64) -> Result<Ended>;

/// Two servers of one database.
struct Servers<'a> {
    here: &'a Site,
    there: &'a Site,
}

/// How something ended.
struct Ended {
    /// The first question at the server that did it was refused.
    here_at_once: bool,
    /// From that server's answer to the first refusal of the other one; nothing where that was even before.
    there_after: Duration,
}

fn log_out(two: &Servers<'_>, house: &House<'_>, _: &Browser, person: u64) -> Result<Ended> {
    let (browser, _) = two.log_in(house, person)?;
    two.end(&browser.get("/api/auth/session"), &browser.send("POST", "/api/auth/log-out", ""))
}

fn change_password(two: &Servers<'_>, house: &House<'_>, _: &Browser, person: u64) -> Result<Ended> {
    let (one, _) = two.log_in(house, person)?;
    let (other, _) = two.log_in(house, person)?;
    let body = format!(r#"{{"current_password":"{PASSWORD}","new_password":"{NEW_PASSWORD}"}}"#);
    two.end(&other.get("/api/auth/session"), &one.send("POST", "/api/account/password", &body))
}

fn change_role(two: &Servers<'_>, house: &House<'_>, admin: &Browser, person: u64) -> Result<Ended> {
    let (browser, id) = two.log_in(house, person)?;
    let path = format!("/admin/users/{id}/role");
    two.succeeds(&admin.submit(&path, "role=admin"))?;
    two.settle(&browser.get(ADMINS_ONLY))?;
    two.end(&browser.get(ADMINS_ONLY), &admin.submit(&path, "role=user"))
}

fn disable(two: &Servers<'_>, house: &House<'_>, admin: &Browser, person: u64) -> Result<Ended> {
    let (browser, id) = two.log_in(house, person)?;
    let path = format!("/admin/users/{id}/disable");
    two.end(&browser.get("/api/auth/session"), &admin.submit(&path, ""))
}

impl Servers<'_> {
    /// Logs somebody in, and gives their browser and their id.
    fn log_in(&self, house: &House<'_>, person: u64) -> Result<(Browser, String)> {
        let (request, _) = house.log_in_of(person)?;
        let answer = Wire::open(&self.here.address)?.ask(&request)?;
        ensure!(answer.status == 200, "a log-in is answered with {}: {}", answer.status, answer.body);
        let mut browser = Browser { from: crate::population::address(person), ..Browser::default() };
        browser.take(&answer);
        let body: Value = serde_json::from_str(&answer.body)?;
        let id = body["user"]["id"].as_str().context("a log-in tells whose it is")?;
        Ok((browser, id.to_owned()))
    }

    fn admin(&self, house: &House<'_>, person: u64) -> Result<Browser> {
        let (_, email) = house.log_in_of(person)?;
        house.command(&["user", "set-role", &email, "admin"])?;
        Ok(self.log_in(house, person)?.0)
    }

    fn succeeds(&self, request: &[u8]) -> Result<()> {
        let answer = Wire::open(&self.here.address)?.ask(request)?;
        ensure!(
            (200..400).contains(&answer.status),
            "it is answered with {}: {}",
            answer.status,
            answer.body
        );
        Ok(())
    }

    /// Waits until both servers know of something new.
    fn settle(&self, check: &[u8]) -> Result<()> {
        for server in [self.here, self.there] {
            let mut wire = Wire::open(&server.address)?;
            let stopwatch = SystemStopwatch::start();
            while wire.ask(check)?.status != 200 {
                ensure!(
                    stopwatch.elapsed() < LONGEST_WAIT,
                    "what was given does not hold within {LONGEST_WAIT:?}"
                );
                rest(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// Does `deed` here, and watches from when on `check` is refused.
    fn end(&self, check: &[u8], deed: &[u8]) -> Result<Ended> {
        let mut here = Wire::open(&self.here.address)?;
        let mut there = Wire::open(&self.there.address)?;
        for wire in [&mut here, &mut there] {
            for _ in 0..CHECKS_BEFORE {
                let answer = wire.ask(check)?;
                ensure!(answer.status == 200, "before, a check is answered with {}", answer.status);
            }
        }
        // The other server is asked without a pause, so what it remembers is as fresh as can be.
        let watch = Arc::new(SystemStopwatch::start());
        let is_over = Arc::new(AtomicBool::new(false));
        let watching = {
            let (watch, check, is_over) = (Arc::clone(&watch), check.to_owned(), Arc::clone(&is_over));
            std::thread::spawn(move || -> Result<Option<Duration>> {
                while !is_over.load(Ordering::Relaxed) {
                    if is_refused(there.ask(&check)?.status)? {
                        return Ok(Some(watch.elapsed()));
                    }
                }
                Ok(None)
            })
        };
        // On a connection of its own: the deed of an admin is not the check of whom it concerns.
        let answer = Wire::open(&self.here.address)?.ask(deed)?;
        let done_at = watch.elapsed();
        let first = here.ask(check)?.status;
        while !watching.is_finished() && watch.elapsed() < done_at + LONGEST_WAIT {
            rest(Duration::from_millis(1));
        }
        is_over.store(true, Ordering::Relaxed);
        ensure!(
            (200..400).contains(&answer.status),
            "it is answered with {}: {}",
            answer.status,
            answer.body
        );
        let refused_at = watching.join().ok().context("the watch ended early")??;
        let there_after = refused_at.map_or(LONGEST_WAIT, |at| at.saturating_sub(done_at));
        Ok(Ended { here_at_once: is_refused(first)?, there_after })
    }
}

/// Whether a check is refused for want of a session or a role, or honoured. Anything else is neither.
fn is_refused(status: u16) -> Result<bool> {
    match status {
        200 => Ok(false),
        // 303: a page leads to the log-in.
        303 | 401 | 403 => Ok(true),
        other => bail!("a check is answered with {other}"),
    }
}
