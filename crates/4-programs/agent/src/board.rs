//! What the two loops tell each other: the newest word of each, never a queue.

use refit_inventory::ObservedFacts;
use refit_journal::Cause;
use refit_names::Digest;
use refit_plan::{Order, OrderKey};
use refit_protocol::agent::{Assignment, PrepareEvidence, Standing};
use std::sync::Arc;
use tokio::sync::watch;

/// What the server wants, as far as it was heard since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Desired {
    /// Nothing was heard yet: whatever was asked before still holds.
    #[default]
    Unheard,
    /// It wants nothing.
    Nothing,
    /// It wants this.
    Assigned(Box<Assignment>),
}

/// Where the host stands with its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) key: OrderKey,
    pub(crate) plan: Digest,
    pub(crate) standing: Standing,
    pub(crate) stuck: Option<Cause>,
}

impl Word {
    /// Whether the server shall hear a heartbeat.
    pub(crate) const fn is_busy(&self) -> bool {
        matches!(self.standing, Standing::Preparing { .. } | Standing::Running { .. })
    }
}

/// Facts with a number that changes when they do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) revision: u64,
    pub(crate) seen: Option<Arc<ObservedFacts>>,
}

/// The board on which both sides write.
pub(crate) struct Board {
    desired: watch::Sender<Desired>,
    word: watch::Sender<Option<Word>>,
    facts: watch::Sender<Facts>,
    news: watch::Sender<u64>,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            desired: watch::Sender::default(),
            word: watch::Sender::default(),
            facts: watch::Sender::default(),
            news: watch::Sender::default(),
        }
    }

    /// Something is there that the server does not know.
    pub(crate) fn news(&self) {
        self.news.send_modify(|revision| *revision = revision.wrapping_add(1));
    }

    pub(crate) fn watch_news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn watch_desired(&self) -> watch::Receiver<Desired> {
        self.desired.subscribe()
    }

    pub(crate) fn desire(&self, desired: Desired) {
        self.desired.send_if_modified(|old| {
            let changed = *old != desired;
            *old = desired;
            changed
        });
    }

    /// Whether the server was heard since the start.
    pub(crate) fn has_heard(&self) -> bool {
        *self.desired.borrow() != Desired::Unheard
    }

    /// Says where the host stands with `order`.
    pub(crate) fn say(&self, order: &Order, standing: Standing) {
        self.put(Word { key: order.key.clone(), plan: order.plan, standing, stuck: None });
    }

    /// Says what keeps `order`, which was prepared long ago, from going on.
    pub(crate) fn stuck(&self, order: &Order, cause: Cause) {
        let standing = match self.word() {
            Some(word) if word.key == order.key => word.standing,
            _ => Standing::Prepared { evidence: PrepareEvidence::default() },
        };
        let (key, plan) = (order.key.clone(), order.plan);
        self.put(Word { key, plan, standing, stuck: Some(cause) });
    }

    fn put(&self, word: Word) {
        let changed = self.word.send_if_modified(|old| {
            let changed = old.as_ref() != Some(&word);
            *old = Some(word);
            changed
        });
        if changed {
            self.news();
        }
    }

    /// There is no order to speak of.
    pub(crate) fn fall_silent(&self) {
        if self.word.send_if_modified(|old| old.take().is_some()) {
            self.news();
        }
    }

    pub(crate) fn word(&self) -> Option<Word> {
        self.word.borrow().clone()
    }

    pub(crate) fn facts(&self) -> Facts {
        self.facts.borrow().clone()
    }

    /// Takes new facts; `Publish::IfChanged` keeps quiet about time and sizes.
    pub(crate) fn see(&self, seen: ObservedFacts, publish: Publish) {
        let changed = self.facts.send_if_modified(|facts| {
            let same = facts.seen.as_ref().is_some_and(|old| essence(old) == essence(&seen));
            if same && publish == Publish::IfChanged {
                return false;
            }
            facts.revision = facts.revision.wrapping_add(1);
            facts.seen = Some(Arc::new(seen));
            true
        });
        if changed {
            self.news();
        }
    }
}

/// Whether facts are told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publish {
    /// Only when something other than time and sizes changed.
    IfChanged,
    /// The server asked.
    Always,
}

/// Facts without what changes by itself all the time.
fn essence(facts: &ObservedFacts) -> ObservedFacts {
    let mut facts = facts.clone();
    facts.observed_at = jiff::Timestamp::UNIX_EPOCH;
    for product in &mut facts.products {
        product.size = refit_names::ByteSize(0);
        product.free = refit_names::ByteSize(0);
    }
    facts
}
