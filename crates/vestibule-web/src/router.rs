use axum::http::Method;

use ::vestibule::models::{Role, ServiceScope};

use crate::guard::Who::{self, AccountHolder, Anyone, Recently, Stranger, Visitor};
use crate::routes::Routes;
use crate::vestibule::Vestibule;
use crate::{api, assets, pages};

/// Every route of the library: the table of contents.
#[expect(clippy::too_many_lines, reason = "a table of contents stands in one place")]
pub fn routes<S: Clone + Send + Sync + 'static>(vestibule: &Vestibule) -> Routes<S> {
    let routes = Routes::new(vestibule.clone())
        // A person, in a browser. Works without JavaScript.
        .page(Stranger, Method::GET, "/sign-up", pages::sign_up::form)
        .page(Stranger, Method::POST, "/sign-up", pages::sign_up::sign_up)
        // Where the address is confirmed before there is an account. Links of mails lead to the third.
        .page(Stranger, Method::GET, "/sign-up/sent", pages::resend_sign_up::form)
        .page(Stranger, Method::POST, "/sign-up/sent", pages::resend_sign_up::resend_sign_up)
        .page(Stranger, Method::GET, "/confirm-sign-up", pages::confirm_sign_up::form)
        .page(Stranger, Method::POST, "/confirm-sign-up", pages::confirm_sign_up::confirm_sign_up)
        .page(Stranger, Method::POST, "/confirm-sign-up/decline", pages::confirm_sign_up::decline_sign_up)
        .page(Anyone, Method::GET, "/confirm-sign-up/declined", pages::confirm_sign_up::declined)
        .page(Stranger, Method::GET, "/log-in", pages::log_in::form)
        .page(Stranger, Method::POST, "/log-in", pages::log_in::log_in)
        .page(AccountHolder, Method::POST, "/log-out", pages::log_out::log_out)
        // Checks and rotates by itself: a check before it would ask for what is to be renewed.
        .page(Anyone, Method::GET, "/refresh", pages::refresh::refresh)
        // Where links of mails lead. A GET changes nothing.
        .page(Anyone, Method::GET, "/confirm-email", pages::confirm_email::form)
        .page(Visitor, Method::POST, "/confirm-email", pages::confirm_email::confirm_email)
        .page(Anyone, Method::GET, "/confirm-email/done", pages::confirm_email::done)
        .page(AccountHolder, Method::GET, "/confirm-email/resend", pages::resend_confirmation::form)
        .page(
            AccountHolder,
            Method::POST,
            "/confirm-email/resend",
            pages::resend_confirmation::resend_confirmation,
        )
        .page(Stranger, Method::GET, "/forgot-password", pages::forgot_password::form)
        .page(Stranger, Method::POST, "/forgot-password", pages::forgot_password::forgot_password)
        .page(Anyone, Method::GET, "/forgot-password/sent", pages::forgot_password::sent)
        .page(Stranger, Method::GET, "/reset-password", pages::reset_password::form)
        .page(Stranger, Method::POST, "/reset-password", pages::reset_password::reset_password)
        // What somebody does with an account of their own.
        .page(AccountHolder, Method::GET, "/account", pages::account::account)
        .page(AccountHolder, Method::POST, "/account/name", pages::change_name::change_name)
        .page(AccountHolder, Method::POST, "/account/email", pages::change_email::change_email)
        .page(
            AccountHolder,
            Method::POST,
            "/account/email/cancel",
            pages::cancel_email_change::cancel_email_change,
        )
        .page(AccountHolder, Method::POST, "/account/password", pages::change_password::change_password)
        .page(AccountHolder, Method::POST, "/account/sessions/{id}/end", pages::manage_sessions::end)
        .page(AccountHolder, Method::POST, "/account/sessions/end-others", pages::manage_sessions::end_others)
        .page(AccountHolder, Method::GET, "/account/export", pages::export::export)
        .page(AccountHolder, Method::POST, "/account/delete", pages::delete_account::delete_account)
        // Before what asks for a recent password.
        .page(AccountHolder, Method::GET, "/confirm-password", pages::confirm_password::form)
        .page(AccountHolder, Method::POST, "/confirm-password", pages::confirm_password::confirm_password)
        // Looks at no cookies: an answer that anyone's cache may keep must not refresh a session.
        .api(Anyone, Method::GET, "/assets/{*file}", assets::library)
        // The site's own scripts, and other programs.
        .api(Stranger, Method::POST, "/api/auth/sign-up", api::sign_up::sign_up)
        .api(Stranger, Method::POST, "/api/auth/confirm-sign-up", api::confirm_sign_up::confirm_sign_up)
        .api(
            Stranger,
            Method::POST,
            "/api/auth/confirm-sign-up/decline",
            api::confirm_sign_up::decline_sign_up,
        )
        .api(Stranger, Method::POST, "/api/auth/log-in", api::log_in::log_in)
        .api(AccountHolder, Method::POST, "/api/auth/log-out", api::log_out::log_out)
        .api(Anyone, Method::GET, "/api/auth/refresh", api::refresh::refresh)
        .api(Anyone, Method::POST, "/api/auth/refresh", api::refresh::refresh)
        .api(AccountHolder, Method::GET, "/api/auth/session", api::current_session::current_session)
        .api(Visitor, Method::POST, "/api/auth/confirm-email", api::confirm_email::confirm_email)
        .api(
            AccountHolder,
            Method::POST,
            "/api/auth/confirm-email/resend",
            api::resend_confirmation::resend_confirmation,
        )
        .api(Visitor, Method::POST, "/api/auth/check-password", api::judge_password::judge_password)
        .api(
            AccountHolder,
            Method::POST,
            "/api/auth/confirm-password",
            api::confirm_password::confirm_password,
        )
        .api(Stranger, Method::POST, "/api/auth/forgot-password", api::forgot_password::forgot_password)
        .api(Stranger, Method::POST, "/api/auth/reset-password", api::reset_password::reset_password)
        .api(AccountHolder, Method::GET, "/api/account", api::account::account)
        .api(AccountHolder, Method::PATCH, "/api/account", api::change_name::change_name)
        .api(AccountHolder, Method::DELETE, "/api/account", api::delete_account::delete_account)
        .api(AccountHolder, Method::POST, "/api/account/password", api::change_password::change_password)
        .api(AccountHolder, Method::POST, "/api/account/email", api::change_email::change_email)
        .api(
            AccountHolder,
            Method::DELETE,
            "/api/account/email",
            api::cancel_email_change::cancel_email_change,
        )
        .api(AccountHolder, Method::GET, "/api/account/sessions", api::manage_sessions::list)
        .api(AccountHolder, Method::DELETE, "/api/account/sessions", api::manage_sessions::end_others)
        .api(AccountHolder, Method::DELETE, "/api/account/sessions/{id}", api::manage_sessions::end)
        .api(AccountHolder, Method::GET, "/api/account/export", api::export::export)
        // Who writes programs against the API.
        .api(Anyone, Method::GET, "/api/openapi.json", api::openapi::openapi)
        .page(Anyone, Method::GET, "/api/docs", pages::api_docs::api_docs)
        // Reverse proxies. Has a check of its own, which is about another request.
        .api_of_any_method(&Anyone, "/api/auth/verify", api::verify::verify)
        // Services beside the site, with a key of their own.
        .api(
            Who::Service(ServiceScope::RevocationsRead),
            Method::GET,
            "/api/auth/revocations",
            api::follow_revocations::follow_revocations,
        )
        .api(Who::Service(ServiceScope::UsersRead), Method::GET, "/api/users/{id}", api::users::find_user)
        // Who verifies access tokens without asking us.
        .api(Anyone, Method::GET, "/.well-known/jwks.json", api::jwks::jwks)
        // Password managers.
        .page(Anyone, Method::GET, "/.well-known/change-password", pages::account::change_password_address)
        // Who keeps the server running.
        .api(Anyone, Method::GET, "/healthz", api::health::healthz)
        .api(Anyone, Method::GET, "/readyz", api::health::readyz);
    let routes = routes.merge(admin(vestibule));
    // Who develops the site. Elsewhere there is nothing at these addresses.
    let routes = if vestibule.dev_mailbox().is_some() {
        routes
            .page(Anyone, Method::GET, "/dev/mailbox", pages::dev_mailbox::mailbox)
            .page(Anyone, Method::GET, "/dev/mailbox/{id}", pages::dev_mailbox::letter)
            .api(Anyone, Method::GET, "/dev/mailbox.json", api::dev_mailbox::mailbox)
    } else {
        routes
    };
    routes.with_state(vestibule.clone())
}

