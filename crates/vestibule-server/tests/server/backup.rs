//! Backups by the real program: made beside a server that writes, refused where they are damaged, restored, rehearsed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rstest::rstest;
use serde_json::Value;
use sqlx::Connection as _;
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::operator::with_input;
use crate::program::{Client, Program, command};

/// A folder with a database, embedded or on the server of the tests.
struct Site {
    folder: tempfile::TempDir,
    database: TestDatabase,
    settings: Vec<(String, String)>,
}

impl Site {
    async fn new(kind: DatabaseKind) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            database: TestDatabase::empty(kind).await,
            // Not beside the database: whoever restores that elsewhere takes this along.
            settings: vec![(
                "VESTIBULE_SECRET_KEY".into(),
                vestibule_testkit::secret_key().to_base64().to_string(),
            )],
        }
    }

    /// One that people use: with an account and more.
    async fn used(kind: DatabaseKind) -> Self {
        let site = Self::new(kind).await;
        let program = site.start();
        let client = Client::new();
        assert_eq!(client.sign_up(&program.origin, "ann").await.unwrap().0, 201);
        program.kill();
        site.wait_until_left().await;
        site
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self) -> Program {
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Program::start_with(self.path(), Some(self.database.url_text()), &settings)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.path());
        command
            .env("VESTIBULE_DATABASE_URL", self.database.url_text())
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .args(arguments);
        command
    }

    fn call(&self, arguments: &[&str]) -> (i32, String, String) {
        with_input(self.command(arguments), "")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (code, answer, told) = self.call(&[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{arguments:?}: {told}");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer}"))
    }

    /// What is refused with words.
    fn refused(&self, arguments: &[&str], words: &[&str]) {
        let (code, answer, told) = self.call(arguments);
        // Scripts go on to another release after this one alone.
        let expected = if words.contains(&"later release") { 65 } else { 1 };
        assert!(code == expected && answer.is_empty(), "{arguments:?}: {code} {answer} {told}");
        for word in words {
            assert!(told.contains(word), "{arguments:?}: {word}: {told}");
        }
    }

    fn emails(&self) -> Vec<String> {
        let users = self.json(&["user", "list"]);
        let mut emails: Vec<String> = users["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["email"].as_str().unwrap().to_owned())
            .collect();
        emails.sort();
        emails
    }

    fn add(&self, name: &str) {
        let email = format!("{name}@example.com");
        let add = self.command(&["user", "add", &email, "--name", name]);
        assert_eq!(with_input(add, "copper window thursday\n").0, 0);
    }

    fn add_with(&self, secret_key: &str, name: &str) {
        let mut add = self.command(&["user", "add", &format!("{name}@example.com"), "--name", name]);
        add.env("VESTIBULE_SECRET_KEY", secret_key);
        assert_eq!(with_input(add, "copper window thursday\n").0, 0);
    }

    /// PostgreSQL notices a moment later than we that a server was killed.
    async fn wait_until_left(&self) {
        if self.database.folder().is_some() {
            return;
        }
        let mut connection = sqlx::PgConnection::connect(self.database.url_text()).await.unwrap();
        for _ in 0..200 {
            let sql = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND application_name = 'vestibule'";
            let left: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
            if left == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the server's connections stay");
    }

    /// How many rows a table has.
    async fn count(&self, table: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let url = self.database.url_text();
        if self.database.folder().is_some() {
            let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
            return sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        }
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[rstest]
#[tokio::test]
async fn what_was_backed_up_is_there_after_a_restore_and_nothing_else(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let site = Site::used(kind).await;
    let made = site.json(&["backup", "a.backup"]);
    assert!(made["rows"].as_u64() > Some(3) && made["tables"].as_u64() > Some(10), "{made}");
    assert_eq!(made["encrypted"], false);
    #[cfg(unix)]
    assert_eq!(mode(&site.path().join("a.backup")), 0o600);
    assert_eq!(site.files("."), ["a.backup"], "no draft stays");
    let users = || async {
        let dump = site.database.dump().await;
        let mut lines: Vec<String> =
            dump.lines().filter(|line| line.contains("$argon2id$")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = users().await;
    let signing_keys = site.count("signing_keys").await;
    site.add("bob");

    // There are data, so it is asked, and nobody can be.
    site.refused(&["restore", "a.backup"], &["Replace the", "--yes"]);
    assert_eq!(site.emails(), ["ann@example.com", "bob@example.com"]);
    let restored = site.json(&["restore", "a.backup", "--yes"]);
    assert_eq!((&restored["restored"], &restored["rows"]), (&true.into(), &made["rows"]));
    assert_eq!(site.emails(), ["ann@example.com"]);
    assert_eq!((users().await, site.count("signing_keys").await), (before, signing_keys));
    let program = site.start();
    assert_eq!(Client::new().log_in(&program.origin, "ann").await.unwrap().0, 200);
}

/// The name of the feed of revocations: of all that is in a database the only text of 32 digits without hyphens.
fn epoch_of(dump: &str) -> String {
    let mut words = dump.split(|c: char| !c.is_ascii_alphanumeric());
    let is_one = |word: &&str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    words.find(is_one).expect("a database has a feed").to_owned()
}

#[rstest]
#[tokio::test]
async fn nothing_that_was_over_comes_to_life_with_a_restore(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    // A mail server that nobody is: what is to be sent waits.
    let site = Site::new(kind).await.set("VESTIBULE_MAIL_URL", "smtp://127.0.0.1:9");
    let client = Client::new();
    let program = site.start();
    let (_, cookies) = client.sign_up(&program.origin, "ann").await.unwrap();
    let cookies = cookies.unwrap();
    site.json(&["user", "link", "ann@example.com", "--reset"]);
    site.json(&["user", "invite"]);
    let of_then = ["sessions", "outgoing_mails", "password_reset_tokens", "invitations"];
    for table in of_then {
        assert!(site.count(table).await > 0, "{table}");
    }
    let epoch = epoch_of(&site.database.dump().await);
    site.json(&["backup", "a.backup"]);
    let (status, refreshed) = client.refresh(&program.origin, &cookies).await.unwrap();
    assert_eq!(status, 200);
    program.kill();
    site.wait_until_left().await;

    let (code, answer, told) = site.call(&["restore", "a.backup", "--yes"]);
    assert!(code == 0 && answer.contains("Everybody is logged out"), "{answer} {told}");
    for table in of_then {
        assert_eq!(site.count(table).await, 0, "{table}");
    }
    assert_eq!(site.count("revocations").await, 0);
    assert_eq!(
        site.count("revocation_feed WHERE all_until IS NOT NULL").await,
        1,
        "no token of before is good"
    );
    assert!(!site.database.dump().await.contains(&epoch), "who follows what is revoked begins anew");
    let event = site.json(&["audit", "tail", "--kind", "backup_restored"]);
    assert_eq!(event["actor"], "operator", "{event}");
    assert!(event["detail"].as_str().unwrap().starts_with("of 20"), "{event}");

    let program = site.start();
    for cookies in [cookies, refreshed.unwrap()] {
        assert_eq!(client.session(&program.origin, &cookies).await.unwrap(), 401);
        assert_eq!(client.refresh(&program.origin, &cookies).await.unwrap().0, 401);
    }
    let (code, reused, _) = site.call(&["audit", "tail", "--kind", "refresh_reused", "--json"]);
    assert!(code == 0 && reused.is_empty(), "nobody is told of a thief: {reused}");
    assert_eq!(site.count("outgoing_mails").await, 0);
    assert_eq!(client.log_in(&program.origin, "ann").await.unwrap().0, 200);
}

#[rstest]
#[tokio::test]
async fn a_backup_while_people_sign_up_is_one_moment_and_whole(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let site = Site::new(kind).await;
    let program = site.start();
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let (origin, is_over) = (program.origin.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let client = Client::new();
                let mut number = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let (status, _) = client.sign_up(&origin, &format!("w{writer}x{number}")).await.unwrap();
                    assert_eq!(status, 201, "a backup is in nobody's way");
                    number += 1;
                }
                number
            })
        })
        .collect();
    let site = Arc::new(site);
    for number in 0..3 {
        let (at, name) = (Arc::clone(&site), format!("{number}.backup"));
        let made = tokio::task::spawn_blocking(move || {
            at.json(&["backup", &name]);
            at.json(&["restore", "--check", &name])
        });
        // The rehearsal checks references and rows against the manifest, which was counted at the same moment.
        assert_eq!(made.await.unwrap()["restored"], false);
    }
    is_over.store(true, Ordering::Relaxed);
    let mut signed_up = 0;
    for writer in writers {
        signed_up += writer.await.unwrap();
    }
    assert!(signed_up > 3, "there was something to write: {signed_up}");
}

#[rstest]
#[tokio::test]
async fn a_damaged_backup_is_refused_and_nothing_is_changed(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let site = Site::used(kind).await;
    site.json(&["backup", "good.backup"]);
    let before = site.database.dump().await;
    let good = std::fs::read(site.path().join("good.backup")).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let middle = good.len() / 2;
    for (what, bytes) in [
        ("cut off", with(&|bytes| bytes.truncate(middle))),
        ("cut off at its sums", with(&|bytes| bytes.truncate(good.len() - 4))),
        ("a bit in the middle", with(&|bytes| bytes[middle] ^= 1)),
        ("a bit of its sums", with(&|bytes| bytes[good.len() - 6] ^= 1)),
        ("nothing but a beginning", with(&|bytes| bytes.truncate(20))),
    ] {
        std::fs::write(site.path().join("bad.backup"), bytes).unwrap();
        for arguments in [&["restore", "bad.backup", "--yes"][..], &["restore", "bad.backup", "--check"]] {
            let (code, answer, told) = site.call(arguments);
            assert!(code == 1 && answer.is_empty() && told.contains("damaged"), "{what}: {told}");
        }
    }
    std::fs::write(site.path().join("photo.jpg"), "no archive").unwrap();
    site.refused(&["restore", "photo.jpg", "--yes"], &["is no backup"]);
    site.refused(&["restore", "missing.backup", "--yes"], &["cannot be read"]);
    assert_eq!(site.database.dump().await, before);
}

/// Changes what an archive holds, with sums that fit, as a bug or a curious person would.
fn repacked(path: &Path, change: impl FnOnce(&mut Value, &mut Vec<u8>)) {
    use std::io::Read;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        parts.push((entry.path().unwrap().to_str().unwrap().to_owned(), bytes));
    }
    let mut manifest: Value = serde_json::from_slice(&parts[0].1).unwrap();
    let dump = parts.len() - 1;
    change(&mut manifest, &mut parts[dump].1);
    parts[0].1 = serde_json::to_vec(&manifest).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    for (name, bytes) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap();
}

