use crate::program::{Client, Program, command, run};

#[test]
fn help_tells_commands_and_settings() {
    let folder = tempfile::tempdir().unwrap();
    let (output, told) = run(command(folder.path()).arg("--help"));
    assert!(output.status.success());
    for word in ["serve", "migrate", "user", "config", "VESTIBULE_DATABASE_URL", "vestibule.toml"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    for subcommand in [
        &["serve"][..],
        &["migrate"],
        &["backup"],
        &["restore"],
        &["move"],
        &["config"],
        &["user", "link"],
        &["keys", "rotate"],
        &["hash", "calibrate"],
    ] {
        let (output, told) = run(command(folder.path()).args(subcommand).arg("--help"));
        assert!(output.status.success() && told.len() > 200, "{told}");
    }
}

#[test]
fn a_wrong_setting_stops_the_start_with_78_and_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("VESTIBULE_PUBLIC_URL", "http://example.com"),
        ("VESTIBULE_PUBLIC_URL", "https://example.com"),
        ("VESTIBULE_SECRET_KEY", "c2hvcnQ="),
        ("VESTIBULE_LISTEN", "somewhere"),
        ("VESTIBULE_HASH_PASSES", "1"),
        ("VESTIBULE_HASH_MAX_WAIT", "1h"),
        ("VESTIBULE_SECRET_KEY", "hkS5p3rlYVn7kcLxOmBIcBlX4DVlOYEgVGbe1bWZ1s0="),
        ("VESTIBULE_SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("VESTIBULE_SECRET_KEY", "changeMe0changeMe1changeMe2changeMe3changeMe"),
        ("VESTIBULE_PUBLIC_URL", "http://192.0.2.1"),
        ("VESTIBULE_PUBLIC_URL", "http://10.0.0.7:3000"),
        ("VESTIBULE_LISTEN", "0.0.0.0:0"),
        ("VESTIBULE_PUBLIC_URL", "http://local.example.com:3000"),
    ] {
        let (output, told) = run(command(folder.path()).env(name, value));
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains("VESTIBULE_") && told.lines().count() == 2, "{told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}

/// Each wrong start ends with 78, names the setting, and says the way out on a line of its own.
#[cfg(unix)]
#[test]
fn secrets_that_everybody_on_the_machine_can_read_stop_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let set = |name: &str, mode| {
        let path = folder.path().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let secret = vestibule_testkit::secret_key().to_base64();
    for file in ["key", "data/secret.key"] {
        std::fs::write(folder.path().join(file), &*secret).unwrap();
    }
    let start = |settings: &[(&str, &str)]| {
        let (output, told) =
            run(command(folder.path()).args(["user", "list"]).envs(settings.iter().copied()));
        (output.status.code(), told)
    };
    let (output, told) = run(command(folder.path()).arg("migrate"));
    assert!(output.status.success(), "{told}");
    set("", 0o700);
    // In a folder of the owner's alone nobody else gets to them, however they are written.
    for file in ["key", "data/secret.key", "data/vestibule.db"] {
        set(file, 0o644);
    }
    std::fs::write(folder.path().join("vestibule.toml"), "mail_url = \"smtp://ann:word@127.0.0.1\"").unwrap();
    set("vestibule.toml", 0o644);
    assert_eq!(start(&[("VESTIBULE_SECRET_KEY_FILE", "key")]).0, Some(0));
    set("data", 0o755);
    set("", 0o755);
    let refused = |settings: &[(&str, &str)], key: &str, file: &str| {
        let (code, told) = start(settings);
        assert_eq!(code, Some(78), "{told}");
        assert!(told.contains(key) && told.contains(file) && told.contains("chmod 600"), "{told}");
        assert!(!told.contains(secret.as_str()) && !told.contains("word@"), "{told}");
    };
    refused(&[], "vestibule.toml", "vestibule.toml");
    set("vestibule.toml", 0o640);
    refused(&[("VESTIBULE_SECRET_KEY_FILE", "key")], "VESTIBULE_SECRET_KEY_FILE", "key");
    set("key", 0o440);
    refused(&[("VESTIBULE_SECRET_KEY_FILE", "key")], "VESTIBULE_DATABASE_URL", "vestibule.db");
    set("data/vestibule.db", 0o600);
    assert_eq!(start(&[("VESTIBULE_SECRET_KEY_FILE", "key")]).0, Some(0));
    refused(&[], "VESTIBULE_SECRET_KEY", "secret.key");
    // Without a secret in it, the file of the settings may be read by all.
    std::fs::write(folder.path().join("vestibule.toml"), "site_name = \"A site\"").unwrap();
    set("vestibule.toml", 0o644);
    assert_eq!(start(&[("VESTIBULE_SECRET_KEY_FILE", "key")]).0, Some(0));
}

#[test]
fn hashing_that_does_not_fit_into_memory_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(command(folder.path()).arg("migrate")).0.status.success());
    let mut start = command(folder.path());
    start.env("VESTIBULE_HASH_MEMORY_KIB", "1048576").env("VESTIBULE_HASH_SLOTS", "256");
    let (output, told) = run(start.args(["user", "list"]));
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("VESTIBULE_HASH_SLOTS") && told.contains("262144 MiB"), "{told}");
}

