//! Why a repository is not believed, or not read.

use crate::transport::Fault;
use jiff::Timestamp;
use refit_names::{ByteSize, Coded, ErrorClass, TargetName};
use refit_packs::record::RecordError;
use std::{error::Error, io, path::PathBuf, time::Duration};
use url::Url;

/// Why a repository is not believed, or not read.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// Metadata is older than it may be.
    #[error("{role} metadata of the repository expired at {at}")]
    Expired {
        /// Whose.
        role: String,
        /// When.
        at: Timestamp,
    },
    /// The repository offers something older than what was trusted before.
    #[error("{role} metadata was rolled back: expected version {trusted} or newer, found {found}")]
    Rollback {
        /// Whose.
        role: String,
        /// The version that was trusted.
        trusted: u64,
        /// The version that was offered.
        found: u64,
    },
    /// A role that was listed is listed no more.
    #[error("{role} metadata disappeared from the repository's snapshot")]
    RoleGone {
        /// Whose.
        role: String,
    },
    /// Not enough valid signatures of the keys that the root names.
    #[error("{role} metadata is not signed by enough of its keys")]
    BadSignature {
        /// Whose.
        role: String,
        /// How many, as the library says it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Metadata has another version than the metadata that names it.
    #[error(
        "{role} metadata has another version than announced: expected {expected}, found {found}"
    )]
    VersionMismatch {
        /// Whose.
        role: String,
        /// What was announced.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// Other bytes than signed.
    #[error("{what} is not what was signed: expected digest {expected}, found {found}")]
    HashMismatch {
        /// The target or the address.
        what: String,
        /// The signed digest.
        expected: String,
        /// The digest of what came.
        found: String,
    },
    /// Fewer or more bytes than signed.
    #[error("{what} has another length than signed: expected {expected} bytes, found {found}")]
    LengthMismatch {
        /// The target.
        what: String,
        /// The signed length.
        expected: u64,
        /// How many came.
        found: u64,
    },
    /// More bytes than anybody agreed to read.
    #[error("{what} is larger than allowed: {limit}")]
    TooLarge {
        /// The target or the address.
        what: String,
        /// The limit.
        limit: ByteSize,
    },
    /// The signed metadata knows no such target.
    #[error("repository has no target `{name}`")]
    NoSuchTarget {
        /// Its name.
        name: TargetName,
    },
    /// A file that must be there is not.
    #[error("repository has no file {url}")]
    MissingFile {
        /// Its address.
        url: String,
    },
    /// No answer, or not the kind of answer that helps.
    #[error("repository is not reachable at {url}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A server that is silent or drips.
    #[error("repository answers too slowly at {url}: {received} bytes in {within:?}")]
    TooSlow {
        /// The address.
        url: String,
        /// What came.
        received: u64,
        /// In how much time.
        within: Duration,
    },
    /// A file that ended early, again and again.
    #[error("transfer from {url} broke off after {received} bytes")]
    CutShort {
        /// The address.
        url: String,
        /// What came in the last try.
        received: u64,
    },
    /// An answer that sends to another server.
    #[error("repository at {url} sends to another server, {to}")]
    Redirected {
        /// The address.
        url: String,
        /// Where it sends to.
        to: String,
    },
    /// Another part of a file than the one that was asked for.
    #[error(
        "repository sent another part of {url}: expected bytes from {expected} on, found `{found}`"
    )]
    WrongRange {
        /// The address.
        url: String,
        /// The first byte that was asked for.
        expected: u64,
        /// What the server says that it sent.
        found: String,
    },
    /// A vendor speaks for what was not delegated to him.
    #[error("`{role}` speaks for {what}, which is not delegated to it")]
    NotDelegated {
        /// The vendor.
        role: String,
        /// The pack or target.
        what: String,
    },
    /// Metadata, catalogue or record is not what the format says.
    #[error("{what} cannot be read")]
    Malformed {
        /// What.
        what: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A record contradicts itself.
    #[error("record `{name}` is not valid")]
    Record {
        /// The target.
        name: TargetName,
        /// What is wrong.
        source: RecordError,
    },
    /// The root that was to be trusted does not carry its own signatures, or is none.
    #[error("root file is not a root that can be trusted")]
    UntrustableRoot {
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is another root already.
    #[error("{} trusts another root already; nothing was changed", path.display())]
    OtherRoot {
        /// The state folder.
        path: PathBuf,
    },
    /// Nobody pinned a root yet.
    #[error("{} trusts no repository yet", path.display())]
    NoTrust {
        /// The state folder.
        path: PathBuf,
    },
    /// A place for a target that would be outside of the folder it belongs to.
    #[error("{} leads out of the folder for targets", path.display())]
    UnsafePlace {
        /// The place.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something that the specification forbids.
    #[error("repository breaks the rules of its format: {what}")]
    Unlawful {
        /// What it does.
        what: String,
    },
}

impl RepositoryError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn malformed(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Malformed { what: what.into(), source: source.into() }
    }

    pub(crate) fn from_fault(url: &Url, fault: Fault) -> Self {
        match fault {
            Fault::Missing => Self::MissingFile { url: url.to_string() },
            Fault::TooLarge(limit) => Self::TooLarge { what: url.to_string(), limit },
            Fault::Slow { received, within } => {
                Self::TooSlow { url: url.to_string(), received, within }
            }
            Fault::CutShort { received } => Self::CutShort { url: url.to_string(), received },
            Fault::Redirected { to } => Self::Redirected { url: url.to_string(), to },
            Fault::WrongRange { expected, found } => {
                Self::WrongRange { url: url.to_string(), expected, found }
            }
            other => Self::Unreachable { url: url.to_string(), source: Box::new(other) },
        }
    }

    /// Whether the repository was read and is not to be believed, as opposed to not read at all.
    #[must_use]
    pub const fn is_verification(&self) -> bool {
        !matches!(
            self,
            Self::NoSuchTarget { .. }
                | Self::MissingFile { .. }
                | Self::Unreachable { .. }
                | Self::OtherRoot { .. }
                | Self::NoTrust { .. }
                | Self::TooSlow { .. }
                | Self::CutShort { .. }
                | Self::Redirected { .. }
                | Self::UnsafePlace { .. }
                | Self::Io { .. }
        )
    }
}

impl Coded for RepositoryError {
    fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "repository.expired",
            Self::Rollback { .. } => "repository.rollback",
            Self::RoleGone { .. } => "repository.role-gone",
            Self::BadSignature { .. } => "repository.bad-signature",
            Self::VersionMismatch { .. } => "repository.version-mismatch",
            Self::HashMismatch { .. } => "repository.hash-mismatch",
            Self::LengthMismatch { .. } => "repository.length-mismatch",
            Self::TooLarge { .. } => "repository.too-large",
            Self::NoSuchTarget { .. } => "repository.no-such-target",
            Self::MissingFile { .. } => "repository.missing-file",
            Self::Unreachable { .. } => "repository.unreachable",
            Self::TooSlow { .. } => "repository.too-slow",
            Self::CutShort { .. } => "repository.cut-short",
            Self::Redirected { .. } => "repository.redirected",
            Self::WrongRange { .. } => "repository.wrong-range",
            Self::NotDelegated { .. } => "repository.not-delegated",
            Self::Malformed { .. } => "repository.malformed",
            Self::Record { source, .. } => source.code(),
            Self::UntrustableRoot { .. } => "repository.untrustable-root",
            Self::OtherRoot { .. } => "repository.other-root",
            Self::NoTrust { .. } => "repository.no-trust",
            Self::UnsafePlace { .. } => "repository.unsafe-place",
            Self::Io { .. } => "repository.file-system",
            Self::Unlawful { .. } => "repository.unlawful",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            // A mirror that lags or a publication that is under way looks like this for a moment.
            Self::Unreachable { .. }
            | Self::TooSlow { .. }
            | Self::CutShort { .. }
            | Self::MissingFile { .. }
            | Self::Rollback { .. }
            | Self::VersionMismatch { .. }
            | Self::HashMismatch { .. }
            | Self::LengthMismatch { .. } => ErrorClass::Retry,
            Self::NoSuchTarget { .. } | Self::Record { .. } | Self::Malformed { .. } => {
                ErrorClass::Permanent
            }
            _ => ErrorClass::NeedsOperator,
        }
    }
}
