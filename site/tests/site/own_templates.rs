//! `docs/make-it-yours.md` promises that a copy of any template of the library works as it is. Here every one of them is compiled
//! as the site would compile its copy: by a struct of the site, with nothing but `page`, where the site looks for templates.

use std::sync::Arc;

use askama::Template;
use vestibule::models::Role;
use vestibule_testkit::{DatabaseKind, HouseOptions, ServerOptions, TestDatabase, TestServer};
use vestibule_web::pages::account::AccountPage;
use vestibule_web::pages::admin::audit_trail::AuditPage;
use vestibule_web::pages::admin::find_users::{UserPage, UsersPage};
use vestibule_web::pages::admin::invite::InvitationsPage;
use vestibule_web::pages::admin::manage_mails::MailsPage;
use vestibule_web::pages::admin::manage_service_keys::ServiceKeysPage;
use vestibule_web::pages::admin::statistics::StatisticsPage;
use vestibule_web::pages::api_docs::ApiDocsPage;
use vestibule_web::pages::confirm_email::{ConfirmEmailDonePage, ConfirmEmailPage};
use vestibule_web::pages::confirm_password::ConfirmPasswordPage;
use vestibule_web::pages::confirm_sign_up::ConfirmSignUpPage;
use vestibule_web::pages::dev_mailbox::DevMailboxPage;
use vestibule_web::pages::forgot_password::{ForgotPasswordPage, ForgotPasswordSentPage};
use vestibule_web::pages::log_in::LogInPage;
use vestibule_web::pages::resend_confirmation::ResendConfirmationPage;
use vestibule_web::pages::resend_sign_up::SignUpSentPage;
use vestibule_web::pages::reset_password::ResetPasswordPage;
use vestibule_web::pages::sign_up::SignUpPage;
use vestibule_web::{ErrorPage, Layout, Page, PageVisit, View};

const VIEWS: &str = include_str!("../../../crates/vestibule-web/src/views.rs");

/// Every page in a template of the site's own; the mark shows that it is.
struct Copies;

macro_rules! copies {
    ($($name:ident($page:ty) = $path:tt;)*) => {
        $(#[derive(Template)]
        #[template(path = $path)]
        struct $name<'a> {
            page: &'a $page,
        })*

        /// Shows nothing that changes, so it has no `page`.
        #[derive(Template)]
        #[template(path = "sign_up_declined.html")]
        struct SignUpDeclined;

        const COPIED: &[&str] = &[$($path,)* "sign_up_declined.html"];

        impl Layout for Copies {
            fn render(&self, page: &Page<'_>) -> Result<String, askama::Error> {
                site::SiteLayout.render(page)
            }

            fn content(&self, view: &View<'_>, _: &PageVisit) -> Option<Result<String, askama::Error>> {
                let html = match view {
                    $(View::$name(page) => $name { page }.render(),)*
                    View::SignUpDeclined(_) => SignUpDeclined.render(),
                    _ => return None,
                };
                Some(html.map(|html| format!("<!-- a copy -->{html}")))
            }
        }
    };
}

copies! {
    LogIn(LogInPage<'a>) = "log_in.html";
    SignUp(SignUpPage<'a>) = "sign_up.html";
    SignUpSent(SignUpSentPage<'a>) = "sign_up_sent.html";
    ConfirmSignUp(ConfirmSignUpPage<'a>) = "confirm_sign_up.html";
    ConfirmEmail(ConfirmEmailPage<'a>) = "confirm_email.html";
    ConfirmEmailDone(ConfirmEmailDonePage<'a>) = "confirm_email_done.html";
    ResendConfirmation(ResendConfirmationPage<'a>) = "resend_confirmation.html";
    ForgotPassword(ForgotPasswordPage<'a>) = "forgot_password.html";
    ForgotPasswordSent(ForgotPasswordSentPage<'a>) = "forgot_password_sent.html";
    ResetPassword(ResetPasswordPage<'a>) = "reset_password.html";
    Account(AccountPage<'a>) = "account.html";
    ConfirmPassword(ConfirmPasswordPage<'a>) = "confirm_password.html";
    Error(ErrorPage<'a>) = "error.html";
    Statistics(StatisticsPage) = "admin/statistics.html";
    Users(UsersPage<'a>) = "admin/users.html";
    User(UserPage<'a>) = "admin/user.html";
    Invitations(InvitationsPage<'a>) = "admin/invitations.html";
    Mails(MailsPage<'a>) = "admin/mails.html";
    ServiceKeys(ServiceKeysPage<'a>) = "admin/service_keys.html";
    Audit(AuditPage<'a>) = "admin/audit.html";
    ApiDocs(ApiDocsPage) = "api_docs.html";
    DevMailbox(DevMailboxPage) = "dev_mailbox.html";
}

#[test]
fn every_template_of_the_library_is_among_the_copies() {
    let mut named: Vec<&str> = VIEWS
        .lines()
        .filter_map(|line| line.trim().strip_suffix("\";")?.rsplit_once("= \"").map(|(_, path)| path))
        .collect();
    let mut copied = COPIED.to_vec();
    named.sort_unstable();
    copied.sort_unstable();
    assert_eq!(copied, named, "a copy of each template is compiled here");
    assert!(named.len() >= 17, "{named:?}");
}

#[tokio::test]
async fn copies_show_what_the_library_shows() {
    let database = TestDatabase::create(DatabaseKind::Sqlite).await;
    database.connect().await.migrate(&site::MIGRATIONS).await.unwrap();
    let house = HouseOptions { personal_data: site::personal_data, ..HouseOptions::default() };
    let options = |layout: Arc<dyn Layout>| ServerOptions {
        house: house.clone(),
        layout,
        dev_mailbox: Some(vestibule_web::DevMailbox::default()),
        routes: site::routes,
        ..ServerOptions::default()
    };
    let library = TestServer::start_on(&database, options(Arc::new(site::SiteLayout))).await;
    let copies = TestServer::start_on(&database, options(Arc::new(Copies))).await;
    let mut browser = library.browser();
    browser.sign_up("ann").await;
    library.house.set_role("ann@example.com", Role::Admin).await;
    let user = format!("/admin/users/{}", library.house.user("ann@example.com").await.unwrap().id);
    let mut stranger = library.browser();
    let open =
        ["/log-in", "/sign-up", "/forgot-password", "/forgot-password/sent", "/reset-password?token=x"];
    let open =
        open.into_iter().chain(["/confirm-email?token=x", "/confirm-email/done", "/nowhere", "/dev/mailbox"]);
    let own = ["/account", "/confirm-password", "/confirm-email/resend", "/admin", "/admin/users", &user];
    let own = own.into_iter().chain(["/admin/mails", "/admin/audit"]);
    for (path, is_own) in open.map(|path| (path, false)).chain(own.map(|path| (path, true))) {
        let visitor = if is_own { &mut browser } else { &mut stranger };
        visitor.go_to(&library);
        let before = visitor.get(path).await;
        visitor.go_to(&copies);
        let after = visitor.get(path).await;
        assert_eq!(after.status, before.status, "{path}");
        assert!(after.text.contains("<!-- a copy -->"), "{path}: {}", after.text);
        assert_eq!(after.text.replace("<!-- a copy -->", ""), before.text, "{path}");
    }
}
