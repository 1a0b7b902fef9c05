//! The tables from each flow's errors to what is told, and at the end those of what several flows share. Nowhere else does an error of a
//! service become a status.

use std::sync::Arc;

use ::vestibule::models::{InvalidField, InvalidInput, SessionEnded, SignUpMode, TooManyAttempts};
use ::vestibule::ports::HasherError;
use ::vestibule::repository::StoreError;
use ::vestibule::services::{
    CancelEmailChangeError, ChangeEmailError, ChangeNameError, ChangePasswordError, ChangeRoleError,
    CheckError, ConfirmEmailError, ConfirmPasswordError, ConfirmSignUpError, CurrentPasswordError,
    DeclineSignUpError, DeleteAccountError, DisableUserError, ExportError, FollowRevocationsError,
    ForgotPasswordError, HandOutLinkError, InviteError, JudgePasswordError, LastAdmin, LogInError,
    LogOutError, MakeServiceKeyError, ManageSessionsError, RefreshError, ResendConfirmationError,
    ResendSignUpError, ResetPasswordError, RevokeInvitationError, RevokeServiceKeyError, ServiceKeyRefused,
    SignUpError, SignUpRefused,
};
use axum::http::StatusCode;

use super::{Problem, WayOut};

/// How long to wait before asking a store again that could not be reached, in seconds.
const RETRY_STORE_AFTER: u64 = 5;

/// The same for an export, of which few are made at once.
const RETRY_EXPORT_AFTER: u64 = 5;

impl From<SignUpError> for Problem {
    fn from(error: SignUpError) -> Self {
        match error {
            SignUpError::Refused(refusal) => refusal.into(),
            SignUpError::InvitationOver => {
                let detail = "This invitation is not good any more: it was used, is too old, or was taken back. Ask for another.";
                Self::new(StatusCode::BAD_REQUEST, "token_invalid", detail)
            }
            SignUpError::TooMany(refusal) => refusal.into(),
            SignUpError::Invalid(input) => Self::invalid(input),
            SignUpError::EmailTaken => Self::email_taken(),
            SignUpError::Hasher(error) => error.into(),
            SignUpError::Store(error) => error.into(),
        }
    }
}

impl From<SignUpRefused> for Problem {
    fn from(refusal: SignUpRefused) -> Self {
        let detail = match refusal.mode {
            SignUpMode::Closed => {
                "Sign-up is closed: new accounts are made by those who look after this site. Who has one can log in."
            }
            SignUpMode::Invite => {
                "Sign-up is by invitation: open the link of yours to make an account. Who has one can log in."
            }
            SignUpMode::Open | SignUpMode::ConfirmFirst => {
                "Accounts are made in another way on this site. Begin on the page to sign up."
            }
        };
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }
}

impl From<ConfirmSignUpError> for Problem {
    fn from(error: ConfirmSignUpError) -> Self {
        match error {
            ConfirmSignUpError::Refused(refusal) => refusal.into(),
            ConfirmSignUpError::TooMany(refusal) => refusal.into(),
            ConfirmSignUpError::Invalid(input) => Self::invalid(input),
            ConfirmSignUpError::TokenInvalid => Self::token_invalid(),
            ConfirmSignUpError::NotProven => {
                let detail =
                    "Open the link in the browser that signed up, or send the password along with the token.";
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
            }
            ConfirmSignUpError::WrongPassword => Self::wrong_password("password"),
            ConfirmSignUpError::EmailTaken => Self::email_taken(),
            ConfirmSignUpError::Hasher(error) => error.into(),
            ConfirmSignUpError::Store(error) => error.into(),
        }
    }
}

impl From<DeclineSignUpError> for Problem {
    fn from(error: DeclineSignUpError) -> Self {
        match error {
            DeclineSignUpError::TooMany(refusal) => refusal.into(),
            DeclineSignUpError::Invalid(input) => Self::invalid(input),
            DeclineSignUpError::TokenInvalid => Self::token_invalid(),
            DeclineSignUpError::Store(error) => error.into(),
        }
    }
}

impl From<ResendSignUpError> for Problem {
    fn from(error: ResendSignUpError) -> Self {
        match error {
            ResendSignUpError::Refused(refusal) => refusal.into(),
            ResendSignUpError::TooMany(refusal) => {
                let detail = "Several mails were sent already. Look into your mailbox, also into the spam folder, or try again later.";
                Self { detail: detail.to_owned(), ..refusal.into() }
            }
            ResendSignUpError::Invalid(input) => Self::invalid(input),
            ResendSignUpError::NothingWaits => Self::new(
                StatusCode::CONFLICT,
                "conflict",
                "No sign-up waits in this browser. Sign up again.",
            ),
            ResendSignUpError::Store(error) => error.into(),
        }
    }
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Invalid(input) => Self::invalid(input),
            InviteError::Role(error) => {
                Self::invalid(InvalidInput::one("role", "unknown_role", error.to_string()))
            }
            InviteError::Store(error) => error.into(),
        }
    }
}

