use std::error::Error;
use std::sync::Arc;

use ::vestibule::models::{InvalidField, InvalidInput, Quota, SessionEnded, SignUpMode, TooManyAttempts};
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
use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// How long to wait before asking a store again that could not be reached, in seconds.
const RETRY_STORE_AFTER: u64 = 5;

/// The same for an export, of which few are made at once.
const RETRY_EXPORT_AFTER: u64 = 5;

/// A page on which somebody can do what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayOut {
    /// Where one reads that the address is to be confirmed, and can have the mail sent once more.
    ConfirmEmail,
    /// Where one gives one's password once more, and then goes on.
    ConfirmPassword,
    /// Where the session is renewed without anybody noticing.
    Refresh,
}

/// Why something was not done, as told to who asked: to programs as RFC 9457 `application/problem+json`, to people
/// as a page with the same words.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// What is wrong with each field.
    pub errors: Vec<InvalidField>,
    /// Seconds after which to try again.
    pub retry_after: Option<u64>,
    /// The quota that is used up. Rarely there, so not worth its room in every answer.
    pub quota: Option<Box<Quota>>,
    /// The session is certainly over, so its cookies are removed.
    pub is_session_over: bool,
    /// The page on which somebody can do what is missing: browsers are sent there.
    pub(crate) way_out: Option<WayOut>,
    /// What went wrong inside. It is logged and never told.
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What went wrong, as programs are told it (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// A sentence for people.
    detail: &'a str,
    /// A word for programs, which stays the same; new ones may come: `invalid_input`, `invalid_credentials`, `unauthenticated`,
    /// `session_expired`, `session_revoked`, `refresh_reused`, `csrf_failed`, `forbidden`, `not_found`, `conflict`, `email_taken`,
    /// `email_not_verified`, `token_invalid`, `too_many_requests`, `payload_too_large`, `unsupported_media_type`,
    /// `method_not_allowed`, `overloaded`, `internal`.
    code: &'static str,
    /// What is wrong with each field, for `invalid_input`, `invalid_credentials` and `email_taken`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldBody<'a>>,
}

/// What is wrong with a field.
#[derive(Serialize, ToSchema)]
#[schema(as = InvalidField)]
pub struct FieldBody<'a> {
    field: &'static str,
    code: &'static str,
    message: &'a str,
}

