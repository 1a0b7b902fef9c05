use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use rusty_s3::actions::{CreateMultipartUpload, ListObjectsV2};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use url::Url;

use super::draft::new_private_file;
use super::progress::Progress;
use crate::failure::Failure;
use crate::https_client::{Answer, HttpsClient, USER_AGENT};
use crate::settings::BackupSettings;

/// What is larger goes in parts of so many bytes. A store takes 10,000 of them.
const PART_BYTES: usize = 32 * 1024 * 1024;
/// How long one request may take: a part over a slow line.
const TIME_LIMIT: Duration = Duration::from_mins(10);
/// How long a signature is good.
const SIGNATURE_TTL: Duration = Duration::from_mins(15);
/// More no list and no complaint has.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// A folder of an S3-compatible store.
pub(crate) struct ObjectStore {
    bucket: Bucket,
    credentials: Credentials,
    /// What the names of all objects begin with; empty, or with a `/` at its end.
    prefix: String,
    client: HttpsClient,
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
            self.ask(Method::PUT, &url, part).await?;
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
            let answered = self.ask(Method::PUT, &signed.sign(SIGNATURE_TTL), part).await;
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
        let mut told = progress.bytes("downloading", length.unwrap_or(0));
        let mut file = new_private_file(into).map_err(Failure::because)?;
        while let Some(bytes) = answer.next().await.map_err(|error| odd(&error))? {
            file.write_all(&bytes).map_err(Failure::because)?;
            told.add(bytes.len() as u64);
        }
        Ok(())
    }

    /// The names of all objects, without the prefix.
    pub(crate) async fn list(&self) -> Result<Vec<String>, Failure> {
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
        let body = answer.body(MAX_ANSWER_BYTES).await.map_err(|error| odd(&error))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
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
        let answered = tokio::time::timeout(TIME_LIMIT, self.client.ask(request)).await;
        let answer = answered.map_err(|_| unanswered("it takes too long".into()))?.map_err(unanswered)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let status = answer.status.as_u16();
        let told = answer.body(MAX_ANSWER_BYTES).await.unwrap_or_default();
        Err(complaint(status, &String::from_utf8_lossy(&told)))
    }
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
