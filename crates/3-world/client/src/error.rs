//! What can go wrong between a client and the server.

use crate::token::TokenError;
use refit_names::{Coded, ErrorClass};
use refit_protocol::Problem;
use std::{
    collections::BTreeSet,
    error::Error,
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer came.
    #[error("server {server} is not reachable")]
    Unreachable {
        /// Its address.
        server: String,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// The server refused our certificate while the connection was made.
    #[error("server {server} refused this host's certificate")]
    CertificateRefused {
        /// Its address.
        server: String,
        /// The alert that it sent.
        #[source]
        source: rustls::Error,
    },
    /// The server's certificate does not verify under the authority that we trust.
    #[error("server {server} is not trusted")]
    ServerNotTrusted {
        /// Its address.
        server: String,
        /// What is wrong with its certificate.
        #[source]
        source: Untrusted,
    },
    /// The server answered with a problem.
    #[error("{}", problem_text(.0))]
    Problem(Problem),
    /// The answer is not what the protocol says.
    #[error("answer of {url} is not valid: {what}")]
    BadAnswer {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// The address of the server cannot be used.
    #[error("server address `{url}` cannot be used: {what}")]
    Address {
        /// The address.
        url: String,
        /// Why.
        what: String,
    },
    /// The trusted certificates cannot be read.
    #[error("trusted certificates cannot be used: {what}")]
    Trust {
        /// Why.
        what: String,
    },
    /// The client could not be built.
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
    /// The HTTP client could not be built.
    #[error("failed to set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    /// The token is not well-formed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Key or certificate are missing or damaged.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// What is wrong with a server's certificate.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// What TLS says.
    #[error(transparent)]
    Tls(rustls::Error),
    /// What our own check says.
    #[error("{0}")]
    Own(Arc<dyn Error + Send + Sync>),
}

impl From<rustls::Error> for Untrusted {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) => {
                Self::Own(other.0)
            }
            error => Self::Tls(error),
        }
    }
}

/// Why the identity of a host cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The host was never enrolled.
    #[error("no identity in {}: the host is not enrolled", .dir.display())]
    Missing {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The host has an identity already.
    #[error("{} holds an identity already; enrolling again would orphan it", .dir.display())]
    Exists {
        /// Where it is.
        dir: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("failed to {verb} {}", .path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is damaged: {what}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// No key could be made.
    #[error("failed to make a key and a certificate request")]
    Key(#[source] rcgen::Error),
}

impl Coded for ClientError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "agent.server-unreachable",
            Self::CertificateRefused { .. } => "agent.foreign-certificate",
            Self::ServerNotTrusted { .. } => "agent.server-not-trusted",
            Self::Problem(problem) => kept_code(&problem.code),
            Self::BadAnswer { .. } => "agent.bad-answer",
            Self::Address { .. } => "agent.bad-address",
            Self::Trust { .. } | Self::Tls(_) | Self::Setup(_) => "agent.tls-setup",
            Self::Token(error) => error.code(),
            Self::Identity(error) => error.code(),
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. } | Self::BadAnswer { .. } => ErrorClass::Retry,
            Self::Problem(problem) if problem.status == 429 || problem.status >= 500 => {
                ErrorClass::Retry
            }
            Self::Token(error) => error.class(),
            Self::Identity(error) => error.class(),
            _ => ErrorClass::NeedsOperator,
        }
    }
}

impl Coded for IdentityError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "agent.not-enrolled",
            Self::Exists { .. } => "agent.already-enrolled",
            Self::Io { .. } | Self::Damaged { .. } | Self::Key(_) => "agent.identity-unusable",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

fn problem_text(problem: &Problem) -> &str {
    if problem.detail.is_empty() { &problem.title } else { &problem.detail }
}

/// Codes of other programs that were met so far. Each is kept for the life of the process, so their number and form are limited.
static CODES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
/// More than there are pages of errors; a server that invents codes cannot make the client grow.
const CODES_MAX: usize = 512;
/// Longer than any code.
const CODE_BYTES_MAX: usize = 64;

/// The server's own code with the lifetime that [`Coded`] asks for.
fn kept_code(code: &str) -> &'static str {
    const OTHER: &str = "server.problem";
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if code.is_empty() || code.len() > CODE_BYTES_MAX || !code.chars().all(plain) {
        return OTHER;
    }
    let Ok(mut codes) = CODES.lock() else { return OTHER };
    if let Some(known) = codes.get(code) {
        return known;
    }
    if codes.len() >= CODES_MAX {
        return OTHER;
    }
    let kept: &'static str = Box::leak(code.to_owned().into_boxed_str());
    codes.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_keeps_the_code_of_the_server() {
        let error = ClientError::Problem(Problem::new("rollout.not-agreed", 409, "t", "d"));
        assert_eq!(error.code(), "rollout.not-agreed");
        let error = ClientError::Problem(Problem::new("Wrong Code\n", 409, "t", "d"));
        assert_eq!(error.code(), "server.problem");
    }
}
