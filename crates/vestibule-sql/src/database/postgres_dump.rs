use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use url::Url;

use super::database_url::Target;
use super::{DatabaseUrl, tables};

/// Where systems keep the certificates that they trust. PostgreSQL's programs look there only where they are told to.
const SYSTEM_CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A PostgreSQL server, as one that its own programs (`pg_dump`, `psql`) are sent to.
#[derive(Clone)]
pub struct PostgresServer {
    options: PgConnectOptions,
    url: Url,
}

/// One state of a database, which stays to be read for as long as this is held, whatever others write.
pub struct PostgresDump {
    connection: PgConnection,
    /// What `pg_dump --snapshot` takes.
    pub snapshot: String,
    /// The schema in which the tables are.
    pub schema: String,
    /// How many rows each table has.
    pub rows: BTreeMap<String, u64>,
}

impl PostgresServer {
    /// The server of an address; none of that of a file.
    pub fn of(url: &DatabaseUrl) -> Option<Self> {
        match &url.0 {
            Target::Sqlite(_) => None,
            Target::Postgres(options, url) => {
                // Not the name by which servers of the site are known.
                let options = (**options).clone().application_name("vestibule command");
                Some(Self { options, url: (**url).clone() })
            }
        }
    }

    /// The variables of the environment by which PostgreSQL's programs find the database as this one does: with the same
    /// password, which no other user of the machine sees there, and the same demands on the server's certificate.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let options = &self.options;
        let host = options.get_socket().map_or_else(
            || options.get_host().trim_matches(['[', ']']).to_owned(),
            |socket| socket.display().to_string(),
        );
        let mode = match options.get_ssl_mode() {
            PgSslMode::Disable => "disable",
            PgSslMode::Allow => "allow",
            PgSslMode::Prefer => "prefer",
            PgSslMode::Require => "require",
            PgSslMode::VerifyCa => "verify-ca",
            PgSslMode::VerifyFull => "verify-full",
        };
        let database = options.get_database().unwrap_or(options.get_username());
        let mut variables = vec![
            ("PGHOST", host),
            ("PGPORT", options.get_port().to_string()),
            ("PGUSER", options.get_username().to_owned()),
            ("PGDATABASE", database.to_owned()),
            ("PGSSLMODE", mode.to_owned()),
            ("PGAPPNAME", "vestibule command".to_owned()),
            ("PGCONNECT_TIMEOUT", "10".to_owned()),
        ];
        if let Some(options) = options.get_options() {
            variables.push(("PGOPTIONS", options.to_owned()));
        }
        let in_url =
            self.url.password().map(|word| percent_decode_str(word).decode_utf8_lossy().into_owned());
        for (variable, value) in [
            ("PGPASSWORD", self.parameter(&["password"]).or(in_url)),
            (
                "PGSSLROOTCERT",
                self.parameter(&["sslrootcert", "ssl-root-cert", "ssl-ca"]).or_else(|| self.authorities()),
            ),
            ("PGSSLCERT", self.parameter(&["sslcert", "ssl-cert"])),
            ("PGSSLKEY", self.parameter(&["sslkey", "ssl-key"])),
        ] {
            variables.extend(value.map(|value| (variable, value)));
        }
        variables
    }

    /// Holds the state of this moment.
    pub async fn hold(&self) -> Result<PostgresDump, sqlx::Error> {
        let mut connection = self.connect().await?;
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let snapshot = sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&mut connection).await?;
        let schema = tables::postgres_schema(&mut connection).await?;
        let rows = tables::count_postgres_rows(&mut connection, &schema).await?;
        Ok(PostgresDump { connection, snapshot, schema, rows })
    }

    /// How many servers of the site have it open.
    pub async fn count_servers(&self) -> Result<u64, sqlx::Error> {
        let mut connection = self.connect().await?;
        let sql = "SELECT count(*)
                   FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'vestibule'";
        let connections: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(connections.unsigned_abs())
    }

    /// Makes a database beside this one, for nothing but to try something in it.
    pub async fn make_scratch(&self, name: &str) -> Result<Self, sqlx::Error> {
        let mut connection = self.connect().await?;
        let sql = format!("CREATE DATABASE {} TEMPLATE template0", tables::quoted(name));
        connection.execute(AssertSqlSafe(sql)).await?;
        connection.close().await?;
        let mut url = self.url.clone();
        url.set_path(name);
        Ok(Self { options: self.options.clone().database(name), url })
    }

    /// Removes it again, whoever may be in it.
    pub async fn drop_scratch(&self, name: &str) -> Result<(), sqlx::Error> {
        let mut connection = self.connect().await?;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", tables::quoted(name));
        connection.execute(AssertSqlSafe(sql)).await?;
        connection.close().await
    }

    /// Its address.
    pub fn url(&self) -> DatabaseUrl {
        DatabaseUrl(Target::Postgres(Box::new(self.options.clone()), Box::new(self.url.clone())))
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.options).await
    }

    fn parameter(&self, names: &[&str]) -> Option<String> {
        let mut pairs = self.url.query_pairs();
        pairs.find(|(name, _)| names.contains(&&**name)).map(|(_, value)| value.into_owned())
    }

    /// Whom to believe about the server's certificate, where that is asked for and not said: those whom the system trusts.
    fn authorities(&self) -> Option<String> {
        let verifies = matches!(self.options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        let file = SYSTEM_CERTIFICATES.into_iter().find(|file| Path::new(file).is_file());
        verifies.then(|| file.unwrap_or("system").to_owned())
    }
}

impl PostgresDump {
    /// Lets the state go.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(url: &str) -> BTreeMap<&'static str, String> {
        PostgresServer::of(&url.parse().unwrap()).unwrap().variables().into_iter().collect()
    }

    #[test]
    fn the_programs_of_postgresql_are_sent_where_the_site_goes() {
        let told = variables(
            "postgres://ann:p%40ss%2Bword@db.example.com:5433/accounts?sslmode=verify-full&sslrootcert=/ca.pem",
        );
        for (variable, value) in [
            ("PGHOST", "db.example.com"),
            ("PGPORT", "5433"),
            ("PGUSER", "ann"),
            ("PGPASSWORD", "p@ss+word"),
            ("PGDATABASE", "accounts"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/ca.pem"),
        ] {
            assert_eq!(told[variable], value);
        }
        let socket =
            variables("postgres:///accounts?host=/run/postgresql&user=ann&options=-c%20search_path%3Dsite");
        assert_eq!((socket["PGHOST"].as_str(), socket["PGUSER"].as_str()), ("/run/postgresql", "ann"));
        assert_eq!(socket["PGOPTIONS"], "-c search_path=site");
        assert!(!socket.contains_key("PGPASSWORD") && !socket.contains_key("PGSSLROOTCERT"));
        assert!(variables("postgres://db/a?sslmode=verify-full").contains_key("PGSSLROOTCERT"));
    }
}