impl From<RevokeInvitationError> for Problem {
    fn from(error: RevokeInvitationError) -> Self {
        match error {
            RevokeInvitationError::NotFound => Self::not_found(),
            RevokeInvitationError::Store(error) => error.into(),
        }
    }
}

impl From<MakeServiceKeyError> for Problem {
    fn from(error: MakeServiceKeyError) -> Self {
        match error {
            MakeServiceKeyError::Invalid(input) => Self::invalid(input),
            MakeServiceKeyError::Store(error) => error.into(),
        }
    }
}

impl From<RevokeServiceKeyError> for Problem {
    fn from(error: RevokeServiceKeyError) -> Self {
        match error {
            RevokeServiceKeyError::NotFound => Self::not_found(),
            RevokeServiceKeyError::Store(error) => error.into(),
        }
    }
}

impl From<ServiceKeyRefused> for Problem {
    fn from(error: ServiceKeyRefused) -> Self {
        match error {
            ServiceKeyRefused::Unknown => {
                let detail = "Send a service key of this site that is good: `Authorization: Bearer vestibule_sk_…`. This one is missing or mistyped, was revoked, or is over.";
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
            }
            ServiceKeyRefused::Forbidden(scope) => {
                let detail = format!("This service key has not the scope `{scope}`. Make one that has.");
                Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
            }
            ServiceKeyRefused::Store(error) => error.into(),
        }
    }
}

impl From<FollowRevocationsError> for Problem {
    fn from(error: FollowRevocationsError) -> Self {
        match error {
            FollowRevocationsError::Cursor(error) => {
                Self::invalid(InvalidInput::one("since", "malformed", error.to_string()))
            }
            FollowRevocationsError::Store(error) => error.into(),
        }
    }
}

impl From<LogInError> for Problem {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::TooMany(refusal) => refusal.into(),
            LogInError::Invalid(input) => Self::invalid(input),
            LogInError::WrongCredentials => {
                let detail = "The email address or the password is not right.";
                Self::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail)
            }
            LogInError::Hasher(error) => error.into(),
            LogInError::Store(error) => error.into(),
        }
    }
}

impl From<CheckError> for Problem {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::NotLoggedIn => Self::unauthenticated(),
            CheckError::AccessTokenExpired => {
                let detail = "The access token is missing or has expired. Refresh the session and try again.";
                let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
                Self { way_out: Some(WayOut::Refresh), ..problem }
            }
            CheckError::SessionEnded(ended) => ended.into(),
            CheckError::CsrfFailed => Self::csrf_failed(),
            CheckError::Forbidden => Self::forbidden(),
            CheckError::EmailNotVerified => {
                let detail = "Confirm your email address to go on. The link is in the mail that you got.";
                let problem = Self::new(StatusCode::FORBIDDEN, "email_not_verified", detail);
                Self { way_out: Some(WayOut::ConfirmEmail), ..problem }
            }
            CheckError::PasswordNotRecent => {
                let detail = "Give your password once more to go on.";
                let problem = Self::new(StatusCode::FORBIDDEN, "forbidden", detail);
                Self { way_out: Some(WayOut::ConfirmPassword), ..problem }
            }
            CheckError::Store(error) => error.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::NotLoggedIn => Self::unauthenticated(),
            RefreshError::SessionEnded(ended) => ended.into(),
            RefreshError::Reused => Self::session_over(
                "refresh_reused",
                "An old copy of this session was used, so the session was ended. Log in again.",
            ),
            RefreshError::CsrfFailed => Self::csrf_failed(),
            RefreshError::Forbidden => Self::forbidden(),
            RefreshError::Store(error) => error.into(),
        }
    }
}

impl From<LogOutError> for Problem {
    fn from(error: LogOutError) -> Self {
        match error {
            LogOutError::Store(error) => error.into(),
        }
    }
}

impl From<ConfirmEmailError> for Problem {
    fn from(error: ConfirmEmailError) -> Self {
        match error {
            ConfirmEmailError::TooMany(refusal) => refusal.into(),
            ConfirmEmailError::Invalid(input) => Self::invalid(input),
            ConfirmEmailError::TokenInvalid => Self::token_invalid(),
            ConfirmEmailError::NotLoggedIn => {
                let detail = "Log in, or send the password of the account along with the token.";
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
            }
            ConfirmEmailError::Password(CurrentPasswordError::Wrong) => Self::wrong_password("password"),
            ConfirmEmailError::Password(error) => error.into(),
            ConfirmEmailError::EmailTaken => Self::email_taken(),
            ConfirmEmailError::Store(error) => error.into(),
        }
    }
}

