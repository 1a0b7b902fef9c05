use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{CandidatePassword, Client, EmailAddress, InvalidField, PersonName, TooManyAttempts};
use crate::ports::HasherError;
use crate::repository::StoreError;

/// A password that somebody thinks of, and what else they have typed so far.
#[derive(Clone, Copy)]
pub struct JudgePassword<'a> {
    /// The password.
    pub password: &'a str,
    /// Their name, where it is known.
    pub name: &'a str,
    /// Their address, where it is known.
    pub email: &'a str,
}

/// Why there is no judgement.
#[derive(Debug, thiserror::Error)]
pub enum JudgePasswordError {
    /// Too many came from there.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No room to judge it, or that failed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
}

impl Accounts {
    /// What would be said to this password as a new one: nothing, where it would be taken. It is the same rule that
    /// sign-up applies, so that a hint beside the field cannot say another thing, but that no service
    /// outside is asked about leaked passwords while somebody types. Nothing is kept.
    pub async fn judge_password(
        &self,
        typed: JudgePassword<'_>,
        client: &Client,
    ) -> Result<Option<InvalidField>, JudgePasswordError> {
        let _ = self.take::<JudgePasswordError>(|limits| limits.for_judgement(client)).await?;
        let (name, email) = (PersonName::parse(typed.name).ok(), EmailAddress::parse(typed.email).ok());
        let mut invalid = Vec::new();
        let site_name = &self.policy.site_name;
        let candidate = CandidatePassword::parse(typed.password, email.as_ref(), name.as_ref(), site_name);
        if let Some(candidate) = take("password", candidate, &mut invalid) {
            take("password", self.judge_here(candidate).await?, &mut invalid);
        }
        Ok(invalid.into_iter().next())
    }
}
