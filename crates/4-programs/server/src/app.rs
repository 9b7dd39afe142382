//! What all handlers and tasks share.

use crate::{
    authority::Authority,
    depot::{Depot, Stock},
    hub::Hub,
    refusal::{ApiError, Refusal},
    serving::Serving,
};
use jiff::{SignedDuration, Timestamp};
use refit_ambient::Ambient;
use refit_documents::SigningKey;
use refit_inventory::HostRecord;
use refit_names::{Digest, HostName, PersonName, RolloutName};
use refit_store::Store;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;

/// An agent is reachable when it was heard of within this time: two longest holds of a sync and some.
const REACHABLE: SignedDuration = SignedDuration::from_secs(120);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// The parts.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) ambient: Ambient,
    pub(crate) authority: Authority,
    pub(crate) serving: Arc<Serving>,
    pub(crate) signer: SigningKey,
    pub(crate) depot: Option<Depot>,
    pub(crate) hub: Hub,
    /// Versions at which campaigns had no orders.
    pub(crate) without_orders: Mutex<BTreeMap<RolloutName, u64>>,
    /// Windows and freezes as they were compiled last.
    pub(crate) calendar: crate::calendar::Compiled,
    pub(crate) state: PathBuf,
    /// Rung when something is to be sent.
    pub(crate) deliveries: tokio::sync::Notify,
    /// Opens and closes secrets at rest.
    pub(crate) seal: crate::notify::Seal,
    /// Rises with each change of a rollout that people may watch.
    pub(crate) changes: watch::Sender<u64>,
    /// Turns to typeset: more at once than processors make each of them late.
    pub(crate) typesetting: tokio::sync::Semaphore,
    /// Turns true once.
    pub(crate) stop: watch::Receiver<bool>,
}

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ambient.clock.now()
    }

    /// The repository's stock.
    pub(crate) fn stock(&self) -> Result<Arc<Stock>, Refusal> {
        let depot = self.depot.as_ref().ok_or(Refusal::NoRepository)?;
        depot.stock().ok_or(Refusal::RepositoryEmpty)
    }

    /// When a host was last heard of: memory knows more than the store.
    pub(crate) fn last_seen(&self, host: &HostRecord) -> Option<Timestamp> {
        self.hub.heard_at(&host.name).max(host.last_seen)
    }

    /// Whether a host was heard of lately.
    pub(crate) fn is_reachable(&self, last_seen: Option<Timestamp>) -> bool {
        last_seen.is_some_and(|seen| self.now().duration_since(seen) < REACHABLE)
    }

    /// As [`App::is_reachable`], from memory only.
    pub(crate) fn hears(&self, host: &HostName) -> bool {
        self.is_reachable(self.hub.heard_at(host))
    }

    /// Writes an act to the audit log.
    pub(crate) async fn audit(
        &self,
        who: &PersonName,
        what: &'static str,
        details: &impl Serialize,
    ) -> Result<(), ApiError> {
        let details = serde_json::to_string(details).unwrap_or_default();
        self.store.audit(who.as_str(), what, &details, self.now()).await?;
        tracing::info!(%who, what, details, "act");
        Ok(())
    }

    /// Tells people who watch that something moved; nothing that agents are told changed.
    pub(crate) fn progress(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    /// Tells everybody who waits that something changed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
        self.hub.stale.notify_one();
    }
}

/// What is kept of a token.
pub(crate) fn token_hash(token: &str) -> Digest {
    Digest::of(token.as_bytes())
}
