//! Calls of S3, each signed, limited in time and tried again when that can help.

use super::{
    Fault, S3Place,
    sign::{Request, Signed, encoded, query, sign},
};
use bytes::Bytes;
use jiff::Timestamp;
use refit_names::chain;
use reqwest::{Method, StatusCode, header::HeaderMap};
use std::{sync::mpsc, time::Duration};
use tokio::runtime::{Builder, Runtime};

/// Enough for a server that restarts; a person who waits wants to know after that.
const TRIES: u32 = 4;
/// Before the second try; twice as long before each that follows.
const PAUSE: Duration = Duration::from_millis(400);
/// Connecting is quick or does not happen.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// What every call may take, beside the time for its bytes.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// A line slower than this is no line for backups.
const BYTES_PER_SECOND_MIN: u64 = 64 << 10;
/// What a call without a known length may bring: packs are smaller.
const LENGTH_MAX: u64 = 512 << 20;
/// Words of the server that are worth keeping.
const WORDS_MAX: usize = 300;

/// An object's name, relative to the prefix, its length, and when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) written_at: Option<Timestamp>,
}

pub(super) struct Client {
    place: S3Place,
    host: String,
    http: reqwest::Client,
    /// Calls run here, whatever thread waits for them: the library has threads of its own, the agent others.
    runtime: Option<Runtime>,
}