#[test]
fn calibrating_suggests_what_takes_the_time_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let calibrate = |arguments: &[&str]| {
        let mut calibrate = command(folder.path());
        calibrate.env("VESTIBULE_HASH_SLOTS", "1").args(["hash", "calibrate", "--target", "60ms"]);
        run(calibrate.args(arguments))
    };
    let (output, told) = calibrate(&["--json"]);
    assert!(output.status.success(), "{told}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["memory_kib"].as_u64() >= Some(19456) && told["passes"].as_u64() >= Some(2), "{told}");
    assert_eq!(told["settings"]["VESTIBULE_HASH_MEMORY_KIB"], told["memory_kib"].to_string());
    assert!(told["hashes_per_second_per_slot"].as_f64() > Some(0.0), "{told}");
    let (output, told) = calibrate(&[]);
    assert!(
        output.status.success() && told.contains("hash_memory_kib = ") && told.contains("a second"),
        "{told}"
    );
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "no database is touched");
}

#[test]
fn migrate_brings_the_schema_up_to_date_once() {
    let folder = tempfile::tempdir().unwrap();
    let (output, told) = run(command(folder.path()).args(["migrate", "--check"]));
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("0001 accounts"), "{told}");

    let (output, told) = run(command(folder.path()).env("VESTIBULE_MIGRATE", "off"));
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("vestibule migrate"), "it says the way out: {told}");

    let (output, told) = run(command(folder.path()).args(["migrate", "--json"]));
    assert!(output.status.success());
    let told: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(told["applied"][0], "0001 accounts");
    for arguments in [&["migrate"][..], &["migrate", "--check"]] {
        let (output, told) = run(command(folder.path()).args(arguments));
        assert!(output.status.success() && told.contains("up to date"), "{told}");
    }
}

#[test]
fn config_show_tells_every_setting_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secret = vestibule_testkit::secret_key().to_base64();
    let mut show = command(folder.path());
    show.env("VESTIBULE_SECRET_KEY", &*secret)
        .env("DATABASE_URL", "postgres://ann:hunter2@localhost/accounts");
    let (output, told) = run(show.args(["config", "show"]));
    assert!(output.status.success());
    assert!(
        told.contains("VESTIBULE_ACCESS_TTL") && told.contains("postgres://localhost:5432/accounts"),
        "{told}"
    );
    assert!(!told.contains("hunter2") && !told.contains(&*secret), "{told}");
}

#[test]
fn the_api_is_described_without_settings_or_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path()).env("VESTIBULE_LISTEN", "nowhere").arg("openapi").output().unwrap();
    assert!(output.status.success());
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["openapi"], "3.1.0");
    assert!(told["paths"]["/api/auth/log-in"]["post"].is_object());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
}

#[test]
fn config_check_answers_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let (output, told) = run(command(folder.path()).args(["config", "check", "--json"]));
    assert!(output.status.success(), "{told}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["ok"], told["warnings"].is_array()), (&true.into(), true));
    let mut wrong = command(folder.path());
    wrong.env("VESTIBULE_LISTEN", "somewhere").args(["config", "check", "--json"]);
    let (output, _) = run(&mut wrong);
    assert!(output.status.code() == Some(78) && output.stdout.is_empty());
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (output, told) = run(command(folder.path()).env("VESTIBULE_LISTEN", &address));
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains(&address) && told.contains("VESTIBULE_LISTEN"), "{told}");
}

#[tokio::test]
async fn health_tells_whether_the_server_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |listen: &str| run(command(folder.path()).env("VESTIBULE_LISTEN", listen).arg("health"));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (output, told) = ask(&free);
    assert!(output.status.code() == Some(1) && told.contains(&free), "{told}");

    let program = Program::start(folder.path(), None);
    let address = program.origin.strip_prefix("http://").unwrap();
    let (output, told) = ask(address);
    assert!(output.status.success() && told.contains("ready"), "{told}");
    // As in a container, where the server listens on every address.
    let port = address.rsplit(':').next().unwrap();
    let mut everywhere = command(folder.path());
    everywhere.env("VESTIBULE_LISTEN", format!("0.0.0.0:{port}")).env("VESTIBULE_TRUSTED_NETWORK", "on");
    let (output, _) = run(everywhere.args(["health", "--json"]));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && told["ready"] == true, "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_ends_the_server_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), None);
    let client = Client::new();
    assert_eq!(client.get(&program.origin, "/healthz").await.unwrap().0, 200);
    assert_eq!(client.get(&program.origin, "/readyz").await.unwrap().0, 200);
    // A sign-up is under way while the signal comes: its answer still arrives.
    let under_way = {
        let origin = program.origin.clone();
        tokio::spawn(async move { Client::new().sign_up(&origin, "ann").await })
    };
    tokio::time::sleep(std::time::Duration::from_millis(15)).await;
    assert!(run(std::process::Command::new("kill").arg(program.pid().to_string())).0.status.success());
    let answered = under_way.await.unwrap();
    let status = tokio::task::spawn_blocking(move || program.wait()).await.unwrap();
    assert!(status.success(), "{status}");

    let again = Program::start(folder.path(), None);
    if let Ok((201, _)) = answered {
        assert_eq!(client.log_in(&again.origin, "ann").await.unwrap().0, 200);
    }
}
