//! Packs that their author took back: a leg with one of them does not begin.
//!
//! Two sources, each enough: the signed catalogue, looked at anew, and the server's word. Neither is needed: a host that reaches nobody
//! goes on with what was signed when it prepared. What was heard once is kept, because a withdrawal is for ever.

use crate::{board::Desired, files, run::Agent};
use refit_client::RepositorySource;
use refit_host::engine::LegGate;
use refit_journal::Cause;
use refit_names::{Coded, Digest, ErrorClass, chain};
use refit_plan::Order;
use refit_repository::{RepositoryError, Source, TrustStore, refresh};
use std::{collections::BTreeMap, ops::Range, path::PathBuf, sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::watch};

/// How long a host looks before it goes on without an answer: its window is open.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Why a leg does not begin.
#[derive(Debug, thiserror::Error)]
#[error("leg {leg} does not begin: {because}")]
struct TakenBack {
    leg: usize,
    because: String,
}

impl Coded for TakenBack {
    fn code(&self) -> &'static str {
        "order.pack-withdrawn"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

/// What is known of withdrawn packs, by the digest of their record.
type Known = BTreeMap<Digest, String>;

/// Looks.
pub(crate) struct Gate {
    state: PathBuf,
    repository: RepositorySource,
    clock: Arc<dyn refit_ambient::Clock>,
    desired: watch::Receiver<Desired>,
    /// None outside of a runtime: then only what was heard counts.
    runtime: Option<Handle>,
}

impl Gate {
    pub(crate) fn of(agent: &Agent) -> Self {
        Self {
            state: agent.state.clone(),
            repository: agent.repository.clone(),
            clock: Arc::clone(&agent.ambient.clock),
            desired: agent.board.watch_desired(),
            runtime: Handle::try_current().ok(),
        }
    }

    /// Whether the pack of one of these legs is withdrawn.
    pub(crate) async fn check(&self, order: &Order, legs: Range<usize>) -> Result<(), Cause> {
        // What a removal takes away may be withdrawn: it is what is to be done with it.
        if order.removal().is_some() {
            return Ok(());
        }
        let mut known = self.heard();
        judge(order, legs.clone(), &known)?;
        match tokio::time::timeout(LOOK_MAX, self.look()).await {
            Ok(Ok(seen)) => {
                known.extend(seen);
                self.keep(&known);
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    code = error.code(),
                    "withdrawn packs were not looked for: {}",
                    chain(&error)
                );
            }
            Err(_) => tracing::warn!("withdrawn packs were not looked for: no answer in time"),
        }
        judge(order, legs, &known)
    }

    /// What the server said, and what was known before.
    fn heard(&self) -> Known {
        let path = self.state.join("withdrawn.json");
        let mut known: Known = files::read_json(&path).ok().flatten().unwrap_or_default();
        if let Desired::Assigned(assignment) = &*self.desired.borrow() {
            let said = assignment.withdrawn.iter();
            known.extend(said.map(|pack| (pack.record, pack.because.clone())));
        }
        known
    }

    fn keep(&self, known: &Known) {
        let path = self.state.join("withdrawn.json");
        if let Err(error) = files::write_json(&path, known) {
            tracing::warn!(%error, "failed to write {}", path.display());
        }
    }

    /// The signed catalogue as it is now.
    async fn look(&self) -> Result<Known, RepositoryError> {
        let trust = TrustStore::open(&self.state.join("tuf"))?;
        let RepositorySource { metadata, targets, http, .. } = self.repository.clone();
        let source = Source { metadata, targets, http };
        let repository = refresh(&trust, &source, self.clock.now()).await?;
        let packs = repository.catalog().await?.packs;
        let taken_back = packs.into_iter().filter_map(|pack| {
            let reason = pack.withdrawn?;
            let because = format!(
                "pack of product `{}` to build `{}` was withdrawn: {reason}",
                pack.product, pack.to
            );
            Some((pack.record_digest, because))
        });
        Ok(taken_back.collect())
    }
}

/// Refuses the first of these legs whose pack is known to be withdrawn.
fn judge(order: &Order, legs: Range<usize>, known: &Known) -> Result<(), Cause> {
    for (leg, planned) in order.legs.iter().enumerate().filter(|(leg, _)| legs.contains(leg)) {
        if let Some(because) = known.get(&planned.pack.digest) {
            return Err(Cause::of(&TakenBack { leg, because: because.clone() }));
        }
    }
    Ok(())
}

/// Between two legs only the next one counts: it is reached by what runs now, and is whole in itself.
impl LegGate for Gate {
    fn may_begin(&self, order: &Order, leg: u32) -> Result<(), Cause> {
        let next = usize::try_from(leg).unwrap_or(usize::MAX);
        let legs = next..next.saturating_add(1);
        match &self.runtime {
            Some(runtime) => runtime.block_on(self.check(order, legs)),
            None => judge(order, legs, &self.heard()),
        }
    }
}
