//! Why the demo did not come to its end.

use refit_client::ClientError;
use refit_names::{Coded, ErrorClass};
use std::{io, path::PathBuf};

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A program that it needs is not there.
    #[error("no program {}: {hint}", .path.display())]
    NoProgram {
        /// Where it was looked for.
        path: PathBuf,
        /// How to get it.
        hint: &'static str,
    },
    /// A file or folder.
    #[error("failed to {verb} {}", .path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("`{command}` ended with {status}: {said}")]
    Command {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: String,
        /// Its last words.
        said: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {limit_s} s: {seen}")]
    Late {
        /// What was awaited.
        what: String,
        /// How long.
        limit_s: u64,
        /// What was there instead.
        seen: String,
    },
    /// The server refused a call.
    #[error("failed to {what}")]
    Call {
        /// What was asked for.
        what: String,
        /// Its answer.
        #[source]
        source: Box<ClientError>,
    },
    /// The rollout ended otherwise than completed.
    #[error("the rollout stands still: {state}")]
    Stopped {
        /// Where, and why.
        state: String,
    },
    /// The plan was objected to.
    #[error("the second judge objects to the plan: {findings}")]
    BadPlan {
        /// What it found.
        findings: String,
    },
    /// More hosts than ports or memory allow, or none.
    #[error("{found} hosts, expected 1 to 200")]
    Hosts {
        /// How many.
        found: u32,
    },
    /// A name or size that the demo made is not allowed.
    #[error("the demo made a value that is not allowed: {0}")]
    Value(String),
    /// No free port was found.
    #[error("no {wanted} free ports between 20000 and 32000")]
    Ports {
        /// How many.
        wanted: usize,
    },
}

impl DemoError {
    pub(crate) fn io(
        verb: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { verb, path, source }
    }

    pub(crate) fn call(what: impl Into<String>) -> impl FnOnce(ClientError) -> Self {
        let what = what.into();
        move |source| Self::Call { what, source: Box::new(source) }
    }

    pub(crate) fn value(error: impl std::fmt::Display) -> Self {
        Self::Value(error.to_string())
    }
}

impl Coded for DemoError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoProgram { .. } => "demo.no-program",
            Self::Io { .. } => "demo.io",
            Self::Command { .. } => "demo.command-failed",
            Self::Late { .. } => "demo.late",
            Self::Call { .. } => "demo.call-refused",
            Self::Stopped { .. } => "demo.rollout-stopped",
            Self::BadPlan { .. } => "demo.bad-plan",
            Self::Hosts { .. } => "demo.hosts",
            Self::Value(_) => "demo.value",
            Self::Ports { .. } => "demo.no-ports",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}
