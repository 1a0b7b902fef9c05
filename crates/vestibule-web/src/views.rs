use askama::Template;

use crate::guard::PageVisit;
use crate::layout::Layout;
use crate::pages::account::AccountPage;
use crate::pages::admin::audit_trail::AuditPage;
use crate::pages::admin::find_users::{UserPage, UsersPage};
use crate::pages::admin::invite::InvitationsPage;
use crate::pages::admin::manage_mails::MailsPage;
use crate::pages::admin::manage_service_keys::ServiceKeysPage;
use crate::pages::admin::statistics::StatisticsPage;
use crate::pages::api_docs::ApiDocsPage;
use crate::pages::confirm_email::{ConfirmEmailDonePage, ConfirmEmailPage};
use crate::pages::confirm_password::ConfirmPasswordPage;
use crate::pages::confirm_sign_up::{ConfirmSignUpPage, SignUpDeclinedPage};
use crate::pages::dev_mailbox::DevMailboxPage;
use crate::pages::forgot_password::{ForgotPasswordPage, ForgotPasswordSentPage};
use crate::pages::log_in::LogInPage;
use crate::pages::resend_confirmation::ResendConfirmationPage;
use crate::pages::resend_sign_up::SignUpSentPage;
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

/// HTML that is written already, by whichever template engine. What people typed must be escaped in it.
#[derive(Debug, Clone)]
pub struct Markup(pub String);

impl Content for Markup {
    fn html(&self, _: &dyn Layout, _: &PageVisit) -> Result<String, askama::Error> {
        Ok(self.0.clone())
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
    /// `/sign-up/sent`, where the address is confirmed before there is an account.
    SignUpSent(SignUpSentPage<'a>) = "sign_up_sent.html";
    /// `/confirm-sign-up`, where the link of its mail leads.
    ConfirmSignUp(ConfirmSignUpPage<'a>) = "confirm_sign_up.html";
    /// `/confirm-sign-up/declined`.
    SignUpDeclined(SignUpDeclinedPage) = "sign_up_declined.html";
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
    /// `/admin/invitations`.
    Invitations(InvitationsPage<'a>) = "admin/invitations.html";
    /// `/admin/mails`.
    Mails(MailsPage<'a>) = "admin/mails.html";
    /// `/admin/service-keys`.
    ServiceKeys(ServiceKeysPage<'a>) = "admin/service_keys.html";
    /// `/admin/audit`.
    Audit(AuditPage<'a>) = "admin/audit.html";
    /// `/api/docs`.
    ApiDocs(ApiDocsPage) = "api_docs.html";
    /// `/dev/mailbox`.
    DevMailbox(DevMailboxPage) = "dev_mailbox.html";
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// On a phone their rows are blocks, and Safari takes what is no table by its look for none by its meaning.
    #[test]
    fn tables_that_are_cards_on_a_phone_name_their_roles() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/admin");
        let templates = std::fs::read_dir(folder).expect("the folder is there");
        let texts =
            templates.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("a text"));
        let mut tables = 0;
        for text in texts {
            for table in text.split("<table class=\"rows\"").skip(1) {
                let (table, _) = table.split_once("</table>").expect("a table ends");
                assert!(table.starts_with(" role=\"table\""), "{table}");
                for (tag, role) in
                    [("thead", "rowgroup"), ("tbody", "rowgroup"), ("tr", "row"), ("td", "cell")]
                {
                    let count = |words: String| table.matches(&words).count();
                    let all = count(format!("<{tag}>")) + count(format!("<{tag} "));
                    assert_eq!(all, count(format!("<{tag} role=\"{role}\"")), "{tag} of {table}");
                }
                let headers = table.matches("<th>").count() + table.matches("<th ").count();
                let named = table.matches("<th role=\"columnheader\" scope=\"col\"").count()
                    + table.matches("<th role=\"rowheader\" scope=\"row\"").count();
                assert_eq!(headers, named, "{table}");
                tables += 1;
            }
        }
        assert!(tables >= 3, "{tables} tables were looked at");
    }
}
