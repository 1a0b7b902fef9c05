use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use crate::settings::MailSetting;
use crate::transports::MailUrl;

/// Whether the way that mails go is open. Nothing is sent.
pub(super) struct MailServer;

#[async_trait]
impl Check for MailServer {
    fn name(&self) -> &'static str {
        "mail_server"
    }

    fn about(&self) -> &'static str {
        "The mail server takes a connection, encrypts it with a certificate that is trusted, and lets the server log in; of a provider's API, that the key looks like one"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let settings = deployment.settings;
        vec![match &settings.mail {
            MailSetting::DevMailbox => Finding::skipped(
                "mails go to the development mailbox, /dev/mailbox, as the public URL is this machine's",
            ),
            MailSetting::Nowhere => Finding::warning(
                "there is no way for mails: they wait, and nobody can confirm an address or reset a password",
                "Set VESTIBULE_MAIL_URL.",
            ),
            MailSetting::Server(MailUrl::Smtp(smtp)) => match smtp.try_out(&settings.mail_from).await {
                Ok(()) => Finding::good(format!("{smtp} {}", smtp.what_was_tried())),
                Err(problem) => Finding::failure(
                    problem,
                    "Check VESTIBULE_MAIL_URL. Many hosts block outgoing mail ports: ask for them to be opened, or use a provider's HTTP API (resend://API_KEY@api.resend.com).",
                ),
            },
            MailSetting::Server(MailUrl::Resend(resend)) if resend.has_usual_key() => Finding::good(format!(
                "the key for {resend} looks like one; whether it is good shows with --send-test-mail ADDRESS"
            )),
            MailSetting::Server(MailUrl::Resend(resend)) => Finding::warning(
                format!("the key for {resend} does not begin with re_, as its keys do"),
                "Copy the API key anew from the provider's site into VESTIBULE_MAIL_URL.",
            ),
        }]
    }
}
