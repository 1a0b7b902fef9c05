use std::sync::LazyLock;

use super::*;

/// A key of chance: one that is printed anywhere is refused.
static SECRET: LazyLock<String> = LazyLock::new(|| {
    vestibule::models::SecretKey::generate(&vestibule::ports::OsRandom).to_base64().to_string()
});

/// A file that its owner alone can read, as secrets must be.
fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn settings(environment: &[(&str, &str)], file: &str) -> Result<Settings, SettingError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_sources(&Sources::of(&environment.collect(), file)?, "A site")
}

fn refusal(environment: &[(&str, &str)]) -> String {
    settings(environment, "").unwrap_err().to_string()
}

#[test]
fn traces_in_the_clear_to_a_far_collector_are_warned_of() {
    let warned = |collector: &str| {
        let read = settings(&[("VESTIBULE_OTLP_ENDPOINT", collector)], "").unwrap();
        read.warnings.iter().any(|warning| warning.contains("VESTIBULE_OTLP_ENDPOINT"))
    };
    for near in
        ["http://localhost:4318", "http://10.0.0.7:4318", "http://[::1]:4318", "http://collector:4318"]
    {
        assert!(!warned(near), "{near}");
    }
    assert!(!warned("https://collector.example.com"));
    assert!(warned("http://collector.example.com:4318") && warned("http://203.0.113.7:4318"));
}

#[test]
fn without_any_setting_the_defaults_serve_on_localhost() {
    let settings = settings(&[], "").unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(settings.public_url.origin(), "http://localhost:3000");
    assert_eq!(settings.database_url.to_string(), "sqlite://data/vestibule.db");
    assert_eq!(settings.access_ttl, Duration::minutes(5));
    assert_eq!(settings.session_lifetimes.idle, Duration::days(7));
    assert_eq!(settings.session_lifetimes.absolute, Duration::days(30));
    assert!(settings.migrate && settings.secret_keys.is_none() && settings.warnings.is_empty());
    assert!(matches!(settings.mail, MailSetting::DevMailbox));
    assert_eq!(settings.mail_from.to_string(), "no-reply@localhost");
    assert_eq!(settings.sign_up, SignUpMode::Open);
    assert_eq!((settings.confirm_ttl, settings.reset_ttl), (Duration::DAY, Duration::minutes(30)));
    assert!(!settings.require_confirmed_email && settings.mail_daily_limit.is_none());
}

#[test]
fn another_port_changes_the_default_public_url_too() {
    let settings = settings(&[("VESTIBULE_LISTEN", "127.0.0.1:8080")], "").unwrap();
    assert_eq!(settings.public_url.origin(), "http://localhost:8080");
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_defaults() {
    let file = "listen = \"127.0.0.1:4000\"\naccess_ttl = \"10m\"\nmigrate = false\nhash_passes = 3";
    let settings = settings(&[("VESTIBULE_LISTEN", "127.0.0.1:5000")], file).unwrap();
    assert_eq!(settings.listen.port(), 5000);
    assert_eq!(settings.access_ttl, Duration::minutes(10));
    assert_eq!(settings.hash_parameters.passes(), 3);
    assert!(!settings.migrate);
}

#[test]
fn the_common_name_of_the_database_variable_is_taken_too() {
    let url = "postgres://ann@localhost/accounts";
    let common = settings(&[("DATABASE_URL", url)], "").unwrap();
    assert_eq!(common.database_url.to_string(), "postgres://localhost:5432/accounts");
    let both = settings(&[("DATABASE_URL", url), ("VESTIBULE_DATABASE_URL", "sqlite://a.db")], "").unwrap();
    assert_eq!(both.database_url.to_string(), "sqlite://a.db");
}

#[test]
fn a_secret_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    write_private(&path, &format!("{}\n", *SECRET));
    let path = path.to_str().unwrap();
    let read = settings(&[("VESTIBULE_SECRET_KEY_FILE", path)], "").unwrap();
    assert!(read.secret_keys.is_some());
    let both = refusal(&[("VESTIBULE_SECRET_KEY_FILE", path), ("VESTIBULE_SECRET_KEY", &SECRET)]);
    assert!(both.contains("VESTIBULE_SECRET_KEY_FILE"), "{both}");
    let missing = refusal(&[("VESTIBULE_SECRET_KEY_FILE", "/nowhere/secret")]);
    assert!(missing.contains("/nowhere/secret"), "{missing}");
}

