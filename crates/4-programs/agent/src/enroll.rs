//! How this host is let into a fleet.

use crate::error::AgentError;
use refit_client::{Identity, IdentityNote, enrol};
use refit_names::HostName;
use refit_repository::TrustStore;
use std::{fs, path::Path};

/// The token from the command line or from a file.
pub(crate) fn token(given: Option<String>, file: Option<&Path>) -> Result<String, AgentError> {
    match (given, file) {
        (Some(token), _) => Ok(token),
        (None, Some(file)) => fs::read_to_string(file).map_err(AgentError::io("read", file)),
        // The command line asks for one of the two.
        (None, None) => Ok(String::new()),
    }
}

/// Enrols the host, stores its identity and pins the repository's root.
///
/// # Errors
/// [`AgentError`]: the token is malformed, used or expired; the server is not reachable or not trusted; the host is enrolled already.
pub async fn enroll(
    server: &str,
    token: &str,
    host: &HostName,
    state: &Path,
) -> Result<IdentityNote, AgentError> {
    let enrolled = enrol(server, token, host, state).await?;
    pin(&enrolled.identity, state)?;
    let note = enrolled.identity.note;
    tracing::info!(host = %note.host, site = %note.site, role = %note.role, server = %note.server, "enrolled");
    Ok(note)
}

/// Pins the root that came with the identity. Repeating it changes nothing, so `run` does it again after a cut-off.
///
/// A server without a repository has no root to give: such a host takes no order before it is enrolled anew.
pub(crate) fn pin(identity: &Identity, state: &Path) -> Result<(), AgentError> {
    if identity.tuf_root.is_empty() {
        tracing::warn!(
            "the server had no repository when this host was enrolled: no order can be prepared"
        );
        return Ok(());
    }
    TrustStore::create(&state.join("tuf"), identity.tuf_root.as_bytes())?;
    Ok(())
}
