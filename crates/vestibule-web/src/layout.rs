use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::assets;
use crate::guard::{CurrentUser, PageVisit};
use crate::moments::iso;
use crate::problem::Problem;
use crate::vestibule::Vestibule;
use crate::views::{Content, View};

/// What stands around every page: an application's own header, menu and footer.
///
/// Pages give their content, the layout the house around it. An application writes one and its sign-up page,
/// log-in page and error pages look like the rest of it.
pub trait Layout: Send + Sync + 'static {
    /// The whole document.
    ///
    /// # Errors
    ///
    /// When the template cannot be rendered.
    fn render(&self, page: &Page<'_>) -> Result<String, askama::Error>;

    /// The content of a page of this library from a template of the application, or `None` for the one that it comes
    /// with. Templates here find all that they show in `page`, so a copy of one works as it is:
    ///
    /// ```
    /// use askama::Template;
    /// use vestibule_web::pages::log_in::LogInPage;
    /// use vestibule_web::{Layout, Page, PageVisit, View};
    ///
    /// #[derive(Template)]
    /// #[template(ext = "html", source = "<p>{{ page.email }}</p>")] // or `path = "log_in.html"`
    /// struct LogIn<'a> {
    ///     page: &'a LogInPage<'a>,
    /// }
    ///
    /// struct MyLayout;
    ///
    /// impl Layout for MyLayout {
    ///     fn render(&self, page: &Page<'_>) -> Result<String, askama::Error> {
    ///         vestibule_web::DefaultLayout.render(page)
    ///     }
    ///
    ///     fn content(&self, view: &View<'_>, _: &PageVisit) -> Option<Result<String, askama::Error>> {
    ///         match view {
    ///             View::LogIn(page) => Some(LogIn { page }.render()),
    ///             _ => None,
    ///         }
    ///     }
    /// }
    /// ```
    fn content(&self, _view: &View<'_>, _visit: &PageVisit) -> Option<Result<String, askama::Error>> {
        None
    }
}

/// A page to be put into the layout.
pub struct Page<'a> {
    /// The page's own title.
    pub title: &'a str,
    /// The HTML that goes into `<main>`.
    pub content: &'a str,
    /// The site's name.
    pub site_name: &'a str,
    /// Who visits, and where.
    pub visit: &'a PageVisit,
    /// Whether strangers are shown the way to the sign-up page.
    pub offers_sign_up: bool,
}

impl Vestibule {
    /// Answers with a page: its content in the site's layout.
    pub fn page(&self, visit: &PageVisit, title: &str, content: &impl Content) -> Response {
        self.page_with_status(StatusCode::OK, visit, title, content)
    }

    /// The same, with another status than 200.
    pub fn page_with_status(
        &self,
        status: StatusCode,
        visit: &PageVisit,
        title: &str,
        content: &impl Content,
    ) -> Response {
        match self.rendered(visit, title, content) {
            Ok(html) => (status, Html(html)).into_response(),
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

impl Vestibule {
    /// A page's content in the site's layout.
    pub(crate) fn rendered(
        &self,
        visit: &PageVisit,
        title: &str,
        content: &impl Content,
    ) -> Result<String, askama::Error> {
        let content = content.html(self.layout(), visit)?;
        let (site_name, offers_sign_up) = (self.site_name(), self.offers_sign_up());
        self.layout().render(&Page { title, content: &content, site_name, visit, offers_sign_up })
    }
}

/// What the script of the pages knows of a session: whose it is, and when it ends unless it is refreshed. A layout puts it
/// into its head as `<meta name="vestibule-session" content="ENDS" data-user="USER" data-address="ADDRESS">`, the last on answers to forms.
pub struct SessionMeta {
    /// The user's id.
    pub user: String,
    /// The moment, in the form of RFC 3339.
    pub ends: String,
    /// Of an answer to a form: where a GET shows the page again, empty where that is not known. The script goes there where
    /// another tab has logged out, and sends no form again.
    pub address: Option<String>,
}

impl SessionMeta {
    /// What is told to the script of a page; nothing where a stranger visits.
    pub fn of(visit: &PageVisit) -> Option<Self> {
        visit.current_user().map(|current| Self {
            user: current.user().id.to_string(),
            ends: iso(current.session().expires_at),
            address: visit.form_on().map(str::to_owned),
        })
    }
}

/// A plain layout, for who has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultLayout;

#[derive(Template)]
#[template(path = "layout.html")]
struct LayoutTemplate<'a> {
    title: &'a str,
    site_name: &'a str,
    content: &'a str,
    visitor: Option<&'a str>,
    csrf_token: &'a str,
    offers_sign_up: bool,
    session: Option<SessionMeta>,
    stylesheet: String,
    script: String,
}

impl Layout for DefaultLayout {
    fn render(&self, page: &Page<'_>) -> Result<String, askama::Error> {
        let visitor = page.visit.current_user().map(|current: &CurrentUser| current.user().name.as_str());
        let template = LayoutTemplate {
            title: page.title,
            site_name: page.site_name,
            content: page.content,
            visitor,
            csrf_token: page.visit.csrf_token(),
            offers_sign_up: page.offers_sign_up,
            session: SessionMeta::of(page.visit),
            stylesheet: assets::stylesheet(),
            script: assets::script(),
        };
        template.render()
    }
}