#[test]
fn on_https_nothing_stands_in_for_a_secret() {
    let https = ("VESTIBULE_PUBLIC_URL", "https://example.com");
    assert!(refusal(&[https]).starts_with("VESTIBULE_SECRET_KEY: it is required"));
    assert!(refusal(&[https, ("VESTIBULE_SECRET_KEY", "")]).contains("VESTIBULE_SECRET_KEY"));
    assert!(settings(&[https, ("VESTIBULE_SECRET_KEY", &SECRET)], "").is_ok());
}

#[test]
fn a_secret_may_have_a_successor_and_a_wrong_one_of_a_list_is_told_by_its_number() {
    let other = vestibule::models::SecretKey::generate(&vestibule::ports::OsRandom).to_base64();
    let both = format!("{},{}", *other, *SECRET);
    assert!(settings(&[("VESTIBULE_SECRET_KEY", &both)], "").is_ok());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    write_private(&path, &both.replace(',', "\n"));
    assert!(settings(&[("VESTIBULE_SECRET_KEY_FILE", path.to_str().unwrap())], "").is_ok());
    for (list, told) in [
        (format!("{},", *SECRET), "key 2 of 2: it has fewer than 32 bytes"),
        (format!("{},{}", *SECRET, *SECRET), "keys 1 and 2 are the same"),
    ] {
        let refusal = refusal(&[("VESTIBULE_SECRET_KEY", &list)]);
        assert!(refusal.contains(told) && !refusal.contains(SECRET.as_str()), "{refusal}");
    }
}

#[test]
fn no_key_that_is_printed_in_our_pages_is_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("docs"), root.join("deploy"), root.clone()];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && folder != root {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            for line in text.lines().filter(|line| line.to_ascii_lowercase().contains("secret_key")) {
                for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=_-".contains(c))) {
                    let word = word.trim_start_matches("VESTIBULE_SECRET_KEY=");
                    found += 1;
                    let parsed = vestibule::models::SecretKey::parse(word);
                    assert!(parsed.is_err(), "{}: {line}", path.display());
                }
            }
        }
    }
    assert!(found > 10, "the pages speak of the key");
}

#[test]
fn limits_can_be_switched_off_at_home_and_not_on_https() {
    assert!(settings(&[], "").unwrap().rate_limit);
    let off = ("VESTIBULE_RATE_LIMIT", "off");
    assert!(!settings(&[off], "").unwrap().rate_limit);
    let public = [("VESTIBULE_PUBLIC_URL", "https://example.com"), ("VESTIBULE_SECRET_KEY", &SECRET), off];
    assert!(refusal(&public).starts_with("VESTIBULE_RATE_LIMIT (environment): \"off\": it must be on"));
}

#[test]
fn who_seems_to_be_behind_a_proxy_that_is_not_trusted_is_warned() {
    let warned = |more: &[(&str, &str)]| {
        let public = [("VESTIBULE_PUBLIC_URL", "https://example.com"), ("VESTIBULE_SECRET_KEY", &SECRET)];
        let settings = settings(&[&public[..], more].concat(), "").unwrap();
        settings.warnings.iter().any(|warning| warning.contains("VESTIBULE_TRUSTED_PROXIES"))
    };
    assert!(warned(&[]));
    assert!(!warned(&[("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1, ::1")]));
    assert!(!warned(&[("VESTIBULE_LISTEN", "0.0.0.0:3000")]), "who knows what is before it");
}

