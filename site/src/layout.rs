use askama::Template;
use vestibule_web::{Layout, Page, assets};

use crate::public;

/// The menu: label, address, and whether one has to be logged in to see it.
const MENU: [(&str, &str, bool); 3] =
    [("Home", "/", false), ("Dashboard", "/dashboard", true), ("Notes", "/notes", true)];

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
    is_sign_up: bool,
    is_account: bool,
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
        let visitor = page.visit.current_user().map(|current| Visitor { name: current.user().name.as_str() });
        let menu = MENU
            .into_iter()
            .filter(|(_, _, is_private)| visitor.is_some() || !is_private)
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
            is_sign_up: path == "/sign-up",
            is_account: is_at(path, "/account"),
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
