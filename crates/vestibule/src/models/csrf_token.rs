use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::ports::Random;

/// The token that a page of ours can send and another site's cannot.
///
/// One a session, the same for its whole life, so that a form in an old tab still works. It is not a secret of
/// the person's: scripts of the site may read it. It is compared in constant time all the same.
#[derive(Clone)]
pub struct CsrfToken(String);

/// What a request showed to prove that a page of ours made it.
#[derive(Clone, Copy)]
pub enum CsrfProof<'a> {
    /// Nothing is needed: the request only reads (GET, HEAD, OPTIONS).
    NotNeeded,
    /// The token sent in the header or the form, if any.
    Sent(Option<&'a str>),
}

impl CsrfToken {
    /// A new token of 256 random bits.
    pub fn generate(random: &dyn Random) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random.bytes::<32>()))
    }

    /// Takes a stored token.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The token, for the cookie, a form or the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text is this token, compared in constant time.
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl fmt::Debug for CsrfProof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNeeded => "NotNeeded",
            Self::Sent(None) => "Sent(None)",
            Self::Sent(Some(_)) => "Sent(…)",
        })
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(…)")
    }
}
