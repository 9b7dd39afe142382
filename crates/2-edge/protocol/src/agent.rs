//! The agent's side: enrolment, and one `sync` call that carries reports up and desired state down.
//!
//! Everything is level-triggered: an answer says what ought to be, a report says what is. Repeating either changes nothing.

use crate::{
    backup::{BackupReport, BackupWish},
    question::{AnswerRecord, GivenAnswer, OpenQuestion},
    runbook_test::{RunbookTestDone, RunbookTestRequest},
};
use refit_inventory::ObservedFacts;
use refit_journal::{Cause, Entry, OrderOutcome};
use refit_names::{BuildId, ByteSize, Digest, HostName, ProductName, RoleName, SiteName, StepId};
use refit_packs::runbook::Phase;
use refit_plan::{Order, OrderKey};
use refit_rollout::PrepareStage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of this protocol.
pub const PROTOCOL: u32 = 1;
/// `POST`, without a client certificate: [`EnrolRequest`] to [`EnrolResponse`].
pub const ENROL_PATH: &str = "/agent/v1/enroll";
/// `POST`, with the client certificate: [`SyncRequest`] to [`SyncResponse`].
pub const SYNC_PATH: &str = "/agent/v1/sync";
/// `GET`, with the client certificate: TUF metadata below this path.
pub const METADATA_PATH: &str = "/agent/v1/repository/metadata/";
/// `GET` with ranges, with the client certificate: TUF targets below this path.
pub const TARGETS_PATH: &str = "/agent/v1/repository/targets/";
/// Entries in one report: keeps a body well below its limit.
pub const JOURNAL_BATCH_MAX: usize = 200;
/// Bytes of one sync body: 200 entries of some KiB each, with captured output.
pub const SYNC_BODY_BYTES_MAX: usize = 4 << 20;
/// How long the server holds a sync when there is nothing to say, at most: below the idle limits of common proxies.
pub const WAIT_MS_MAX: u64 = 50_000;

/// An agent asks to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The one-time token.
    pub token: String,
    /// What the host calls itself.
    pub host: HostName,
    /// Certificate signing request, PEM.
    pub csr: String,
}

/// An agent is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolResponse {
    /// Its certificate, PEM.
    pub certificate: String,
    /// The authority that signed it and the server's own certificate, PEM.
    pub authority: String,
    /// The TUF root that the host pins, as JSON text.
    pub tuf_root: String,
    /// Where the host stands, as the token says.
    pub site: SiteName,
    /// What it does, as the token says.
    pub role: RoleName,
}

/// What an agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRequest {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The agent's version.
    pub agent_version: String,
    /// What it sees, when it changed or was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<ObservedFacts>,
    /// The order that it holds and how far it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderReport>,
    /// Journal entries that were not acknowledged, oldest first, at most [`JOURNAL_BATCH_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub journal: Vec<Entry>,
    /// What it has of backups, when that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<BackupReport>,
    /// Dry runs of runbooks that ended and are still asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<RunbookTestDone>,
    /// A certificate signing request, PEM: the server wanted one. It gives a certificate only while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// A number that the server gave with its last answer: an unchanged one lets the server hold the call.
    #[serde(default)]
    pub seen: u64,
    /// How long the server may hold the call, in milliseconds; it takes at most [`WAIT_MS_MAX`].
    pub wait_ms: u64,
}

/// What the server wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncResponse {
    /// The last journal entry that the server holds for this host.
    pub journal_acknowledged: u64,
    /// Changes when the assignment changes.
    pub seen: u64,
    /// What the host ought to do; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Assignment>,
    /// What is wished for of backups.
    #[serde(default, skip_serializing_if = "BackupWish::is_empty")]
    pub backups: BackupWish,
    /// What people answered and the host's journal does not have yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<GivenAnswer>,
    /// Runbooks to be tried, changing nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<RunbookTestRequest>,
    /// Builds in quarantine that a person lets come again; said until the host's facts no longer show them there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleared: Vec<ClearedBuild>,
    /// The next report shall carry facts.
    #[serde(default)]
    pub want_facts: bool,
    /// The host's certificate ends soon: the next report shall carry a signing request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub want_csr: bool,
    /// The certificate that was asked for, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// A build whose quarantine on this host a person cleared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClearedBuild {
    /// Of which product.
    pub product: ProductName,
    /// Which.
    pub build: BuildId,
}

/// What a host ought to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The order.
    pub order: Order,
    /// How far it may go.
    pub permission: Permission,
    /// Packs of the order that their author took back: a leg with one of them must not begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<WithdrawnPack>,
}

/// A pack that its author took back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawnPack {
    /// SHA-256 of its record.
    pub record: Digest,
    /// Which, and why.
    pub because: String,
}

/// How far a host may go with its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Fetch, check, store: nothing that anybody notices.
    Prepare,
    /// Carry it out. From here on the host needs nobody.
    Deploy,
    /// Do not begin. A host that has begun goes on to a whole build and says so.
    Withdrawn,
}

/// How far a host came with its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReport {
    /// Which order.
    pub key: OrderKey,
    /// The approved plan's hash, as in the order.
    pub plan: Digest,
    /// Where it stands.
    pub standing: Standing,
    /// What keeps the order from going on, while the host tries again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Cause>,
    /// When this was true, by the host's clock: the heartbeat.
    pub at: jiff::Timestamp,
}

