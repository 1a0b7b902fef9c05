use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use rusty_s3::actions::{CreateMultipartUpload, ListObjectsV2};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use url::Url;

use super::draft::{folder_of, new_private_file, room_in};
use super::progress::{Progress, ToldBytes};
use crate::failure::Failure;
use crate::https_client::{Answer, HttpsClient, USER_AGENT};
use crate::interruption::or_stopped;
use crate::settings::BackupSettings;

/// What is larger goes in parts of so many bytes. A store takes 10,000 of them.
const PART_BYTES: usize = 32 * 1024 * 1024;
/// How long a signature is good.
const SIGNATURE_TTL: Duration = Duration::from_mins(15);
/// More no page of a list and no complaint has.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// How patient one is with a store, which may stand still or never come to an end.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// How long a part, a short answer or a whole list may take: over a slow line.
    whole: Duration,
    /// How long nothing may come in the midst of a body.
    pause: Duration,
    /// How many names a list may have. Where there are more, no folder of backups is.
    names: usize,
}

const PATIENCE: Patience =
    Patience { whole: Duration::from_mins(10), pause: Duration::from_mins(1), names: 100_000 };

/// A folder of an S3-compatible store.
pub(crate) struct ObjectStore {
    bucket: Bucket,
    credentials: Credentials,
    /// What the names of all objects begin with; empty, or with a `/` at its end.
    prefix: String,
    client: HttpsClient,
    patience: Patience,
}

impl ObjectStore {
    /// The folder of a `s3://BUCKET/PREFIX`.
    pub(crate) fn open(settings: &BackupSettings, bucket: &str, prefix: &str) -> Result<Self, Failure> {
        let Some(key) = &settings.s3_key else {
            return Err(Failure::with_way_out(
                "there is no key to the store",
                "Set VESTIBULE_BACKUP_S3_KEY_ID and VESTIBULE_BACKUP_S3_SECRET.",
            ));
        };
        // Amazon puts the bucket into the host's name, and stores that one runs oneself have one host for all.
        let (endpoint, style) = if let Some(endpoint) = &settings.s3_endpoint {
            (endpoint.clone(), UrlStyle::Path)
        } else {
            let amazon = format!("https://s3.{}.amazonaws.com", settings.s3_region);
            (Url::parse(&amazon).map_err(Failure::because)?, UrlStyle::VirtualHost)
        };
        let opened = Bucket::new(endpoint, style, bucket.to_owned(), settings.s3_region.clone());
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Ok(Self {
            bucket: opened.map_err(|error| {
                Failure::with_way_out(format!("{bucket} is no bucket: {error}"), "Give s3://BUCKET/PREFIX.")
            })?,
            credentials: Credentials::new(key.id.clone(), key.secret.to_string()),
            prefix,
            client: HttpsClient::new()
                .map_err(|error| Failure::with_way_out(error, "Install ca-certificates."))?,
            patience: PATIENCE,
        })
    }

