//! The list of exit codes, and which error ends with which. docs/cli.md has it for people.

use refit_client::ClientError;
use refit_names::{Coded as _, ErrorClass};
use refit_protocol::Problem;
use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// No right to do it, or not logged in.
    Denied = 4,
    /// The server did not answer.
    Unreachable = 5,
    /// Finished, and some hosts are not where they were meant to be.
    Partial = 6,
    /// A gate, policy, window or state forbids it now.
    Blocked = 7,
    /// There is something to do.
    ChangesPending = 8,
    /// A signature, digest or certificate does not hold.
    NotVerified = 9,
    /// Did not come to its end in time.
    TimedOut = 124,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Of an error of the client.
pub(crate) fn of_client(error: &ClientError) -> Exit {
    match error {
        ClientError::Unreachable { .. } => Exit::Unreachable,
        ClientError::CertificateRefused { .. } => Exit::Denied,
        ClientError::ServerNotTrusted { .. } => Exit::NotVerified,
        ClientError::Problem(problem) => of_problem(problem),
        ClientError::Address { .. } => Exit::Usage,
        other => of_code(other.code(), other.class()),
    }
}

/// Of a problem that the server sent.
fn of_problem(problem: &Problem) -> Exit {
    match problem.status {
        400 | 422 => Exit::Usage,
        401 | 403 => Exit::Denied,
        404 => Exit::NotFound,
        409 | 412 | 423 => Exit::Blocked,
        502 | 503 => Exit::Unreachable,
        504 => Exit::TimedOut,
        _ => Exit::Failed,
    }
}

/// Words in codes of errors that say: what was signed does not hold.
const NOT_VERIFIED: [&str; 13] = [
    "damaged",
    "signature",
    "unsigned",
    "digest",
    "expired",
    "rolled-back",
    "rollback-attack",
    "not-trusted",
    "unknown-key",
    "not-verified",
    "wrong-key",
    "tampered",
    "mismatch",
];

/// Of any other error, by its code.
pub(crate) fn of_code(code: &str, class: ErrorClass) -> Exit {
    let has = |words: &[&str]| words.iter().any(|word| code.contains(word));
    if has(&NOT_VERIFIED) {
        Exit::NotVerified
    } else if has(&["not-found", "unknown-", "missing"]) {
        Exit::NotFound
    } else if has(&["denied", "forbidden"]) {
        Exit::Denied
    } else if has(&["out-of-range"]) {
        Exit::Usage
    } else if has(&["unreachable"]) {
        Exit::Unreachable
    } else if has(&["blocked", "already-", "withdrawn", "incompatible", "older"]) {
        Exit::Blocked
    } else {
        // The class says whether trying again helps, which a script cannot tell from an exit code of this list.
        let _ = class;
        Exit::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_the_server_have_their_own_exit_codes() {
        let table =
            [(404, Exit::NotFound), (403, Exit::Denied), (409, Exit::Blocked), (500, Exit::Failed)];
        for (status, exit) in table {
            let error = ClientError::Problem(Problem::new("rollout.x", status, "t", "d"));
            assert_eq!(of_client(&error), exit, "status {status}");
        }
    }

    #[test]
    fn what_does_not_verify_ends_with_nine() {
        for code in ["repository.expired", "pack.damaged", "signoff.wrong-key"] {
            assert_eq!(of_code(code, ErrorClass::Permanent), Exit::NotVerified, "{code}");
        }
    }
}
