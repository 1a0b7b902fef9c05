//! The mails: their words, and how they leave the house.
//!
//! 1. [`MailTemplates`] writes them: built-in texts in `templates/mails/`, of which a folder may override some;
//! 2. [`Letter`] is what comes of it, and [`Transport`] takes it to where it is delivered;
//! 3. [`Postman`] does both, as the port that the services know.

mod greeting;
mod letter;
mod postman;
mod templates;

pub use letter::{Letter, Transport};
pub use postman::Postman;
pub use templates::{MailTemplates, Site, TemplateError};
