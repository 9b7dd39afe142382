//! A bucket as a repository: the few calls of S3 that it takes, over the HTTP client that the agent has anyway (decision 0020).

mod client;
mod lock;
mod sign;

pub(crate) use lock::{Held, NotHeld};

use client::Client;
use refit_names::{ErrorClass, chain};
use rustic_core::{
    BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};
use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// A bucket, and what opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Place {
    /// The bucket.
    pub bucket: String,
    /// The beginning of all names in it, without slashes at the ends; may be empty.
    pub prefix: String,
    /// Address of the server, without the bucket; the bucket is always the first part of the path.
    pub endpoint: String,
    /// The region that goes into signatures.
    pub region: String,
    /// The name of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
    /// Authorities that the server's certificate may come from; none: those of the system.
    pub authority: Option<PathBuf>,
}

impl fmt::Debug for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for S3Place {
    /// As people write it; never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{} at {}", self.bucket, self.prefix, self.endpoint)
    }
}

/// Why the server did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The place cannot be right.
    #[error("{what}")]
    Place {
        /// Which part, expected and found.
        what: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket `{bucket}`")]
    NoBucket {
        /// Its name.
        bucket: String,
    },
    /// No such object; the caller knows whether that is bad.
    #[error("there is no object `{key}`")]
    NoObject {
        /// Its name.
        key: String,
    },
    /// The key is wrong, or does not open this.
    #[error("the server refuses the access key: {code} ({said})")]
    Refused {
        /// The server's word.
        code: String,
        /// Its sentence.
        said: String,
    },
    /// There is no room.
    #[error("the target is full: {said}")]
    Full {
        /// What it said.
        said: String,
    },
    /// The server does not answer, answers too slowly or stops in the middle.
    #[error("{what} failed after {tries} tries: {why}")]
    Unreachable {
        /// The call.
        what: String,
        /// How often it was tried.
        tries: u32,
        /// The last cause.
        why: String,
    },
    /// The server says something else.
    #[error("{what} was answered with {status} {code} ({said})")]
    Answer {
        /// The call.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The server's word.
        code: String,
        /// Its sentence.
        said: String,
    },
}

impl Fault {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Place { .. } => "backup.bad-target",
            Self::NoBucket { .. } => "backup.repository-missing",
            Self::Refused { .. } => "backup.target-refused",
            Self::Full { .. } => "backup.target-full",
            Self::Unreachable { .. } => "backup.target-unreachable",
            Self::NoObject { .. } | Self::Answer { .. } => "backup.repository-failed",
        }
    }

    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. } => ErrorClass::Retry,
            _ => ErrorClass::NeedsOperator,
        }
    }
}

/// The bucket as the library sees it.
pub(crate) struct S3 {
    client: Client,
    fault: Mutex<Option<Fault>>,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place())
    }
}

impl S3 {
    pub(crate) fn new(place: S3Place) -> Result<Self, Fault> {
        Ok(Self { client: Client::new(place)?, fault: Mutex::new(None) })
    }

    pub(crate) fn place(&self) -> &S3Place {
        self.client.place()
    }

    pub(crate) fn has(&self, key: &str) -> Result<bool, Fault> {
        match self.client.get(key, None) {
            Ok(_) => Ok(true),
            Err(Fault::NoObject { .. }) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Names below `folder` with their lengths.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<client::Listed>, Fault> {
        self.client.list(folder)
    }

    pub(crate) fn take_fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Remembers what went wrong and tells the library.
    fn told(&self, fault: Fault) -> Box<RusticError> {
        let error = RusticError::new(ErrorKind::Backend, chain(&fault));
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        error
    }
}

/// Where restic keeps a file of the repository.
fn key(kind: FileType, id: &Id) -> String {
    let hex = id.to_hex();
    let hex = hex.as_str();
    match kind {
        FileType::Config => kind.dirname().to_owned(),
        FileType::Pack => format!("{}/{}/{hex}", kind.dirname(), &hex[..2]),
        _ => format!("{}/{hex}", kind.dirname()),
    }
}

impl ReadBackend for S3 {
    fn location(&self) -> String {
        self.place().to_string()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            let has = self.has(kind.dirname()).map_err(|fault| self.told(fault))?;
            return Ok(if has { vec![(Id::default(), 0)] } else { vec![] });
        }
        let listed = self.client.list(kind.dirname()).map_err(|fault| self.told(fault))?;
        let ours = listed.into_iter().filter_map(|object| {
            let name = object.key.rsplit('/').next()?;
            Some((name.parse().ok()?, u32::try_from(object.size).ok()?))
        });
        Ok(ours.collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<bytes::Bytes> {
        self.client.get(&key(kind, id), None).map_err(|fault| self.told(fault))
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<bytes::Bytes> {
        let range = (u64::from(offset), u64::from(length));
        self.client.get(&key(kind, id), Some(range)).map_err(|fault| self.told(fault))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        key(kind, id)
    }
}

impl WriteBackend for S3 {
    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        self.client.put(&key(kind, id), content.slice().concat()).map_err(|fault| self.told(fault))
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.client.delete(&key(kind, id)).map_err(|fault| self.told(fault))
    }
}
