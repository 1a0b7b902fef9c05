//! What the pages of this repository claim: that a file is there, that a test holds something, that no case is left out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The cases of the adversarial list.
const CASES: usize = 63;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every page, but those of folders that hold what was built or installed.
fn pages() -> Vec<PathBuf> {
    let mut folders = vec![root()];
    let mut pages = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir()
                && !["target", "node_modules", "data"].contains(&name.as_str())
                && !name.starts_with('.')
            {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The links of a page: what is shown, and where it leads.
fn links(text: &str) -> Vec<(&str, &str)> {
    let parts = text.match_indices("](").filter_map(|(at, _)| {
        let shown = text[..at].rsplit_once('[')?.1;
        let target = text[at + 2..].split(')').next()?;
        Some((shown, target))
    });
    parts.collect()
}

/// The file that a link of a page leads to; none where it leads elsewhere.
fn file_of(page: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split('#').next()?;
    let is_elsewhere = path.is_empty() || target.contains("://") || target.starts_with("mailto:");
    (!is_elsewhere).then(|| page.parent().unwrap().join(path))
}

#[test]
fn every_link_leads_to_a_file() {
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (shown, target) in links(&text) {
            if let Some(file) = file_of(&page, target) {
                assert!(file.exists(), "{}: [{shown}]({target}) leads nowhere", page.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "{checked} links");
}

#[test]
fn every_test_that_a_page_names_is_in_the_file_that_it_names() {
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (shown, target) in links(&text) {
            let Some(name) = shown.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else {
                continue;
            };
            let Some(file) = file_of(&page, target).filter(|file| file.is_file()) else {
                let is_a_test = name.matches('_').count() > 2 && !name.contains(' ');
                assert!(!is_a_test, "{}: `{name}` leads to no file: {target}", page.display());
                continue;
            };
            let is_name_of_the_file = target.ends_with(name) || name.contains('/');
            if is_name_of_the_file {
                continue;
            }
            let code = fs::read_to_string(&file).unwrap();
            let is_there = match file.extension().and_then(|extension| extension.to_str()) {
                // Of code a page may name other things than tests: those of many words are tests.
                Some("rs") if name.matches('_').count() < 3 => continue,
                Some("rs") => code.contains(&format!("fn {name}(")) || code.contains(&format!("fn {name}<")),
                Some("js") => code.contains(name),
                _ => continue,
            };
            assert!(is_there, "{}: `{name}` is not in {target}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 250, "{checked} tests");
}

/// The routes of the table on the page about limits, of which a test walks every one.
fn limited_routes() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/security/limits.md")).unwrap();
    let table = page.split("## Routes with a limit").nth(1).unwrap().split("## ").next().unwrap();
    let first_cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    first_cells.map(str::to_owned).collect()
}

#[test]
fn the_page_of_a_flow_with_a_limit_tells_of_429() {
    let limited = limited_routes();
    assert!(limited.len() > 25, "{limited:?}");
    let mut checked = 0;
    for page in pages().into_iter().filter(|page| page.parent().unwrap().ends_with("docs/flows")) {
        let text = fs::read_to_string(&page).unwrap();
        let names = |route: &String| text.contains(&format!("`{route}`"));
        if let Some(route) = limited.iter().find(|route| names(route)) {
            assert!(text.contains("429"), "{} does not say that {route} is limited", page.display());
            checked += 1;
        }
    }
    assert!(checked >= 12, "{checked} pages");
}

#[test]
fn every_case_of_the_adversarial_list_has_an_answer() {
    let page = fs::read_to_string(root().join("docs/security/attacks.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| A"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let named: BTreeSet<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    let expected: BTreeSet<String> = (1..=CASES).map(|number| format!("A{number}")).collect();
    assert_eq!(named, expected);
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        assert!(!links(row[3]).is_empty(), "{row:?} is held by nothing");
    }
}

/// The guide says how a copy of the template that shows nothing that changes is named: the compiler refuses a struct whose
/// template asks for a `page` that it has not.
#[test]
fn the_guide_tells_which_template_is_copied_without_a_page() {
    let guide = fs::read_to_string(root().join("docs/make-it-yours.md")).unwrap();
    let views = fs::read_to_string(root().join("crates/vestibule-web/src/views.rs")).unwrap();
    let templates = root().join("crates/vestibule-web/templates");
    let is_constant = |(_, file): &(String, String)| {
        let text = fs::read_to_string(templates.join(file)).unwrap();
        !text.contains("page.") && !text.contains("{% include")
    };
    let named = views.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once('(')?;
        let file = rest.strip_suffix("\";")?.rsplit_once("= \"")?.1;
        Some((name.to_owned(), file.to_owned()))
    });
    let (all, constant): (Vec<_>, Vec<_>) = (named.clone().collect(), named.filter(is_constant).collect());
    assert!(all.len() >= 17, "{all:?}");
    let [(view, file)] = &constant[..] else { panic!("the guide tells of one, and there are {constant:?}") };
    let guide = guide.split_whitespace().collect::<Vec<_>>().join(" ");
    let claim = format!("One template shows nothing that changes: `{file}` has a struct without `page`");
    assert!(guide.contains(&claim), "{claim}");
    assert!(guide.contains(&format!("`View::{view}(_) => Some(")), "{view}");
}
