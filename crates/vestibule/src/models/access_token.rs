use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{SealedSigningKey, ServerKeys, SessionIdHash, SigningKey, SigningKeyError, UserId};

/// How far another server's clock may be ahead of ours: its fresh token is not from the future.
const CLOCK_LEEWAY: Duration = Duration::seconds(30);
/// Ours are a third of this. A longer text is not one, and is not worth decoding.
const MAX_LENGTH: usize = 2048;

/// What an access token says: who, in which session, until when. Nothing personal, for whoever holds a token
/// can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessClaims {
    /// `sub`.
    pub user_id: UserId,
    /// `sid`.
    pub session: SessionIdHash,
    /// `iat`, to the second.
    pub issued_at: OffsetDateTime,
    /// `exp`, to the second.
    pub expires_at: OffsetDateTime,
}

/// Why a text is not taken for an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenError {
    /// Not a token of this installation.
    #[error("this is no access token of ours")]
    NotOurs,
    /// It was one, and its time is over.
    #[error("the access token has expired")]
    Expired,
}

/// The keys that sign and verify access tokens: JWTs (RFC 7519) with Ed25519 signatures (RFC 8037), of the type
/// `at+jwt` (RFC 9068).
///
/// A token's header is never parsed. Each key has exactly one header that this server writes, and a token
/// belongs to a key if it begins with that header, byte for byte. So there is no algorithm to confuse and no
/// `none`, `crit`, `jwk`, `jku` or `x5u` to obey (RFC 8725, sections 2.1 and 3.1).
pub struct KeyRing {
    issuer: String,
    /// Oldest generation first; at least one.
    keys: Vec<RingKey>,
}

struct RingKey {
    key: SigningKey,
    header: String,
    /// When the last token that it signed has expired; none while nothing takes its place.
    verifies_until: Option<OffsetDateTime>,
}

/// What a key does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// It is published, so that verifiers learn it, and does not sign yet.
    Waiting,
    /// It signs.
    Signing,
    /// Another one signs; the tokens of this one are still good.
    Verifying,
    /// The last of its tokens has expired.
    Over,
}

/// A key as it is told to an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// Its name in tokens and in the JWKS.
    pub kid: String,
    /// The how manieth of the installation it is.
    pub generation: i64,
    /// What it does now.
    pub standing: KeyStanding,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when it signs.
    pub activates_at: OffsetDateTime,
    /// Until when its tokens are good, where another key takes its place.
    pub verifies_until: Option<OffsetDateTime>,
}

/// A public key, for the JWKS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's name.
    pub kid: String,
    /// The 32 bytes in base64url without padding.
    pub x: String,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: String,
    iat: i64,
    exp: i64,
    /// Makes each token another text, also two of one second.
    jti: Uuid,
}

impl KeyRing {
    /// Opens the stored keys. Of those whose time has come the one of the highest generation signs. Each verifies until
    /// the last token that it can have signed is over: that is the life of its tokens after its successor took over.
    ///
    /// `issuer` becomes `iss` and `aud`: the public URL, so that a token of the staging site is none of production.
    ///
    /// # Panics
    /// Without a key: the caller makes one first.
    pub fn open(
        stored: &[SealedSigningKey],
        keys: &ServerKeys,
        issuer: String,
    ) -> Result<Self, SigningKeyError> {
        let mut opened = stored.iter().map(|sealed| sealed.open(keys)).collect::<Result<Vec<_>, _>>()?;
        assert!(!opened.is_empty(), "an installation has at least one signing key");
        opened.sort_by_key(SigningKey::generation);
        let successions: Vec<_> = opened.iter().skip(1).map(|key| Some(key.activates_at())).collect();
        let keys = opened
            .into_iter()
            .zip(successions.into_iter().chain([None]))
            .map(|(key, succeeded_at)| RingKey {
                header: header_of(key.kid()),
                verifies_until: succeeded_at.map(|at| at + key.token_ttl() + CLOCK_LEEWAY),
                key,
            })
            .collect();
        Ok(Self { issuer, keys })
    }

    /// The key that signs at a moment. Before the time of the very first, by a clock that is behind, it is that one.
    fn signer(&self, now: OffsetDateTime) -> &RingKey {
        let active = self.keys.iter().rev().find(|key| key.key.activates_at() <= now);
        active.unwrap_or(&self.keys[0])
    }

    /// The generation that signs at a moment. It and later ones are those that can still sign.
    pub(crate) fn signing_generation(&self, now: OffsetDateTime) -> i64 {
        self.signer(now).key.generation()
    }

