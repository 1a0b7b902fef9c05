use axum::http::Method;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use vestibule_web::{Answered, RequestObserver};

/// In seconds: from a check in memory to what a person calls broken.
const DURATIONS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// Where people log in.
const LOG_IN_ROUTES: [&str; 2] = ["/log-in", "/api/auth/log-in"];
/// What becomes of a log-in, by the code of the problem that is told. All else is `failed`.
const LOG_IN_OUTCOMES: [(&str, &str); 4] = [
    ("invalid_credentials", "wrong"),
    ("too_many_requests", "limited"),
    ("overloaded", "busy"),
    ("invalid_input", "invalid"),
];
const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";

/// The requests that this server answered since it started.
#[derive(Clone)]
pub(crate) struct RequestMetrics {
    answered: IntCounterVec,
    took: HistogramVec,
    problems: IntCounterVec,
    log_ins: IntCounterVec,
}

impl RequestMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels).expect("its names are good");
            registry.register(Box::new(counters.clone())).expect("no other has its name");
            counters
        };
        let options = HistogramOpts::new(
            "vestibule_request_duration_seconds",
            "How long requests took until they were answered.",
        )
        .buckets(DURATIONS.to_vec());
        let took = HistogramVec::new(options, &["method", "route"]).expect("its names are good");
        registry.register(Box::new(took.clone())).expect("no other has its name");
        let log_ins =
            counters("vestibule_log_ins_total", "Log-ins that were tried, by their outcome.", &["outcome"]);
        let outcomes = LOG_IN_OUTCOMES.iter().map(|(_, outcome)| *outcome).chain([SUCCEEDED, FAILED]);
        for outcome in outcomes {
            log_ins.with_label_values(&[outcome]);
        }
        Self {
            answered: counters(
                "vestibule_requests_total",
                "Requests that were answered, by route and status.",
                &["method", "route", "status"],
            ),
            took,
            problems: counters(
                "vestibule_problems_total",
                "Requests that were answered with a problem, by its code.",
                &["code"],
            ),
            log_ins,
        }
    }
}

impl RequestObserver for RequestMetrics {
    fn answered(&self, request: &Answered<'_>) {
        let (method, route) = (named(request.method), request.route);
        self.answered.with_label_values(&[method, route, request.status.as_str()]).inc();
        self.took.with_label_values(&[method, route]).observe(request.took.as_seconds_f64());
        if let Some(code) = request.problem {
            self.problems.with_label_values(&[code]).inc();
        }
        if *request.method == Method::POST && LOG_IN_ROUTES.contains(&route) {
            self.log_ins.with_label_values(&[outcome(request.problem)]).inc();
        }
    }
}

fn outcome(problem: Option<&str>) -> &'static str {
    let Some(code) = problem else { return SUCCEEDED };
    LOG_IN_OUTCOMES.iter().find(|(known, _)| *known == code).map_or(FAILED, |(_, outcome)| outcome)
}

/// A client may invent methods, and each would be a series of its own that is kept until the server ends.
fn named(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}