#[test]
fn a_wrong_setting_is_told_with_its_name_and_a_way_out() {
    for (name, value, part) in [
        ("VESTIBULE_LISTEN", "everywhere", "\"everywhere\""),
        ("VESTIBULE_PUBLIC_URL", "http://example.com", "localhost"),
        ("VESTIBULE_PUBLIC_URL", "https://example.com/app", "scheme, host and port"),
        ("VESTIBULE_DATABASE_URL", "mysql://localhost/x", "sqlite://"),
        ("VESTIBULE_LOG_FORMAT", "xml", "`pretty` or `json`"),
        ("VESTIBULE_ACCESS_TTL", "soon", "duration"),
        ("VESTIBULE_ACCESS_TTL", "0s", "1s"),
        ("VESTIBULE_SESSION_ABSOLUTE_TTL", "1h", "shorter"),
        ("VESTIBULE_MIGRATE", "maybe", "`on` or `off`"),
        ("VESTIBULE_HASH_MEMORY_KIB", "1024", "19456"),
        ("VESTIBULE_HASH_PASSES", "1", "passes must be from 2"),
        ("VESTIBULE_SESSION_CACHE", "many", "number"),
        ("VESTIBULE_SESSION_CACHE", "10000001", "10000000"),
        ("VESTIBULE_DATABASE_LISTEN_URL", "sqlite://a.db", "PostgreSQL"),
        ("VESTIBULE_HASH_SLOTS", "0", "VESTIBULE_HASH_SLOTS"),
        ("VESTIBULE_HASH_SLOTS", "100000", "256"),
        ("VESTIBULE_TRUSTED_PROXIES", "10.0.0.0/8,proxy.example.com", "`proxy.example.com` is no network"),
        ("VESTIBULE_TRUSTED_PROXIES", "0.0.0.0/0", "everybody"),
        ("VESTIBULE_MAX_CONNECTIONS", "3", "16"),
        ("VESTIBULE_MAX_CONNECTIONS", "many", "number"),
        ("VESTIBULE_RATE_LIMIT", "sometimes", "`on` or `off`"),
        ("VESTIBULE_HASH_MAX_WAIT", "99ms", "100ms to 30s"),
        ("VESTIBULE_HASH_MAX_WAIT", "soon", "duration"),
    ] {
        let error = settings(&[(name, value)], "").unwrap_err();
        assert_eq!(error.key, name);
        assert!(error.to_string().contains(part), "{error}");
        assert!(!error.way_out.is_empty());
    }
}

#[test]
fn plain_http_beyond_this_machine_is_refused_unless_the_network_is_said_to_be_trusted() {
    for (listen, url, key) in [
        ("0.0.0.0:3000", "http://localhost:3000", "VESTIBULE_LISTEN"),
        ("[::]:3000", "http://localhost:3000", "VESTIBULE_LISTEN"),
        ("192.0.2.1:3000", "http://127.0.0.1:3000", "VESTIBULE_LISTEN"),
        ("0.0.0.0:3000", "http://accounts.internal", "VESTIBULE_PUBLIC_URL"),
        ("127.0.0.1:3000", "http://10.0.0.7", "VESTIBULE_PUBLIC_URL"),
    ] {
        let set = [("VESTIBULE_LISTEN", listen), ("VESTIBULE_PUBLIC_URL", url)];
        // Proxies change nothing: people would still come to them over plain http.
        for more in [&[][..], &[("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1")]] {
            let error = settings(&[&set[..], more].concat(), "").unwrap_err();
            assert!(error.key == key && error.way_out.contains("VESTIBULE_TRUSTED_NETWORK=on"), "{error:?}");
        }
        let trusted = [&set[..], &[("VESTIBULE_TRUSTED_NETWORK", "on")]].concat();
        let warned = settings(&trusted, "").unwrap().warnings;
        assert!(warned.iter().any(|warning| warning.starts_with(key)), "{warned:?}");
    }
    let alone = refusal(&[("VESTIBULE_LISTEN", "0.0.0.0:3000")]);
    assert!(alone.contains("http://localhost:3000"), "the public URL that nobody set: {alone}");
    assert!(settings(&[("VESTIBULE_LISTEN", "[::1]:3000")], "").unwrap().warnings.is_empty());
}

