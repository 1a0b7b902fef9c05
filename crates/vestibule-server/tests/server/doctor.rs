//! The command `doctor` on real deployments: the program on both databases, behind a proxy that speaks https, with a name
//! server and a mail server; and on all that can be wrong with them. (A full disk is not among them: its judgement alone is
//! tested, beside the check.)

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use rstest::rstest;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use vestibule_sql::At;
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::meddling_proxy::{ADDRESS, ForwardedFor, HOST, Meddling, Proxy};
use crate::name_server::NameServer;
use crate::program::{Client, Program, command, run};
use crate::smtp_server::{Manners, SmtpServer};

/// What is the machine's own matter: the room on its disks, its memory, and that a name of tests leads to this machine alone.
const THIS_MACHINE: [&str; 8] =
    ["--skip", "disk_space", "--skip", "hashing_memory", "--skip", "open_files", "--skip", "dns"];

/// A site on https behind a proxy, with all that belongs to it.
struct Deployment {
    folder: tempfile::TempDir,
    settings: Vec<(&'static str, String)>,
    test: TestDatabase,
    proxy: Proxy,
    names: NameServer,
    mail: SmtpServer,
    server: Option<Server>,
}

/// A server that is stopped with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Deployment {
    async fn start(kind: DatabaseKind) -> Self {
        let (proxy, names) = (Proxy::start().await, NameServer::start().await);
        let mail = SmtpServer::start(Manners { offers_starttls: true, ..Manners::default() }).await;
        let test = TestDatabase::create(kind).await;
        names
            .add_address(HOST, [127, 0, 0, 1])
            .add_authority(HOST, "letsencrypt.org")
            .add_text(HOST, "v=spf1 include:spf.provider.test -all")
            .add_text("spf.provider.test", "v=spf1 ip4:192.0.2.0/24 ~all")
            .add_text("_dmarc.site.test", "v=DMARC1; p=quarantine")
            .add_text("mail._domainkey.site.test", &format!("v=DKIM1; k=rsa; p={}", "A".repeat(392)));
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mail_url =
            format!("smtp://ann:word@localhost:{}?tls=starttls&ca={}", mail.port, mail.authority().display());
        let settings = vec![
            ("VESTIBULE_LISTEN", format!("127.0.0.1:{port}")),
            ("VESTIBULE_PUBLIC_URL", proxy.origin()),
            ("VESTIBULE_SECRET_KEY", vestibule_testkit::secret_key().to_base64().to_string()),
            ("VESTIBULE_DATABASE_URL", test.url_text().to_owned()),
            ("VESTIBULE_TRUSTED_PROXIES", ADDRESS.to_owned()),
            ("VESTIBULE_MAIL_URL", mail_url),
            ("VESTIBULE_MAIL_FROM", format!("no-reply@{HOST}")),
        ];
        proxy.lead_to(&format!("http://127.0.0.1:{port}"));
        let mut deployment = Self { folder, settings, test, proxy, names, mail, server: None };
        deployment.serve();
        deployment
    }

    /// Starts the server, in the place of one that runs.
    fn serve(&mut self) {
        self.server = None;
        let mut serve = self.command(&[]);
        let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        self.server = Some(Server(child));
        assert!(line.contains("is open at"), "{line:?}");
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path());
        command.envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())));
        command.env("SSL_CERT_FILE", self.proxy.authority());
        command.args(arguments);
        command
    }

    /// What the doctor says: the exit code and the report.
    async fn ask(&self, arguments: &[&str]) -> (i32, Value) {
        let mut doctor = self.command(&["doctor", "--json"]);
        doctor.args(["--dns-server", &self.names.address.to_string()]);
        doctor.args(["--http-port", &self.proxy.http_port.to_string()]);
        doctor.args(arguments);
        asked(doctor).await
    }

    /// How one check comes out: its outcome and all that it says.
    async fn of(&self, check: &str) -> (String, String) {
        let (_, report) = self.ask(&["--only", check]).await;
        outcome(&report, check)
    }
}

