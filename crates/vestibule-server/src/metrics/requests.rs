use std::cell::RefCell;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};
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

/// So many counters are kept at hand by each thread: of what was counted last, roughly.
const AT_HAND: usize = 32;

thread_local! {
    /// To look a counter up by its labels has all threads write to one place twice, which takes as long as a part of the check itself.
    static COUNTED_LAST: RefCell<Vec<Counted>> = const { RefCell::new(Vec::new()) };
}

/// What is counted of the requests of one method and route that were answered with one status.
struct Counted {
    by: Arc<()>,
    method: &'static str,
    route: String,
    status: StatusCode,
    answered: IntCounter,
    took: Histogram,
}

/// The requests that this server answered since it started.
#[derive(Clone)]
pub(crate) struct RequestMetrics {
    /// Is of these alone, so that what a thread has at hand is not taken for another's.
    mark: Arc<()>,
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
            mark: Arc::default(),
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
        self.count(method, request);
        if let Some(code) = request.problem {
            self.problems.with_label_values(&[code]).inc();
        }
        if *request.method == Method::POST && LOG_IN_ROUTES.contains(&route) {
            self.log_ins.with_label_values(&[outcome(request.problem)]).inc();
        }
    }
}

impl RequestMetrics {
    fn count(&self, method: &'static str, request: &Answered<'_>) {
        let is_it = |counted: &Counted| {
            counted.status == request.status
                && counted.route == request.route
                && counted.method == method
                && Arc::ptr_eq(&counted.by, &self.mark)
        };
        COUNTED_LAST.with_borrow_mut(|last| {
            let place = last.iter().position(is_it).unwrap_or_else(|| {
                last.truncate(AT_HAND - 1);
                last.push(self.counted(method, request));
                last.len() - 1
            });
            // One step forward each time: what is counted most stands in front and stays.
            let place = if place == 0 {
                0
            } else {
                last.swap(place, place - 1);
                place - 1
            };
            last[place].answered.inc();
            last[place].took.observe(request.took.as_seconds_f64());
        });
    }

    fn counted(&self, method: &'static str, request: &Answered<'_>) -> Counted {
        Counted {
            by: Arc::clone(&self.mark),
            method,
            route: request.route.to_owned(),
            status: request.status,
            answered: self.answered.with_label_values(&[method, request.route, request.status.as_str()]),
            took: self.took.with_label_values(&[method, request.route]),
        }
    }
}

fn outcome(problem: Option<&str>) -> &'static str {
    let Some(code) = problem else { return SUCCEEDED };
    LOG_IN_OUTCOMES.iter().find(|(known, _)| *known == code).map_or(FAILED, |(_, outcome)| outcome)
}

/// A client may invent methods, and each would be a series of its own that is kept until the server ends.
fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    fn count(metrics: &RequestMetrics, route: &str, status: StatusCode) {
        let took = Duration::milliseconds(1);
        metrics.answered(&Answered { method: &Method::GET, route, status, problem: None, took });
    }

    fn counted(metrics: &RequestMetrics, route: &str, status: &str) -> u64 {
        metrics.answered.with_label_values(&["GET", route, status]).get()
    }

    #[test]
    fn each_request_is_counted_once_where_it_belongs_also_with_more_routes_than_are_at_hand() {
        let (one, other) = (RequestMetrics::new(&Registry::new()), RequestMetrics::new(&Registry::new()));
        let routes: Vec<_> = (0..2 * AT_HAND).map(|number| format!("/{number}")).collect();
        for _ in 0..3 {
            for route in &routes {
                count(&one, route, StatusCode::OK);
                count(&one, route, StatusCode::NOT_FOUND);
                count(&one, "/often", StatusCode::OK);
            }
        }
        count(&other, "/often", StatusCode::OK);
        for route in &routes {
            assert_eq!((counted(&one, route, "200"), counted(&one, route, "404")), (3, 3), "{route}");
            assert_eq!(one.took.with_label_values(&["GET", route]).get_sample_count(), 6, "{route}");
            assert_eq!(counted(&other, route, "200"), 0, "{route}");
        }
        assert_eq!(counted(&one, "/often", "200"), 6 * u64::try_from(AT_HAND).unwrap());
        assert_eq!(counted(&other, "/often", "200"), 1);
        COUNTED_LAST.with_borrow(|last| {
            assert_eq!(last.len(), AT_HAND);
            assert!(last[0].route == "/often", "what is counted most stays");
        });
    }
}