    /// Keeps a file under a name. What is not whole is not there.
    pub(crate) async fn put(&self, file: &Path, name: &str, progress: Progress) -> Result<(), Failure> {
        let opened = std::fs::File::open(file).map_err(Failure::because)?;
        let bytes = opened.metadata().map_err(Failure::because)?.len();
        let object = format!("{}{name}", self.prefix);
        let mut told = progress.bytes("uploading", bytes);
        let next = || -> Result<Vec<u8>, Failure> {
            let mut part = Vec::new();
            (&opened).take(PART_BYTES as u64).read_to_end(&mut part).map_err(Failure::because)?;
            Ok(part)
        };
        let mut part = next()?;
        if part.len() as u64 == bytes {
            let url = self.bucket.put_object(Some(&self.credentials), &object).sign(SIGNATURE_TTL);
            or_stopped(self.ask(Method::PUT, &url, part)).await?;
            told.add(bytes);
            return Ok(());
        }
        let url = self.bucket.create_multipart_upload(Some(&self.credentials), &object).sign(SIGNATURE_TTL);
        let answer = self.text(Method::POST, &url, Vec::new()).await?;
        let upload = CreateMultipartUpload::parse_response(&answer).map_err(|error| odd(&error))?;
        let mut tags = Vec::new();
        while !part.is_empty() {
            let number = u16::try_from(tags.len() + 1).map_err(|_| {
                Failure::with_way_out("the backup has more parts than a store takes", "Back up to a folder.")
            })?;
            let signed =
                self.bucket.upload_part(Some(&self.credentials), &object, number, upload.upload_id());
            let sent = part.len() as u64;
            let url = signed.sign(SIGNATURE_TTL);
            let answered = or_stopped(self.ask(Method::PUT, &url, part)).await;
            let tag = answered.and_then(|answer| {
                let tag = answer.headers.get("etag").and_then(|tag| tag.to_str().ok());
                tag.map(str::to_owned).ok_or_else(|| odd(&"it told no tag of a part"))
            });
            match tag {
                Ok(tag) => tags.push(tag),
                Err(failure) => {
                    // Else the parts stay, and are paid for.
                    let abort = self.bucket.abort_multipart_upload(
                        Some(&self.credentials),
                        &object,
                        upload.upload_id(),
                    );
                    drop(self.ask(Method::DELETE, &abort.sign(SIGNATURE_TTL), Vec::new()).await);
                    return Err(failure);
                }
            }
            told.add(sent);
            part = next()?;
        }
        let done = self.bucket.complete_multipart_upload(
            Some(&self.credentials),
            &object,
            upload.upload_id(),
            tags.iter().map(String::as_str),
        );
        let url = done.sign(SIGNATURE_TTL);
        let answer = self.text(Method::POST, &url, done.body().into_bytes()).await?;
        // This one request may answer 200 before it fails.
        if answer.contains("<Error>") { Err(complaint(200, &answer)) } else { Ok(()) }
    }

    /// Fetches an object into a new file.
    pub(crate) async fn get(&self, name: &str, into: &Path, progress: Progress) -> Result<(), Failure> {
        let object = format!("{}{name}", self.prefix);
        let url = self.bucket.get_object(Some(&self.credentials), &object).sign(SIGNATURE_TTL);
        let mut answer = self.ask(Method::GET, &url, Vec::new()).await?;
        let length =
            answer.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        // More than the length does not come: the connection ends there.
        let length: u64 = length.ok_or_else(|| odd(&"it does not tell how long the backup is"))?;
        if let Some(room) = room_in(folder_of(into)).filter(|room| *room < length) {
            return Err(Failure::with_way_out(
                format!(
                    "the backup has {length} bytes, and there is room for {room} in {}",
                    folder_of(into).display()
                ),
                "Make room there, or set TMPDIR to a folder on another disk.",
            ));
        }
        let mut told = progress.bytes("downloading", length);
        let mut file = new_private_file(into).map_err(Failure::because)?;
        while self.in_time(write_part(&mut answer, self.patience.pause, &mut file, &mut told)).await?? {}
        Ok(())
    }

    /// The names of all objects, without the prefix.
    pub(crate) async fn list(&self) -> Result<Vec<String>, Failure> {
        self.in_time(self.list_pages()).await?
    }

    async fn list_pages(&self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        let mut go_on: Option<String> = None;
        loop {
            let mut list = self.bucket.list_objects_v2(Some(&self.credentials));
            list.with_prefix(self.prefix.clone());
            if let Some(token) = go_on.take() {
                list.with_continuation_token(token);
            }
            let answer = self.text(Method::GET, &list.sign(SIGNATURE_TTL), Vec::new()).await?;
            let listed = ListObjectsV2::parse_response(&answer).map_err(|error| odd(&error))?;
            names.extend(
                listed
                    .contents
                    .iter()
                    .filter_map(|one| one.key.strip_prefix(&self.prefix))
                    .map(str::to_owned),
            );
            if names.len() > self.patience.names {
                return Err(Failure::with_way_out(
                    format!("there are more than {} objects beside the backups", self.patience.names),
                    "Keep the backups below a prefix of their own: s3://BUCKET/PREFIX.",
                ));
            }
            go_on = listed.next_continuation_token;
            if go_on.is_none() {
                return Ok(names);
            }
        }
    }