#[rstest]
#[tokio::test]
async fn a_manifest_that_does_not_fit_stops_a_restore(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let site = Site::used(kind).await;
    let backup = site.path().join("a.backup");
    let before = site.database.dump().await;
    let check = |change: &dyn Fn(&mut Value, &mut Vec<u8>), words: &[&str]| {
        site.json(&["backup", "a.backup"]);
        repacked(&backup, |manifest, dump| change(manifest, dump));
        site.refused(&["restore", "a.backup", "--yes", "--unproven"], words);
    };
    check(&|_, dump| dump.push(0), &["damaged", "not the one that the manifest tells of"]);
    check(&|manifest, _| manifest["rows"]["users"] = 7.into(), &["users", "manifest", "Nothing was changed"]);
    check(&|manifest, _| manifest["format"] = 2.into(), &["form 2"]);
    let later = serde_json::json!({ "version": 9999, "description": "expand later", "checksum": "00" });
    check(
        &|manifest, _| {
            manifest["migrations"]["vestibule_migrations"].as_array_mut().unwrap().push(later.clone());
        },
        &["later release", "9999 expand later"],
    );
    check(
        &|manifest, _| manifest["migrations"]["vestibule_migrations"][0]["checksum"] = "00".into(),
        &["0001 accounts", "another text"],
    );
    let other = if kind == DatabaseKind::Sqlite { "postgres" } else { "sqlite" };
    check(&|manifest, _| manifest["database"] = other.into(), &["PostgreSQL", "SQLite", "`move`"]);
    assert_eq!(site.database.dump().await, before, "none of that touched anything");
    if let Some(folder) = site.database.folder() {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("restoring")));
    }
}

