//! Backups in an S3-compatible store: one of the test's own, which believes nobody whose signature it cannot make itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::operator::with_input;
use crate::program::command;

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI+K7MDENG";

/// What a store holds: objects by their path, and parts of those that are not whole.
#[derive(Default)]
struct Held {
    objects: BTreeMap<String, Vec<u8>>,
    parts: BTreeMap<u16, Vec<u8>>,
    refused: usize,
}

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Held>>);

impl Store {
    /// Serves it, and gives its address.
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limit = axum::extract::DefaultBodyLimit::disable();
        let router = Router::new().fallback(answer).layer(limit).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}")
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().objects.keys().cloned().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Whether a presigned request was signed with the key (AWS Signature Version 4, by the query string).
fn is_signed(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let query = uri.query().unwrap_or("");
    let mut pairs: Vec<&str> =
        query.split('&').filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
    pairs.sort_unstable();
    let value = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
            .unwrap_or_default()
    };
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("");
    let request =
        format!("{method}\n{}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", uri.path(), pairs.join("&"));
    let moment = value("X-Amz-Date");
    let day = &moment[..8.min(moment.len())];
    let scope = format!("{day}/test-region/s3/aws4_request");
    if value("X-Amz-Credential") != format!("{KEY_ID}/{scope}").replace('/', "%2F") {
        return false;
    }
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in [day, "test-region", "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    value("X-Amz-Signature") == hex(&mac(&key, &text))
}

