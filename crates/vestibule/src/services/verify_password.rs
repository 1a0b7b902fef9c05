use super::log_in::LogInError;
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEventKind, Client, InvalidInput, Password, PasswordCheck, PasswordError, TooManyAttempts, User,
    VerifiedPassword,
};
use crate::ports::{HasherError, Standing};
use crate::repository::{Credentials, StoreError};

/// Why the current password of somebody logged in was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CurrentPasswordError {
    /// Nothing typed.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// It is not their password.
    #[error("the password is not right")]
    Wrong,
    /// Too many were tried.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// No room to check it, or that failed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Whether the password is that of the user. No user, a disabled one and one without a password cost the
    /// same work and get the same answer as a wrong password.
    pub(super) async fn verify_password(
        &self,
        credentials: Option<Credentials>,
        typed: Password,
        whose: Standing,
    ) -> Result<PasswordCheck, HasherError> {
        let candidate = credentials
            .filter(|credentials| !credentials.user.is_disabled)
            .and_then(|credentials| credentials.password_hash.map(|hash| (credentials.user, hash)));
        let hash = candidate.as_ref().map(|(_, hash)| hash.clone());
        let is_right = self.hasher.matches(typed, hash, whose).await?;
        match candidate {
            Some((user, hash)) if is_right => Ok(PasswordCheck::Right(VerifiedPassword::proven(user, hash))),
            _ => Ok(PasswordCheck::Wrong),
        }
    }

    /// Asks who is logged in for their password once more, before a change that a stranger at an open computer, or with
    /// a copied cookie, must not be able to make.
    pub(super) async fn verify_current_password(
        &self,
        user: &User,
        typed: &str,
        devices: &[&str],
        client: &Client,
    ) -> Result<VerifiedPassword, CurrentPasswordError> {
        let mut invalid = Vec::new();
        let password = match Password::parse(typed) {
            // Longer than any account's password can be: just not theirs.
            Err(PasswordError::TooLong) => None,
            parsed => take("current_password", parsed, &mut invalid),
        };
        if let Some(invalid) = InvalidInput::unless_empty(invalid) {
            return Err(invalid.into());
        }
        if let Some(password) = password {
            let device = self.known_device_of(devices).map(|device| device.hash());
            let found =
                self.find_credentials_for_attempt::<CurrentPasswordError>(&user.email, device).await?;
            if found.as_ref().is_none_or(|found| found.device_seen_at.is_none()) {
                let _ = self.take_strangers_attempt::<CurrentPasswordError>(&user.email, client).await?;
            }
            let found = found.filter(|found| found.credentials.user.id == user.id);
            let credentials = found.map(|found| found.credentials);
            if let PasswordCheck::Right(proof) =
                self.verify_password(credentials, password, Standing::Known(user.id.as_uuid())).await?
            {
                return Ok(proof);
            }
        }
        self.record(AuditEventKind::PasswordCheckFailed, Some(user.id), client).await?;
        Err(CurrentPasswordError::Wrong)
    }

    /// Hashes the password again where the cost of hashing was changed since. Now is the only time: the
    /// password itself is not kept.
    pub(super) async fn renew_outdated_hash(
        &self,
        proof: VerifiedPassword,
        typed: Password,
        whose: Standing,
    ) -> Result<VerifiedPassword, LogInError> {
        if !self.hasher.is_outdated(proof.hash()) {
            return Ok(proof);
        }
        let renewed = match self.hasher.hash(typed, whose).await {
            Ok(renewed) => renewed,
            // The password was right. The renewal can wait for a log-in when there is room.
            Err(HasherError::Overloaded(_)) => return Ok(proof),
            Err(error) => return Err(error.into()),
        };
        let user = proof.user().clone();
        let now = self.clock.now();
        let is_replaced =
            self.store.alone().replace_password_hash(user.id, proof.hash(), &renewed, now).await?;
        // Where it was not, somebody was faster, with a renewed hash or a new password. Storing the session
        // finds out which.
        Ok(if is_replaced { VerifiedPassword::proven(user, renewed) } else { proof })
    }
}
