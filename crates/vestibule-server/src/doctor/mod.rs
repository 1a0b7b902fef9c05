//! The command `doctor`: proves a deployment as it stands, and says the way out of each finding.
//!
//! 1. [`check`]: what a check is, and what it finds;
//! 2. [`deployment`]: what checks look at: settings, database, names, and the site as its visitors reach it;
//! 3. `names.rs` asks name servers, `visit.rs` speaks to the public URL;
//! 4. [`CHECKS`]: all checks in the order in which they are made, each in its own file;
//! 5. [`records`]: the DNS records that the site needs, to paste.
//!
//! Nothing is changed, but for one failed log-in in the audit trail (`client_address.rs`) and, where it is asked for, a test
//! mail.

mod backups;
mod caching;
mod certificate;
mod certificate_authority;
pub(crate) mod check;
mod client_address;
mod clock;
mod configuration;
mod cookies;
mod database;
mod database_tls;
mod database_version;
pub(crate) mod deployment;
mod disk_space;
mod dkim;
mod dmarc;
mod dns;
mod file_rights;
mod hashing_memory;
mod headers;
mod health;
mod https_redirect;
mod mail_queue;
mod mail_server;
mod names;
mod old_tls;
mod open_files;
mod own_address;
mod reachable;
pub(crate) mod records;
mod schema;
mod secrets;
mod spf;
mod test_mail;
mod this_server;
mod tls_versions;
mod visit;

use check::Check;

pub(crate) use configuration::{NAME as CONFIGURATION, of_wrong_setting};
pub(crate) use visit::PublicSite;

/// All checks, in the order in which they are made: what others need comes first.
pub(crate) const CHECKS: [&dyn Check; 30] = [
    &configuration::Configuration,
    &secrets::Secrets,
    &file_rights::FileRights,
    &database::Database,
    &database_version::DatabaseVersion,
    &database_tls::DatabaseTls,
    &schema::Schema,
    &dns::Dns,
    &certificate_authority::CertificateAuthority,
    &reachable::Reachable,
    &certificate::Certificate,
    &tls_versions::TlsVersions,
    &https_redirect::HttpsRedirect,
    &health::Health,
    &this_server::ThisServer,
    &headers::Headers,
    &caching::Caching,
    &cookies::Cookies,
    &client_address::ClientAddress,
    &clock::ClockCheck,
    &mail_server::MailServer,
    &test_mail::TestMail,
    &spf::Spf,
    &dkim::Dkim,
    &dmarc::Dmarc,
    &mail_queue::MailQueue,
    &backups::Backups,
    &disk_space::DiskSpace,
    &hashing_memory::HashingMemory,
    &open_files::OpenFiles,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_page_lists_every_check_as_it_is_and_no_other() {
        let page = include_str!("../../../../docs/doctor.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let expected = CHECKS.map(|check| format!("| `{}` | {} |", check.name(), check.about()));
        assert_eq!(rows, expected, "the table of docs/doctor.md");
    }

    #[test]
    fn each_check_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = CHECKS.iter().map(|check| check.name()).collect();
        assert_eq!(names.len(), CHECKS.len());
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(names.iter().all(|name| is_plain(name)), "{names:?}");
    }
}
