//! The dry run of a runbook on a host: what each step would do, and whether it could; nothing is changed.

use refit_journal::Cause;
use refit_names::{BuildId, ParameterName, ProductName, RunbookName, StepId};
use refit_packs::runbook::Phase;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A dry run that a host is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookTestRequest {
    /// Its number: done once, whatever is repeated on the wire.
    pub id: u64,
    /// For which product.
    pub product: ProductName,
    /// The runbook, YAML.
    pub runbook: String,
    /// Values of its parameters; they win over the host's own.
    #[serde(default)]
    pub parameters: BTreeMap<ParameterName, String>,
}

/// A dry run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookTestDone {
    /// Which.
    pub id: u64,
    /// What it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<RunbookTest>,
    /// Why it could not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// What a dry run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookTest {
    /// The runbook.
    pub name: RunbookName,
    /// Its version.
    pub version: u32,
    /// The product.
    pub product: ProductName,
    /// The installed build, in whose place the new one stands.
    pub build: BuildId,
    /// What is wrong with its parameters on this host, a line each.
    pub parameters: Vec<String>,
    /// Each step.
    pub steps: Vec<StepTest>,
}

impl RunbookTest {
    /// Whether every step could run.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.parameters.is_empty()
            && self.steps.iter().all(|step| step.verdict != StepVerdict::Fails)
    }
}

/// One step of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTest {
    /// The step.
    pub step: StepId,
    /// Its phase.
    pub phase: Phase,
    /// Its kind.
    pub kind: String,
    /// What it would do.
    pub would: String,
    /// Whether it could.
    pub verdict: StepVerdict,
    /// What was looked at and found.
    pub notes: Vec<String>,
}

/// Whether a step could run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepVerdict {
    /// All that can be looked at now is well.
    Works,
    /// Something is not as the step wants it; steps before it, or the pack, may bring it.
    Depends,
    /// It could not run, or would fail.
    Fails,
}