    /// Removes an object.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Failure> {
        let object = format!("{}{name}", self.prefix);
        let url = self.bucket.delete_object(Some(&self.credentials), &object).sign(SIGNATURE_TTL);
        self.ask(Method::DELETE, &url, Vec::new()).await.map(drop)
    }

    async fn text(&self, method: Method, url: &Url, body: Vec<u8>) -> Result<String, Failure> {
        let answer = self.ask(method, url, body).await?;
        let body = self.in_time(answer.body(MAX_ANSWER_BYTES)).await?.map_err(|error| odd(&error))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Waits for something of the store's for as long as one part may take.
    async fn in_time<T>(&self, something: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::time::timeout(self.patience.whole, something).await.map_err(|_| slow("it takes far too long"))
    }

    /// Asks, and refuses what is no success. The signature is in the URL, which is therefore told nobody.
    async fn ask(&self, method: Method, url: &Url, body: Vec<u8>) -> Result<Answer, Failure> {
        let unanswered = |problem: String| {
            Failure::with_way_out(
                format!(
                    "the store at {} does not answer: {problem}",
                    self.bucket.base_url().host_str().unwrap_or("?")
                ),
                "Check VESTIBULE_BACKUP_S3_ENDPOINT, and that it can be reached from here.",
            )
        };
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header("User-Agent", USER_AGENT)
            .body(Full::new(Bytes::from(body)))
            .map_err(Failure::because)?;
        let answered = tokio::time::timeout(self.patience.whole, self.client.ask(request)).await;
        let answer = answered.map_err(|_| unanswered("it takes too long".into()))?.map_err(unanswered)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let status = answer.status.as_u16();
        let told = tokio::time::timeout(self.patience.pause, answer.body(MAX_ANSWER_BYTES)).await;
        let told = told.ok().and_then(Result::ok).unwrap_or_default();
        Err(complaint(status, &String::from_utf8_lossy(&told)))
    }
}

/// Writes the next part of a body into a file. `false` at its end.
async fn write_part(
    answer: &mut Answer,
    pause: Duration,
    file: &mut std::fs::File,
    told: &mut ToldBytes,
) -> Result<bool, Failure> {
    let mut written = 0;
    while written < PART_BYTES {
        let next = tokio::time::timeout(pause, answer.next()).await;
        let next = next.map_err(|_| slow("nothing more comes from it"))?;
        let Some(bytes) = next.map_err(|error| odd(&error))? else { return Ok(false) };
        file.write_all(&bytes).map_err(Failure::because)?;
        told.add(bytes.len() as u64);
        written += bytes.len();
    }
    Ok(true)
}

fn slow(problem: &str) -> Failure {
    Failure::with_way_out(
        format!("the store was given up in the midst of its answer: {problem}"),
        "Nothing was changed. Try again, or fetch the backup with the store's own program and restore the file.",
    )
}

fn odd(problem: &dyn std::fmt::Display) -> Failure {
    Failure::with_way_out(
        format!("the store's answer cannot be read: {problem}"),
        "Check that VESTIBULE_BACKUP_S3_ENDPOINT is an S3-compatible store.",
    )
}

