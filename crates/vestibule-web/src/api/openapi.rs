//! `GET /api/openapi.json`: the API, described for programs (OpenAPI 3.1).

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, HeaderBuilder, Object, OpenApi, Ref, RefOr, ResponseBuilder, Schema, Type};
use utoipa::{Modify, OpenApi as _};

use super::{
    account, cancel_email_change, change_email, change_name, change_password, confirm_email,
    confirm_password, confirm_sign_up, current_session, delete_account, export, follow_revocations,
    forgot_password, judge_password, jwks, log_in, log_out, manage_sessions, refresh, resend_confirmation,
    reset_password, sign_up, users, verify,
};
use crate::Vestibule;
use crate::problem::ProblemBody;

/// What every operation says of failures that are not its own: too many attempts, an overloaded server, a body that is
/// no JSON.
const OTHERWISE: &str = "What went wrong: RFC 9457, with a stable word in `code`. `csrf_failed` (403) without the right \
    `X-CSRF-Token` or from another site, `too_many_requests` (429) and `overloaded` (503) with `Retry-After`, `internal` (500).";

/// The API of accounts.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Accounts",
        description = "Sign-up, log-in, sessions and the account. Browsers show their cookies, and on all methods but \
            GET, HEAD and OPTIONS the value of the cookie `vestibule_csrf` in the header `X-CSRF-Token`. Other programs \
            show an access token as a bearer. On https the names of the cookies begin with `__Host-`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        sign_up::sign_up,
        confirm_sign_up::confirm_sign_up,
        confirm_sign_up::decline_sign_up,
        log_in::log_in,
        log_out::log_out,
        refresh::refresh,
        refresh::described_for_get,
        current_session::current_session,
        confirm_password::confirm_password,
        confirm_email::confirm_email,
        resend_confirmation::resend_confirmation,
        forgot_password::forgot_password,
        reset_password::reset_password,
        judge_password::judge_password,
        account::account,
        change_name::change_name,
        delete_account::delete_account,
        change_email::change_email,
        cancel_email_change::cancel_email_change,
        change_password::change_password,
        manage_sessions::list,
        manage_sessions::end_others,
        manage_sessions::end,
        export::export,
        follow_revocations::follow_revocations,
        users::find_user,
        verify::verify,
        jwks::jwks,
        openapi,
    ),
    components(schemas(ProblemBody)),
    modifiers(&Ways),
)]
struct Accounts;

/// The description as OpenAPI 3.1 in JSON, with that of an application's own API.
pub fn described(application: Option<OpenApi>) -> String {
    document(application).to_pretty_json().expect("a description is made of texts and numbers")
}

fn document(application: Option<OpenApi>) -> OpenApi {
    let mut document = Accounts::openapi();
    if let Some(application) = application {
        document.merge(application);
    }
    tell_of_failures(&mut document);
    ask_for_what_is_required(&mut document);
    document
}

/// The API of this site.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "Other programs",
    responses((status = 200, description = "This description", body = serde_json::Value)),
)]
pub async fn openapi(State(vestibule): State<Vestibule>) -> Response {
    let text = vestibule.openapi().to_owned();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// How one shows who one is.
struct Ways;

impl Modify for Ways {
    fn modify(&self, document: &mut OpenApi) {
        let cookie = |name: &str, about: &str| {
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name, about)))
        };
        let csrf = ApiKeyValue::with_description("X-CSRF-Token", "The value of the cookie vestibule_csrf.");
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An access token: the value of the cookie vestibule_access."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "session",
            cookie("vestibule_access", "The access token; the cookie vestibule_refresh goes with it."),
        );
        components.add_security_scheme(
            "refresh",
            cookie("vestibule_refresh", "The session and its secret, which changes with each refresh."),
        );
        components.add_security_scheme("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf)));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let service_key = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("vestibule_sk_…")
            .description(Some("A service key, for programs beside the site: `service-key add` makes one."))
            .build();
        components.add_security_scheme("service_key", SecurityScheme::Http(service_key));
    }
}

/// Problems are of their own type, and every operation may answer with one that it does not name.
fn tell_of_failures(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && (status.starts_with('4') || status.starts_with('5'))
                    && let Some(content) = response.content.shift_remove("application/json")
                {
                    response.content.insert("application/problem+json".to_owned(), content);
                }
            }
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            let retry_after = HeaderBuilder::new()
                .schema(Some(Object::with_type(Type::Integer)))
                .description(Some("After how many seconds to try again, with 429 and 503"));
            let otherwise = ResponseBuilder::new()
                .description(OTHERWISE)
                .content("application/problem+json", problem)
                .header("Retry-After", retry_after.build());
            operation.responses.responses.insert("default".to_owned(), otherwise.build().into());
        }
    }
}

/// What is left out is empty to the server, which then says what is missing. To who generates a client a field with a default
/// is one that may be left out.
fn ask_for_what_is_required(document: &mut OpenApi) {
    let schemas = document.components.iter_mut().flat_map(|components| components.schemas.values_mut());
    for schema in schemas {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        for name in &object.required {
            if let Some(RefOr::T(Schema::Object(property))) = object.properties.get_mut(name) {
                property.default = None;
            }
        }
    }
}
