use async_trait::async_trait;
use uuid::Uuid;
use vestibule::ports::{OsRandom, Random};
use vestibule_web::mails::Letter;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use crate::settings::MailSetting;
use crate::transports::Patience;

/// Whether a mail is taken for delivery. Made only where an address is given.
pub(super) struct TestMail;

#[async_trait]
impl Check for TestMail {
    fn name(&self) -> &'static str {
        "test_mail"
    }

    fn about(&self) -> &'static str {
        "With `--send-test-mail ADDRESS`: the mail server or provider takes a mail to that address"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let settings = deployment.settings;
        let Some(to) = &deployment.options.send_test_mail else {
            return vec![Finding::skipped("--send-test-mail ADDRESS sends one")];
        };
        let MailSetting::Server(url) = &settings.mail else {
            return vec![Finding::skipped("mails go to no mail server")];
        };
        let transport = match url.transport(&settings.mail_from, Patience::default()) {
            Ok(transport) => transport,
            Err(error) => return vec![Finding::failure(error.to_string(), "Check VESTIBULE_MAIL_URL.")],
        };
        let id = Uuid::from_bytes((&OsRandom as &dyn Random).bytes()).simple().to_string();
        let text = format!(
            "This is a test of the mails of {} ({}). If you can read it, they arrive.\n",
            settings.site_name, settings.public_url
        );
        let letter = Letter {
            id: format!("doctor.{id}"),
            to: to.clone(),
            subject: format!("A test of the mails of {}", settings.site_name.replace(char::is_control, " ")),
            html: format!("<!doctype html><title>A test</title><p>{}</p>", escaped(text.trim())),
            text,
            created_at: deployment.now(),
        };
        vec![match transport.deliver(&letter).await {
            Ok(()) => Finding::good(format!(
                "a mail to {to} was taken by {url}: see that it arrives, and not among spam"
            )),
            Err(error) => Finding::failure(
                error.to_string(),
                "What the mail server says tells the way: a sender that it does not know (VESTIBULE_MAIL_FROM), a wrong log-in, a domain that is not verified.",
            ),
        }]
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
