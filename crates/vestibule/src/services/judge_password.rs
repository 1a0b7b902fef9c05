use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    CandidatePassword, Client, EmailAddress, InvalidField, OneTimeToken, PersonName, ResetsPassword,
    TooManyAttempts, User,
};
use crate::ports::HasherError;
use crate::repository::StoreError;

/// A password that somebody thinks of, and whose it is to be.
#[derive(Clone, Copy)]
pub struct JudgePassword<'a> {
    /// The password.
    pub password: &'a str,
    /// Whose it is to be.
    pub of: PasswordOf<'a>,
}

/// Whose a password is to be: their name and their address are what others try first.
#[derive(Clone, Copy)]
pub enum PasswordOf<'a> {
    /// Somebody who signs up, with what they have typed so far.
    NewUser {
        /// The name.
        name: &'a str,
        /// The address.
        email: &'a str,
    },
    /// Somebody who is logged in.
    User(&'a User),
    /// The owner of a link that resets the password, by its token.
    Link(&'a str),
}

/// Why there is no judgement.
#[derive(Debug, thiserror::Error)]
pub enum JudgePasswordError {
    /// Nobody is known by that link. It is no token, or one that is over.
    #[error("the link is not good any more")]
    TokenInvalid,
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
    /// sign-up, a change and a reset apply, with the same words that are not to be in it, so that a hint beside the field
    /// cannot say another thing, but that no service outside is asked about leaked passwords while somebody types. Nothing is
    /// kept, and a link stays good.
    pub async fn judge_password(
        &self,
        typed: JudgePassword<'_>,
        client: &Client,
    ) -> Result<Option<InvalidField>, JudgePasswordError> {
        let _ = self.take::<JudgePasswordError>(|limits| limits.for_judgement(client)).await?;
        let (name, email) = match typed.of {
            PasswordOf::NewUser { name, email } => {
                (PersonName::parse(name).ok(), EmailAddress::parse(email).ok())
            }
            PasswordOf::User(user) => (Some(user.name.clone()), Some(user.email.clone())),
            PasswordOf::Link(token) => {
                let token = OneTimeToken::<ResetsPassword>::parse(token);
                let token = token.ok_or(JudgePasswordError::TokenInvalid)?;
                let found = self.store.alone().find_reset_token(token.hash(), self.clock.now()).await?;
                let user = found.ok_or(JudgePasswordError::TokenInvalid)?.user;
                (Some(user.name), Some(user.email))
            }
        };
        let mut invalid = Vec::new();
        let site_name = &self.policy.site_name;
        let candidate = CandidatePassword::parse(typed.password, email.as_ref(), name.as_ref(), site_name);
        if let Some(candidate) = take("password", candidate, &mut invalid) {
            take("password", self.judge_here(candidate).await?, &mut invalid);
        }
        Ok(invalid.into_iter().next())
    }
}
