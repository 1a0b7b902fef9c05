//! The nouns, each with the rules that are its own.

mod access_token;
mod audit_event;
mod backup_proof;
mod certificate;
mod client;
mod common_passwords;
mod csrf_token;
mod device;
mod email_address;
pub(crate) mod invalid_input;
mod invitation;
mod leak_fingerprint;
mod mail;
mod one_time_token;
mod outgoing_mail;
mod password;
mod person_name;
mod public_url;
mod rate_limit;
mod refresh_token;
mod revocation;
mod role;
mod sealed_secret;
mod secret_key;
mod service_key;
mod session;
mod sign_up_attempt;
mod sign_up_mode;
mod signing_key;
mod user;

pub use access_token::{AccessClaims, AccessTokenError, KeyRing, KeyStanding, ListedKey, PublicKey};
pub use audit_event::{Actor, AuditEvent, AuditEventId, AuditEventKind};
pub use backup_proof::BackupProof;
pub use certificate::{AcmeChallenge, CertificateName, OrderLease, SealedAcmeAccount, SealedCertificate};
pub use client::Client;
pub use csrf_token::{CsrfProof, CsrfToken};
pub use device::{Device, DeviceHash, KnownDevice};
pub use email_address::{EmailAddress, EmailAddressError};
pub use invalid_input::{InvalidField, InvalidInput};
pub use invitation::{Invitation, InvitationId};
pub use leak_fingerprint::LeakFingerprint;
pub use mail::{Happened, Mail, MailMessage, MailedLink};
pub use one_time_token::{
    ConfirmsEmail, ConfirmsSignUp, EmailToken, InvitesToSignUp, OneTimeToken, OneTimeTokenHash, ResetToken,
    ResetsPassword, StandingLink, TokenPurpose,
};
pub use outgoing_mail::{
    BrokenMail, ClaimedMail, MailCounts, MailKind, MailOutcome, MailState, MailUrgency, OutgoingMail,
    OutgoingMailId, TrackedMail,
};
pub use password::{
    CandidatePassword, NewPassword, Password, PasswordCheck, PasswordError, PasswordHash, StrongPassword,
    VerifiedPassword,
};
pub use person_name::{PersonName, PersonNameError};
pub use public_url::{PublicUrl, PublicUrlError};
pub use rate_limit::{Bucket, BucketLevel, Quota, RateLimits, TooManyAttempts};
pub use refresh_token::{RefreshSecret, RefreshSecretHash, RefreshToken, SessionId, SessionIdHash};
pub use revocation::{Revocation, RevocationCursor, RevocationCursorError, RevocationPage};
pub use role::{Role, RoleError, RoleName};
pub use sealed_secret::{OpenedSecret, SealedSecret};
pub(crate) use secret_key::DerivedKeys;
pub use secret_key::{SecretKey, SecretKeyError, SecretKeys, SecretKeysError, ServerKeys};
pub use service_key::{
    ServiceKey, ServiceKeyHash, ServiceKeyId, ServiceKeySecret, ServiceKeyTextError, ServiceName,
    ServiceNameError, ServiceScope, ServiceScopeError,
};
pub use session::{PublicSessionId, SecretStanding, Session, SessionEnded, SessionLifetimes};
pub use sign_up_attempt::{SignUpAttempt, SignUpAttemptId, SignUpBrowser, SignUpBrowserHash};
pub use sign_up_mode::{SignUpMode, SignUpModeError};
pub use signing_key::{KEY_LEARNING_TIME, SealedSigningKey, SigningKey, SigningKeyError};
pub use user::{User, UserId};

/// Defines an id that cannot be taken for the id of something else.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A new id, ordered by the moment it was made (UUID version 7).
            pub fn new(now: time::OffsetDateTime, random: &dyn crate::ports::Random) -> Self {
                Self(random.uuid_v7(now))
            }

            /// Lower than every id of this moment or later, and higher than those of milliseconds before it.
            pub fn lowest_at(moment: time::OffsetDateTime) -> Self {
                let milliseconds = u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid())
            }

            /// The plain UUID, for a store or an answer.
            pub fn as_uuid(self) -> uuid::Uuid {
                self.0
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
pub(crate) use id;
