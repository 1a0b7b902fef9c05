use std::fmt;

use serde::{Deserialize, Deserializer};
use url::Url;

const MAX_LENGTH: usize = 2048;
/// The field in which a page's address says what was just done, and the word for nothing.
const DONE: &str = "done";
const NOT_YET: &str = "not-yet";

/// Where to go after logging in: a path of this site, and nothing else.
///
/// Everything that a browser could take for another place (another origin, `//host`, `/\host`, a scheme, control
/// characters, which browsers drop before they read) becomes the default, so that nobody can be sent from our
/// log-in page to a copy of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Next(Option<String>);

impl Next {
    /// Reads what came in the address or the form.
    pub fn parse(text: &str) -> Self {
        Self(local_path(text))
    }

    /// The path, where one was given.
    pub fn path(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The path, or the default.
    pub fn or<'a>(&'a self, default: &'a str) -> &'a str {
        self.path().unwrap_or(default)
    }

    /// The same page without the word that says what was done there before: that was told once, and would be taken for
    /// what comes.
    pub(crate) fn without_done(&self) -> Self {
        self.with_done(None)
    }

    /// The same page, which says that what was pressed there is not done.
    pub(crate) fn saying_not_yet(&self) -> Self {
        self.with_done(Some(NOT_YET))
    }

    /// Whether the page will say so.
    pub(crate) fn says_not_yet(&self) -> bool {
        let query = self.path().and_then(|path| path.split_once('?')).map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == DONE && value == NOT_YET)
    }

    fn with_done(&self, word: Option<&str>) -> Self {
        let Some(path) = self.path() else {
            return Self::default();
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != DONE);
        let mut kept = url::form_urlencoded::Serializer::new(String::new());
        kept.extend_pairs(pairs).extend_pairs(word.map(|word| (DONE, word)));
        let query = kept.finish();
        Self::parse(&if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") })
    }

    /// A link that takes this along: `/log-in?next=%2Fnotes`.
    pub fn link(&self, path: &str) -> String {
        match &self.0 {
            None => path.to_owned(),
            Some(next) => {
                let query =
                    url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
                format!("{path}?{query}")
            }
        }
    }
}

fn local_path(text: &str) -> Option<String> {
    let looks_local = text.starts_with('/') && !text.starts_with("//") && text.len() <= MAX_LENGTH;
    if !looks_local || text.contains('\\') || text.chars().any(char::is_control) {
        return None;
    }
    // Read as a browser reads it, on a host that nobody has (RFC 2606).
    let base = Url::parse("http://site.invalid/").expect("a constant URL is a URL");
    let url = base.join(text).ok()?;
    if url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let mut path = url.path().to_owned();
    if let Some(query) = url.query() {
        path.push('?');
        path.push_str(query);
    }
    // `/.//host` is a path here and would be a host where it is read again. And what is longer as a browser writes it must not
    // be taken here and refused by the next page.
    (!path.starts_with("//") && path.len() <= MAX_LENGTH).then_some(path)
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Next {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A quotation mark becomes three characters.
    #[test]
    fn what_is_too_long_once_it_is_encoded_is_refused_at_once_and_not_by_the_next_page() {
        let fits = format!("/?{}", "\"".repeat((MAX_LENGTH - 2) / 3));
        let next = Next::parse(&fits);
        assert_eq!(Next::parse(next.path().unwrap()), next);
        assert_eq!(Next::parse(&format!("{fits}\"")).path(), None);
    }

    #[test]
    fn what_was_done_before_is_not_told_again() {
        for (before, without, saying) in [
            ("/admin", "/admin", "/admin?done=not-yet"),
            ("/admin?done=disabled", "/admin", "/admin?done=not-yet"),
            ("/a?done=x&q=a%26b+c&done=y", "/a?q=a%26b+c", "/a?q=a%26b+c&done=not-yet"),
            ("/a?undone=x", "/a?undone=x", "/a?undone=x&done=not-yet"),
        ] {
            let next = Next::parse(before);
            assert_eq!(next.without_done().path(), Some(without));
            assert_eq!(next.saying_not_yet().path(), Some(saying));
            assert!(next.saying_not_yet().says_not_yet() && !next.says_not_yet());
        }
        assert_eq!(Next::default().saying_not_yet(), Next::default());
    }

    #[test]
    fn paths_of_this_site_are_kept() {
        for (text, path) in [
            ("/notes", "/notes"),
            ("/notes?cursor=a%2Fb&x=1", "/notes?cursor=a%2Fb&x=1"),
            ("/notes#last", "/notes"),
            ("/a/../notes", "/notes"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/", "/"),
            ("/%2F%2Fevil.test", "/%2F%2Fevil.test"),
        ] {
            assert_eq!(Next::parse(text).path(), Some(path), "{text}");
        }
    }

    #[test]
    fn everything_that_leads_elsewhere_is_ignored() {
        for text in [
            "",
            "notes",
            "https://evil.test",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            "\t//evil.test",
            " //evil.test",
            "javascript:alert(1)",
            "/\0",
            "/.//evil.test",
            "/a/..//evil.test",
            "/%2e//evil.test",
            "http:evil.test",
            "/\u{85}/evil.test",
            "data:text/html,x",
            "@evil.test",
            "?next=/",
            "#",
        ] {
            assert_eq!(Next::parse(text), Next(None), "{text:?}");
        }
        assert_eq!(Next::parse(&format!("/{}", "a".repeat(3000))), Next(None));
    }

    #[test]
    fn a_link_takes_it_along() {
        assert_eq!(Next::parse("/notes?a=b&c=d").link("/log-in"), "/log-in?next=%2Fnotes%3Fa%3Db%26c%3Dd");
        assert_eq!(Next::default().link("/log-in"), "/log-in");
    }

    proptest! {
        #[test]
        fn whatever_is_kept_stays_on_the_site(text in "[/\\\\.%a-z0-9@:?#\t\n ]{0,40}") {
            let here = Url::parse("https://example.com/log-in").unwrap();
            if let Some(path) = Next::parse(&text).path() {
                prop_assert_eq!(here.join(path).unwrap().origin(), here.origin());
                let again = Next::parse(path);
                prop_assert_eq!(again.path(), Some(path));
            }
        }
    }
}
