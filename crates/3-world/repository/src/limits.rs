//! How long and how slowly a server may answer.

use reqwest::{Url, redirect::Policy};
use std::time::Duration;

/// How long and how slowly a server may answer. Sizes are limited by what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Metadata are small; a server that needs longer for one file is as good as gone.
    pub metadata_time_max: Duration,
    /// Longest silence in the middle of a file.
    pub stall_max: Duration,
    /// In each such piece of time …
    pub window: Duration,
    /// … at least so many bytes must come: a server that drips is no better than one that is silent.
    pub window_bytes_min: u64,
}

impl Default for Limits {
    /// A minute for metadata, half a minute of silence, and 1 KiB/s over a minute: slower than any line that people still use.
    fn default() -> Self {
        Self {
            metadata_time_max: Duration::from_secs(60),
            stall_max: Duration::from_secs(30),
            window: Duration::from_secs(60),
            window_bytes_min: 60 << 10,
        }
    }
}

/// Follows a redirect only within the server that was asked: whoever answers for a repository does not send its clients to others.
#[must_use]
pub fn same_server() -> Policy {
    Policy::custom(|attempt| {
        let elsewhere =
            attempt.previous().first().is_some_and(|first| !is_same_server(first, attempt.url()));
        if elsewhere {
            attempt.error(Elsewhere)
        } else if attempt.previous().len() > REDIRECTS_MAX {
            attempt.error("too many redirects")
        } else {
            attempt.follow()
        }
    })
}

/// A few, for servers that add a slash or a version.
const REDIRECTS_MAX: usize = 5;

#[derive(Debug, thiserror::Error)]
#[error("the answer sends to another server")]
struct Elsewhere;

/// Whether scheme, name and port agree.
pub(crate) fn is_same_server(asked: &Url, answered: &Url) -> bool {
    asked.origin() == answered.origin()
}
