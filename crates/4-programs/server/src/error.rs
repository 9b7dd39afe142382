//! Why the server does not start.

use refit_names::{Coded, ErrorClass};
use std::path::{Path, PathBuf};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file of the state folder.
    #[error("failed to {deed} `{}`", path.display())]
    File {
        /// What was to be done.
        deed: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate authority or a key.
    #[error("failed to {deed}")]
    Authority {
        /// What was to be done.
        deed: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A name for the server's certificate.
    #[error("`{name}` is neither a DNS name nor an address")]
    Name {
        /// The name.
        name: String,
    },
    /// The address cannot be listened on.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The console speaks plain HTTP.
    #[error(
        "console address {address} is reachable from other machines, expected a loopback address: the console speaks plain HTTP"
    )]
    ConsoleNotLoopback {
        /// The address.
        address: std::net::SocketAddr,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] refit_store::StoreError),
    /// The repository's pinned root.
    #[error(transparent)]
    Repository(#[from] refit_repository::RepositoryError),
    /// The key that signs certificates.
    #[error(transparent)]
    SignoffKey(#[from] refit_documents::KeyError),
}

impl ServerError {
    pub(crate) fn file(deed: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::File { deed, path: path.to_owned(), source }
    }

    pub(crate) fn authority<E>(deed: &'static str) -> impl Fn(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self::Authority { deed, source: Box::new(source) }
    }
}

impl Coded for ServerError {
    fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "server.state-file",
            Self::Authority { .. } => "server.authority",
            Self::Name { .. } => "server.bad-name",
            Self::Listen { .. } => "server.cannot-listen",
            Self::ConsoleNotLoopback { .. } => "server.console-not-loopback",
            Self::Store(error) => error.code(),
            Self::Repository(error) => error.code(),
            Self::SignoffKey(_) => "server.signoff-key",
        }
    }
    fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Repository(error) => error.class(),
            _ => ErrorClass::NeedsOperator,
        }
    }
}
