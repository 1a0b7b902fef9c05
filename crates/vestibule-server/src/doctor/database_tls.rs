use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::{Deployment, unreadable};

/// Whether the way to the database is encrypted, and leads to the right one.
pub(super) struct DatabaseTls;

#[async_trait]
impl Check for DatabaseTls {
    fn name(&self) -> &'static str {
        "database_tls"
    }

    fn about(&self) -> &'static str {
        "The connection to PostgreSQL on another machine is encrypted, and its certificate verified"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        const SQL: &str = "
            SELECT ssl, version, cipher
            FROM pg_stat_ssl
            WHERE pid = pg_backend_pid()";
        let url = &deployment.settings.database_url;
        if url.file().is_some() {
            return vec![Finding::skipped("the database is a file on this machine")];
        }
        let database = match deployment.database_or_skip() {
            Ok(database) => database,
            Err(skipped) => return skipped,
        };
        let row: Option<(bool, Option<String>, Option<String>)> =
            match database.alone().read(SQL).optional().await {
                Ok(row) => row,
                Err(error) => return unreadable(error),
            };
        let encryption = row.filter(|(is_encrypted, ..)| *is_encrypted).map(|(_, version, cipher)| {
            format!("{} {}", version.unwrap_or_default(), cipher.unwrap_or_default())
        });
        vec![judge(encryption.as_deref(), url.unverified_host())]
    }
}

/// `unverified` is the host whose certificate nobody verifies; none where somebody does, or where there is no network.
fn judge(encryption: Option<&str>, unverified: Option<&str>) -> Finding {
    const WAY_OUT: &str = "Add ?sslmode=verify-full to VESTIBULE_DATABASE_URL, and &sslrootcert=FILE for an authority of your own.";
    let is_this_machine = unverified.is_some_and(|host| {
        host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    });
    match (encryption, unverified) {
        (Some(encryption), None) => Finding::good(format!("encrypted and verified: {encryption}")),
        (None, None) => Finding::good("it goes through a socket of this machine"),
        _ if is_this_machine => Finding::good("it does not leave this machine"),
        (Some(encryption), Some(host)) => Finding::warning(
            format!("encrypted ({encryption}), but nothing makes sure that {host} is the right machine"),
            WAY_OUT,
        ),
        (None, Some(host)) => Finding::warning(
            format!("what goes to {host} and back can be read and changed by every machine between"),
            WAY_OUT,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn only_what_leaves_the_machine_must_be_encrypted_and_verified() {
        for (encryption, unverified, outcome) in [
            (Some("TLSv1.3"), None, Outcome::Good),
            (None, None, Outcome::Good),
            (None, Some("127.0.0.1"), Outcome::Good),
            (None, Some("[::1]"), Outcome::Good),
            (Some("TLSv1.3"), Some("10.0.0.7"), Outcome::Warning),
            (None, Some("10.0.0.7"), Outcome::Warning),
        ] {
            assert_eq!(judge(encryption, unverified).outcome, outcome, "{encryption:?} {unverified:?}");
        }
    }
}