#[rstest]
#[tokio::test]
async fn a_backup_that_somebody_else_made_or_changed_is_refused(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let mut site = Site::used(kind).await;
    assert_eq!(site.json(&["backup", "a.backup"])["proven"], true);
    let ours = site.settings.remove(0).1;
    let theirs = vestibule_testkit::secret_key().to_base64().to_string();
    let with_keys = |keys: &str, arguments: &[&str]| {
        let mut command = site.command(arguments);
        command.env("VESTIBULE_SECRET_KEY", keys);
        with_input(command, "")
    };
    let refused = |keys: &str, arguments: &[&str], word: &str| {
        let (code, _, told) = with_keys(keys, arguments);
        assert!(code == 1 && told.contains(word) && told.contains("--unproven"), "{arguments:?}: {told}");
    };
    // Also after the secret got a successor.
    for keys in [ours.clone(), format!("{theirs},{ours}")] {
        let (code, _, told) = with_keys(&keys, &["restore", "--check", "a.backup"]);
        assert_eq!(code, 0, "{told}");
    }
    refused(&theirs, &["restore", "a.backup", "--yes"], "not made with a VESTIBULE_SECRET_KEY");
    refused(&theirs, &["restore", "a.backup", "--check"], "not made with a VESTIBULE_SECRET_KEY");
    let (code, answer, told) =
        with_keys(&theirs, &["restore", "a.backup", "--check", "--unproven", "--json"]);
    let told_so = serde_json::from_str::<Value>(&answer).map(|answer| answer["proven"] == false);
    assert!(code == 0 && told_so.unwrap_or(false), "{answer} {told}");

    // Changed with sums that fit, or with the proof left away.
    site.add_with(&ours, "bob");
    let before = site.database.dump().await;
    repacked(&site.path().join("a.backup"), |manifest, _| manifest["program"] = "other".into());
    refused(&ours, &["restore", "a.backup", "--yes"], "not made with a VESTIBULE_SECRET_KEY");
    let (code, _, told) = with_input(site.command(&["backup", "b.backup"]), "");
    assert!(code == 0 && told.contains("--unproven"), "without a key it says so: {told}");
    refused(&ours, &["restore", "b.backup", "--yes"], "nothing proves who made the backup");
    assert_eq!(site.database.dump().await, before, "none of that touched anything");
}