#[test]
fn a_database_elsewhere_must_prove_who_it_is() {
    for near in [
        "sqlite://data/vestibule.db",
        "postgres://ann:word@localhost/a",
        "postgres://ann:word@127.0.0.1:5433/a",
        "postgres://ann:word@[::1]/a",
        "postgres://ann:word@10.0.0.7/a",
        "postgres://ann:word@db/a",
        "postgres://ann:word@db.internal/a",
        "postgres:///a?host=/run/postgresql",
        "postgres://ann:word@db.example.com/a?sslmode=verify-full",
        "postgres://ann:word@db.example.com/a?sslmode=verify-ca",
    ] {
        let read = settings(&[("DATABASE_URL", near)], "").unwrap();
        assert!(read.warnings.is_empty(), "{near}: {:?}", read.warnings);
    }
    for far in [
        "postgres://ann:word@db.example.com/a",
        "postgres://ann:word@203.0.113.7/a?sslmode=require",
        "postgres://ann:word@[2001:db8::7]/a?sslmode=prefer",
        "postgres://ann:word@db.example.com/a?sslmode=disable",
    ] {
        let error = settings(&[("DATABASE_URL", far)], "").unwrap_err();
        assert!(error.key == "VESTIBULE_DATABASE_URL" && error.way_out.contains("verify-full"), "{error:?}");
        assert!(!format!("{error:?}").contains("word"), "{error:?}");
        let trusted = [("DATABASE_URL", far), ("VESTIBULE_TRUSTED_NETWORK", "on")];
        let warned = settings(&trusted, "").unwrap().warnings;
        assert!(warned.len() == 1 && warned[0].starts_with("VESTIBULE_DATABASE_URL"), "{far}: {warned:?}");
    }
}

#[test]
fn a_container_behind_a_proxy_that_speaks_https_may_listen_on_all_addresses() {
    let behind = [
        ("VESTIBULE_LISTEN", "0.0.0.0:3000"),
        ("VESTIBULE_PUBLIC_URL", "https://example.com"),
        ("VESTIBULE_SECRET_KEY", &SECRET),
        ("VESTIBULE_MAIL_URL", "smtps://ann:word@mail.example.com"),
    ];
    assert!(settings(&behind, "").unwrap().warnings.is_empty());
}

#[test]
fn a_secret_is_told_nowhere() {
    let wrong = settings(&[("VESTIBULE_SECRET_KEY", "hunter2hunter2")], "").unwrap_err();
    assert!(!format!("{wrong} {wrong:?}").contains("hunter2"));
    let database = "postgres://ann:hunter2@localhost/accounts";
    let good = settings(&[("VESTIBULE_SECRET_KEY", &SECRET), ("DATABASE_URL", database)], "").unwrap();
    let told = format!("{good:?}");
    assert!(!told.contains(&*SECRET) && !told.contains("hunter2"), "{told}");
    let unclosed = settings(&[], "site_name = \"x\"\nsecret_key = \"hunter2").unwrap_err().to_string();
    assert!(unclosed.contains("line 2") && !unclosed.contains("hunter2"), "{unclosed}");
    let broken = refusal(&[("DATABASE_URL", "postgres://ann:hunter2@local host/accounts")]);
    assert!(!broken.contains("hunter2"), "{broken}");
}

#[test]
fn a_misspelt_key_in_the_file_is_an_error_and_in_the_environment_a_warning() {
    let error = settings(&[], "publc_url = \"https://example.com\"").unwrap_err();
    assert!(error.to_string().contains("publc_url"), "{error}");
    let warned = settings(&[("VESTIBULE_PUBLC_URL", "https://example.com")], "").unwrap();
    assert!(warned.warnings[0].contains("VESTIBULE_PUBLC_URL"));
}

