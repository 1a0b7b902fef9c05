use axum::http::{Method, StatusCode};

/// Who is told of each request that was answered, for measurements. It must not wait for anything: it is called in the midst of
/// answering.
pub trait RequestObserver: Send + Sync + 'static {
    /// A request was answered: the headers are about to go out.
    fn answered(&self, request: &Answered<'_>);
}

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// How it asked.
    pub method: &'a Method,
    /// The route with the names of its parts, as `/notes/{id}`; `-` where there is none.
    pub route: &'a str,
    /// With what it was answered.
    pub status: StatusCode,
    /// The code of the problem that was told, if one was.
    pub problem: Option<&'static str>,
    /// How long that took.
    pub took: time::Duration,
}
