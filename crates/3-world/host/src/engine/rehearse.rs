//! The dry run of a runbook: measures what checks measure, looks whether commands are there, tries probes, and says what
//! each step would do. Nothing is changed: the journal is one of memory, and of deeds only `check` is called.

mod look;
pub(super) mod scratch;

use super::{Engine, EngineError, EngineInput, StageRelease, drive::Chosen};
use crate::{
    context::Context, error::StepError, layout::Layout, machine::ThisMachine,
    product::ProductConfig, service::product_values,
};
use look::{Findings, look};
use refit_ambient::Clock;
use refit_journal::{Cause, Verb};
use refit_names::{
    BuildId, ByteSize, Digest, Generation, HostName, NameError, ParameterName, RolloutName,
};
use refit_packs::{
    manifest::{MANIFEST_FORMAT, Unit},
    record::{PackRecord, RECORD_FORMAT},
    runbook::{ParameterProblem, Runbook, Severity, Step, resolve_parameters},
};
use refit_plan::{Leg, Order, OrderKey, PackPin, Way};
use refit_protocol::runbook_test::{RunbookTest, StepTest};
use scratch::Scratch;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// All that a dry run needs.
pub struct RehearsalInput {
    /// The product as the host's configuration has it.
    pub product: ProductConfig,
    /// What belongs to it, as far as that is known.
    pub unit: Unit,
    /// The agent's state folder.
    pub state: PathBuf,
    /// The runbook.
    pub runbook: Runbook,
    /// Values of its parameters; they win over the host's own.
    pub parameters: BTreeMap<ParameterName, String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Lays nothing.
pub(super) struct NoRelease;

impl StageRelease for NoRelease {
    fn stage(&self, _: u32, _: &PackRecord, _: &[PathBuf], _: &Path) -> Result<String, Cause> {
        let text = "a dry run lays no release".to_owned();
        Err(Cause { code: "host.stage-failed".to_owned(), text })
    }
}

/// A dry run has one leg.
pub(super) struct OneLeg;

impl super::LegGate for OneLeg {
    fn may_begin(&self, _: &Order, _: u32) -> Result<(), Cause> {
        Ok(())
    }
}

/// Says what each step of a runbook would do on this host, and whether it could.
///
/// # Errors
/// [`EngineError`] when nothing of the product is installed or the host does not answer.
pub fn rehearse(input: RehearsalInput) -> Result<RunbookTest, EngineError> {
    let nothing = || StepError::NothingInstalled { product: input.product.name.clone() };
    let build = Layout::of(&input.product).installed()?.ok_or_else(nothing)?;
    let mut given = product_values(&input.product);
    given.extend(input.parameters.clone());
    let parameters = match resolve_parameters(&input.runbook, &given) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.into_iter().map(told).collect(),
    };
    let (name, version) = (input.runbook.name.clone(), input.runbook.version);
    let (product, steps) = (input.product.name.clone(), input.runbook.steps.clone());
    let engine = Engine::open(stand_in(input, &build)?)?;
    let steps = steps.iter().enumerate().map(|(at, step)| engine.try_step(at, step)).collect();
    Ok(RunbookTest { name, version, product, build, parameters, steps })
}

fn told(problem: ParameterProblem) -> String {
    let ParameterProblem { parameter, expected, found } = problem;
    format!("parameter `{parameter}`: expected {expected}, found {found}")
}

/// An order from the installed build to itself: the folder of the new release is the one that is there.
fn stand_in(input: RehearsalInput, build: &BuildId) -> Result<EngineInput, EngineError> {
    let kept = |source| EngineError::Kept { what: "the stand-in for a pack", source };
    let manifest = json!({
        "format": MANIFEST_FORMAT, "product": input.product.name, "from": [build], "to": build, "kind": "service-pack",
        "title": "dry run", "readme": "README.md", "payload": "payload", "unit": input.unit,
    });
    let record = json!({
        "format": RECORD_FORMAT, "manifest": manifest, "runbook": input.runbook, "readme": "", "payload": [], "web": [],
        "bundle": { "target": "packs/dry/run.bundle", "size": 0, "digest": Digest::ZERO, "chunks": [] },
    });
    let record: PackRecord = serde_json::from_value(record).map_err(kept)?;
    let literal = |source: NameError| kept(serde::de::Error::custom(source));
    let pin = PackPin {
        to: build.clone(),
        record: record.bundle.target.clone(),
        digest: Digest::ZERO,
        size: ByteSize(0),
    };
    let rollout = RolloutName::parse("dry-run").map_err(literal)?;
    let order = Order {
        key: OrderKey { rollout, generation: Generation::FIRST },
        plan: Digest::ZERO,
        host: HostName::parse("this-host").map_err(literal)?,
        product: input.product.name.clone(),
        legs: vec![Leg { from: build.clone(), pack: pin, way: Way::Forward }],
        parameters: input.parameters,
        opening: None,
        times: None,
        parts: BTreeSet::new(),
    };
    Ok(EngineInput {
        order,
        records: vec![record],
        product: input.product,
        others: BTreeMap::new(),
        state: input.state,
        log: Arc::new(Scratch::default()),
        releases: Arc::new(NoRelease),
        gate: Arc::new(OneLeg),
        machine: Arc::new(ThisMachine),
        clock: input.clock,
    })
}

impl Engine {
    fn try_step(&self, at: usize, step: &Step) -> StepTest {
        let chosen = Chosen { leg: 0, step: at, verb: Verb::Apply, attempt: 1 };
        let found = self.in_context(&[], &chosen, |context| {
            let mut found = Findings::default();
            look(&Context { only_measures: true, ..*context }, &mut found);
            found
        });
        StepTest {
            step: step.id.clone(),
            phase: step.phase,
            kind: step.kind.name().to_owned(),
            would: step.kind.describe(),
            verdict: found.verdict,
            advisory: step.severity == Severity::Advisory,
            notes: found.notes,
        }
    }
}