#[test]
fn the_example_file_can_be_read_with_every_line_switched_on() {
    let example = include_str!("../../../../vestibule.example.toml");
    assert!(settings(&[], example).unwrap().shown.iter().all(|shown| shown.source == "default"), "as it is");
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    write_private(&secret, &SECRET);
    let example = example
        .replace("/run/secrets/vestibule", secret.to_str().unwrap())
        .replace("data/leaks.filter", secret.to_str().unwrap())
        .replace("\"mails\"", &format!("{:?}", folder.path().to_str().unwrap()));
    let switched_on: String = example
        .lines()
        .map(|line| {
            line.strip_prefix("#")
                .filter(|rest| rest.contains(" = ") && !rest.starts_with(' '))
                .unwrap_or(line)
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let all = settings(&[], &switched_on).unwrap();
    let set = all.shown.iter().filter(|shown| shown.source != "default").count();
    assert_eq!(set, KEYS.len(), "every key is in the example");
}

#[test]
fn a_limit_that_leaves_mails_for_nothing_but_resets_is_a_warning() {
    let warnings = |limit| settings(&[("VESTIBULE_MAIL_DAILY_LIMIT", limit)], "").unwrap().warnings;
    assert!(warnings("1")[0].contains("VESTIBULE_MAIL_DAILY_LIMIT is 1"));
    assert!(warnings("2").is_empty());
}

#[test]
fn without_a_way_for_mail_a_public_site_is_warned_and_has_no_development_mailbox() {
    let public = [("VESTIBULE_PUBLIC_URL", "https://example.com"), ("VESTIBULE_SECRET_KEY", &SECRET)];
    let without = settings(&public, "").unwrap();
    assert!(matches!(without.mail, MailSetting::Nowhere));
    assert!(without.warnings.iter().any(|warning| warning.contains("VESTIBULE_MAIL_URL")));
    assert_eq!(without.mail_from.to_string(), "no-reply@example.com");
    let url = "smtps://ann:pass%40word@mail.example.com";
    let more = [("VESTIBULE_MAIL_URL", url), ("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1")];
    let with = settings(&[&public[..], &more].concat(), "").unwrap();
    assert!(matches!(with.mail, MailSetting::Server(_)) && with.warnings.is_empty());
    let shown = format!("{:?}", with.shown);
    assert!(shown.contains("mail.example.com") && !shown.contains("word"), "{shown}");
}

#[test]
fn wrong_settings_of_mail_are_told_without_the_password() {
    for (name, value, told) in [
        ("VESTIBULE_MAIL_URL", "mail.example.com", "VESTIBULE_MAIL_URL"),
        ("VESTIBULE_MAIL_URL", "smtp://ann:secret@mail.example.com?tls=none", "VESTIBULE_MAIL_URL"),
        ("VESTIBULE_MAIL_FROM", "nobody", "\"nobody\""),
        ("VESTIBULE_MAIL_FROM", "a@example.com\r\nBcc: eve@example.com", "VESTIBULE_MAIL_FROM"),
        ("VESTIBULE_MAIL_DAILY_LIMIT", "0", "it is not a number from 1"),
        ("VESTIBULE_MAIL_TEMPLATES", "/nowhere/at/all", "there is no such folder"),
        ("VESTIBULE_BREACHED_PASSWORDS", "/nowhere/at/all", "there is no such file"),
        ("VESTIBULE_BREACHED_PASSWORDS_API", "http://leaks.example.com", "the https URL of a mirror"),
        ("VESTIBULE_METRICS_LISTEN", "9090", "it is no address with a port"),
        ("VESTIBULE_RESET_TTL", "25h", "it is longer than 24h"),
        ("VESTIBULE_SIGN_UP", "sometimes", "`confirm_first`"),
        ("VESTIBULE_REQUIRE_CONFIRMED_EMAIL", "perhaps", "it must be `on` or `off`"),
    ] {
        let refusal = refusal(&[(name, value)]);
        assert!(refusal.contains(told) && !refusal.contains("secret"), "{name}: {refusal}");
    }
}

#[test]
fn with_tls_the_addresses_are_those_that_browsers_ask() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.pem");
    write_private(&file, "");
    let file = file.to_str().unwrap();
    let https = [("VESTIBULE_PUBLIC_URL", "https://example.com"), ("VESTIBULE_SECRET_KEY", &SECRET)];
    let files =
        [("VESTIBULE_TLS", "files"), ("VESTIBULE_TLS_CERTIFICATE", file), ("VESTIBULE_TLS_KEY", file)];
    let set = |more: &[(&str, &str)]| settings(&[&https[..], more].concat(), "");
    let read = set(&files).unwrap();
    assert_eq!((read.listen.to_string().as_str(), read.listen_http), ("[::]:443", "[::]:80".parse().ok()));
    let about_proxies =
        |settings: &Settings| settings.warnings.iter().any(|warning| warning.contains("PROXIES"));
    let local =
        set(&[&files[..], &[("VESTIBULE_LISTEN", "127.0.0.1:8443"), ("VESTIBULE_LISTEN_HTTP", "off")]]
            .concat());
    let local = local.unwrap();
    assert!(
        local.listen_http.is_none() && !about_proxies(&local),
        "no proxy is missing where the server speaks TLS"
    );

    let acme =
        set(&[("VESTIBULE_TLS", "acme"), ("VESTIBULE_TLS_DOMAINS", "www.example.com, Example.com")]).unwrap();
    let TlsSetting::Acme(acme) = acme.tls else { panic!("it is acme") };
    assert_eq!(acme.domains, ["example.com", "www.example.com"]);
    assert_eq!(acme.directory.as_str(), "https://acme-v02.api.letsencrypt.org/directory");

    let off = set(&[("VESTIBULE_TLS_KEY", file), ("VESTIBULE_ACME_CONTACT", "a@example.com")]).unwrap();
    assert_eq!((off.tls, off.listen_http), (TlsSetting::Off, None));
    let unused = off.warnings.iter().filter(|warning| warning.contains("changes nothing"));
    assert_eq!(unused.count(), 2, "{:?}", off.warnings);
}

#[test]
fn wrong_settings_of_tls_are_told_and_pem_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("key.pem");
    write_private(&pem, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
    let pem = pem.to_str().unwrap();
    for (public_url, set, key, told) in [
        (
            "https://example.com",
            &[("VESTIBULE_TLS", "on")][..],
            "VESTIBULE_TLS",
            "it must be `off`, `files` or `acme`",
        ),
        ("https://example.com", &[("VESTIBULE_TLS", "files")], "VESTIBULE_TLS_CERTIFICATE", "it is required"),
        ("http://localhost", &[("VESTIBULE_TLS", "acme")], "VESTIBULE_PUBLIC_URL", "the site is on https"),
        (
            "https://192.0.2.7",
            &[("VESTIBULE_TLS", "acme")],
            "VESTIBULE_PUBLIC_URL",
            "no name that others find",
        ),
        (
            "https://localhost",
            &[("VESTIBULE_TLS", "acme")],
            "VESTIBULE_PUBLIC_URL",
            "no name that others find",
        ),
        (
            "https://example.com",
            &[("VESTIBULE_TLS", "acme"), ("VESTIBULE_TLS_DOMAINS", "*.example.com")],
            "VESTIBULE_TLS_DOMAINS",
            "a challenge over DNS",
        ),
        (
            "https://example.com",
            &[("VESTIBULE_TLS", "acme"), ("VESTIBULE_ACME_DIRECTORY", "http://acme.example/dir")],
            "VESTIBULE_ACME_DIRECTORY",
            "https",
        ),
        (
            "https://example.com",
            &[("VESTIBULE_TLS", "acme"), ("VESTIBULE_ACME_CONTACT", "nobody")],
            "VESTIBULE_ACME_CONTACT",
            "no email address",
        ),
        (
            "https://example.com",
            &[("VESTIBULE_TLS", "acme"), ("VESTIBULE_LISTEN_HTTP", "80")],
            "VESTIBULE_LISTEN_HTTP",
            "nor `off`",
        ),
        (
            "https://example.com",
            &[
                ("VESTIBULE_TLS", "files"),
                ("VESTIBULE_TLS_CERTIFICATE", pem),
                ("VESTIBULE_TLS_KEY_FILE", pem),
            ],
            "VESTIBULE_TLS_KEY",
            "must be the path",
        ),
    ] {
        let public = [("VESTIBULE_PUBLIC_URL", public_url), ("VESTIBULE_SECRET_KEY", &SECRET)];
        let error = settings(&[&public[..], set].concat(), "").unwrap_err();
        let refusal = error.to_string();
        assert!(error.key == key && refusal.contains(told), "{key}: {refusal}");
        assert!(!refusal.contains("c2VjcmV0"), "{refusal}");
    }
}

#[test]
fn the_reference_page_lists_every_setting_with_its_default() {
    let page = include_str!("../../../../docs/configuration.md");
    for key in KEYS {
        let row = format!("| `{}` | {} | {} |", key.variable(), key.default_told(), key.about);
        assert!(page.contains(&row), "docs/configuration.md should have the row:\n{row}");
    }
}
