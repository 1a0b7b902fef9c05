use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{CandidatePassword, InvalidInput, NewPassword, User};
use crate::ports::HasherError;

impl Accounts {
    /// Reads a password that a user wants to have. `field` is its name in the form.
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
            && let Some(password) = take(field, self.hasher.judge(candidate).await?, &mut invalid)
        {
            return Ok(password);
        }
        Err(InvalidInput { fields: invalid }.into())
    }
}