    /// The first generation that is still needed, where there are any before it that are over.
    pub(crate) fn first_needed_generation(&self, now: OffsetDateTime) -> Option<i64> {
        let over = self.keys.iter().take_while(|key| key.is_over(now)).count();
        (over > 0).then(|| self.keys[over].key.generation())
    }

    /// The generation of the newest key.
    pub(crate) fn newest_generation(&self) -> i64 {
        self.keys.last().map_or(0, |key| key.key.generation())
    }

    /// How long the longest of the tokens lives that these keys sign or signed, servers with other clocks and settings included.
    pub(crate) fn longest_token_life(&self) -> Duration {
        let lives = self.keys.iter().map(|key| key.key.token_ttl());
        lives.max().unwrap_or_default() + CLOCK_LEEWAY
    }

    /// Whether it has a key that another ring lacks.
    pub(crate) fn has_keys_beyond(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.keys.iter().all(|others| others.header != key.header))
    }

    /// Whether a text looks like a token of ours and names a key that is not here. It may be a newer one, which another
    /// server knows already.
    pub(crate) fn lacks_the_key_of(&self, token: &str) -> bool {
        /// What all our headers begin with: algorithm, and where the name of the key begins.
        const COMMON: usize = 28;
        let ours = &self.keys[0].header;
        let Some((header, _)) = token.split_once('.') else { return false };
        token.len() <= MAX_LENGTH
            && header.len() == ours.len()
            && header.get(..COMMON) == ours.get(..COMMON)
            && self.keys.iter().all(|key| key.header != header)
    }

    /// Signs a token.
    pub fn sign(&self, claims: &AccessClaims, jti: Uuid) -> String {
        let key = self.signer(claims.issued_at);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: claims.user_id.as_uuid(),
            sid: claims.session.to_base64(),
            iat: claims.issued_at.unix_timestamp(),
            exp: claims.expires_at.unix_timestamp(),
            jti,
        };
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).expect("claims are plain JSON"));
        let signed = format!("{}.{payload}", key.header);
        let signature = key.key.pair().sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Reads and verifies a token.
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<AccessClaims, AccessTokenError> {
        let claims = self.claims_of(token, now).ok_or(AccessTokenError::NotOurs)?;
        if claims.issued_at > now + CLOCK_LEEWAY {
            return Err(AccessTokenError::NotOurs);
        }
        if claims.expires_at <= now {
            return Err(AccessTokenError::Expired);
        }
        Ok(claims)
    }

    /// What the token says, if the signature is ours and it is meant for us.
    fn claims_of(&self, token: &str, now: OffsetDateTime) -> Option<AccessClaims> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let verifier = self.keys.iter().find(|key| key.header == header && !key.is_over(now))?;
        let signature: [u8; 64] = URL_SAFE_NO_PAD.decode(signature).ok()?.try_into().ok()?;
        // Strict: refuses the malleable signatures that plain verification lets through.
        let public = verifier.key.pair().verifying_key();
        public.verify_strict(signed.as_bytes(), &Signature::from_bytes(&signature)).ok()?;

        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        if claims.iss != self.issuer || claims.aud != self.issuer {
            return None;
        }
        Some(AccessClaims {
            user_id: claims.sub.into(),
            session: SessionIdHash::from_base64(&claims.sid)?,
            issued_at: OffsetDateTime::from_unix_timestamp(claims.iat).ok()?,
            expires_at: OffsetDateTime::from_unix_timestamp(claims.exp).ok()?,
        })
    }

    /// The public halves of all keys that verify tokens or soon will.
    pub fn public_keys(&self, now: OffsetDateTime) -> Vec<PublicKey> {
        let needed = self.keys.iter().filter(|key| !key.is_over(now));
        needed
            .map(|key| PublicKey {
                kid: key.key.kid().to_owned(),
                x: URL_SAFE_NO_PAD.encode(key.key.pair().verifying_key().as_bytes()),
            })
            .collect()
    }

    /// All keys with what they do at a moment, oldest first.
    pub fn list(&self, now: OffsetDateTime) -> Vec<ListedKey> {
        let signing = self.signing_generation(now);
        let standing = |key: &RingKey| match key.key.generation() {
            _ if key.is_over(now) => KeyStanding::Over,
            generation if generation > signing => KeyStanding::Waiting,
            generation if generation == signing => KeyStanding::Signing,
            _ => KeyStanding::Verifying,
        };
        self.keys
            .iter()
            .map(|key| ListedKey {
                kid: key.key.kid().to_owned(),
                generation: key.key.generation(),
                standing: standing(key),
                created_at: key.key.created_at(),
                activates_at: key.key.activates_at(),
                verifies_until: key.verifies_until,
            })
            .collect()
    }
}

