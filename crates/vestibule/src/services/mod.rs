//! What people do, one file each. A service begins a transaction where it needs one, asks, lets the models
//! decide, writes and answers. It never sees a request, a cookie or a status code.

mod change_email;
mod change_name;
mod change_password;
mod clean_up;
mod confirm_email;
mod current_session;
mod delete_account;
mod export;
mod forgot_password;
mod hand_out_link;
mod log_in;
mod log_out;
mod manage_sessions;
mod parse_new_password;
mod record;
mod refresh;
mod resend_confirmation;
mod reset_password;
mod send_mail;
mod sign_up;
mod start_session;
mod verify_password;

pub use change_email::{ChangeEmail, ChangeEmailError};
pub use change_name::ChangeNameError;
pub use change_password::{ChangePassword, ChangePasswordError};
pub use clean_up::CleanedUp;
pub use confirm_email::{ConfirmEmail, ConfirmEmailError};
pub use current_session::{Asked, CheckError, CurrentSession, PresentedSession, ShownBy};
pub use delete_account::DeleteAccountError;
pub use export::{Export, ExportError};
pub use forgot_password::ForgotPasswordError;
pub use hand_out_link::{HandOutLinkError, LinkPurpose};
pub use log_in::{LogIn, LogInError};
pub use log_out::LogOutError;
pub use manage_sessions::ManageSessionsError;
pub use refresh::RefreshError;
pub use resend_confirmation::ResendConfirmationError;
pub use reset_password::{ResetPassword, ResetPasswordError};
pub use send_mail::{MailSent, SendMailError};
pub use sign_up::{SignUp, SignUpError};
pub use start_session::{LoggedIn, SessionTokens};
pub use verify_password::CurrentPasswordError;
