use ::vestibule::models::PersonName;

/// Longer ones are no names to call somebody by.
const MAX_CHARACTERS: usize = 40;
/// Digits make telephone numbers, and a name has few.
const MAX_DIGITS: usize = 2;

/// How a mail begins.
///
/// Somebody may sign up with the address of another and, as a name, an advertisement or a link, which we would then
/// mail out. So a name is used only where it can be nothing but a name; without it a mail is still polite.
pub(super) fn greeting(name: Option<&PersonName>) -> String {
    match name.filter(|name| is_harmless(name.as_str())) {
        Some(name) => format!("Hello {name},"),
        None => "Hello,".to_owned(),
    }
}

/// Letters of any script and what stands between the parts of names. Mail programs make links of dots between letters,
/// of `/`, `:`, `@` and the like, so none of these pass, nor do their full-width forms, invisible characters or symbols.
fn is_harmless(name: &str) -> bool {
    let is_part_of_a_name = |c: char| {
        c.is_alphabetic()
            || c.is_numeric()
            || is_combining_mark(c)
            || matches!(c, ' ' | '-' | '\'' | '’' | '·')
    };
    // `J. R.` is a name and `j.r` is an address.
    let mut dots = name.char_indices().filter(|(_, c)| *c == '.');
    let are_dots_of_initials =
        dots.all(|(at, _)| name[at + 1..].chars().next().is_none_or(|next| next == ' '));
    name.chars().count() <= MAX_CHARACTERS
        && name.chars().filter(|c| c.is_numeric()).count() <= MAX_DIGITS
        && name.chars().all(|c| is_part_of_a_name(c) || c == '.')
        && are_dots_of_initials
        && !name.to_lowercase().contains("www")
        && !name.to_lowercase().contains("http")
}

/// Marks that stand over or under letters, as in names of many scripts.
fn is_combining_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{64B}'..='\u{65F}' | '\u{900}'..='\u{903}' | '\u{93A}'..='\u{94F}' | '\u{E31}' | '\u{E34}'..='\u{E4E}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> String {
        greeting(Some(&PersonName::parse(name).unwrap()))
    }

    #[test]
    fn people_are_called_by_their_names() {
        for name in [
            "Ann",
            "Núria Ferrer i Guàrdia",
            "山田太郎",
            "O'Brien-Smith",
            "J. R. R. Tolkien",
            "Sammy Davis Jr.",
            "علي",
            "John 3",
        ] {
            assert_eq!(of(name), format!("Hello {name},"));
        }
    }

    #[test]
    fn what_reads_as_a_link_or_an_advertisement_is_not_repeated() {
        for name in [
            "evil.test",
            "Visit evil.test now",
            "http://evil.test",
            "httpevil",
            "www evil test",
            "ann@evil.test",
            "evil。test",
            "evil．test",
            "evil\u{2024}test",
            "evil/test",
            "t.me/evil",
            "Call 555 123 4567",
            "<b>Ann</b>",
            "You won €1000!",
            "e\u{200B}vil.test",
            "Ann 🎁",
            "Dear customer your account is suspended click",
        ] {
            assert_eq!(of(name), "Hello,", "{name:?}");
        }
    }
}
