//! Builds that were rolled back here, and that a person lets come again.

use crate::{board::Publish, run::Agent};
use refit_host::journal::{JournalError, StepLog as _};
use refit_names::{Coded as _, chain};
use refit_protocol::agent::ClearedBuild;
use std::sync::Arc;

/// Clears what is in quarantine of `cleared`; the facts that show it are what tells the server.
pub(crate) fn hear(agent: &Arc<Agent>, cleared: Vec<ClearedBuild>) {
    if cleared.is_empty() {
        return;
    }
    let agent = Arc::clone(agent);
    tokio::task::spawn_blocking(move || {
        for wish in cleared {
            match clear(&agent, &wish) {
                Ok(true) => agent.look(Publish::Always),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(code = error.code(), "quarantine: {}", chain(&error));
                }
            }
        }
    });
}

/// Whether there was something to clear: the same wish comes until the server saw the facts.
fn clear(agent: &Agent, wish: &ClearedBuild) -> Result<bool, JournalError> {
    let ClearedBuild { product, build } = wish;
    let Some(because) = agent.journal.quarantined(product)?.remove(build) else {
        return Ok(false);
    };
    agent.journal.clear_quarantine(product, build)?;
    tracing::info!(%product, %build, because, "a person cleared the quarantine of a build");
    Ok(true)
}
