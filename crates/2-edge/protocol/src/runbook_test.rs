//! The dry run of a runbook on a host: what each step would do, and whether it could; nothing is changed.

use refit_journal::Cause;
use refit_names::{BuildId, ParameterName, ProductName, RunbookName, StepId};
use refit_packs::runbook::Phase;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

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
    /// Whether an order would come to its end: every parameter fits, and every mandatory step could run.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.parameters.is_empty() && self.failing().next().is_none()
    }

    /// The steps that would end an order.
    pub fn failing(&self) -> impl Iterator<Item = &StepTest> {
        self.steps.iter().filter(|step| step.verdict == StepVerdict::Fails && !step.advisory)
    }
}

impl fmt::Display for RunbookTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, product, build, parameters, steps, .. } = self;
        write!(f, "{name} version {version} for {product} on build {build}")?;
        for line in parameters {
            write!(f, "\nfails    {line}")?;
        }
        for step in steps {
            let word = match (step.verdict, step.advisory) {
                (StepVerdict::Works, _) => "works",
                (StepVerdict::Depends, _) => "depends",
                (StepVerdict::Fails, true) => "advisory",
                (StepVerdict::Fails, false) => "fails",
            };
            write!(f, "\n{word:<8} {}: {}", step.step, step.would)?;
            for note in &step.notes {
                write!(f, "\n           {note}")?;
            }
        }
        Ok(())
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
    /// Whether its failure would be recorded and end nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub advisory: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advisory_failure_is_told_and_fails_nothing() {
        let step = |id: &str, advisory| StepTest {
            step: id.parse().unwrap(),
            phase: Phase::Before,
            kind: "check.memory".to_owned(),
            would: "checks memory of 4.00 GiB available".to_owned(),
            verdict: StepVerdict::Fails,
            advisory,
            notes: vec!["1.00 GiB".to_owned()],
        };
        let mut test = RunbookTest {
            name: "ledger".parse().unwrap(),
            version: 3,
            product: "ledger".parse().unwrap(),
            build: "1000".parse().unwrap(),
            parameters: vec![],
            steps: vec![step("memory", true)],
        };
        assert!(test.passes());
        assert!(test.to_string().contains("\nadvisory memory: checks memory of"), "{test}");
        test.steps.push(step("more", false));
        assert!(!test.passes() && test.to_string().contains("\nfails    more: "), "{test}");
    }
}
