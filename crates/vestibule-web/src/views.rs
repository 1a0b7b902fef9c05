use askama::Template;

use crate::guard::PageVisit;
use crate::layout::Layout;
use crate::pages::account::AccountPage;
use crate::pages::admin::audit_trail::AuditPage;
use crate::pages::admin::find_users::{UserPage, UsersPage};
use crate::pages::admin::manage_mails::MailsPage;
use crate::pages::admin::statistics::StatisticsPage;
use crate::pages::confirm_email::{ConfirmEmailDonePage, ConfirmEmailPage};
use crate::pages::confirm_password::ConfirmPasswordPage;
use crate::pages::dev_mailbox::DevMailboxPage;
use crate::pages::forgot_password::{ForgotPasswordPage, ForgotPasswordSentPage};
use crate::pages::log_in::LogInPage;
use crate::pages::resend_confirmation::ResendConfirmationPage;
use crate::pages::reset_password::ResetPasswordPage;
use crate::pages::sign_up::SignUpPage;
use crate::request_log::ErrorPage;

/// What stands in the `<main>` of a page: a template of the application, or what a page of this library shows.
pub trait Content {
    /// The HTML, with everything escaped that is not.
    ///
    /// # Errors
    ///
    /// When the template cannot be rendered.
    fn html(&self, layout: &dyn Layout, visit: &PageVisit) -> Result<String, askama::Error>;
}

/// The templates of an application are its own already: no layout takes their place.
impl<T: Template> Content for T {
    fn html(&self, _: &dyn Layout, _: &PageVisit) -> Result<String, askama::Error> {
        self.render()
    }
}

macro_rules! views {
    ($($(#[$doc:meta])* $name:ident($page:ty) = $path:tt;)*) => {
        /// A page of this library and what it shows, for a [`Layout`] that has a template of its own for it.
        #[non_exhaustive]
        pub enum View<'a> {
            $($(#[$doc])* $name(&'a $page),)*
        }

        $(impl<'a> Content for $page {
            fn html(&self, layout: &dyn Layout, visit: &PageVisit) -> Result<String, askama::Error> {
                #[allow(clippy::allow_attributes, dead_code, reason = "some pages show nothing that changes")]
                #[derive(Template)]
                #[template(path = $path)]
                struct BuiltIn<'a> {
                    page: &'a $page,
                }
                layout
                    .content(&View::$name(self), visit)
                    .unwrap_or_else(|| BuiltIn { page: self }.render())
            }
        })*
    };
}

// Every template, and what it is given as `page`.
views! {
    /// `/log-in`.
    LogIn(LogInPage<'a>) = "log_in.html";
    /// `/sign-up`.
    SignUp(SignUpPage<'a>) = "sign_up.html";
    /// `/confirm-email`, where the link of a mail leads.
    ConfirmEmail(ConfirmEmailPage<'a>) = "confirm_email.html";
    /// `/confirm-email/done`.
    ConfirmEmailDone(ConfirmEmailDonePage<'a>) = "confirm_email_done.html";
    /// `/confirm-email/resend`.
    ResendConfirmation(ResendConfirmationPage<'a>) = "resend_confirmation.html";
    /// `/forgot-password`.
    ForgotPassword(ForgotPasswordPage<'a>) = "forgot_password.html";
    /// `/forgot-password/sent`.
    ForgotPasswordSent(ForgotPasswordSentPage<'a>) = "forgot_password_sent.html";
    /// `/reset-password`, where the link of a mail leads.
    ResetPassword(ResetPasswordPage<'a>) = "reset_password.html";
    /// `/account`.
    Account(AccountPage<'a>) = "account.html";
    /// `/confirm-password`.
    ConfirmPassword(ConfirmPasswordPage<'a>) = "confirm_password.html";
    /// Every page that says that something could not be done.
    Error(ErrorPage<'a>) = "error.html";
    /// `/admin`.
    Statistics(StatisticsPage) = "admin/statistics.html";
    /// `/admin/users`.
    Users(UsersPage<'a>) = "admin/users.html";
    /// `/admin/users/{id}`.
    User(UserPage<'a>) = "admin/user.html";
    /// `/admin/mails`.
    Mails(MailsPage<'a>) = "admin/mails.html";
    /// `/admin/audit`.
    Audit(AuditPage<'a>) = "admin/audit.html";
    /// `/dev/mailbox`.
    DevMailbox(DevMailboxPage) = "dev_mailbox.html";
}