impl Problem {
    /// A problem with a status, a word for programs and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            quota: None,
            is_session_over: false,
            way_out: None,
            cause: None,
        }
    }

    /// Nothing is there, or nothing that this person may see.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
    }

    /// The address is right and the method is not.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This address does not take this method.",
        )
    }

    /// Nobody is logged in.
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Log in to go on.")
    }

    /// The request did not come from a page of ours.
    pub fn csrf_failed() -> Self {
        let detail = "This request did not come from a current page of this site. Go back, reload the page and try again.";
        Self::new(StatusCode::FORBIDDEN, "csrf_failed", detail)
    }

    /// Logged in, and not allowed.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Your account may not do that.")
    }

    /// Over 64 KiB.
    pub fn payload_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The request is larger than 64 KiB.")
    }

    /// A body that comes so slowly that it is not waited for.
    pub(crate) fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "invalid_input",
            "The request came too slowly. Please try again.",
        )
    }

    /// A body of a kind that is not read here.
    pub fn unsupported_media_type(wanted: &str) -> Self {
        let detail = format!("Send the body as {wanted}.");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    /// A body that is not what its content type says.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_input", detail)
    }

    /// Something has to be typed again.
    pub fn invalid(input: InvalidInput) -> Self {
        let detail = "Some of what was sent is not valid.";
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", detail);
        Self { errors: input.fields, ..problem }
    }

    /// Something went wrong inside.
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        let detail = "Something went wrong on our side. It has been noted; please try again.";
        let problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail);
        Self { cause: Some(Arc::new(cause)), ..problem }
    }

    /// A link that was used, is too old, or is none.
    fn token_invalid() -> Self {
        let detail = "This link is not good any more: it was used, is too old, or a newer one was sent.";
        Self::new(StatusCode::BAD_REQUEST, "token_invalid", detail)
    }

    fn email_taken() -> Self {
        let message = "There is an account with this address. Log in, or use another address.";
        let errors = InvalidInput::one("email", "email_taken", message).fields;
        Self { errors, ..Self::new(StatusCode::CONFLICT, "email_taken", message) }
    }

    /// The password of somebody logged in, or of who confirms an address, was not right.
    fn wrong_password(field: &'static str) -> Self {
        let detail = "The password is not right.";
        let errors = InvalidInput::one(field, "invalid_credentials", detail).fields;
        Self { errors, ..Self::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail) }
    }

    fn session_over(code: &'static str, detail: &'static str) -> Self {
        Self { is_session_over: true, ..Self::new(StatusCode::UNAUTHORIZED, code, detail) }
    }

    fn unavailable(code: &'static str, detail: &'static str, retry_after: u64) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// Says in headers when to try again: `Retry-After` (RFC 9110), and for a quota that is used up `RateLimit-Policy` and
    /// `RateLimit` (draft-ietf-httpapi-ratelimit-headers), with nothing remaining.
    pub(crate) fn tell_when(&self, headers: &mut HeaderMap) {
        let Some(seconds) = self.retry_after else { return };
        headers.insert(header::RETRY_AFTER, seconds.into());
        if let Some(quota) = &self.quota {
            let policy = format!("\"attempts\";q={};w={}", quota.burst, quota.span().whole_seconds());
            let left = format!("\"attempts\";r=0;t={seconds}");
            for (name, text) in [("ratelimit-policy", policy), ("ratelimit", left)] {
                let value = HeaderValue::try_from(text).expect("words and numbers are visible ASCII");
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    /// What is wrong with each field, for a form.
    pub fn field_errors(&self) -> FieldErrors {
        FieldErrors(self.errors.clone())
    }

    /// Whether the form is shown again, with what was typed and what is wrong. Also where the fault is ours: what
    /// somebody wrote is not lost because a database was away.
    pub fn keeps_the_form(&self) -> bool {
        !matches!(self.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN)
    }

    /// The short name of the status, for programs.
    pub fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// The same for people.
    pub fn heading(&self) -> &'static str {
        match self.status {
            StatusCode::NOT_FOUND => "Nothing here",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::INTERNAL_SERVER_ERROR => "Something went wrong",
            StatusCode::SERVICE_UNAVAILABLE => "Back in a moment",
            _ => self.title(),
        }
    }
}

/// The messages of a form, by field.
#[derive(Debug, Clone, Default)]
pub struct FieldErrors(Vec<InvalidField>);

impl FieldErrors {
    /// Whether nothing is wrong with any field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the first field to mend, where the form should be entered.
    pub fn is_first(&self, field: &str) -> bool {
        self.0.first().is_some_and(|invalid| invalid.field == field)
    }

    /// The message of a field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|invalid| invalid.field == field).map(|invalid| invalid.message.as_str())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let errors = self
            .errors
            .iter()
            .map(|invalid| FieldBody { field: invalid.field, code: invalid.code, message: &invalid.message })
            .collect();
        let body = ProblemBody {
            r#type: "about:blank",
            title: self.title(),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            errors,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.tell_when(headers);
        // For the layers that log the cause, remove the cookies, or tell it to a person.
        response.extensions_mut().insert(self);
        response
    }
}

// The tables from each flow's errors to what is told. Nowhere else does an error of a service become a status.

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
    use vestibule::models::SessionEnded;

    use super::*;

    /// A38: the cookies of the same name are by then those of who came first.
    #[test]
    fn who_comes_second_with_the_password_clears_no_cookies() {
        let second = ConfirmPasswordError::SessionEnded(SessionEnded::Revoked);
        assert!(!Problem::from(second).is_session_over);
        assert!(Problem::from(CheckError::SessionEnded(SessionEnded::Revoked)).is_session_over);
    }
}
