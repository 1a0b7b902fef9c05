use axum::response::Redirect;
use serde::Deserialize;

const LONGEST_ID: usize = 40;

/// What the script of the pages calls a draft as it sends the form: the field `vestibule_draft` of a form with
/// `data-vestibule-draft`. Empty where there is no script.
///
/// The browser keeps what was typed until it is told that this very text was taken. Nothing else counts: the next page may
/// come from a server that is back, and a save may have failed before it reached a handler.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DraftId(String);

impl DraftId {
    /// To a page after what was typed is saved, with the word for the script that the draft may go. The script takes that
    /// word out of the address again.
    pub fn saved(&self, page: &str) -> Redirect {
        let is_id = !self.0.is_empty()
            && self.0.len() <= LONGEST_ID
            && self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_id {
            return Redirect::to(page);
        }
        let and = if page.contains('?') { '&' } else { '?' };
        Redirect::to(&format!("{page}{and}vestibule-saved={}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use axum::response::IntoResponse;

    use super::*;

    fn location(id: &str, page: &str) -> String {
        let response = DraftId(id.to_owned()).saved(page).into_response();
        response.headers()[header::LOCATION].to_str().expect("an address is visible ASCII").to_owned()
    }

    #[test]
    fn the_page_after_a_save_names_the_draft() {
        assert_eq!(location("0a1b-2c", "/notes/1"), "/notes/1?vestibule-saved=0a1b-2c");
        assert_eq!(location("0a1b", "/notes?q=1"), "/notes?q=1&vestibule-saved=0a1b");
    }

    #[test]
    fn what_is_no_name_of_a_draft_is_left_out() {
        let long = "a".repeat(LONGEST_ID + 1);
        for id in ["", "a b", "a&next=//evil.test", "a\r\nset-cookie: b=c", "\u{e9}", &long] {
            assert_eq!(location(id, "/notes/1"), "/notes/1", "{id}");
        }
    }
}
