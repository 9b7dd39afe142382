//! Typed client of `protocol`: enrolment with a pinned fingerprint, renewal, the agent's `sync`, the API for people.
//!
//! Here: keys and certificates of a host, TLS trust, one method per route, retry delays.
//! Deliberately not here: what an answer means (`agent`, `cli`), TUF (`repository`), printing.
//! Called by: agent, command line, demo, benchmarks.
//!
//! Invariants:
//! 1. A private key never leaves the machine and lies in a file that only its owner can read.
//! 2. No byte of a request is sent to a server whose certificate does not verify under the pinned authority.
//! 3. A problem from the server keeps its code all the way to the person.

mod agent;
mod api;
mod backoff;
mod enrol;
mod error;
mod events;
mod http;
mod identity;
mod token;
mod trust;

pub use agent::{AgentClient, RepositorySource};
pub use api::ApiClient;
pub use backoff::Backoff;
pub use enrol::{Enrolled, enrol, request_certificate};
pub use error::{ClientError, IdentityError, Untrusted};
pub use events::EventStream;
pub use identity::{CertificateRequest, Identity, IdentityNote};
pub use token::{TokenError, TokenText};
