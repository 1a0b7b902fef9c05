use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{CandidatePassword, InvalidInput, NewPassword, PasswordError, StrongPassword, User};
use crate::ports::{BreachedPasswords, HasherError, Standing};

impl Accounts {
    /// Reads a password that somebody known wants to have, by their session or a mailed link. `field` is its name in the form.
    pub(super) async fn parse_new_password<E>(
        &self,
        field: &'static str,
        typed: &str,
        user: &User,
    ) -> Result<NewPassword, E>
    where
        E: From<InvalidInput> + From<HasherError>,
    {
        let mut invalid = Vec::new();
        let site_name = &self.policy.site_name;
        let candidate = CandidatePassword::parse(typed, Some(&user.email), Some(&user.name), site_name);
        if let Some(candidate) = take(field, candidate, &mut invalid)
            && let Some(password) =
                take(field, self.judge(candidate, Standing::Known(user.id.as_uuid())).await?, &mut invalid)
        {
            return Ok(password);
        }
        Err(InvalidInput { fields: invalid }.into())
    }

    /// Whether a password may be taken as a new one: first what can be told of it here, and only of one that is good so
    /// far, whether it was leaked. So what is refused anyway is never asked about elsewhere.
    pub(super) async fn judge(
        &self,
        candidate: CandidatePassword,
        whose: Standing,
    ) -> Result<Result<NewPassword, PasswordError>, HasherError> {
        let strong = match self.hasher.judge(candidate, whose).await? {
            Ok(strong) => strong,
            Err(refused) => return Ok(Err(refused)),
        };
        let is_breached = self.is_breached(&strong, |_| true).await;
        Ok(strong.unless_breached(is_breached))
    }

    /// The same for what is still being typed: nobody outside is told anything of it, and it waits behind what is being done.
    pub(super) async fn judge_here(
        &self,
        candidate: CandidatePassword,
    ) -> Result<Result<NewPassword, PasswordError>, HasherError> {
        let strong = match self.hasher.judge(candidate, Standing::Stranger).await? {
            Ok(strong) => strong,
            Err(refused) => return Ok(Err(refused)),
        };
        let is_breached = self.is_breached(&strong, |known| !known.asks_outside()).await;
        Ok(strong.unless_breached(is_breached))
    }

    async fn is_breached(
        &self,
        password: &StrongPassword,
        may_be_asked: impl Fn(&dyn BreachedPasswords) -> bool,
    ) -> bool {
        let fingerprint = password.fingerprint();
        for known in self.breached_passwords.iter().filter(|known| may_be_asked(&***known)) {
            if known.contain(&fingerprint).await {
                return true;
            }
        }
        false
    }
}