async fn asked(mut doctor: Command) -> (i32, Value) {
    // Beside the servers of the test, which must answer meanwhile.
    tokio::task::spawn_blocking(move || {
        let output = doctor.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let report = serde_json::from_str(&told)
            .unwrap_or_else(|error| panic!("{error}: {told} {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap_or(-1), report)
    })
    .await
    .unwrap()
}

fn outcome(report: &Value, name: &str) -> (String, String) {
    let check = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("{name}: {report}"));
    (check["outcome"].as_str().unwrap().to_owned(), check["findings"].to_string())
}

/// Asks in a folder, of a site that has no public URL.
async fn at_home(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let mut doctor = command(folder);
    doctor.args(["doctor", "--json"]).args(arguments);
    asked(doctor).await
}

#[rstest]
#[tokio::test]
async fn a_good_deployment_behind_a_proxy_is_good(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let deployment = Deployment::start(kind).await;
    let backups = deployment.folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    std::fs::write(backups.join("today.tar.gz"), "all that there is").unwrap();
    let mut arguments = THIS_MACHINE.to_vec();
    arguments.extend(["--dkim-selector", "mail", "--backups", backups.to_str().unwrap()]);
    let (code, report) = deployment.ask(&arguments).await;
    assert_eq!((code, &report["outcome"]), (0, &"good".into()), "{report:#}");
    let skipped: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["outcome"] == "skipped")
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    let expected = if kind == DatabaseKind::Sqlite {
        &["database_tls", "test_mail"][..]
    } else {
        &["file_rights", "test_mail"]
    };
    assert_eq!(skipped, expected, "{report:#}");
    assert!(outcome(&report, "client_address").1.contains("did not believe"), "{report:#}");
    assert!(outcome(&report, "mail_server").1.contains("let us log in, encrypted"), "{report:#}");
    assert!(deployment.mail.messages().is_empty(), "nothing was sent");

    // The name of tests leads to this machine alone: odd, and it works.
    let (code, report) = deployment.ask(&["--only", "dns"]).await;
    assert_eq!((code, &report["warnings"], &report["failures"]), (3, &1.into(), &0.into()), "{report:#}");
}

#[rstest]
#[tokio::test]
async fn nothing_is_written_but_one_failed_log_in_of_nobody(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let deployment = Deployment::start(kind).await;
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    let before = (deployment.test.dump().await, files(deployment.folder.path()));
    deployment.ask(&["--without-log-in"]).await;
    assert_eq!((deployment.test.dump().await, files(deployment.folder.path())), before);

    deployment.ask(&[]).await;
    let (output, told) = run(&mut deployment.command(&["audit", "tail", "--json"]));
    let events: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [event] = &events[..] else { panic!("{told}") };
    assert_eq!((&event["kind"], &event["user_id"]), (&"log_in_failed".into(), &Value::Null));
    assert!(event["user_agent"].as_str().unwrap().contains("doctor"), "{event}");
}

