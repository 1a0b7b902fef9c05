use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::{Method, Uri};
use axum::routing::{MethodFilter, MethodRouter, any, on};

use crate::entrance::{Entrance, Guarded, LeadsTo};
use crate::guard::{Guard, Who};
use crate::problem::Problem;
use crate::vestibule::Vestibule;

/// A list of routes, each with who may call it, which grows into a [`Router`].
///
/// A route can only be added together with its guard, and is on the list because it was added: none can be
/// forgotten by the test that walks them all.
pub struct Routes<S = ()> {
    vestibule: Vestibule,
    router: Router<S>,
    list: Vec<Route>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method. A GET route also answers HEAD.
    pub method: Method,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
    /// Whom its answers are for.
    pub face: Face,
}

/// Whom the answers of a route are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Programs: JSON, the CSRF token in a header.
    Api,
    /// People: pages, the CSRF token in the form.
    Page,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// An empty list.
    pub fn new(vestibule: Vestibule) -> Self {
        Self { vestibule, router: Router::new(), list: Vec::new() }
    }

    /// Adds a route for programs.
    #[must_use]
    pub fn api<H: Handler<T, S>, T: 'static>(
        self,
        who: Who,
        method: Method,
        path: &'static str,
        handler: H,
    ) -> Self {
        let guarded = on(filter(&method), guarded(&self.vestibule, who.clone(), LeadsTo::Api, handler));
        self.add(Route { method, path, who, face: Face::Api }, guarded)
    }

    /// Adds a route for programs that takes every method, those that are no standard too. On the list it stands once for each
    /// that is often sent.
    #[must_use]
    pub fn api_of_any_method<H: Handler<T, S>, T: 'static>(
        mut self,
        who: &Who,
        path: &'static str,
        handler: H,
    ) -> Self {
        let guarded = any(guarded(&self.vestibule, who.clone(), LeadsTo::Api, handler));
        self.router = self.router.route(path, guarded);
        let methods =
            [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        let route = |method| Route { method, path, who: who.clone(), face: Face::Api };
        self.list.extend(methods.map(route));
        self
    }

    /// Adds a page, or the address that a page's form is sent to.
    #[must_use]
    pub fn page<H: Handler<T, S>, T: 'static>(
        self,
        who: Who,
        method: Method,
        path: &'static str,
        handler: H,
    ) -> Self {
        let guarded = on(filter(&method), guarded(&self.vestibule, who.clone(), LeadsTo::Page, handler));
        self.add(Route { method, path, who, face: Face::Page }, guarded)
    }

    /// Adds all routes of another list.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.list.extend(other.list);
        self
    }

    /// Adds a router of the application's own, whose routes are guarded by [layers](crate::Check) or are open to everybody. They are not
    /// on the list.
    #[must_use]
    pub fn merge_router(mut self, router: Router<S>) -> Self {
        self.router = self.router.merge(router);
        self
    }

    /// The router, to be merged into one of the application's: without what is answered where nothing is.
    pub fn into_part(self) -> Router<S> {
        let method_not_allowed = guarded(&self.vestibule, Who::Anyone, LeadsTo::Nowhere, method_not_allowed);
        self.router.method_not_allowed_fallback(method_not_allowed)
    }

    /// Gives the handlers their state.
    pub fn with_state<S2>(self, state: S) -> Routes<S2> {
        Routes { vestibule: self.vestibule, router: self.router.with_state(state), list: self.list }
    }

    /// All routes.
    pub fn list(&self) -> &[Route] {
        &self.list
    }

    fn add(mut self, route: Route, guarded: MethodRouter<S, Infallible>) -> Self {
        self.router = self.router.route(route.path, guarded);
        self.list.push(route);
        self
    }
}

impl Routes {
    /// The router, with what is answered where nothing is.
    pub fn into_router(self) -> Router {
        let not_found = guarded(&self.vestibule, Who::Anyone, LeadsTo::Nowhere, not_found);
        Self { router: self.router.fallback(not_found), ..self }.into_part()
    }
}

impl Vestibule {
    /// What is answered where nothing is: the page in the site's layout, or a problem for programs. For
    /// [`Router::fallback`](axum::Router::fallback).
    pub fn not_found<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        any(guarded(self, Who::Anyone, LeadsTo::Nowhere, not_found))
    }
}

fn guarded<H>(vestibule: &Vestibule, who: Who, leads_to: LeadsTo, handler: H) -> Guarded<H> {
    let guard = Guard { vestibule: vestibule.clone(), who };
    Guarded { entrance: Arc::new(Entrance { guard, leads_to }), handler }
}

fn filter(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).expect("routes have one of the standard methods")
}

async fn not_found(_: Uri) -> Problem {
    Problem::not_found()
}

async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}
