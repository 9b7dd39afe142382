//! One file per page.

pub(crate) mod certificates;
pub(crate) mod fleet;
pub(crate) mod login;
pub(crate) mod packs;
pub(crate) mod papers;
pub(crate) mod risk;
pub(crate) mod rollout_host;
pub(crate) mod rollouts;
pub(crate) mod updates;
pub(crate) mod windows;

use crate::reply::{Frame, Refusal, not_found};
use crate::session::Person;
use refit_names::{Digest, HostName, NameError, RolloutName};

/// What stands around a page of `person`.
fn frame(person: &Person, active: &'static str, title: impl Into<String>) -> Frame {
    Frame { title: title.into(), active, person: person.who.name.to_string() }
}

/// Reads a name of the address; what is not a name names nothing.
fn name<T: std::str::FromStr<Err = NameError>>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|error: NameError| not_found(error.to_string()))
}

/// Reads rollout and host of the address.
fn names((rollout, host): (String, String)) -> Result<(RolloutName, HostName), Refusal> {
    Ok((name(&rollout)?, name(&host)?))
}

/// Reads a digest of the address.
fn digest(text: &str) -> Result<Digest, Refusal> {
    Digest::parse(text).map_err(|error| not_found(error.to_string()))
}
