//! What people do, one file each. A service begins a transaction where it needs one, asks, lets the models
//! decide, writes and answers. It never sees a request, a cookie or a status code.

mod current_session;
mod log_in;
mod log_out;
mod record;
mod refresh;
mod sign_up;
mod start_session;
mod verify_password;

pub use current_session::{CheckError, CurrentSession, PresentedSession};
pub use log_in::{LogIn, LogInError};
pub use log_out::LogOutError;
pub use refresh::RefreshError;
pub use sign_up::{SignUp, SignUpError};
pub use start_session::{LoggedIn, SessionTokens};
