//! Why content could not be brought or a tree is not what it should be.

use refit_names::{ByteSize, ChunkId, Coded, ErrorClass};
use reqwest::StatusCode;
use std::{io, path::PathBuf, time::Duration};

/// Why content could not be brought or a tree is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
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
    /// The list of entries describes no tree.
    #[error("entry `{path}` cannot be part of a tree: {why}")]
    UnfitTree {
        /// The entry.
        path: String,
        /// Why not.
        why: String,
    },
    /// No connection, or it broke, and trying again did not help.
    #[error("{url} is not reachable")]
    Unreachable {
        /// The bundle's address.
        url: String,
        /// Why not.
        source: reqwest::Error,
    },
    /// The server said no.
    #[error("{url} answered {status}")]
    Status {
        /// The bundle's address.
        url: String,
        /// What it said.
        status: StatusCode,
    },
    /// The server sends the whole file instead of the range that was asked for.
    #[error("{url} ignores ranges: expected 206 Partial Content, found {status}")]
    RangeIgnored {
        /// The bundle's address.
        url: String,
        /// What it said.
        status: StatusCode,
    },
    /// The server sends another range, or another file.
    #[error("{url} sends another range: expected `{expected}`, found `{found}`")]
    WrongRange {
        /// The bundle's address.
        url: String,
        /// What was asked for.
        expected: String,
        /// What its `Content-Range` says.
        found: String,
    },
    /// The body ended early.
    #[error("{url} ended early: expected {expected} bytes, found {found}")]
    CutShort {
        /// The bundle's address.
        url: String,
        /// Bytes that were asked for.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// The body went on after its end.
    #[error("{url} sends more than was asked for: expected {expected} bytes")]
    TooLong {
        /// The bundle's address.
        url: String,
        /// Bytes that were asked for.
        expected: u64,
    },
    /// Too few bytes in too much time: the transfer would not end.
    #[error("{url} sends too slowly: {found} bytes in {window:?}, expected at least {expected}")]
    TooSlow {
        /// The bundle's address.
        url: String,
        /// Bytes that came.
        found: u64,
        /// Fewest bytes that a window must bring.
        expected: u64,
        /// In how long.
        window: Duration,
    },
    /// The server has no time now.
    #[error("{url} answered {status}{}", .retry_after.map(|after| format!(", to be asked again in {} s", after.as_secs())).unwrap_or_default())]
    Busy {
        /// The bundle's address.
        url: String,
        /// What it said.
        status: StatusCode,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server sends its clients to somebody else.
    #[error("{url} leads to another server: {to}")]
    Redirected {
        /// The bundle's address.
        url: String,
        /// Where it leads.
        to: String,
    },
    /// The server changed the bytes on their way.
    #[error("{url} sends content encoded with `{found}`, expected it as it is")]
    Encoded {
        /// The bundle's address.
        url: String,
        /// Its `Content-Encoding`.
        found: String,
    },
    /// There is not enough room for what must come.
    #[error("{needed} must be fetched, and the quota leaves {limit}")]
    OverQuota {
        /// Bytes that must come.
        needed: ByteSize,
        /// Bytes that may come.
        limit: ByteSize,
    },
    /// The kept beginning of a chunk did not fit to what came after it.
    #[error("what was kept of a chunk of {url} is damaged")]
    TailDamaged {
        /// The bundle's address.
        url: String,
    },
    /// Silence.
    #[error("{url} sent nothing for {silence:?}")]
    Stalled {
        /// The bundle's address.
        url: String,
        /// For how long.
        silence: Duration,
    },
    /// Addresses other than http, https and file.
    #[error("{url} is no address of a bundle: expected http, https or file")]
    Address {
        /// The address.
        url: String,
    },
    /// Other bytes than the record promises.
    #[error("{url} sends other content at byte {offset}: expected {expected}, found {found}")]
    ChunkDamaged {
        /// The bundle's address.
        url: String,
        /// Where in the bundle.
        offset: u64,
        /// The chunk's name.
        expected: ChunkId,
        /// What came instead.
        found: String,
    },
    /// A tree was to be built before its content was fetched, or a local file changed since.
    #[error(
        "content of `{path}` is not complete: chunk {chunk} is neither in the cache nor in a local file"
    )]
    ChunkMissing {
        /// The file in the tree.
        path: String,
        /// Which chunk.
        chunk: ChunkId,
    },
    /// Something else stands where the tree is to be.
    #[error("{} exists already and is another tree", path.display())]
    Occupied {
        /// The final folder.
        path: PathBuf,
        /// The first difference.
        source: Box<ContentError>,
    },
    /// A tree is not what the record says.
    #[error("{} differs from its record: expected {expected}, found {found}", path.display())]
    Differs {
        /// The file, folder or link.
        path: PathBuf,
        /// What the record says.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl ContentError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn unfit(path: impl ToString, why: impl Into<String>) -> Self {
        Self::UnfitTree { path: path.to_string(), why: why.into() }
    }

    /// When the server wants to be asked again, if it said so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same request may work in a moment.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !source.is_builder() && !source.is_redirect(),
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::REQUEST_TIMEOUT
            }
            Self::CutShort { .. }
            | Self::Stalled { .. }
            | Self::TooSlow { .. }
            | Self::Busy { .. }
            | Self::TailDamaged { .. } => true,
            _ => false,
        }
    }
}

impl Coded for ContentError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "content.file-system",
            Self::UnfitTree { .. } => "content.unfit-tree",
            Self::Unreachable { .. } => "content.unreachable",
            Self::Status { .. } => "content.refused",
            Self::RangeIgnored { .. } => "content.range-ignored",
            Self::WrongRange { .. } => "content.wrong-range",
            Self::CutShort { .. } => "content.cut-short",
            Self::TooLong { .. } => "content.too-long",
            Self::Stalled { .. } => "content.stalled",
            Self::TooSlow { .. } => "content.too-slow",
            Self::Busy { .. } => "content.busy",
            Self::Redirected { .. } => "content.redirected",
            Self::Encoded { .. } => "content.encoded",
            Self::OverQuota { .. } => "content.over-quota",
            Self::TailDamaged { .. } => "content.tail-damaged",
            Self::Address { .. } => "content.address",
            Self::ChunkDamaged { .. } => "content.chunk-damaged",
            Self::ChunkMissing { .. } => "content.chunk-missing",
            Self::Occupied { .. } => "content.occupied",
            Self::Differs { .. } => "content.tree-differs",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            error if error.is_transient() => ErrorClass::Retry,
            Self::ChunkMissing { .. } => ErrorClass::Retry,
            Self::UnfitTree { .. } | Self::Address { .. } => ErrorClass::Permanent,
            _ => ErrorClass::NeedsOperator,
        }
    }
}
