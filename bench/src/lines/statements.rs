use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::house::{Engine, FEW, House};
use crate::measuring::{Bench, Line};
use crate::population::{PASSWORD, address};
use crate::site::{Site, rest};
use crate::wire::{Browser, Wire, request};

/// What each flow promises.
const ROUND_TRIPS: &str = include_str!("../../../docs/round-trips.md");
/// In the statement of a check, and in no other.
const OF_A_CHECK: &str = "FROM sessions JOIN users";
const CACHE: &str = "VESTIBULE_SESSION_CACHE";
/// Each flow is done so many times, by others each.
const TIMES: u64 = 10;
/// Long enough that whatever the workers ask by and by is seen.
const IDLE: Duration = Duration::from_secs(6);

/// How often each flow really speaks to the database, as PostgreSQL counts it (`pg_stat_statements`), beside what the table of
/// docs/round-trips.md tells.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    // What is remembered is counted at the end, on a server of its own.
    let house = House::open(bench, Engine::Postgres, FEW, &[(CACHE, "0")])?;
    let mut counter = Counter::of(bench, &house)?;
    // This one's connections are counted, for they were opened after that was switched on.
    let site = house.second_server()?;
    let mut wire = Wire::open(&site.address)?;
    let mut ask = |requests: &[Vec<u8>], expected: u16| -> Result<Vec<crate::wire::Answer>> {
        let answers: Vec<_> = requests.iter().map(|request| wire.ask(request)).collect::<Result<_>>()?;
        for answer in &answers {
            ensure!(answer.status == expected, "answered with {}: {}", answer.status, answer.body);
        }
        Ok(answers)
    };
    let mut browsers = house.browsers(TIMES)?;
    let by = |browsers: &[Browser], of: &dyn Fn(&Browser) -> Vec<u8>| -> Vec<Vec<u8>> {
        browsers.iter().map(of).collect()
    };
    let check = by(&browsers, &|browser| browser.get("/api/auth/session"));
    // The first use of each statement is prepared; what is not in the server's memory yet is asked for.
    ask(&check, 200)?;
    counter.learn_what_workers_ask()?;

    let mut lines = Vec::new();
    let mut flow = |name: &str, after_the_check: bool, done: &mut dyn FnMut() -> Result<()>| -> Result<()> {
        counter.reset()?;
        done().with_context(|| format!("the flow `{name}`"))?;
        let (count, statements) = counter.count()?;
        let promised = promised(name)? + u64::from(after_the_check);
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let each = count as f64 / TIMES as f64;
        lines.push(Line {
            name: format!("statements: {name}"),
            measured: format!("{each}"),
            asked: format!("at most {promised}{}", if after_the_check { ", with its check" } else { "" }),
            // Where nothing is counted, the counter is broken.
            holds: Some((1..=promised * TIMES).contains(&count)),
            figures: json!({ "each": each, "promised": promised, "statements of all": statements }),
        });
        Ok(())
    };
    flow("session check", false, &mut || ask(&check, 200).map(drop))?;
    let bearer = by(&browsers, &|browser| {
        request("GET /api/auth/session", &format!("Authorization: Bearer {}\r\n", browser.access), "")
    });
    flow("session check of a bearer", false, &mut || ask(&bearer, 200).map(drop))?;
    let names = by(&browsers, &|browser| browser.send("PATCH", "/api/account", r#"{"name":"Ann"}"#));
    flow("change the name", true, &mut || ask(&names, 200).map(drop))?;
    let sessions = by(&browsers, &|browser| browser.get("/api/account/sessions"));
    flow("list sessions", true, &mut || ask(&sessions, 200).map(drop))?;
    let refresh = by(&browsers, &|browser| browser.send("POST", "/api/auth/refresh", ""));
    let mut refreshed = Vec::new();
    flow("refresh", false, &mut || {
        refreshed = ask(&refresh, 200)?;
        Ok(())
    })?;
    flow("refresh, repeated", false, &mut || ask(&refresh, 200).map(drop))?;
    browsers.iter_mut().zip(&refreshed).for_each(|(browser, answer)| browser.take(answer));
    let check = by(&browsers, &|browser| browser.get("/api/auth/session"));
    flow("session check, the first after a refresh", false, &mut || ask(&check, 200).map(drop))?;
    let body = format!(r#"{{"current_password":"{PASSWORD}","new_password":"lantern granite october"}}"#);
    let passwords = by(&browsers, &|browser| browser.send("POST", "/api/account/password", &body));
    let mut changed = Vec::new();
    flow("change the password", true, &mut || {
        changed = ask(&passwords, 204)?;
        Ok(())
    })?;
    browsers.iter_mut().zip(&changed).for_each(|(browser, answer)| browser.take(answer));
    let log_outs = by(&browsers, &|browser| browser.send("POST", "/api/auth/log-out", ""));
    flow("log out, with its check", false, &mut || ask(&log_outs, 204).map(drop))?;

    // Those above have another password by now.
    let log_ins = people(&house, |request, _, _| request)?;
    flow("log in", false, &mut || ask(&log_ins, 200).map(drop))?;
    let typed = |password: &'static str| {
        move |_: Vec<u8>, email: &str, from: &str| {
            let body = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
            stranger("/api/auth/log-in", from, &body)
        }
    };
    let new_browsers = people(&house, typed(PASSWORD))?;
    flow("log in, a new browser", false, &mut || ask(&new_browsers, 200).map(drop))?;
    let wrong = people(&house, typed("copper window friday"))?;
    flow("log in, refused", false, &mut || ask(&wrong, 401).map(drop))?;
    let forgotten = people(&house, |_, email, from| {
        stranger("/api/auth/forgot-password", from, &format!(r#"{{"email":"{email}"}}"#))
    })?;
    flow("forgot password", false, &mut || ask(&forgotten, 202).map(drop))?;
    let sign_ups: Vec<_> = (0..TIMES)
        .map(|number| {
            let body =
                format!(r#"{{"name":"Ann","email":"new.{number}@example.com","password":"{PASSWORD}"}}"#);
            stranger("/api/auth/sign-up", &address(FEW + number), &body)
        })
        .collect();
    flow("sign up", false, &mut || ask(&sign_ups, 201).map(drop))?;

    let site = house.second_server_with(CACHE, "10000")?;
    lines.push(remembered(&mut counter, &site, &house)?);
    Ok(lines)
}

/// Session checks of which nothing is read. That the server asks whether it missed a change is of the worker that follows them.
fn remembered(counter: &mut Counter<'_>, site: &Site, house: &House<'_>) -> Result<Line> {
    const FLOW: &str = "session check, remembered";
    let checks = house.checks(TIMES)?;
    let mut wire = Wire::open(&site.address)?;
    let mut check_all = || -> Result<()> {
        for check in &checks {
            let answer = wire.ask(check)?;
            ensure!(answer.status == 200, "a check is answered with {}", answer.status);
        }
        Ok(())
    };
    counter.reset()?;
    check_all()?;
    let reads = |statements: BTreeMap<String, u64>| -> BTreeMap<String, u64> {
        statements.into_iter().filter(|(text, _)| text.contains(OF_A_CHECK)).collect()
    };
    let unknown = reads(counter.count()?.1).values().sum::<u64>();
    ensure!(
        unknown >= TIMES,
        "{unknown} of {TIMES} sessions that nobody knows yet are read by `{OF_A_CHECK}`"
    );
    // Once it is asked, the server follows closely, and says from then on that it misses nothing.
    rest(Duration::from_secs(1));
    check_all()?;
    counter.reset()?;
    check_all()?;
    let statements = reads(counter.count()?.1);
    let (count, promised): (u64, u64) = (statements.values().sum(), promised(FLOW)?);
    Ok(Line {
        name: format!("statements: {FLOW}"),
        measured: format!("{count} in {TIMES}"),
        asked: format!("at most {promised}"),
        holds: Some(count <= promised * TIMES),
        figures: json!({ "statements of all": statements }),
    })
}

/// A request of each of some people who are not those with the browsers above.
fn people(house: &House<'_>, of: impl Fn(Vec<u8>, &str, &str) -> Vec<u8>) -> Result<Vec<Vec<u8>>> {
    let with_browsers: BTreeSet<_> = house.people_of_first_sessions(TIMES).into_iter().collect();
    let others = (0..house.users()).filter(|number| !with_browsers.contains(number));
    let requests = others.take(usize::try_from(TIMES)?).map(|number| {
        let (request, email) = house.log_in_of(number)?;
        Ok(of(request, &email, &address(number)))
    });
    requests.collect()
}

fn stranger(path: &str, from: &str, body: &str) -> Vec<u8> {
    let headers = format!("X-Forwarded-For: {from}\r\nContent-Type: application/json\r\n");
    request(&format!("POST {path}"), &headers, body)
}

/// What the table says of a flow.
fn promised(flow: &str) -> Result<u64> {
    let rows = ROUND_TRIPS.lines().filter_map(|line| line.strip_prefix("| "));
    let mut cells = rows.map(|row| row.split(" | "));
    let found = cells.find_map(|mut cells| (cells.next() == Some(flow)).then(|| cells.next()));
    let count = found.flatten().with_context(|| format!("docs/round-trips.md tells nothing of `{flow}`"))?;
    Ok(count.trim().parse()?)
}

/// PostgreSQL's count of the statements of one database.
struct Counter<'a> {
    bench: &'a Bench,
    connection: PgConnection,
    /// What the workers of the server ask, whatever people do.
    of_workers: BTreeSet<String>,
}

impl<'a> Counter<'a> {
    fn of(bench: &'a Bench, house: &House<'_>) -> Result<Self> {
        let url = &house.database_url;
        let (_, name) = url.rsplit_once('/').context("the address names a database")?;
        let connection = bench.block_on(async {
            let mut connection = PgConnection::connect(url).await?;
            for sql in [
                "CREATE EXTENSION pg_stat_statements",
                // Mails that wait are not the flow's that wrote them: here they wait for ever.
                "CREATE FUNCTION keep_waiting() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN NEW.next_attempt_at = now() + interval '1 day'; RETURN NEW; END $$",
                "CREATE TRIGGER keep_waiting BEFORE INSERT ON outgoing_mails FOR EACH ROW EXECUTE FUNCTION keep_waiting()",
            ] {
                sqlx::query(sql).execute(&mut connection).await?;
            }
            // Only here: where speed is measured, nothing is counted.
            let count = format!("ALTER DATABASE {name} SET pg_stat_statements.track = 'top'");
            sqlx::query(AssertSqlSafe(count)).execute(&mut connection).await?;
            anyhow::Ok(connection)
        })?;
        Ok(Self { bench, connection, of_workers: BTreeSet::new() })
    }

    fn learn_what_workers_ask(&mut self) -> Result<()> {
        self.reset()?;
        rest(IDLE);
        // A transaction of a worker's must not hide those of the flows.
        let asked = self.statements()?.into_keys().filter(|text| text != "BEGIN" && text != "COMMIT");
        self.of_workers = asked.collect();
        Ok(())
    }

    fn reset(&mut self) -> Result<()> {
        self.bench
            .block_on(sqlx::query("SELECT pg_stat_statements_reset()").execute(&mut self.connection))?;
        Ok(())
    }

    fn count(&mut self) -> Result<(u64, BTreeMap<String, u64>)> {
        let mut statements = self.statements()?;
        statements.retain(|text, _| !self.of_workers.contains(text));
        Ok((statements.values().sum(), statements))
    }

    fn statements(&mut self) -> Result<BTreeMap<String, u64>> {
        // Nor what the driver asks of a connection that rested, and how the worker claims mails, whenever it gets to that.
        const SQL: &str = "SELECT query, sum(calls)::bigint FROM pg_stat_statements \
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
              AND query NOT LIKE '%pg_stat_statements%' AND query NOT LIKE '%SQLx ping%' \
              AND query NOT LIKE '%SET attempts = attempts + 1%' \
            GROUP BY query";
        let rows: Vec<(String, i64)> =
            self.bench.block_on(sqlx::query_as(SQL).fetch_all(&mut self.connection))?;
        rows.into_iter()
            .map(|(text, calls)| {
                let words: Vec<_> = text.split_whitespace().collect();
                Ok((words.join(" "), u64::try_from(calls)?))
            })
            .collect()
    }
}
