use std::error::Error;
use std::sync::Arc;

use ::vestibule::models::Mail;
use ::vestibule::ports::{MailError, Mailer};
use async_trait::async_trait;

use super::{MailTemplates, Site, Transport};

/// Writes mails and gives them to a transport.
pub struct Postman {
    templates: MailTemplates,
    site: Site,
    transport: Arc<dyn Transport>,
}

impl Postman {
    /// A postman for a site.
    pub fn new(templates: MailTemplates, site: Site, transport: Arc<dyn Transport>) -> Self {
        Self { templates, site, transport }
    }
}

#[async_trait]
impl Mailer for Postman {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        // Every template was tried at the start, so this is a defect, which another release may mend.
        let letter = self.templates.render(mail, &self.site).map_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            MailError::TryAgain(format!("{error}{cause}"))
        })?;
        self.transport.deliver(&letter).await
    }
}