#[tokio::test]
async fn what_a_proxy_does_wrong_is_told_by_its_check() {
    let deployment = Deployment::start(DatabaseKind::Sqlite).await;
    let drops = |name| Meddling { drops: Some(name), ..Meddling::default() };
    let rewrites = |from, to| Meddling { rewrites_cookies: Some((from, to)), ..Meddling::default() };
    let forwarded = |forwarded_for| Meddling { forwarded_for, ..Meddling::default() };
    let clock = |clock_is_ahead| Meddling { clock_is_ahead, ..Meddling::default() };
    for (meddling, check, expected, word) in [
        (drops("set-cookie"), "cookies", "failure", "Nobody can log in"),
        (rewrites("; Secure", ""), "cookies", "failure", "without `secure`"),
        (rewrites("Path=/", "Path=/; Domain=site.test"), "cookies", "failure", "Domain"),
        (drops("strict-transport-security"), "headers", "failure", "Strict-Transport-Security"),
        (drops("content-security-policy"), "headers", "failure", "content-security-policy"),
        (Meddling { caches: true, ..Meddling::default() }, "caching", "failure", "answered once"),
        (clock(120), "clock", "warning", "behind"),
        (clock(-120), "clock", "warning", "ahead of"),
        (forwarded(ForwardedFor::AsSent), "client_address", "failure", "made up"),
        (forwarded(ForwardedFor::Removed), "client_address", "warning", "does not say where"),
        (
            Meddling { serves_plain_http: true, ..Meddling::default() },
            "https_redirect",
            "failure",
            "plain http is served",
        ),
    ] {
        deployment.proxy.meddle(meddling);
        let (outcome, told) = deployment.of(check).await;
        assert!(outcome == expected && told.contains(word), "{check} {word}: {outcome} {told}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_what_the_server_sees() {
    let mut deployment = Deployment::start(DatabaseKind::Sqlite).await;
    deployment.set("VESTIBULE_TRUSTED_PROXIES", "192.0.2.1");
    deployment.serve();
    let (outcome, told) = deployment.of("client_address").await;
    assert!(
        outcome == "failure" && told.contains(&format!("Add {ADDRESS} to VESTIBULE_TRUSTED_PROXIES")),
        "{told}"
    );
    // Where this machine is trusted itself, what it says is believed, and nothing can be shown.
    deployment.set("VESTIBULE_TRUSTED_PROXIES", "127.0.0.0/8");
    deployment.serve();
    let (outcome, told) = deployment.of("client_address").await;
    assert!(outcome == "skipped" && told.contains("another machine"), "{told}");
}

#[tokio::test]
async fn another_server_at_the_public_url_is_known_by_its_keys() {
    let deployment = Deployment::start(DatabaseKind::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let other = Program::start(folder.path(), None);
    deployment.proxy.lead_to(&other.origin);
    let (outcome, told) = deployment.of("this_server").await;
    assert!(outcome == "failure" && told.contains("another database"), "{told}");
    let (_, told) = deployment.of("client_address").await;
    assert!(told.contains("not in the audit trail"), "{told}");
    drop(other);
    let (outcome, told) = deployment.of("health").await;
    assert!(outcome == "failure" && told.contains("502"), "{told}");
}

#[tokio::test]
async fn a_certificate_that_browsers_refuse_or_that_ends_soon_is_told() {
    let deployment = Deployment::start(DatabaseKind::Sqlite).await;
    for (host, left, expected, word) in [
        (HOST, Duration::days(60), "good", "60 days"),
        (HOST, Duration::days(10), "warning", "Renew it"),
        (HOST, Duration::days(1), "failure", "Renew it"),
        (HOST, Duration::days(-1), "failure", "has expired"),
        ("other.test", Duration::days(60), "failure", "not for site.test, but for other.test"),
    ] {
        // A moment more, so that whole days are left when it is looked at.
        deployment.proxy.show_certificate(host, left + Duration::minutes(10));
        let (outcome, told) = deployment.of("certificate").await;
        assert!(outcome == expected && told.contains(word), "{host} {left}: {outcome} {told}");
        // The other checks say what they see all the same.
        assert_eq!(deployment.of("health").await.0, "good");
    }
    // Of an authority that this system does not know.
    deployment.proxy.show_certificate(HOST, Duration::days(60));
    let other = Proxy::start().await;
    let mut doctor = deployment.command(&["doctor", "--json", "--only", "certificate"]);
    doctor
        .args(["--dns-server", &deployment.names.address.to_string()])
        .env("SSL_CERT_FILE", other.authority());
    let (outcome, told) = outcome(&asked(doctor).await.1, "certificate");
    assert!(outcome == "failure" && told.contains("fullchain.pem"), "{told}");
    assert_eq!(deployment.of("tls_versions").await.0, "good");
}

#[tokio::test]
async fn names_that_lead_astray_or_are_missing_are_told() {
    let deployment = Deployment::start(DatabaseKind::Sqlite).await;
    let names = &deployment.names;
    let nothing = || ();
    let steps: [(&dyn Fn(), &str, &str, &str); 12] = [
        (&|| _ = names.forget(HOST), "dns", "failure", "no A and no AAAA"),
        (&nothing, "reachable", "failure", "no address"),
        (&nothing, "health", "skipped", "`reachable`"),
        (&nothing, "spf", "warning", "no SPF record"),
        (&|| _ = names.add_address(HOST, [192, 0, 2, 7]), "dns", "warning", "192.0.2.7"),
        (
            &|| _ = names.add_authority("test", "sectigo.com"),
            "certificate_authority",
            "failure",
            "sectigo.com",
        ),
        (
            &|| _ = names.add_authority(HOST, "letsencrypt.org"),
            "certificate_authority",
            "good",
            "letsencrypt",
        ),
        (&|| _ = names.add_text(HOST, "v=spf1 +all"), "spf", "failure", "everybody"),
        (&|| _ = names.add_text(HOST, "v=spf1 -all"), "spf", "failure", "2 SPF records"),
        (&|| _ = names.forget("_dmarc.site.test"), "dmarc", "warning", "no DMARC"),
        (&|| _ = names.add_text("_dmarc.site.test", "v=DMARC1"), "dmarc", "failure", "no policy"),
        (&nothing, "dkim", "skipped", "--dkim-selector"),
    ];
    for (change, check, expected, word) in steps {
        change();
        let (outcome, told) = deployment.of(check).await;
        assert!(outcome == expected && told.contains(word), "{check} {word}: {outcome} {told}");
    }
    let (_, report) = deployment.ask(&["--only", "dkim", "--dkim-selector", "wrong"]).await;
    let (outcome_of_dkim, told) = outcome(&report, "dkim");
    assert!(outcome_of_dkim == "failure" && told.contains("wrong._domainkey.site.test"), "{told}");
    // A name server that does not answer at all.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut doctor = deployment.command(&["doctor", "--json", "--only", "dns"]);
    doctor.args(["--dns-server", &silent.local_addr().unwrap().to_string()]);
    let (outcome, told) = outcome(&asked(doctor).await.1, "dns");
    assert!(outcome == "failure" && told.contains("do not tell"), "{told}");
}

#[tokio::test]
async fn a_mail_server_is_tried_out_and_a_test_mail_sent_where_it_is_asked_for() {
    let deployment = Deployment::start(DatabaseKind::Sqlite).await;
    let arguments = ["--only", "test_mail", "--send-test-mail", "ann@example.com"];
    let (code, report) = deployment.ask(&arguments).await;
    assert_eq!(code, 0, "{report:#}");
    let [message] = &deployment.mail.messages()[..] else { panic!("one mail") };
    assert!(message.contains("To: ann@example.com") && message.contains("test of the mails"), "{message}");

    for (manners, word) in [
        (Manners::default(), "offers no STARTTLS"),
        (
            Manners { offers_starttls: true, answers: vec![("AUTH", "535 no")], ..Manners::default() },
            "did not let us log in",
        ),
        (Manners { drops_at: Some("EHLO"), ..Manners::default() }, "could not be reached"),
    ] {
        deployment.mail.behave(manners);
        let (outcome, told) = deployment.of("mail_server").await;
        assert!(outcome == "failure" && told.contains(word), "{outcome} {told}");
        assert!(!told.contains("word@"), "{told}");
    }
}

#[rstest]
#[tokio::test]
async fn a_schema_that_is_not_this_releases_is_told(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::empty(kind).await;
    test.connect().await.close().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = async || {
        let mut doctor = command(folder.path());
        doctor.env("VESTIBULE_DATABASE_URL", test.url_text()).args(["doctor", "--json", "--only", "schema"]);
        let (code, report) = asked(doctor).await;
        (code, outcome(&report, "schema").1)
    };
    let (code, told) = schema().await;
    assert!(code == 1 && told.contains("0001 accounts") && told.contains("vestibule migrate"), "{told}");

    let database = test.connect().await;
    database.migrate(&vestibule_sql::MIGRATIONS).await.unwrap();
    assert_eq!(schema().await.0, 0);
    let sql = "UPDATE vestibule_migrations SET checksum = $1 WHERE version = 1";
    database.alone().write(sql).bind(vec![0_u8; 48]).execute().await.unwrap();
    let (code, told) = schema().await;
    assert!(code == 1 && told.contains("another text"), "{told}");
    database.close().await;
}

#[rstest]
#[tokio::test]
async fn mails_that_wait_for_long_are_told_with_their_reason(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let deployment = Deployment::start(kind).await;
    deployment.mail.behave(Manners {
        offers_starttls: true,
        answers: vec![("MAIL", "451 come back later")],
        ..Manners::default()
    });
    let upstream =
        deployment.settings.iter().find(|(name, _)| *name == "VESTIBULE_LISTEN").unwrap().1.clone();
    assert_eq!(Client::new().sign_up(&format!("http://{upstream}"), "ann").await.unwrap().0, 201);
    let database = deployment.test.connect().await;
    let queue = async || deployment.of("mail_queue").await;
    let mut told = queue().await;
    for _ in 0..100 {
        if told.1.contains("come back later") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        told = queue().await;
    }
    assert!(told.0 == "good" && told.1.contains("come back later"), "{told:?}");
    #[expect(clippy::disallowed_methods, reason = "ages are judged by the program's real clock")]
    let now = OffsetDateTime::now_utc();
    for (age, expected) in [(Duration::hours(1), "warning"), (Duration::days(2), "failure")] {
        let sql = "UPDATE outgoing_mails SET created_at = $1";
        database.alone().write(sql).bind(At(now - age)).execute().await.unwrap();
        let (outcome, told) = queue().await;
        assert!(outcome == expected && told.contains("mail retry"), "{told}");
    }
    database.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_others_can_read_or_replace_are_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let set = |name: &str, mode| {
        let path = folder.path().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert!(run(command(folder.path()).arg("migrate")).0.status.success());
    set("", 0o755);
    set("data", 0o755);
    let rights = async || outcome(&at_home(folder.path(), &["--only", "file_rights"]).await.1, "file_rights");
    assert_eq!(rights().await.0, "good");
    set("data/vestibule.db", 0o644);
    let (outcome, told) = rights().await;
    assert!(outcome == "failure" && told.contains("chmod 600 data/vestibule.db"), "{told}");
    set("data/vestibule.db", 0o600);
    set("data", 0o777);
    let (outcome, told) = rights().await;
    assert!(outcome == "failure" && told.contains("chmod o-w"), "{told}");
}

#[tokio::test]
async fn a_secret_key_that_is_not_the_databases_is_told() {
    let mut deployment = Deployment::start(DatabaseKind::Sqlite).await;
    assert_eq!(deployment.of("secrets").await.0, "good");
    let key = vestibule::models::SecretKey::generate(&vestibule::ports::OsRandom).to_base64();
    deployment.set("VESTIBULE_SECRET_KEY", &key);
    let (outcome, told) = deployment.of("secrets").await;
    assert!(outcome == "failure" && told.contains("cannot be opened") && !told.contains(&*key), "{told}");
}

#[tokio::test]
async fn a_backup_of_yesterdays_yesterday_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.tar.gz");
    std::fs::write(&file, "all that there is").unwrap();
    let arguments = ["--only", "backups", "--backups", "."];
    assert_eq!(at_home(folder.path(), &arguments).await.0, 0);
    #[expect(clippy::disallowed_methods, reason = "ages are judged by the program's real clock")]
    let long_ago = SystemTime::now() - std::time::Duration::from_hours(48);
    std::fs::File::options().write(true).open(file).unwrap().set_modified(long_ago).unwrap();
    let (code, report) = at_home(folder.path(), &arguments).await;
    assert!(code == 3 && outcome(&report, "backups").1.contains("48 hours"), "{report:#}");
}

#[tokio::test]
async fn a_folder_without_a_site_is_told_and_left_empty() {
    let folder = tempfile::tempdir().unwrap();
    let (code, report) =
        at_home(folder.path(), &["--only", "database", "--only", "schema", "--only", "secrets"]).await;
    assert_eq!(code, 1, "{report:#}");
    assert!(outcome(&report, "database").1.contains("vestibule migrate"), "{report:#}");
    assert_eq!(outcome(&report, "schema").0, "skipped");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
}

#[tokio::test]
async fn a_wrong_setting_is_a_failure_of_the_configuration_with_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut doctor = command(folder.path());
    doctor.env("VESTIBULE_LISTEN", "somewhere").args(["doctor", "--json"]);
    let (code, report) = asked(doctor).await;
    assert_eq!((code, &report["outcome"]), (78, &"failure".into()));
    assert!(outcome(&report, "configuration").1.contains("VESTIBULE_LISTEN"), "{report:#}");
    let mut for_people = command(folder.path());
    let (output, told) = run(for_people.env("VESTIBULE_LISTEN", "somewhere").arg("doctor"));
    assert!(output.status.code() == Some(78) && told.contains("wrong setting"), "{told}");
    let (output, told) = run(command(folder.path()).args(["doctor", "--only", "nothing"]));
    assert!(output.status.code() == Some(2) && told.contains("mail_queue"), "all names are told: {told}");
}

#[tokio::test]
async fn the_records_that_the_site_needs_are_printed_to_paste() {
    let mut deployment = Deployment::start(DatabaseKind::Sqlite).await;
    deployment.set("VESTIBULE_PUBLIC_URL", "https://www.example.com");
    deployment.set("VESTIBULE_MAIL_FROM", "no-reply@example.com");
    let addresses = ["--address", "198.51.100.7", "--address", "2001:db8::7"];
    let mut doctor = deployment.command(&["doctor", "--dns-records", "--dkim-selector", "mail"]);
    let (output, told) = run(doctor.args(addresses));
    assert!(output.status.success(), "{told}");
    for line in [
        "www.example.com. 3600 IN A 198.51.100.7",
        "www.example.com. 3600 IN AAAA 2001:db8::7",
        "www.example.com. 3600 IN CAA 0 issue \"letsencrypt.org\"",
        "example.com. 3600 IN TXT \"v=spf1 a mx -all\"",
        "; mail._domainkey.example.com. 3600 IN TXT <the key that the mail provider shows>",
        "_dmarc.example.com. 3600 IN TXT \"v=DMARC1; p=quarantine\"",
    ] {
        assert!(told.lines().any(|printed| printed == line), "{line}\n{told}");
    }
    // What is not known must stay a comment, which a zone file may hold.
    assert!(told.lines().all(|line| line.starts_with(';') || !line.contains('<')), "{told}");
    let (code, report) = asked(deployment.command(&["doctor", "--dns-records", "--json"])).await;
    let records = report["records"].as_array().unwrap();
    assert!(code == 0 && records.iter().any(|record| record["type"] == "CAA"), "{report}");
}