/// An answer that was read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    pub(super) fn new(place: S3Place) -> Result<Self, Fault> {
        let bad = |what: String| Fault::Place { what };
        let url = reqwest::Url::parse(&place.endpoint).map_err(|error| {
            bad(format!("endpoint `{}` is no address: {error}", place.endpoint))
        })?;
        let host = url
            .host_str()
            .ok_or_else(|| bad(format!("endpoint `{}` has no host", place.endpoint)))?;
        if !matches!(url.scheme(), "http" | "https") || !matches!(url.path(), "" | "/") {
            let expected = "expected http:// or https:// with a host and nothing behind it";
            return Err(bad(format!("endpoint `{}`: {expected}", place.endpoint)));
        }
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(CALL_LIMIT)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &place.authority {
            let shown = path.display();
            let pem = std::fs::read(path)
                .map_err(|error| bad(format!("failed to read authority {shown}: {error}")))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| {
                bad(format!("{shown} holds no certificates: {}", chain(&error)))
            })?;
            builder = builder.tls_certs_only(authorities);
        } else if url.scheme() == "http" {
            // There is no certificate to check, and a machine without any must do too.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| bad(chain(&error)))?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = Some(runtime.map_err(|error| bad(error.to_string()))?);
        Ok(Self { place, host, http, runtime })
    }

    pub(super) fn place(&self) -> &S3Place {
        &self.place
    }

    /// An object, or `(offset, length)` of it.
    pub(super) fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Bytes, Fault> {
        let answer = self.call(Method::GET, key, &[], Bytes::new(), range)?;
        match range {
            Some((_, length)) if answer.body.len() as u64 != length => Err(Fault::Answer {
                what: format!("reading {length} bytes of `{key}`"),
                status: answer.status.as_u16(),
                code: "ShortRead".to_owned(),
                said: format!("{} bytes came", answer.body.len()),
            }),
            _ => Ok(answer.body),
        }
    }

    pub(super) fn put(&self, key: &str, content: Vec<u8>) -> Result<(), Fault> {
        self.call(Method::PUT, key, &[], content.into(), None).map(drop)
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), Fault> {
        match self.call(Method::DELETE, key, &[], Bytes::new(), None) {
            Err(Fault::NoObject { .. }) => Ok(()),
            done => done.map(drop),
        }
    }

    /// All objects below `folder`, and the server's own time.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<Listed>, Fault> {
        self.list_dated(folder).map(|(listed, _)| listed)
    }

    pub(super) fn list_dated(
        &self,
        folder: &str,
    ) -> Result<(Vec<Listed>, Option<Timestamp>), Fault> {
        let top = self.below("");
        let prefix =
            self.below(&if folder.is_empty() { String::new() } else { format!("{folder}/") });
        let (mut found, mut token): (Vec<Listed>, Option<String>) = (vec![], None);
        loop {
            let mut pairs = vec![("list-type", "2"), ("prefix", prefix.as_str())];
            if let Some(token) = &token {
                pairs.insert(0, ("continuation-token", token.as_str()));
            }
            let answer = self.call(Method::GET, "", &pairs, Bytes::new(), None)?;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            for object in elements(&text, "Contents") {
                let key = element(object, "Key").map(plain).unwrap_or_default();
                let size = element(object, "Size").and_then(|size| size.trim().parse().ok());
                let (Some(key), Some(size)) = (key.strip_prefix(&top), size) else { continue };
                let written_at = element(object, "LastModified").and_then(|at| at.parse().ok());
                found.push(Listed { key: key.to_owned(), size, written_at });
            }
            token = element(&text, "NextContinuationToken").map(plain);
            let more = element(&text, "IsTruncated").is_some_and(|is| is.trim() == "true");
            if !more || token.is_none() {
                let date = answer.headers.get("date").and_then(|date| date.to_str().ok());
                let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
                return Ok((found, date.map(|date| date.timestamp())));
            }
        }
    }

    /// A name with the prefix in front.
    fn below(&self, key: &str) -> String {
        match self.place.prefix.as_str() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }

    fn call(
        &self,
        method: Method,
        key: &str,
        pairs: &[(&str, &str)],
        body: Bytes,
        range: Option<(u64, u64)>,
    ) -> Result<Answer, Fault> {
        let object = if key.is_empty() { String::new() } else { self.below(key) };
        let path = format!("/{}/{}", self.place.bucket, encoded(&object, "/"));
        let what = format!("{method} {}", if key.is_empty() { "list" } else { key });
        let mut pause = PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = self.once(&method, &path, pairs, &body, range);
            let why = match outcome {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) => {
                    let again = answer.status.is_server_error()
                        || answer.status == StatusCode::TOO_MANY_REQUESTS;
                    let fault = self.fault(&what, key, &answer);
                    if !again || matches!(fault, Fault::Full { .. }) {
                        return Err(fault);
                    }
                    chain(&fault)
                }
                Err(why) => why,
            };
            if tries == TRIES {
                return Err(Fault::Unreachable { what, tries, why });
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
    }

    /// One try; an error is one of the line.
    fn once(
        &self,
        method: &Method,
        path: &str,
        pairs: &[(&str, &str)],
        body: &Bytes,
        range: Option<(u64, u64)>,
    ) -> Result<Answer, String> {
        let request =
            Request { method: method.as_str(), path, query: pairs, host: &self.host, body };
        let Signed { date, content, authorization } = sign(&request, &self.place, Timestamp::now());
        let mut url = format!("{}{path}", self.place.endpoint.trim_end_matches('/'));
        if !pairs.is_empty() {
            url = format!("{url}?{}", query(pairs));
        }
        let length = range.map_or(0, |(_, length)| length).max(body.len() as u64);
        let length = if *method == Method::GET && range.is_none() { LENGTH_MAX } else { length };
        let limit = CALL_LIMIT + Duration::from_secs(length / BYTES_PER_SECOND_MIN);
        let mut request = self.http.request(method.clone(), url).timeout(limit).body(body.clone());
        for (name, value) in [
            ("x-amz-date", date),
            ("x-amz-content-sha256", content),
            ("authorization", authorization),
        ] {
            request = request.header(name, value);
        }
        if let Some((offset, length)) = range {
            let last = (offset + length).saturating_sub(1);
            request = request.header("range", format!("bytes={offset}-{last}"));
        }
        let (tell, heard) = mpsc::channel();
        let runtime = self.runtime.as_ref().ok_or("the client has ended")?;
        runtime.spawn(async move {
            let answered = async {
                let answer = request.send().await?;
                let (status, headers) = (answer.status(), answer.headers().clone());
                Ok::<_, reqwest::Error>(Answer { status, headers, body: answer.bytes().await? })
            };
            // Nobody listens any more only when the whole process ends.
            let _ = tell.send(answered.await.map_err(|error| chain(&error.without_url())));
        });
        heard.recv().map_err(|error| error.to_string())?
    }

    fn fault(&self, what: &str, key: &str, answer: &Answer) -> Fault {
        let text = String::from_utf8_lossy(&answer.body);
        let code = element(&text, "Code").map(plain).unwrap_or_default();
        let mut said = element(&text, "Message").map(plain).unwrap_or_default();
        if said.is_empty() {
            said = text.chars().take(WORDS_MAX).collect::<String>().trim().to_owned();
        }
        let status = answer.status;
        match (code.as_str(), status) {
            ("NoSuchBucket", _) => Fault::NoBucket { bucket: self.place.bucket.clone() },
            ("NoSuchKey", _) => Fault::NoObject { key: key.to_owned() },
            (
                "InsufficientStorage"
                | "XMinioStorageFull"
                | "QuotaExceeded"
                | "StorageFull"
                | "XMinioAdminBucketQuotaExceeded"
                | "EntityTooLarge",
                _,
            )
            | (_, StatusCode::INSUFFICIENT_STORAGE) => Fault::Full { said: words(&code, said) },
            _ if said.contains("no space left") || said.contains("No space left") => {
                Fault::Full { said: words(&code, said) }
            }
            (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Fault::Refused { code: words(&code, status.to_string()), said }
            }
            ("", StatusCode::NOT_FOUND) if !key.is_empty() => {
                Fault::NoObject { key: key.to_owned() }
            }
            _ => Fault::Answer { what: what.to_owned(), status: status.as_u16(), code, said },
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is not allowed on threads of another runtime, and nothing is left to wait for.
            runtime.shutdown_background();
        }
    }
}

fn words(code: &str, said: String) -> String {
    if code.is_empty() || code == said { said } else { format!("{code} {said}").trim().to_owned() }
}

/// What stands in the first element of that name; answers of S3 have no attributes that matter.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    elements(text, name).next()
}

fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(&open)? + open.len();
        let end = start + rest.get(start..)?.find(&close)?;
        let found = rest.get(start..end)?;
        rest = rest.get(end + close.len()..)?;
        Some(found)
    })
}

fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, letter) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(name, letter);
    }
    text
}