/// How fast a transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferPace {
    /// Bytes per second since it began.
    pub per_second: ByteSize,
    /// Milliseconds until it ends, if it goes on like this.
    pub left_ms: u64,
}

/// Where a host stands with its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Standing {
    /// The order was refused; nothing was changed.
    Refused {
        /// Why.
        cause: Cause,
    },
    /// In a sub-stage of prepare.
    Preparing {
        /// Which.
        stage: PrepareStage,
        /// Bytes that are here, of those to fetch.
        done: ByteSize,
        /// Bytes to fetch.
        total: ByteSize,
        /// How fast they come, once that can be said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pace: Option<TransferPace>,
    },
    /// A sub-stage failed and will be tried again.
    PrepareFailed {
        /// Which.
        stage: PrepareStage,
        /// Why.
        cause: Cause,
        /// When it is tried again.
        retry_at: jiff::Timestamp,
    },
    /// Holds everything.
    Prepared {
        /// What was fetched and found.
        evidence: PrepareEvidence,
    },
    /// Carries it out.
    Running {
        /// Where.
        progress: Progress,
    },
    /// Finished.
    Finished {
        /// How.
        outcome: OrderOutcome,
        /// What was proven.
        evidence: Box<RunEvidence>,
    },
}

/// What prepare found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PrepareEvidence {
    /// Bytes that came over the network.
    pub bytes_fetched: ByteSize,
    /// Bytes of the whole content, compressed.
    pub bytes_full: ByteSize,
    /// Sub-stages with what each found.
    pub stages: Vec<StageNote>,
    /// Preflight values.
    pub preflight: Vec<Measured>,
}

/// What a sub-stage found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageNote {
    /// Which.
    pub stage: PrepareStage,
    /// For people.
    pub note: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// A measured value with its limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// What was measured.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// Whether it is well.
    pub ok: bool,
}

/// Where a running order stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Which leg, from 0.
    pub leg: u32,
    /// Of how many.
    pub legs: u32,
    /// Forward or back.
    pub rolling_back: bool,
    /// Phase of the runbook.
    pub phase: Phase,
    /// The step.
    pub step: StepId,
    /// Its place among all steps of all legs, from 0.
    pub step_index: u32,
    /// All steps of all legs.
    pub steps: u32,
    /// Since the order was begun, in milliseconds.
    pub elapsed_ms: u64,
    /// What the whole was expected to take, in milliseconds.
    pub expected_ms: u64,
    /// Bytes that the step has done.
    #[serde(default)]
    pub bytes_done: u64,
    /// Bytes that the step has to do; 0 while that is not known.
    #[serde(default)]
    pub bytes_total: u64,
    /// What is left of the whole, in milliseconds, as earlier runs say, or the pack where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_left_ms: Option<u64>,
    /// The person's answer that is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Box<OpenQuestion>>,
}

/// What a finished order proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEvidence {
    /// The build before.
    pub build_before: BuildId,
    /// The build after.
    pub build_after: BuildId,
    /// When it was begun.
    pub started_at: jiff::Timestamp,
    /// When it ended.
    pub finished_at: jiff::Timestamp,
    /// From asking the service to close until it served again, over all legs, as the host saw it.
    pub downtime_ms: u64,
    /// What prepare found.
    pub prepare: PrepareEvidence,
    /// Client tests, before and after.
    pub tests: Vec<TestPair>,
    /// Steps with outcome and duration.
    pub steps: Vec<StepRecord>,
    /// What people were asked and what they answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<AnswerRecord>,
    /// The backup's manifest digest, per leg.
    pub backups: Vec<Digest>,
    /// What the way back restored, for people, with the folder where that lies which was replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<String>,
    /// SHA-256 of each pack's record.
    pub packs: Vec<Digest>,
    /// The last entry of the journal.
    pub journal_head: Digest,
}

impl RunEvidence {
    /// Advisory steps whose last try failed: what people take by name and reason, or mend.
    pub fn findings(&self) -> Vec<&StepRecord> {
        let mut last = BTreeMap::new();
        for (place, record) in self.steps.iter().enumerate() {
            last.insert((record.leg, &record.step), (place, record));
        }
        let mut found: Vec<_> = last.into_values().collect();
        found.retain(|(_, record)| record.advisory && record.result == "failed");
        found.sort_by_key(|(place, _)| *place);
        found.into_iter().map(|(_, record)| record).collect()
    }
}

/// One client test, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestPair {
    /// Its name.
    pub name: String,
    /// Before the change; none when it was not run.
    pub before: Option<TestResult>,
    /// After it; none when it was not run.
    pub after: Option<TestResult>,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// Whether it passed.
    pub passed: bool,
    /// What was seen.
    pub note: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// One step in the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Which leg, from 0.
    pub leg: u32,
    /// The step.
    pub step: StepId,
    /// Its phase.
    pub phase: Phase,
    /// Its kind.
    pub kind: String,
    /// `done`, `not needed`, `failed` or `undone`.
    pub result: String,
    /// For people.
    pub note: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether its failure does not end the order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub advisory: bool,
}
