use super::log_in::LogInError;
use crate::Accounts;
use crate::models::{Password, PasswordCheck, VerifiedPassword};
use crate::ports::HasherError;
use crate::repository::Credentials;

impl Accounts {
    /// Whether the password is that of the user. No user, a disabled one and one without a password cost the
    /// same work and get the same answer as a wrong password.
    pub(super) async fn verify_password(
        &self,
        credentials: Option<Credentials>,
        typed: Password,
    ) -> Result<PasswordCheck, HasherError> {
        let candidate = credentials
            .filter(|credentials| !credentials.user.is_disabled)
            .and_then(|credentials| credentials.password_hash.map(|hash| (credentials.user, hash)));
        let hash = candidate.as_ref().map(|(_, hash)| hash.clone());
        let is_right = self.hasher.matches(typed, hash).await?;
        match candidate {
            Some((user, hash)) if is_right => Ok(PasswordCheck::Right(VerifiedPassword::proven(user, hash))),
            _ => Ok(PasswordCheck::Wrong),
        }
    }

    /// Hashes the password again where the cost of hashing was changed since. Now is the only time: the
    /// password itself is not kept.
    pub(super) async fn renew_outdated_hash(
        &self,
        proof: VerifiedPassword,
        typed: Password,
    ) -> Result<VerifiedPassword, LogInError> {
        if !self.hasher.is_outdated(proof.hash()) {
            return Ok(proof);
        }
        let renewed = match self.hasher.hash(typed).await {
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
