use std::fmt;

use sha1::{Digest, Sha1};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

const BYTES: usize = 20;
/// How many hexadecimal digits name a range of fingerprints to others. Hundreds of leaked passwords share each.
const RANGE_DIGITS: usize = 5;

/// SHA-1 of a password: the name by which lists of leaked passwords know it, such as that of Have I Been Pwned.
///
/// It is as secret as the password, for it is quickly tried against all that somebody may have chosen. So it cannot be
/// printed, and of its text only the first five digits can be had.
#[derive(Clone)]
pub struct LeakFingerprint(Zeroizing<[u8; BYTES]>);

impl LeakFingerprint {
    /// The fingerprint of a password, in Unicode's composed form as everywhere.
    pub fn of(password: &str) -> Self {
        let normalised: Zeroizing<String> = Zeroizing::new(password.nfc().collect());
        Self(Zeroizing::new(Sha1::digest(normalised.as_bytes()).into()))
    }

    /// Reads 40 hexadecimal digits, as a list has them.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        if text.len() != BYTES * 2 {
            return None;
        }
        let mut bytes = Zeroizing::new([0; BYTES]);
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Its first eight bytes, in the order of the lists: enough to tell the passwords of the world apart.
    pub fn key(&self) -> u64 {
        self.0.iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte))
    }

    /// The first five hexadecimal digits: all that may be told to another machine.
    pub fn range(&self) -> String {
        let mut digits = self.digits();
        digits.truncate(RANGE_DIGITS);
        digits.as_str().to_owned()
    }

    /// Whether these are the digits after those of the range.
    pub fn has_rest(&self, rest: &str) -> bool {
        self.digits()[RANGE_DIGITS..].eq_ignore_ascii_case(rest)
    }

    /// How many digits there are after those of the range.
    pub const REST_DIGITS: usize = BYTES * 2 - RANGE_DIGITS;

    fn digits(&self) -> Zeroizing<String> {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let halves = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        Zeroizing::new(halves.map(|half| char::from(DIGITS[usize::from(half)])).collect())
    }
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

impl fmt::Debug for LeakFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeakFingerprint(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf password | sha1sum`.
    const OF_PASSWORD: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";

    #[test]
    fn it_is_what_the_lists_call_a_password_by() {
        let fingerprint = LeakFingerprint::of("password");
        assert_eq!(fingerprint.key(), 0x5baa_61e4_c9b9_3f3f);
        assert_eq!(fingerprint.range(), "5BAA6");
        assert!(
            fingerprint.has_rest(&OF_PASSWORD[5..]) && fingerprint.has_rest(&OF_PASSWORD[5..].to_uppercase())
        );
        assert!(
            !fingerprint.has_rest("") && !fingerprint.has_rest(OF_PASSWORD) && !fingerprint.has_rest("1E4C9")
        );
        assert_eq!(OF_PASSWORD[5..].len(), LeakFingerprint::REST_DIGITS);
    }

    #[test]
    fn two_ways_of_typing_have_one_fingerprint() {
        assert_eq!(LeakFingerprint::of("caf\u{E9}").key(), LeakFingerprint::of("cafe\u{301}").key());
    }

    #[test]
    fn only_forty_hexadecimal_digits_are_read() {
        let read = LeakFingerprint::from_hex(OF_PASSWORD.to_uppercase().as_bytes()).unwrap();
        assert!(read.key() == LeakFingerprint::of("password").key() && read.has_rest(&OF_PASSWORD[5..]));
        for text in
            ["", "5baa6", &OF_PASSWORD[1..], &format!("{OF_PASSWORD}0"), &OF_PASSWORD.replace('e', "g")]
        {
            assert!(LeakFingerprint::from_hex(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn nothing_prints_it() {
        assert_eq!(format!("{:?}", LeakFingerprint::of("password")), "LeakFingerprint(…)");
    }
}