async fn answer(
    State(store): State<Store>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut held = store.0.lock().unwrap();
    if !is_signed(&method, &uri, &headers) {
        held.refused += 1;
        let told = "<Error><Code>SignatureDoesNotMatch</Code><Message>Look at your key.</Message></Error>";
        return (StatusCode::FORBIDDEN, told).into_response();
    }
    let query: BTreeMap<String, String> = url_pairs(uri.query().unwrap_or("")).into_iter().collect();
    let path = uri.path().to_owned();
    let part = query.get("partNumber").map(|number| number.parse::<u16>().unwrap());
    match (method, part) {
        (Method::POST, _) if query.contains_key("uploads") => {
            held.parts.clear();
            "<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>backups</Bucket><Key>k</Key><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
                .into_response()
        }
        (Method::POST, _) => {
            assert_eq!(query["uploadId"], "u1");
            let whole: Vec<u8> = held.parts.values().flatten().copied().collect();
            held.objects.insert(path, whole);
            "<CompleteMultipartUploadResult><ETag>\"t\"</ETag></CompleteMultipartUploadResult>"
                .into_response()
        }
        (Method::PUT, Some(number)) => {
            held.parts.insert(number, body.to_vec());
            ([("etag", format!("\"part-{number}\""))], "").into_response()
        }
        (Method::PUT, None) => {
            held.objects.insert(path, body.to_vec());
            "".into_response()
        }
        (Method::GET, _) if query.contains_key("list-type") => {
            let prefix =
                format!("{}/{}", path.trim_end_matches('/'), query.get("prefix").map_or("", String::as_str));
            let keys: Vec<String> = held
                .objects
                .keys()
                .filter(|key| key.starts_with(&prefix))
                .map(|key| {
                    format!("<Contents><Key>{}</Key></Contents>", key.strip_prefix("/backups/").unwrap())
                })
                .collect();
            let keys = keys.concat();
            format!("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{keys}</ListBucketResult>").into_response()
        }
        (Method::GET, _) => match held.objects.get(&path) {
            Some(bytes) => bytes.clone().into_response(),
            None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
        },
        (Method::DELETE, _) => {
            held.objects.remove(&path);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn url_pairs(query: &str) -> Vec<(String, String)> {
    let base = reqwest::Url::parse(&format!("http://localhost/?{query}")).unwrap();
    base.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

struct Site {
    folder: tempfile::TempDir,
    endpoint: String,
    secret_key: String,
}

impl Site {
    fn new(endpoint: &str) -> Self {
        let secret_key = vestibule_testkit::secret_key().to_base64().to_string();
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder, endpoint: endpoint.to_owned(), secret_key };
        let mut migrate = command(site.path());
        migrate.arg("migrate");
        assert_eq!(with_input(migrate, "").0, 0);
        site
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn call(&self, arguments: &[&str], secret: &str) -> (i32, String, String) {
        let mut command = command(self.path());
        command
            .args(arguments)
            .env("VESTIBULE_BACKUP_S3_ENDPOINT", &self.endpoint)
            .env("VESTIBULE_BACKUP_S3_REGION", "test-region")
            .env("VESTIBULE_SECRET_KEY", &self.secret_key)
            .env("VESTIBULE_BACKUP_S3_KEY_ID", KEY_ID)
            .env("VESTIBULE_BACKUP_S3_SECRET", secret);
        // The store answers in the meantime.
        tokio::task::spawn_blocking(move || with_input(command, "")).await.unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let (code, answer, told) = self.call(&[arguments, &["--json"]].concat(), SECRET).await;
        assert_eq!(code, 0, "{arguments:?}: {told}");
        serde_json::from_str(&answer).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_takes_backups_gives_them_back_and_keeps_the_newest() {
    let store = Store::default();
    let site = Site::new(&store.serve().await);
    let made = site.json(&["backup", "--to", "s3://backups/my site"]).await;
    let name = made["backup"].as_str().unwrap();
    assert!(name.starts_with("s3://backups/my site/vestibule-"), "{name}");
    assert_eq!(site.json(&["restore", "--check", name]).await["restored"], false);
    {
        let mut held = store.0.lock().unwrap();
        let bytes = held.objects.values().next().unwrap().clone();
        for name in [
            "my%20site/vestibule-20200101T000000Z.backup.tar.gz",
            "my%20site/other-20200101T000000Z.backup.tar.gz",
            "elsewhere/vestibule-20200101T000000Z.backup.tar.gz",
        ] {
            held.objects.insert(format!("/backups/{name}").replace("%20", " "), bytes.clone());
        }
        let unquoted: BTreeMap<_, _> =
            held.objects.iter().map(|(path, bytes)| (path.replace("%20", " "), bytes.clone())).collect();
        held.objects = unquoted;
    }
    let told = site.json(&["backup", "--to", "s3://backups/my site/", "--keep-days", "30"]).await;
    assert_eq!(told["removed"], serde_json::json!(["vestibule-20200101T000000Z.backup.tar.gz"]));
    assert_eq!(store.0.lock().unwrap().refused, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_backup_goes_in_parts_and_a_damaged_one_is_refused() {
    let store = Store::default();
    let site = Site::new(&store.serve().await);
    // What does not compress: more than a part.
    let file = site.path().join("data/vestibule.db");
    let url = format!("sqlite://{}", file.display());
    {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("CREATE TABLE pictures (bytes BLOB NOT NULL)").execute(&mut connection).await.unwrap();
        for _ in 0..36 {
            sqlx::query("INSERT INTO pictures (bytes) VALUES (randomblob(1048576))")
                .execute(&mut connection)
                .await
                .unwrap();
        }
        connection.close().await.unwrap();
    }
    let made = site.json(&["backup", "--to", "s3://backups"]).await;
    assert_eq!(store.0.lock().unwrap().parts.len(), 2);
    let name = made["backup"].as_str().unwrap().to_owned();
    assert_eq!(site.json(&["restore", "--yes", &name]).await["rows"], made["rows"]);
    {
        let mut held = store.0.lock().unwrap();
        let bytes = held.objects.values_mut().next().unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    let (code, _, told) = site.call(&["restore", "--yes", &name], SECRET).await;
    assert!(code == 1 && told.contains("damaged"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_is_told_without_the_secret() {
    let store = Store::default();
    let site = Site::new(&store.serve().await);
    let (code, _, told) = site.call(&["backup", "--to", "s3://backups"], "hunter2").await;
    assert!(code == 1 && told.contains("SignatureDoesNotMatch") && told.contains("_REGION"), "{told}");
    assert!(!told.contains("hunter2") && !told.contains("X-Amz"), "{told}");
    assert!(store.names().is_empty());
    let (code, _, told) = site.call(&["restore", "--yes", "s3://backups/missing"], SECRET).await;
    assert!(code == 1 && told.contains("404: NoSuchKey"), "{told}");
    let mut command = command(site.path());
    command.args(["backup", "--to", "s3://backups"]);
    let (code, _, told) = with_input(command, "");
    assert!(code == 1 && told.contains("VESTIBULE_BACKUP_S3_KEY_ID"), "{told}");
}