impl RingKey {
    fn is_over(&self, now: OffsetDateTime) -> bool {
        self.verifies_until.is_some_and(|until| until <= now)
    }
}

impl KeyStanding {
    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Signing => "signing",
            Self::Verifying => "verifying",
            Self::Over => "over",
        }
    }
}

/// The one header of a key, encoded.
fn header_of(kid: &str) -> String {
    let header = Header { alg: "EdDSA", kid, typ: "at+jwt" };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).expect("three texts are plain JSON"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::models::SecretKey;
    use crate::ports::{OsRandom, Random};

    const NOON: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);
    const ISSUER: &str = "https://example.com";

    fn random() -> &'static dyn Random {
        &OsRandom
    }

    fn ring() -> KeyRing {
        ring_of(&[SigningKey::generate(1, NOON, random())])
    }

    fn ring_of(signing_keys: &[SigningKey]) -> KeyRing {
        let keys = SecretKey::generate(random()).derive();
        let sealed: Vec<_> = signing_keys.iter().map(|key| key.seal(&keys, random())).collect();
        KeyRing::open(&sealed, &keys, ISSUER.into()).unwrap()
    }

    fn claims() -> AccessClaims {
        AccessClaims {
            user_id: UserId::new(NOON, random()),
            session: random().bytes().into(),
            issued_at: NOON,
            expires_at: NOON + Duration::minutes(5),
        }
    }

    /// A token of the ring's own key with any header and payload.
    fn forge(ring: &KeyRing, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = ring.signer(NOON).key.pair().sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn payload_of(token: &str) -> String {
        String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_token_says_what_it_was_given_until_it_expires() {
        let (ring, claims) = (ring(), claims());
        let token = ring.sign(&claims, random().uuid_v7(NOON));
        assert_eq!(ring.verify(&token, NOON), Ok(claims));
        assert_eq!(ring.verify(&token, claims.expires_at - Duration::seconds(1)), Ok(claims));
        assert_eq!(ring.verify(&token, claims.expires_at), Err(AccessTokenError::Expired));
    }

    #[test]
    fn a_token_from_the_future_is_refused_beyond_the_leeway() {
        let (ring, claims) = (ring(), claims());
        let token = ring.sign(&claims, random().uuid_v7(NOON));
        assert_eq!(ring.verify(&token, NOON - Duration::seconds(30)), Ok(claims));
        assert_eq!(ring.verify(&token, NOON - Duration::seconds(31)), Err(AccessTokenError::NotOurs));
    }

    #[test]
    fn an_older_key_still_verifies_and_the_newest_one_signs() {
        let old = SigningKey::generate(1, NOON, random());
        let new = SigningKey::generate(2, NOON, random());
        let token_of_old = ring_of(std::slice::from_ref(&old)).sign(&claims(), random().uuid_v7(NOON));
        let new_header = header_of(new.kid());
        let both = ring_of(&[new, old]);
        assert!(both.verify(&token_of_old, NOON).is_ok());
        assert!(both.sign(&claims(), random().uuid_v7(NOON)).starts_with(&new_header));
        assert_eq!(both.public_keys(NOON).len(), 2);
    }

    #[test]
    fn a_key_signs_from_its_time_on_and_verifies_until_the_last_token_before_it_is_over() {
        let lives_for = Duration::minutes(5);
        let old = SigningKey::generate(1, NOON, random()).for_tokens_of(lives_for);
        let takes_over_at = NOON + Duration::hours(1);
        let new = SigningKey::generate(2, NOON, random()).activating_at(takes_over_at);
        let (old_header, new_header) = (header_of(old.kid()), header_of(new.kid()));
        let ring = ring_of(&[old, new]);
        let token_at = |issued_at: OffsetDateTime| {
            let claims = AccessClaims { issued_at, expires_at: issued_at + lives_for, ..claims() };
            ring.sign(&claims, random().uuid_v7(NOON))
        };
        let last = takes_over_at - Duration::seconds(1);
        assert!(token_at(NOON - Duration::hours(1)).starts_with(&old_header), "a clock that is behind");
        assert!(token_at(last).starts_with(&old_header));
        assert!(token_at(takes_over_at).starts_with(&new_header));

        let standings = |now| ring.list(now).iter().map(|key| key.standing).collect::<Vec<_>>();
        assert_eq!(standings(last), [KeyStanding::Signing, KeyStanding::Waiting]);
        assert_eq!(ring.public_keys(last).len(), 2, "published before it signs");
        assert_eq!(standings(takes_over_at), [KeyStanding::Verifying, KeyStanding::Signing]);
        let over_at = takes_over_at + lives_for + CLOCK_LEEWAY;
        assert!(ring.verify(&token_at(last), last + lives_for - Duration::seconds(1)).is_ok());
        assert_eq!(ring.first_needed_generation(over_at - Duration::seconds(1)), None);
        assert_eq!(standings(over_at), [KeyStanding::Over, KeyStanding::Signing]);
        assert_eq!((ring.first_needed_generation(over_at), ring.public_keys(over_at).len()), (Some(2), 1));
        // Even a token that would still be good: who has stolen the key cannot use it for ever.
        let long = AccessClaims { expires_at: NOON + Duration::days(1), issued_at: last, ..claims() };
        let long = ring.sign(&long, random().uuid_v7(NOON));
        assert!(ring.verify(&long, over_at - Duration::seconds(1)).is_ok());
        assert_eq!(ring.verify(&long, over_at), Err(AccessTokenError::NotOurs));
    }

    #[test]
    fn only_what_looks_like_a_token_of_ours_can_name_a_key_that_is_not_here() {
        let (ours, theirs) = (ring(), ring());
        let own = ours.sign(&claims(), random().uuid_v7(NOON));
        let foreign = theirs.sign(&claims(), random().uuid_v7(NOON));
        assert!(!ours.lacks_the_key_of(&own));
        assert!(ours.lacks_the_key_of(&foreign));
        let header = foreign.split_once('.').unwrap().0;
        let hs256 = foreign.replacen("eyJhbGciOiJFZERTQSIs", "eyJhbGciOiJIUzI1NiIs", 1);
        assert_ne!(hs256, foreign);
        for text in ["", ".", "a.b.c", header, &foreign[1..], &hs256, &format!("{header}A.b.c")] {
            assert!(!ours.lacks_the_key_of(text), "{text:?}");
        }
        assert!(!ours.lacks_the_key_of(&format!("{foreign}{}", "A".repeat(MAX_LENGTH))));
    }

    #[test]
    fn headers_that_ask_for_another_treatment_are_refused_though_well_signed() {
        let ring = ring();
        let token = ring.sign(&claims(), random().uuid_v7(NOON));
        let (kid, payload) = (ring.signer(NOON).key.kid(), payload_of(&token));
        let x = &ring.public_keys(NOON)[0].x;
        for header in [
            format!(r#"{{"alg":"none","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"JWT"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"at+jwt","crit":["exp"]}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"at+jwt","jku":"https://evil.test/jwks"}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"at+jwt","jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}}}"#),
            r#"{"alg":"EdDSA","kid":"../../etc/passwd","typ":"at+jwt"}"#.to_owned(),
            r#"{"alg":"EdDSA","typ":"at+jwt"}"#.to_owned(),
            String::new(),
        ] {
            assert_eq!(
                ring.verify(&forge(&ring, &header, &payload), NOON),
                Err(AccessTokenError::NotOurs),
                "{header}"
            );
        }
        let unsigned = token.rsplit_once('.').unwrap().0;
        assert_eq!(ring.verify(&format!("{unsigned}."), NOON), Err(AccessTokenError::NotOurs));
    }

    #[test]
    fn a_token_of_another_site_is_refused_though_well_signed() {
        let ring = ring();
        let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"at+jwt"}}"#, ring.signer(NOON).key.kid());
        let payload = payload_of(&ring.sign(&claims(), random().uuid_v7(NOON)));
        assert!(ring.verify(&forge(&ring, &header, &payload), NOON).is_ok(), "the forging works");
        let badexample = payload.replace("https://example.com", "https://badexample.com");
        assert_eq!(ring.verify(&forge(&ring, &header, &badexample), NOON), Err(AccessTokenError::NotOurs));
        assert_eq!(ring.verify(&forge(&ring, &header, "{}"), NOON), Err(AccessTokenError::NotOurs));
    }

    #[test]
    fn every_changed_character_makes_a_token_invalid() {
        let ring = ring();
        let token = ring.sign(&claims(), random().uuid_v7(NOON));
        for position in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(ring.verify(&changed, NOON), Err(AccessTokenError::NotOurs), "position {position}");
        }
    }

    #[test]
    fn signatures_are_those_of_rfc_8037_appendix_a_4() {
        let seed: [u8; 32] = URL_SAFE_NO_PAD
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap()
            .try_into()
            .unwrap();
        let ring = ring_of(&[SigningKey::from_seed(&seed, 1, NOON)]);
        let token = forge(&ring, r#"{"alg":"EdDSA"}"#, "Example of Ed25519 signing");
        assert_eq!(
            token,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCj\
             P0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            prop_assert_eq!(ring().verify(&text, NOON), Err(AccessTokenError::NotOurs));
        }
    }
}
