use askama::Template;
use vestibule::models::{Role, User};
use vestibule_web::{CurrentUser, Layout, Page, SessionMeta, assets};

use crate::public;

/// The menu: label, address, and whom it is shown to.
const MENU: [(&str, &str, For); 4] = [
    ("Home", "/", For::Everybody),
    ("Dashboard", "/dashboard", For::LoggedIn),
    ("Notes", "/notes", For::LoggedIn),
    ("Admin", "/admin", For::Role(Role::Admin)),
];

/// Whom a menu item is shown to. What is behind it has a check of its own.
enum For {
    Everybody,
    LoggedIn,
    Role(Role),
}

impl For {
    fn includes(&self, visitor: Option<&User>) -> bool {
        match self {
            Self::Everybody => true,
            Self::LoggedIn => visitor.is_some(),
            Self::Role(role) => visitor.is_some_and(|user| user.role.includes(role)),
        }
    }
}

/// The site's header, menu and footer around every page, those of accounts and error pages included.
#[derive(Debug, Clone, Copy)]
pub struct SiteLayout;

#[derive(Template)]
#[template(path = "layout.html")]
struct LayoutTemplate<'a> {
    title: &'a str,
    site_name: &'a str,
    content: &'a str,
    visitor: Option<Visitor<'a>>,
    csrf_token: &'a str,
    menu: Vec<MenuItem>,
    is_log_in: bool,
    sign_up: Option<MenuItem>,
    is_account: bool,
    session: Option<SessionMeta>,
    script: String,
    library_stylesheet: String,
    site_stylesheet: String,
    favicon: String,
    logo: String,
}

struct Visitor<'a> {
    name: &'a str,
}

struct MenuItem {
    label: &'static str,
    href: &'static str,
    is_current: bool,
}

impl Layout for SiteLayout {
    fn render(&self, page: &Page<'_>) -> Result<String, askama::Error> {
        let path = page.visit.path();
        let user = page.visit.current_user().map(CurrentUser::user);
        let visitor = user.map(|user| Visitor { name: user.name.as_str() });
        let menu = MENU
            .into_iter()
            .filter(|(_, _, whom)| whom.includes(user))
            .map(|(label, href, _)| MenuItem { label, href, is_current: is_at(path, href) })
            .collect();
        let template = LayoutTemplate {
            title: page.title,
            site_name: page.site_name,
            content: page.content,
            visitor,
            csrf_token: page.visit.csrf_token(),
            menu,
            is_log_in: path == "/log-in",
            sign_up: page.offers_sign_up.then(|| MenuItem {
                label: "Sign up",
                href: "/sign-up",
                is_current: path == "/sign-up",
            }),
            is_account: is_at(path, "/account"),
            session: SessionMeta::of(page.visit),
            script: assets::script(),
            library_stylesheet: assets::stylesheet(),
            site_stylesheet: public::address("site.css"),
            favicon: public::address("favicon.svg"),
            logo: public::address("logo.svg"),
        };
        template.render()
    }
}

/// Whether a path is at a menu item or below it.
fn is_at(path: &str, href: &str) -> bool {
    path == href || href != "/" && path.strip_prefix(href).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_menu_item_is_current_at_its_page_and_below() {
        assert!(is_at("/notes", "/notes") && is_at("/notes/new", "/notes") && is_at("/", "/"));
        assert!(!is_at("/notes", "/") && !is_at("/notebook", "/notes"));
    }
}