/// Who looks after the site.
fn admin(vestibule: &Vestibule) -> Routes<Vestibule> {
    use pages::admin;
    const ADMIN: Who = Recently(Role::Admin);
    Routes::new(vestibule.clone())
        .page(ADMIN, Method::GET, "/admin", admin::statistics::statistics)
        .page(ADMIN, Method::GET, "/admin/users", admin::find_users::list)
        .page(ADMIN, Method::GET, "/admin/users/{id}", admin::find_users::user)
        .page(ADMIN, Method::POST, "/admin/users/{id}/role", admin::change_role::change_role)
        .page(ADMIN, Method::POST, "/admin/users/{id}/disable", admin::disable_user::disable)
        .page(ADMIN, Method::POST, "/admin/users/{id}/enable", admin::disable_user::enable)
        .page(ADMIN, Method::POST, "/admin/users/{id}/delete", admin::delete_user::delete_user)
        .page(ADMIN, Method::POST, "/admin/users/{id}/reset-link", admin::hand_out_link::send_reset_link)
        .page(ADMIN, Method::POST, "/admin/users/{id}/sessions/end", admin::manage_sessions::end_all)
        .page(ADMIN, Method::POST, "/admin/users/{id}/sessions/{session}/end", admin::manage_sessions::end)
        .page(ADMIN, Method::GET, "/admin/invitations", admin::invite::list)
        .page(ADMIN, Method::POST, "/admin/invitations", admin::invite::invite)
        .page(ADMIN, Method::POST, "/admin/invitations/{id}/revoke", admin::invite::revoke)
        .page(ADMIN, Method::GET, "/admin/service-keys", admin::manage_service_keys::list)
        .page(ADMIN, Method::POST, "/admin/service-keys", admin::manage_service_keys::make)
        .page(ADMIN, Method::POST, "/admin/service-keys/{id}/revoke", admin::manage_service_keys::revoke)
        .page(ADMIN, Method::GET, "/admin/mails", admin::manage_mails::list)
        .page(ADMIN, Method::POST, "/admin/mails/{id}/retry", admin::manage_mails::retry)
        .page(ADMIN, Method::GET, "/admin/audit", admin::audit_trail::list)
}
