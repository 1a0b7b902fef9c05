use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Counter, CounterVec, Gauge, GaugeVec, Opts, Registry};
use tokio::sync::Mutex;
use tokio::time::Instant;
use vestibule::ports::{HashingLoad, QueueCounts};
use vestibule::repository::StoreError;
use vestibule::services::HeadCount;
use vestibule::{Accounts, CacheState};
use vestibule_sql::Database;

use crate::certificates::Served;

/// People and sessions are counted no more often: where there are millions, that takes a moment.
const BETWEEN_HEAD_COUNTS: Duration = Duration::from_mins(1);

/// What is read as it is asked for: how things stand in the database, in the queues of passwords, and with connections.
pub(crate) struct Momentary {
    accounts: Arc<Accounts>,
    database: Database,
    /// None where this server speaks no https.
    served: Option<Arc<Served>>,
    heads: Mutex<Option<(Instant, HeadCount)>>,
}

impl Momentary {
    pub(super) fn new(accounts: Arc<Accounts>, database: Database, served: Option<Arc<Served>>) -> Self {
        Self { accounts, database, served, heads: Mutex::new(None) }
    }

    /// Everything, at this moment.
    pub(super) async fn read(&self) -> Result<Registry, StoreError> {
        let told = Told(Registry::new());
        let mails = self.accounts.count_mails().await?;
        told.gauge(
            "vestibule_mails_waiting",
            "Mails that are still to be sent, by any server.",
            mails.waiting,
        );
        told.gauge("vestibule_mails_dead", "Mails that were given up and wait for an operator.", mails.dead);
        let waits = self.accounts.longest_wait_of_a_mail().await?.unwrap_or_default();
        told.seconds(
            "vestibule_mails_oldest_seconds",
            "How long the oldest mail waits that is still to be sent.",
            waits.unsigned_abs(),
        );
        let HeadCount { users, sessions } = self.heads().await?;
        told.gauge("vestibule_users", "Users; counted once in a minute.", users);
        told.gauge("vestibule_sessions", "Sessions that can be used; counted once in a minute.", sessions);
        self.tell_connections(&told);
        if let Some(served) = &self.served {
            let left = served.current().map(|certificate| certificate.not_after() - self.accounts.now());
            told.seconds(
                "vestibule_certificate_seconds_left",
                "How long the certificate is still good that this server shows; 0 where it has none or it is over.",
                left.and_then(|left| left.try_into().ok()).unwrap_or_default(),
            );
        }
        if let Some(load) = self.accounts.hashing_load() {
            tell_hashing(&told, &load);
        }
        tell_remembered(&told, self.accounts.session_cache());
        let version = Opts::new("vestibule_build_info", "The version of the program.")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        let gauge = told.add(Gauge::with_opts(version));
        gauge.set(1.0);
        Ok(told.0)
    }

    async fn heads(&self) -> Result<HeadCount, StoreError> {
        let mut heads = self.heads.lock().await;
        if let Some((counted_at, count)) = *heads
            && counted_at.elapsed() < BETWEEN_HEAD_COUNTS
        {
            return Ok(count);
        }
        let count = self.accounts.count_heads().await?;
        *heads = Some((Instant::now(), count));
        Ok(count)
    }

    fn tell_connections(&self, told: &Told) {
        let options =
            Opts::new("vestibule_database_connections", "Connections to the database that are open.");
        let connections = told.add(GaugeVec::new(options, &["pool", "state"]));
        for pool in self.database.pools() {
            let set =
                |state, count: u32| connections.with_label_values(&[pool.name, state]).set(count.into());
            set("idle", pool.idle);
            set("busy", pool.open.saturating_sub(pool.idle));
        }
    }
}

/// What is remembered of sessions.
fn tell_remembered(told: &Told, cache: CacheState) {
    told.gauge(
        "vestibule_remembered_sessions",
        "Pairs of cookies, and access tokens by themselves, whose sessions are remembered.",
        cache.held,
    );
    told.gauge(
        "vestibule_remembered_sessions_trusted",
        "1 while the memory of sessions may answer: changes are followed, and somebody asks. Else each check reads the database.",
        cache.is_trusted.into(),
    );
    let options = Opts::new(
        "vestibule_session_checks_total",
        "Pairs of cookies and access tokens that were looked for in the memory of sessions.",
    );
    let counters = told.add(CounterVec::new(options, &["answered_by"]));
    for (answered_by, count) in [("memory", cache.hits), ("database", cache.misses)] {
        counters.with_label_values(&[answered_by]).inc_by(number(count));
    }
}

/// The queue of passwords that wait to be hashed or compared, and that of those that wait to be judged.
fn tell_hashing(told: &Told, load: &HashingLoad) {
    let queues = [("hash", &load.hashing), ("judge", &load.judging)];
    let gauge = |name, help, value: &dyn Fn(&QueueCounts) -> f64| {
        let gauges = told.add(GaugeVec::new(Opts::new(name, help), &["work"]));
        for (work, counts) in queues {
            gauges.with_label_values(&[work]).set(value(counts));
        }
    };
    let counter = |name, help, value: &dyn Fn(&QueueCounts) -> f64| {
        let counters = told.add(CounterVec::new(Opts::new(name, help), &["work"]));
        for (work, counts) in queues {
            let counter: Counter = counters.with_label_values(&[work]);
            counter.inc_by(value(counts));
        }
    };
    gauge("vestibule_hash_waiting", "Passwords that wait for their turn.", &|counts| number(counts.waiting));
    gauge("vestibule_hash_running", "Passwords that are worked on.", &|counts| number(counts.running));
    gauge(
        "vestibule_hash_average_seconds",
        "How long one takes at present, from which the length of the queue follows.",
        &|counts| counts.average.as_secs_f64(),
    );
    counter("vestibule_hash_done_total", "Passwords that were worked on.", &|counts| number(counts.done));
    counter(
        "vestibule_hash_refused_total",
        "Passwords that were sent away because the wait was too long.",
        &|counts| number(counts.refused),
    );
    counter("vestibule_hash_work_seconds_total", "How long that work took.", &|counts| {
        counts.worked.as_secs_f64()
    });
    counter("vestibule_hash_wait_seconds_total", "How long it had waited before.", &|counts| {
        counts.waited.as_secs_f64()
    });
}

/// What is told this once.
struct Told(Registry);

impl Told {
    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("its names are good");
        self.0.register(Box::new(collector.clone())).expect("no other has its name");
        collector
    }

    fn gauge(&self, name: &str, help: &str, value: u64) {
        self.add(Gauge::new(name, help)).set(number(value));
    }

    fn seconds(&self, name: &str, help: &str, value: Duration) {
        self.add(Gauge::new(name, help)).set(value.as_secs_f64());
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
fn number(count: u64) -> f64 {
    count as f64
}
