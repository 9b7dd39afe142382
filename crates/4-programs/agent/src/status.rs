//! What the state folder says, without asking anybody.

use crate::{agent_release, error::AgentError, files, orders::OrderStore, sync::Contact};
use refit_client::{ClientError, Identity, IdentityNote};
use refit_plan::Order;
use refit_protocol::agent::PrepareEvidence;
use serde::Serialize;
use std::{fmt, path::Path};

/// What the state folder says.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The installed program's version.
    pub version: String,
    /// The newer version that the installed program hands over to.
    pub upgraded_to: Option<String>,
    /// Who the host is.
    pub identity: IdentityNote,
    /// Since when the connection to the server is as it is.
    pub contact_since: Option<jiff::Timestamp>,
    /// Code and text of what is wrong with the connection.
    pub contact_problem: Option<(String, String)>,
    /// The order on disk that is not finished.
    pub order: Option<Order>,
    /// What prepare has found for it so far.
    pub prepare: Option<PrepareEvidence>,
}

/// Reads the state folder.
///
/// # Errors
/// [`AgentError`] when the host is not enrolled or a file is damaged.
pub fn status(state: &Path) -> Result<Status, AgentError> {
    let identity = Identity::load(state).map_err(ClientError::from)?;
    let orders = OrderStore::new(state);
    let order = orders.active()?;
    let prepare = match &order {
        Some(order) => Some(orders.stages(&order.key)?.evidence()),
        None => None,
    };
    let path = state.join("contact.json");
    let contact: Option<Contact> =
        files::read_json(&path).map_err(AgentError::io("read", &path))?;
    let selected = agent_release::selected(state)
        .map_err(AgentError::io("read", state.join("agent")))?
        .filter(|selected| selected.failed.is_none());
    Ok(Status {
        version: agent_release::VERSION.to_owned(),
        upgraded_to: selected.map(|selected| selected.version),
        identity: identity.note,
        contact_since: contact.as_ref().map(|contact| contact.since),
        contact_problem: contact.and_then(|contact| contact.problem),
        order,
        prepare,
    })
}

impl Status {
    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        // All keys are texts; nothing in it can fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IdentityNote { host, server, site, role } = &self.identity;
        writeln!(f, "host      {host} (site {site}, role {role})")?;
        writeln!(f, "server    {server}")?;
        match (&self.contact_problem, self.contact_since) {
            (Some((code, text)), Some(since)) => {
                writeln!(f, "contact   failing since {since}: [{code}] {text}")?
            }
            (None, Some(since)) => writeln!(f, "contact   good since {since}")?,
            (_, None) => writeln!(f, "contact   never")?,
        }
        write!(f, "agent     {}", self.version)?;
        if let Some(version) = &self.upgraded_to {
            write!(f, ", hands over to {version}")?;
        }
        let Some(order) = &self.order else { return write!(f, "\norder     none") };
        write!(
            f,
            "\norder     {} generation {}: {}",
            order.key.rollout, order.key.generation, order.product
        )?;
        if let Some(first) = order.legs.first() {
            write!(f, " {}", first.from)?;
        }
        for leg in &order.legs {
            write!(f, " → {}", leg.pack.to)?;
        }
        for note in self.prepare.iter().flat_map(|prepare| &prepare.stages) {
            write!(f, "\n  done    {:?}: {}", note.stage, note.note)?;
        }
        Ok(())
    }
}