/// What the store says is wrong.
fn complaint(status: u16, told: &str) -> Failure {
    let between = |tag: &str| {
        let rest = told.split_once(&format!("<{tag}>"))?.1;
        Some(rest.split_once('<')?.0)
    };
    let words = [between("Code"), between("Message")].into_iter().flatten().collect::<Vec<_>>().join(": ");
    Failure::with_way_out(
        format!(
            "the store refused with {status}: {}",
            if words.is_empty() { "no reason is told" } else { &words }
        ),
        "Check the bucket, VESTIBULE_BACKUP_S3_REGION, the key and what it may do, and this machine's clock.",
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use zeroize::Zeroizing;

    use super::*;
    use crate::settings::ObjectStoreKey;

    /// What a store does after its first words.
    #[derive(Clone, Copy)]
    enum Then {
        /// It ends.
        End,
        /// It stands still.
        Stall,
        /// A byte comes now and then, for ever.
        Drip,
    }

    /// A store of a few words.
    async fn store(words: String, then: Then) -> ObjectStore {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let words = words.clone();
                tokio::spawn(async move {
                    let mut asked = [0; 8192];
                    let _ = stream.read(&mut asked).await;
                    let _ = stream.write_all(words.as_bytes()).await;
                    match then {
                        Then::End => {}
                        Then::Stall => std::future::pending().await,
                        Then::Drip => {
                            while stream.write_all(b"x").await.is_ok() {
                                tokio::time::sleep(Duration::from_millis(20)).await;
                            }
                        }
                    }
                });
            }
        });
        let key = ObjectStoreKey { id: "id".into(), secret: Zeroizing::new("secret".into()) };
        let settings = BackupSettings {
            recipients: Vec::new(),
            s3_endpoint: Some(Url::parse(&endpoint).unwrap()),
            s3_region: "test".into(),
            s3_key: Some(key),
        };
        let mut store = ObjectStore::open(&settings, "backups", "").unwrap();
        store.patience =
            Patience { whole: Duration::from_millis(900), pause: Duration::from_millis(300), names: 10 };
        store
    }

    fn words(failure: &Failure) -> &str {
        match failure {
            Failure::Other { what, .. } => what,
            other => panic!("{other:?}"),
        }
    }

    async fn why_no_backup_comes(head: &str, then: Then) -> String {
        let store = store(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nabc"), then).await;
        let folder = tempfile::tempdir().unwrap();
        let got = store.get("a", &folder.path().join("a"), Progress::new(true)).await;
        words(&got.unwrap_err()).to_owned()
    }

    #[tokio::test]
    async fn a_store_that_stands_still_or_never_ends_is_given_up() {
        let why = why_no_backup_comes("content-length: 100", Then::Stall).await;
        assert!(why.contains("nothing more comes"), "{why}");
        let why = why_no_backup_comes("content-length: 1000000", Then::Drip).await;
        assert!(why.contains("far too long"), "{why}");
        let why = why_no_backup_comes("content-length: 100", Then::End).await;
        assert!(why.contains("cannot be read"), "{why}");
        let why = why_no_backup_comes("connection: close", Then::Drip).await;
        assert!(why.contains("how long the backup is"), "{why}");
        #[cfg(unix)]
        {
            let why = why_no_backup_comes("content-length: 4611686018427387904", Then::Drip).await;
            assert!(why.contains("there is room for"), "{why}");
        }
    }

    #[tokio::test]
    async fn a_list_without_end_is_given_up() {
        let page = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Contents><Key>a</Key></Contents><NextContinuationToken>on</NextContinuationToken></ListBucketResult>";
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", page.len());
        let endless = store(format!("{head}{page}"), Then::End).await;
        let why = endless.list().await.unwrap_err();
        assert!(words(&why).contains("more than 10 objects"), "{why:?}");
        let still = store(head, Then::Stall).await;
        let why = still.list().await.unwrap_err();
        assert!(words(&why).contains("far too long"), "{why:?}");
        let refusing = store("HTTP/1.1 403 No\r\ncontent-length: 9\r\n\r\n".into(), Then::Stall).await;
        let why = refusing.list().await.unwrap_err();
        assert!(words(&why).contains("refused with 403"), "{why:?}");
    }
}
