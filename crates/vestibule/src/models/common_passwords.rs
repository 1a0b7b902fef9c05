use std::sync::LazyLock;

use zeroize::Zeroizing;

/// Passwords of 12 characters or more that leaks are full of and whose strength the estimator thinks well of, in small
/// letters and ordered by their bytes.
///
/// Measured when this list was made, with version 3.1.1 of zxcvbn: of the 44,150 passwords of that length among the
/// million most common ones of `SecLists` (MIT), it lets 36,145 through, of 190 on Django's list (BSD-3-Clause) 56, of
/// 308 on that of zxcvbn-ts (MIT) 31. The file has those of the first 400,000 and of the other two. Beyond that a
/// password was seen a few times in ten million, and a file of all that ever leaked is the better answer:
/// `VESTIBULE_BREACHED_PASSWORDS`.
static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// Whether it is one of them, in whatever case.
pub(super) fn contain(password: &str) -> bool {
    let small: Zeroizing<String> = Zeroizing::new(password.to_lowercase());
    COMMON.binary_search(&small.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{CandidatePassword, PasswordError};

    #[test]
    fn the_list_is_in_order_and_nothing_stands_there_in_vain() {
        assert!(COMMON.len() > 2500 && COMMON.is_sorted_by(|one, next| one < next));
        for &common in COMMON.iter() {
            assert!(common.chars().count() >= 12 && common == common.to_lowercase(), "{common}");
            assert!(
                zxcvbn::zxcvbn(common, &[]).score() >= zxcvbn::Score::Three,
                "{common} is refused anyway"
            );
        }
    }

    #[test]
    fn a_common_password_is_refused_in_whatever_case() {
        for typed in [COMMON[0], COMMON[COMMON.len() - 1], "JKIUZTDFTL57", "jkiuzTDFTL57"] {
            let judged = CandidatePassword::parse(typed, None, None, "Test site").unwrap().judge();
            assert_eq!(judged.unwrap_err(), PasswordError::Breached, "{typed}");
        }
        assert!(!contain("jkiuztdftl5") && !contain("jkiuztdftl578") && !contain(""));
    }
}