impl From<ResendConfirmationError> for Problem {
    fn from(error: ResendConfirmationError) -> Self {
        match error {
            ResendConfirmationError::AlreadyConfirmed => {
                Self::new(StatusCode::CONFLICT, "conflict", "Your address is confirmed already.")
            }
            ResendConfirmationError::TooMany(refusal) => {
                let detail = "We have sent several mails lately. Look into your mailbox, also into the spam folder, and try again later.";
                Self { detail: detail.to_owned(), ..refusal.into() }
            }
            ResendConfirmationError::Store(error) => error.into(),
        }
    }
}

impl From<ForgotPasswordError> for Problem {
    fn from(error: ForgotPasswordError) -> Self {
        match error {
            ForgotPasswordError::TooMany(refusal) => refusal.into(),
            ForgotPasswordError::Invalid(input) => Self::invalid(input),
            ForgotPasswordError::Store(error) => error.into(),
        }
    }
}

impl From<ResetPasswordError> for Problem {
    fn from(error: ResetPasswordError) -> Self {
        match error {
            ResetPasswordError::TooMany(refusal) => refusal.into(),
            ResetPasswordError::Invalid(input) => Self::invalid(input),
            ResetPasswordError::TokenInvalid => Self::token_invalid(),
            ResetPasswordError::Hasher(error) => error.into(),
            ResetPasswordError::Store(error) => error.into(),
        }
    }
}