#[rstest]
#[tokio::test]
async fn a_rehearsal_touches_nothing_even_beside_a_server(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let site = Site::used(kind).await;
    site.json(&["backup", "a.backup"]);
    site.add("bob");
    let _program = site.start();
    let told = site.json(&["restore", "--check", "a.backup"]);
    assert_eq!(told["restored"], false);
    assert_eq!(site.emails(), ["ann@example.com", "bob@example.com"]);
    let (code, answer, _) = site.call(&["restore", "--check", "a.backup"]);
    assert!(code == 0 && answer.contains("The backup is good"), "{answer}");
    // In earnest it is refused while one runs.
    site.refused(&["restore", "a.backup", "--yes"], &["in use", "Stop the servers"]);
    assert_eq!(site.emails(), ["ann@example.com", "bob@example.com"]);
}

#[rstest]
#[tokio::test]
async fn a_backup_goes_into_an_empty_database_without_being_asked(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let site = Site::used(kind).await;
    site.json(&["backup", "a.backup"]);
    let fresh = Site { settings: site.settings.clone(), ..Site::new(kind).await };
    let file = site.path().join("a.backup");
    fresh.json(&["restore", file.to_str().unwrap()]);
    assert_eq!(fresh.emails(), ["ann@example.com"]);
    #[cfg(unix)]
    if let Some(folder) = fresh.database.folder() {
        assert_eq!((mode(&folder), mode(&folder.join("test.db"))), (0o700, 0o600));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_restore_by_another_way_to_the_file_is_kept_away_from_a_server_and_leaves_the_link() {
    let site = Site::used(DatabaseKind::Sqlite).await;
    site.json(&["backup", "a.backup"]);
    site.add("bob");
    let real = site.database.folder().unwrap().join("test.db");
    let link = site.path().join("linked.db");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let restore = || {
        let mut command = site.command(&["restore", "a.backup", "--yes"]);
        command.env("VESTIBULE_DATABASE_URL", format!("sqlite://{}", link.display()));
        with_input(command, "")
    };
    let program = site.start();
    let (code, _, told) = restore();
    assert!(code == 1 && told.contains("in use"), "{told}");
    program.kill();
    let (code, _, told) = restore();
    assert_eq!(code, 0, "{told}");
    assert_eq!(std::fs::read_link(&link).unwrap(), real);
    assert_eq!(site.emails(), ["ann@example.com"]);
}

#[cfg(unix)]
#[tokio::test]
async fn what_root_restores_belongs_to_the_server_as_before() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    const SERVER: u32 = 54321;
    let site = Site::used(DatabaseKind::Sqlite).await;
    site.json(&["backup", "a.backup"]);
    let folder = site.database.folder().unwrap();
    let file = folder.join("test.db");
    if std::fs::metadata(&file).unwrap().uid() != 0 {
        // Only root can give a file away, and has to.
        return;
    }
    let owner = |path: &Path| {
        let data = std::fs::metadata(path).unwrap();
        (data.uid(), data.gid())
    };
    for path in [&file, &folder] {
        chown(path, Some(SERVER), Some(SERVER)).unwrap();
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    site.json(&["restore", "a.backup", "--yes"]);
    assert_eq!((owner(&file), mode(&file)), ((SERVER, SERVER), 0o640));
    // All of it is lost but the folder.
    for entry in std::fs::read_dir(&folder).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    site.json(&["restore", "a.backup"]);
    let names: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.contains(&file) && names.len() > 1, "{names:?}");
    for path in names {
        assert_eq!((owner(&path), mode(&path)), ((SERVER, SERVER), 0o600), "{path:?}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_read_any_more_is_set_aside() {
    let site = Site::used(DatabaseKind::Sqlite).await;
    site.json(&["backup", "a.backup"]);
    let file = site.database.folder().unwrap().join("test.db");
    std::fs::write(&file, "a disk gone wrong").unwrap();
    site.refused(&["restore", "a.backup"], &["cannot be read any more", "--yes"]);
    let told = site.json(&["restore", "a.backup", "--yes"]);
    assert_eq!(site.emails(), ["ann@example.com"]);
    let aside = PathBuf::from(told["set_aside"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "a disk gone wrong");
}

#[rstest]
#[tokio::test]
async fn a_restore_that_is_killed_leaves_the_old_database_or_has_the_new_one(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let site = Site::used(kind).await;
    site.json(&["backup", "a.backup"]);
    site.add("bob");
    let whole = ["ann@example.com", "bob@example.com"];
    let (mut old, mut new) = (0, 0);
    for round in 0..12u64 {
        let mut restore = site.command(&["restore", "a.backup", "--yes"]);
        let mut restore =
            restore.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(round * 15)).await;
        restore.kill().unwrap();
        restore.wait().unwrap();
        // What PostgreSQL's programs still do they do to the end or not at all.
        site.wait_until_quiet().await;
        match site.emails().as_slice() {
            emails if emails == whole => old += 1,
            [ann] if ann == "ann@example.com" => {
                new += 1;
                site.add("bob");
            }
            other => panic!("neither the old database nor the new one: {other:?}"),
        }
    }
    assert!(old > 0, "some were killed in time: {old} {new}");
    // Whatever was left over is in nobody's way.
    site.json(&["restore", "a.backup", "--yes"]);
    assert_eq!(site.emails(), ["ann@example.com"]);
}

impl Site {
    async fn wait_until_quiet(&self) {
        if self.database.folder().is_some() {
            return;
        }
        let mut connection = sqlx::PgConnection::connect(self.database.url_text()).await.unwrap();
        for _ in 0..400 {
            let sql = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
            let others: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
            if others == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("somebody stays in the database");
    }
}

/// Makes an identity of age, and tells its file and its public key.
fn identity(folder: &Path, name: &str) -> (String, String) {
    let file = folder.join(name);
    let made = Command::new("age-keygen").arg("-o").arg(&file).output();
    let made = made.expect("`age-keygen` is missing, with which backups are encrypted: apt-get install age");
    assert!(made.status.success());
    let text = std::fs::read_to_string(&file).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    (file.to_str().unwrap().to_owned(), public.to_owned())
}

#[rstest]
#[tokio::test]
async fn an_encrypted_backup_is_opened_by_the_identity_of_a_recipient_alone(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let keys = tempfile::tempdir().unwrap();
    let (ours, our_key) = identity(keys.path(), "ours");
    let (second, second_key) = identity(keys.path(), "second");
    let (other, _) = identity(keys.path(), "other");
    let recipients = format!("{our_key}, {second_key}");
    let site = Site::used(kind).await.set("VESTIBULE_BACKUP_RECIPIENT", &recipients);
    assert_eq!(site.json(&["backup", "a.backup"])["encrypted"], true);
    let bytes = std::fs::read(site.path().join("a.backup")).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1"));
    assert!(!bytes.windows(15).any(|window| window == b"ann@example.com"));
    site.add("bob");

    site.refused(&["restore", "a.backup", "--yes"], &["is encrypted", "--identity"]);
    site.refused(&["restore", "a.backup", "--yes", "--identity", &other], &["cannot be decrypted"]);
    for at in [bytes.len() - 1, bytes.len() / 2] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(site.path().join("bad.backup"), changed).unwrap();
        site.refused(&["restore", "bad.backup", "--yes", "--identity", &ours], &["bad.backup"]);
    }
    assert_eq!(site.emails(), ["ann@example.com", "bob@example.com"]);
    site.json(&["restore", "a.backup", "--check", "--identity", &second]);
    site.json(&["restore", "a.backup", "--yes", "--identity", &ours]);
    assert_eq!(site.emails(), ["ann@example.com"]);
}

#[tokio::test]
async fn a_wrong_recipient_leaves_no_backup_and_a_secret_key_is_not_repeated() {
    let site = Site::used(DatabaseKind::Sqlite).await.set("VESTIBULE_BACKUP_RECIPIENT", "age1nobody");
    site.refused(&["backup", "a.backup"], &["could not be written", "VESTIBULE_BACKUP_RECIPIENT"]);
    assert!(site.files(".").is_empty());
    let site = site.set("VESTIBULE_BACKUP_RECIPIENT", "AGE-SECRET-KEY-1HUNTER2");
    let (code, _, told) = site.call(&["backup", "a.backup"]);
    assert!(code == 78 && told.contains("secret key") && !told.contains("HUNTER2"), "{told}");
}

#[tokio::test]
async fn a_folder_keeps_the_newest_backups_and_everything_that_is_not_one() {
    let site = Site::used(DatabaseKind::Sqlite).await;
    site.refused(&["backup", "--to", "kept"], &["no folder"]);
    std::fs::create_dir(site.path().join("kept")).unwrap();
    let real = site.json(&["backup", "--to", "kept"])["backup"].as_str().unwrap().to_owned();
    let name = real.strip_prefix("kept/").unwrap();
    assert!(name.starts_with("vestibule-20") && name.ends_with("Z.backup.tar.gz"), "{name}");
    let old = ["vestibule-20200101T000000Z.backup.tar.gz", "vestibule-20200102T000000Z.backup.tar.gz"];
    for name in old {
        std::fs::copy(site.path().join(&real), site.path().join("kept").join(name)).unwrap();
    }
    let others =
        ["vestibule-20200103T000000Z.backup.tar.gz", "notes.txt", "other-20200101T000000Z.backup.tar.gz"];
    for name in others {
        std::fs::write(site.path().join("kept").join(name), "somebody else's").unwrap();
    }
    let told = site.json(&["backup", "--to", "kept", "--keep", "9", "--keep-days", "30"]);
    assert_eq!(told["removed"].as_array().unwrap().len(), 0);
    let told = site.json(&["backup", "--to", "kept", "--keep", "1"]);
    let removed: Vec<&str> =
        told["removed"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(old.iter().all(|name| removed.contains(name)), "{removed:?}");
    let files = site.files("kept");
    assert!(others.iter().all(|name| files.contains(&(*name).to_owned())), "{files:?}");
    assert_eq!(files.len(), others.len() + 1, "{files:?}");
}

#[tokio::test]
async fn what_is_no_backup_is_not_written_over() {
    let site = Site::used(DatabaseKind::Sqlite).await;
    let file = site.database.folder().unwrap().join("test.db");
    site.refused(&["backup", file.to_str().unwrap()], &["it is no backup"]);
    site.json(&["backup", "a.backup"]);
    site.json(&["backup", "a.backup"]);
    assert_eq!(site.emails(), ["ann@example.com"]);
    let (code, _, told) = site.call(&["backup"]);
    assert!(code == 2 && told.contains("FILE"), "{told}");
    let empty = Site::new(DatabaseKind::Sqlite).await;
    empty.refused(&["backup", "a.backup"], &["there is no database"]);
    assert!(empty.files(".").is_empty());
}

/// What every other user of the machine could read.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_password_is_an_argument_of_postgresqls_programs() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::used(DatabaseKind::Postgres).await;
    let bin = tempfile::tempdir().unwrap();
    for name in ["pg_dump", "pg_restore", "psql"] {
        let wrapper = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$0 $*\" >> '{0}/arguments'\nprintf '%s\\n' \"$PGPASSWORD $PGSSLMODE\" >> '{0}/environment'\n\
             PATH=\"${{PATH#*:}}\" exec {name} \"$@\"\n",
            bin.path().display()
        );
        std::fs::write(bin.path().join(name), wrapper).unwrap();
        std::fs::set_permissions(bin.path().join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    #[expect(clippy::disallowed_methods, reason = "to put programs of the test before those of the machine")]
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let url = site.database.url_text().replacen("postgres@", "postgres:hunter%402@", 1);
    for arguments in [&["backup", "a.backup"][..], &["restore", "a.backup", "--yes"]] {
        let mut command = site.command(arguments);
        command.env("PATH", &path).env("VESTIBULE_DATABASE_URL", &url);
        let (code, _, told) = with_input(command, "");
        assert!(code == 0 && !told.contains("hunter"), "{told}");
    }
    let arguments = std::fs::read_to_string(bin.path().join("arguments")).unwrap();
    for name in ["pg_dump", "pg_restore", "psql"] {
        assert!(arguments.contains(name), "{arguments}");
    }
    assert!(!arguments.contains("hunter"), "{arguments}");
    let environment = std::fs::read_to_string(bin.path().join("environment")).unwrap();
    assert!(environment.lines().all(|line| line == "hunter@2 prefer"), "{environment}");
}

#[tokio::test]
async fn a_missing_program_of_postgresqls_is_named_with_the_way_to_it() {
    let site = Site::used(DatabaseKind::Postgres).await;
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = site.command(&["backup", "a.backup"]);
    command.env("PATH", nowhere.path());
    let (code, _, told) = with_input(command, "");
    assert!(code == 1 && told.contains("pg_dump") && told.contains("postgresql-client"), "{told}");
    assert!(site.files(".").is_empty(), "no draft stays");
}

/// Puts a program before those of the machine, which says that it began, with its number, and then takes its time.
#[cfg(unix)]
fn slow_program(folder: &Path, name: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let program = folder.join(name);
    let script = format!("#!/bin/sh\necho $$ > '{}/began'\nexec sleep 60\n", folder.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "to put a program of the test before those of the machine")]
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", folder.display())
}

#[cfg(unix)]
async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..800 {
        if is_so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

#[cfg(unix)]
#[rstest]
#[case::terminate("TERM", 143)]
#[case::interrupt("INT", 130)]
#[tokio::test]
async fn a_backup_that_is_stopped_leaves_neither_a_draft_nor_a_program(
    #[case] signal: &str,
    #[case] code: i32,
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let mut site = Site::used(kind).await;
    let bin = tempfile::tempdir().unwrap();
    let began = bin.path().join("began");
    // What is stopped is a dump there, and here the work of this program itself.
    if kind == DatabaseKind::Postgres {
        let path = slow_program(bin.path(), "pg_dump");
        site = site.set("PATH", &path);
    } else {
        let mut connection = sqlx::SqliteConnection::connect(site.database.url_text()).await.unwrap();
        sqlx::query("CREATE TABLE pictures (bytes BLOB NOT NULL)").execute(&mut connection).await.unwrap();
        for _ in 0..64 {
            let sql = "INSERT INTO pictures (bytes) VALUES (randomblob(1048576))";
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }
    let mut backup = site.command(&["backup", "a.backup"]);
    let mut backup = backup.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let is_under_way = || {
        if kind == DatabaseKind::Postgres {
            return std::fs::read_to_string(&began).is_ok_and(|pid| pid.ends_with('\n'));
        }
        let drafts = std::fs::read_dir(site.path()).unwrap().map(|entry| entry.unwrap().path());
        drafts.filter(|path| path.is_dir()).any(|draft| {
            let mut files = std::fs::read_dir(draft).into_iter().flatten().flatten();
            files.any(|file| file.file_name().to_string_lossy().contains(".backup."))
        })
    };
    wait_until("it begins", is_under_way).await;
    let mut kill = Command::new("kill");
    assert!(kill.args([&format!("-{signal}"), &backup.id().to_string()]).status().unwrap().success());
    wait_until("it ends", || backup.try_wait().unwrap().is_some()).await;
    let output = backup.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(code) && told.contains("stopped"), "{:?} {told}", output.status);
    assert!(site.files(".").is_empty(), "{:?}", site.files("."));
    if let Ok(pid) = std::fs::read_to_string(&began) {
        // One that has ended has no arguments any more, whether or not somebody asked how it ended.
        let arguments = format!("/proc/{}/cmdline", pid.trim());
        let is_gone = || std::fs::read(&arguments).map_or(true, |arguments| arguments.is_empty());
        wait_until("the program of the other is ended", is_gone).await;
    }
}

#[tokio::test]
async fn what_a_killed_backup_left_goes_with_the_next_one() {
    let site = Site::used(DatabaseKind::Sqlite).await;
    let left = site.path().join(".vestibule-draft-00000000000000aa");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("dump"), "all accounts").unwrap();
    std::fs::write(left.join(".in-use"), "").unwrap();
    site.json(&["backup", "a.backup"]);
    assert_eq!(site.files("."), ["a.backup"]);
}
