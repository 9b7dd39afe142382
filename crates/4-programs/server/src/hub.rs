//! What agents are told: desired state per host, derived from the store, kept in memory, made again when told that something changed.
//!
//! A sync costs one look-up here. Only hosts whose answer changed are woken.

use jiff::Timestamp;
use refit_inventory::ObservedFacts;
use refit_names::{Digest, HostName};
use refit_plan::OrderKey;
use refit_protocol::{
    agent::{Assignment, ClearedBuild},
    backup::BackupWish,
    question::GivenAnswer,
    runbook_test::RunbookTestRequest,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use tokio::sync::{Notify, watch};

/// What one host ought to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Desired {
    /// It is out of service.
    pub(crate) retired: bool,
    /// Its facts were never seen.
    pub(crate) want_facts: bool,
    /// What it is told.
    pub(crate) assignment: Option<Assignment>,
    /// What is wished for of backups.
    pub(crate) backups: BackupWish,
    /// What people answered and the host's journal does not have.
    pub(crate) answers: Vec<GivenAnswer>,
    /// Runbooks to be tried.
    pub(crate) tests: Vec<RunbookTestRequest>,
    /// Builds in quarantine that may come again.
    pub(crate) cleared: Vec<ClearedBuild>,
    /// Orders that it may report on.
    pub(crate) orders: Vec<OwnOrder>,
}

/// An order that is a host's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnOrder {
    pub(crate) key: OrderKey,
    pub(crate) plan: Digest,
    /// Whether it removes a pack.
    pub(crate) removes: bool,
}

impl Desired {
    /// A number that differs when what it is told differs, also over restarts. Never 0.
    pub(crate) fn seen(&self) -> u64 {
        let told = (&self.assignment, &self.backups, &self.answers, &self.tests);
        let mut text = serde_json::to_vec(&told).unwrap_or_default();
        if !self.cleared.is_empty() {
            text.extend(serde_json::to_vec(&self.cleared).unwrap_or_default());
        }
        let digest = Digest::of(&text);
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        // JSON readers elsewhere keep 53 bits.
        (u64::from_be_bytes(first) >> 11) | 1
    }
}

/// Desired state with its number.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) desired: Arc<Desired>,
    pub(crate) seen: u64,
}

/// The last things that a host said, so that an unchanged report costs no write.
#[derive(Debug, Default)]
struct Said {
    report: Option<Digest>,
    journal: Option<u64>,
}

/// The memory between store and agents.
#[derive(Default)]
pub(crate) struct Hub {
    told: RwLock<HashMap<HostName, watch::Sender<Told>>>,
    said: Mutex<HashMap<HostName, Said>>,
    seen: Mutex<HashMap<HostName, Timestamp>>,
    unwritten: Mutex<HashMap<HostName, Timestamp>>,
    /// Only here: a host says within a second that it is done, and a wish that outlived that could clear a later quarantine.
    cleared: Mutex<HashMap<HostName, BTreeSet<ClearedBuild>>>,
    /// Rung when desired state may have changed.
    pub(crate) stale: Notify,
    /// Rung when a host reported.
    pub(crate) reported: Notify,
}

impl Hub {
    /// What `host` is told, and its later changes; none when it is not known here.
    pub(crate) fn subscribe(&self, host: &HostName) -> Option<watch::Receiver<Told>> {
        let told = self.told.read().unwrap_or_else(PoisonError::into_inner);
        told.get(host).map(watch::Sender::subscribe)
    }

    /// Takes the whole fleet's desired state; wakes hosts whose answer changed.
    pub(crate) fn tell(&self, all: BTreeMap<HostName, Desired>) {
        let mut told = self.told.write().unwrap_or_else(PoisonError::into_inner);
        told.retain(|host, _| all.contains_key(host));
        for (host, desired) in all {
            match told.get(&host) {
                Some(sender) => {
                    sender.send_if_modified(|now| {
                        if *now.desired == desired {
                            return false;
                        }
                        let (before, wanted) = (now.seen, now.desired.want_facts);
                        *now = Told { seen: desired.seen(), desired: Arc::new(desired) };
                        before != now.seen
                            || (!wanted && now.desired.want_facts)
                            || now.desired.retired
                    });
                }
                None => {
                    let new = Told { seen: desired.seen(), desired: Arc::new(desired) };
                    told.insert(host, watch::Sender::new(new));
                }
            }
        }
    }

    /// Takes back the wish for facts: they were just stored.
    pub(crate) fn facts_are_here(&self, host: &HostName) {
        let told = self.told.read().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = told.get(host) else { return };
        sender.send_if_modified(|now| {
            if now.desired.want_facts {
                now.desired = Arc::new(Desired { want_facts: false, ..(*now.desired).clone() });
            }
            false
        });
    }

    /// Wishes that a build in quarantine may come again on a host.
    pub(crate) fn let_come_again(&self, host: &HostName, build: ClearedBuild) {
        let mut cleared = self.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        cleared.entry(host.clone()).or_default().insert(build);
    }

    /// What may come again on a host and was in quarantine when it was heard of last.
    pub(crate) fn cleared(&self, host: &HostName) -> Vec<ClearedBuild> {
        let cleared = self.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        cleared.get(host).into_iter().flatten().cloned().collect()
    }

    /// Forgets the wishes that a host's facts show as done.
    pub(crate) fn forget_cleared(&self, host: &HostName, facts: &ObservedFacts) {
        let mut cleared = self.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(wishes) = cleared.get_mut(host) else { return };
        wishes.retain(|wish| {
            let mut products = facts.products.iter();
            products
                .any(|seen| seen.name == wish.product && seen.quarantined.contains_key(&wish.build))
        });
        if wishes.is_empty() {
            cleared.remove(host);
        }
    }

    /// Notes that a host was heard of.
    pub(crate) fn heard(&self, host: &HostName, now: Timestamp) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone(), now);
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone(), now);
    }

    /// When a host was last heard of since the server started.
    pub(crate) fn heard_at(&self, host: &HostName) -> Option<Timestamp> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    /// Hosts that were heard of and are not written down yet; taken out.
    pub(crate) fn take_unwritten(&self) -> Vec<(HostName, Timestamp)> {
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *unwritten).into_iter().collect()
    }

    /// Whether a report differs from the host's last one.
    pub(crate) fn is_news(&self, host: &HostName, report: Digest) -> bool {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.get(host).and_then(|said| said.report) != Some(report)
    }

    /// Notes a report that is stored.
    pub(crate) fn keep_report(&self, host: &HostName, report: Digest) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.entry(host.clone()).or_default().report = Some(report);
    }

    /// The last stored journal entry of a host, if it is remembered.
    pub(crate) fn journal_end(&self, host: &HostName) -> Option<u64> {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(host)
            .and_then(|said| said.journal)
    }

    /// Remembers the last stored journal entry of a host.
    pub(crate) fn keep_journal_end(&self, host: &HostName, seq: u64) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.entry(host.clone()).or_default().journal = Some(seq);
    }
}