impl From<CurrentPasswordError> for Problem {
    fn from(error: CurrentPasswordError) -> Self {
        match error {
            CurrentPasswordError::TooMany(refusal) => refusal.into(),
            CurrentPasswordError::Invalid(input) => Self::invalid(input),
            CurrentPasswordError::Wrong => Self::wrong_password("current_password"),
            CurrentPasswordError::Hasher(error) => error.into(),
            CurrentPasswordError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeNameError> for Problem {
    fn from(error: ChangeNameError) -> Self {
        match error {
            ChangeNameError::Invalid(input) => Self::invalid(input),
            ChangeNameError::TooMany(refusal) => refusal.into(),
            ChangeNameError::SessionEnded(ended) => ended.into(),
            ChangeNameError::Store(error) => error.into(),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Invalid(input) => Self::invalid(input),
            ChangePasswordError::CurrentPassword(error) => error.into(),
            ChangePasswordError::Hasher(error) => error.into(),
            ChangePasswordError::Store(error) => error.into(),
        }
    }
}

impl From<CancelEmailChangeError> for Problem {
    fn from(error: CancelEmailChangeError) -> Self {
        match error {
            CancelEmailChangeError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeEmailError> for Problem {
    fn from(error: ChangeEmailError) -> Self {
        match error {
            ChangeEmailError::Invalid(input) => Self::invalid(input),
            ChangeEmailError::CurrentPassword(error) => error.into(),
            ChangeEmailError::TooMany(refusal) => refusal.into(),
            ChangeEmailError::Store(error) => error.into(),
        }
    }
}

impl From<ManageSessionsError> for Problem {
    fn from(error: ManageSessionsError) -> Self {
        match error {
            ManageSessionsError::NoUser | ManageSessionsError::NotFound => Self::not_found(),
            ManageSessionsError::TooMany(refusal) => refusal.into(),
            ManageSessionsError::Store(error) => error.into(),
        }
    }
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::TooMany(refusal) => refusal.into(),
            ExportError::Overloaded => {
                let detail = "Many exports are being made at the moment. Please try again in a few seconds.";
                Self::unavailable("overloaded", detail, RETRY_EXPORT_AFTER)
            }
            ExportError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteAccountError> for Problem {
    fn from(error: DeleteAccountError) -> Self {
        match error {
            DeleteAccountError::CurrentPassword(error) => error.into(),
            DeleteAccountError::LastAdmin(error) => error.into(),
            DeleteAccountError::Store(error) => error.into(),
        }
    }
}

impl From<ConfirmPasswordError> for Problem {
    fn from(error: ConfirmPasswordError) -> Self {
        match error {
            ConfirmPasswordError::CurrentPassword(CurrentPasswordError::Wrong) => {
                Self::wrong_password("password")
            }
            ConfirmPasswordError::CurrentPassword(CurrentPasswordError::Invalid(_)) => {
                Self::invalid(InvalidInput::one("password", "required", "Enter your password."))
            }
            ConfirmPasswordError::CurrentPassword(error) => error.into(),
            // It was there a moment ago. Another press of the same button may have replaced it, and its cookies must not be cleared
            // by who came second (A38): the next request finds out.
            ConfirmPasswordError::SessionEnded(ended) => Self { is_session_over: false, ..ended.into() },
            ConfirmPasswordError::Store(error) => error.into(),
        }
    }
}

impl From<JudgePasswordError> for Problem {
    fn from(error: JudgePasswordError) -> Self {
        match error {
            JudgePasswordError::TokenInvalid => Self::token_invalid(),
            JudgePasswordError::TooMany(refusal) => refusal.into(),
            JudgePasswordError::Hasher(error) => error.into(),
            JudgePasswordError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeRoleError> for Problem {
    fn from(error: ChangeRoleError) -> Self {
        match error {
            ChangeRoleError::NoUser => Self::not_found(),
            ChangeRoleError::Role(error) => {
                Self::invalid(InvalidInput::one("role", "unknown_role", error.to_string()))
            }
            ChangeRoleError::LastAdmin(error) => error.into(),
            ChangeRoleError::Store(error) => error.into(),
        }
    }
}

impl From<DisableUserError> for Problem {
    fn from(error: DisableUserError) -> Self {
        match error {
            DisableUserError::NoUser => Self::not_found(),
            DisableUserError::LastAdmin(error) => error.into(),
            DisableUserError::Store(error) => error.into(),
        }
    }
}

impl From<HandOutLinkError> for Problem {
    fn from(error: HandOutLinkError) -> Self {
        match error {
            HandOutLinkError::NoUser => Self::not_found(),
            HandOutLinkError::AlreadyConfirmed => {
                Self::new(StatusCode::CONFLICT, "conflict", "The address is confirmed already.")
            }
            HandOutLinkError::Disabled => {
                Self::new(StatusCode::CONFLICT, "conflict", "The account is disabled. Enable it first.")
            }
            HandOutLinkError::TooMany(refusal) => refusal.into(),
            HandOutLinkError::Store(error) => error.into(),
        }
    }
}

impl From<LastAdmin> for Problem {
    fn from(_: LastAdmin) -> Self {
        let detail = "This is the last admin. Make somebody else one first.";
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }
}

impl From<TooManyAttempts> for Problem {
    fn from(refusal: TooManyAttempts) -> Self {
        let seconds = refusal.retry_after.whole_seconds().unsigned_abs().max(1);
        let detail = format!("There were too many attempts. Please try again {}.", in_words(seconds));
        Self {
            retry_after: Some(seconds),
            quota: Some(Box::new(refusal.quota)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
        }
    }
}

/// `in 40 seconds`, `in 3 minutes`: rounded up, so that who comes back then is not too early.
fn in_words(seconds: u64) -> String {
    match seconds {
        1 => "in a second".to_owned(),
        2..=90 => format!("in {seconds} seconds"),
        _ => format!("in {} minutes", seconds.div_ceil(60)),
    }
}

impl From<SessionEnded> for Problem {
    fn from(ended: SessionEnded) -> Self {
        match ended {
            SessionEnded::Expired => {
                Self::session_over("session_expired", "This session has expired. Log in again.")
            }
            SessionEnded::Revoked => {
                Self::session_over("session_revoked", "This session was ended. Log in again.")
            }
        }
    }
}

impl From<HasherError> for Problem {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Overloaded(overloaded) => {
                let detail = "The server is busy at the moment. Please try again in a few seconds.";
                Self::unavailable("overloaded", detail, overloaded.retry_after.as_secs().max(1))
            }
            HasherError::Failed(_) => Self::internal(error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let Some(refusal) = error.refusal() {
            let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", refusal.message.clone());
            let message = refusal.message.clone();
            let errors = refusal.field.map(|field| InvalidField { field, code: "refused", message });
            return Self { errors: errors.into_iter().collect(), ..problem };
        }
        if !error.is_unavailable() {
            return Self::internal(error);
        }
        let detail = "The site cannot reach its database at the moment. Please try again in a few seconds.";
        Self { cause: Some(Arc::new(error)), ..Self::unavailable("overloaded", detail, RETRY_STORE_AFTER) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A38: the cookies of the same name are by then those of who came first.
    #[test]
    fn who_comes_second_with_the_password_clears_no_cookies() {
        let second = ConfirmPasswordError::SessionEnded(SessionEnded::Revoked);
        assert!(!Problem::from(second).is_session_over);
        assert!(Problem::from(CheckError::SessionEnded(SessionEnded::Revoked)).is_session_over);
    }
}
