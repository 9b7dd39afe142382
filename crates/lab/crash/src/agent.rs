//! The agent of the walk: the real engine, journal and content store in a process of their own, without a network.
//!
//! It does what `refit-agent` does with a stored order after each start: services after a boot, stage, prepared, run.

use crate::host::Spec;
use anyhow::{Context as _, Result};
use refit_ambient::Ambient;
use refit_content::{Realise, assemble};
use refit_host::{
    engine::{Engine, EngineInput, LegGate, Reached, RunEnd, StageRelease},
    error::StepError,
    journal::Journal,
    machine::Machine,
    parts, service,
    unit::ProductLock,
};
use refit_journal::{Cause, OrderOutcome};
use refit_packs::record::PackRecord;
use refit_plan::Order;
use refit_protocol::agent::PrepareEvidence;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

/// The exit code that asks for another boot.
pub(crate) const REBOOT: u8 = 75;

/// Carries out the order of the host in `folder`; the outcome goes into `outcome.json` beside it.
pub(crate) fn run(folder: &Path) -> Result<ExitCode> {
    let spec = Spec::read(folder)?;
    let state = spec.state(folder);
    let journal = Arc::new(Journal::open(&state)?);
    let order = spec.order(folder)?;
    let input = EngineInput {
        records: spec.records(folder)?,
        product: spec.product(folder)?,
        others: Default::default(),
        state: state.clone(),
        log: journal,
        releases: Arc::new(Releases { cache: spec.cache(folder), state: state.clone() }),
        gate: Arc::new(Open),
        machine: Arc::new(Lab { folder: folder.to_owned() }),
        clock: Ambient::system().clock,
        order,
    };
    let (product, key) = (spec.product(folder)?, input.order.product.clone());
    let engine = Engine::open(input)?;
    let boot = fs::read_to_string(folder.join("boot")).unwrap_or_default();
    let begun = engine.reached()? == Reached::Begun;
    if !begun && fs::read_to_string(state.join("boot")).unwrap_or_default() != boot {
        service::open(&product, &state).start(Duration::from_secs(20))?;
        fs::write(state.join("boot"), &boot).context("write boot")?;
    }
    if !begun {
        engine.record_stored()?;
        if !spec.removes() {
            engine.stage(&|_| ())?;
        }
        engine.record_prepared(&PrepareEvidence::default())?;
    }
    let _lock = ProductLock::take(&state, &key)?;
    match engine.run(&|_| ())? {
        RunEnd::Rebooting => Ok(ExitCode::from(REBOOT)),
        RunEnd::Finished { outcome, .. } => {
            write_outcome(folder, &outcome)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn write_outcome(folder: &Path, outcome: &OrderOutcome) -> Result<()> {
    fs::write(folder.join("outcome.json"), serde_json::to_vec(outcome)?).context("write outcome")
}

/// Nobody withdraws anything here.
struct Open;

impl LegGate for Open {
    fn may_begin(&self, _: &Order, _: u32) -> Result<(), Cause> {
        Ok(())
    }
}

/// A machine that boots when the walk says so.
struct Lab {
    folder: PathBuf,
}

impl Machine for Lab {
    fn boot_id(&self) -> Result<String, StepError> {
        let path = self.folder.join("boot");
        fs::read_to_string(&path)
            .map_err(|source| StepError::Io { what: format!("read {}", path.display()), source })
    }
    fn reboot(&self) -> Result<(), StepError> {
        Ok(())
    }
}

/// As the agent makes trees: from the running release and what prepare fetched.
struct Releases {
    cache: PathBuf,
    state: PathBuf,
}

impl StageRelease for Releases {
    fn stage(
        &self,
        _leg: u32,
        record: &PackRecord,
        seeds: &[PathBuf],
        into: &Path,
    ) -> Result<String, Cause> {
        let parts = BTreeSet::new();
        let entries = record.entries_for(&parts);
        let realise = Realise {
            entries: &entries,
            bundle: &record.bundle,
            seeds,
            into,
            cache: &self.cache,
            progress: &|_| (),
        };
        assemble(&realise).map_err(|error| Cause::of(&error))?;
        let (product, build) = (&record.manifest.product, &record.manifest.to);
        parts::note(&self.state, product, build, &parts).map_err(|error| Cause::of(&error))?;
        Ok(format!("{} entries", entries.len()))
    }
}
