//! A preflight that runs alone, at any time, for a pack that nobody ordered yet: all that can be measured now. Nothing is
//! changed: the journal is one of memory, and only what measures is called.

use super::{
    Engine, EngineError, EngineInput,
    drive::Chosen,
    rehearse::{NoRelease, OneLeg, scratch::Scratch},
};
use crate::{
    context::Context, error::StepError, finding::Finding, layout::Layout, machine::ThisMachine,
    product::ProductConfig, steps,
};
use refit_ambient::Clock;
use refit_journal::Verb;
use refit_names::{
    BuildId, ByteSize, Digest, Generation, HostName, NameError, ParameterName, ProductName,
    RolloutName, StepId, chain,
};
use refit_packs::{
    record::PackRecord,
    runbook::{
        CheckClock, CheckFilesUnlocked, CheckProcessesGone, Phase, Severity, Step, StepKind,
    },
};
use refit_plan::{Leg, Order, OrderKey, PackPin, Way};
use refit_protocol::{
    agent::Measured,
    preflight::{CheckVerdict, Preflight, PreflightCheck},
};
use rusqlite::{Connection, OpenFlags};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The first letters of the name of a look that no step of the runbook asks for.
const OWN: &str = "refit-";

/// All that a preflight needs.
pub struct PreflightInput {
    /// The product as the host's configuration has it.
    pub product: ProductConfig,
    /// The pack.
    pub record: PackRecord,
    /// Roots of the other products of this host.
    pub others: BTreeMap<ProductName, PathBuf>,
    /// The agent's state folder.
    pub state: PathBuf,
    /// Values of the runbook's parameters; they win over the host's own.
    pub parameters: BTreeMap<ParameterName, String>,
    /// Whether processes and holders that stay are waited for, as long as the runbook says.
    pub wait: bool,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Measures all that the pack asks of this host; a bad value is no error but a finding.
///
/// # Errors
/// [`EngineError`] when the product's folder cannot be read.
pub fn preflight(mut input: PreflightInput) -> Result<Preflight, EngineError> {
    let installed = Layout::of(&input.product).installed()?;
    let manifest = &input.record.manifest;
    let (product, to) = (manifest.product.clone(), manifest.to.clone());
    let (runbook, runbook_version) =
        (input.record.runbook.name.clone(), input.record.runbook.version);
    let mut checks = vec![start(installed.as_ref(), &input.record)];
    // What else is wrong is measured all the same.
    let from = installed.clone().or_else(|| manifest.from.first().cloned());
    if let Some(from) = from {
        input.record.manifest.from.insert(from.clone());
        checks.extend(all(input, &from)?);
    }
    Ok(Preflight { product, installed, to, runbook, runbook_version, checks })
}

/// Whether the pack leads anywhere from here.
fn start(installed: Option<&BuildId>, record: &PackRecord) -> PreflightCheck {
    let manifest = &record.manifest;
    let from: Vec<&str> = manifest.from.iter().map(BuildId::as_str).collect();
    let fits = installed.is_some_and(|build| manifest.from.contains(build));
    let remedy = match installed {
        _ if fits => String::new(),
        Some(build) if *build == manifest.to => "nothing is to be done: it is installed".to_owned(),
        _ => format!(
            "take a pack that starts from this build, or install {} first",
            from.join(" or ")
        ),
    };
    PreflightCheck {
        check: "installed build".to_owned(),
        step: None,
        verdict: if fits { CheckVerdict::Ok } else { CheckVerdict::Failed },
        measured: installed.map_or_else(|| "none".to_owned(), ToString::to_string),
        limit: from.join(" or "),
        remedy,
    }
}

fn all(mut input: PreflightInput, from: &BuildId) -> Result<Vec<PreflightCheck>, EngineError> {
    let own = own_looks(&input.record.runbook.steps);
    input.record.runbook.steps.extend(own);
    if !input.wait {
        input.record.runbook.steps.iter_mut().for_each(look_once);
    }
    let quarantined = quarantined(&input.state, &input.product.name);
    let unreadable = quarantined.as_ref().err().map(|error| PreflightCheck {
        check: "quarantine".to_owned(),
        step: None,
        verdict: CheckVerdict::Failed,
        measured: format!("the journal cannot be read: {}", chain(error)),
        limit: "a journal that can be read".to_owned(),
        remedy: format!("run it as the agent's own user, and look at {}", input.state.display()),
    });
    let steps = input.record.runbook.steps.clone();
    let engine = Engine::open(engine_input(input, from, quarantined.unwrap_or_default())?)?;
    let mut checks: Vec<PreflightCheck> = unreadable.into_iter().collect();
    match engine.preflight() {
        Ok(values) => checks.extend(values.into_iter().filter_map(of_pack)),
        Err(error) => checks.push(PreflightCheck {
            check: "what the pack requires".to_owned(),
            step: None,
            verdict: CheckVerdict::Failed,
            measured: chain(&error),
            limit: "a host that answers".to_owned(),
            remedy: String::new(),
        }),
    }
    for (at, step) in steps.iter().enumerate() {
        checks.extend(engine.look_at(at, step));
    }
    Ok(checks)
}

/// What is looked at although no step asks for it: it explains later trouble. Only too little room ends the order.
fn own_looks(steps: &[Step]) -> Vec<Step> {
    let wait_ms = 0;
    let kinds = [
        (
            StepKind::CheckDisk { percent_of_product: 150, extra: ByteSize(0), volumes: vec![] },
            Severity::Mandatory,
        ),
        (StepKind::CheckRebootPending {}, Severity::Advisory),
        (StepKind::CheckClock(CheckClock { skew_ms: 5_000, server: None }), Severity::Advisory),
        (
            StepKind::CheckProcessesGone(CheckProcessesGone { wait_ms, ..Default::default() }),
            Severity::Advisory,
        ),
        (
            StepKind::CheckFilesUnlocked(CheckFilesUnlocked { paths: vec![], wait_ms }),
            Severity::Advisory,
        ),
    ];
    let missing = kinds
        .into_iter()
        .filter(|(kind, _)| !steps.iter().any(|step| step.kind.name() == kind.name()));
    let made = missing.filter_map(|(kind, severity)| {
        let id = StepId::parse(format!("{OWN}{}", kind.name())).ok()?;
        Some(Step { severity, ..Step::new(id, Phase::Before, kind) })
    });
    made.collect()
}

fn look_once(step: &mut Step) {
    match &mut step.kind {
        StepKind::CheckProcessesGone(terms) => terms.wait_ms = 0,
        StepKind::CheckFilesUnlocked(terms) => terms.wait_ms = 0,
        _ => {}
    }
}

/// A value that every order asks for. The release is not there yet, and room is measured by the step.
fn of_pack(value: Measured) -> Option<PreflightCheck> {
    let Measured { what, found, expected, ok } = value;
    let replaced = ["installed build", "release ", "free space of the volume of "];
    if replaced.iter().any(|known| what.starts_with(known)) {
        return None;
    }
    let remedies = [
        ("quarantine of build", "mend the cause that is named, then let the build come again"),
        ("parameter ", "give it in the agent's configuration or in the plan"),
        ("connection ", "give it under [product.secrets] of the agent's configuration"),
        ("program ", "install the package that brings it"),
        ("operating system", "take a pack for this operating system"),
        ("architecture", "take a pack for this architecture"),
        ("memory", "give the machine more memory"),
        ("privilege ", "let the agent's unit have it"),
        ("service", "start it, or find out why it does not run"),
        ("product ", "upgrade that product first"),
        ("package database", "wait until the other package manager has ended"),
        ("carried packages", "bring the missing packages in the pack"),
        ("backup", "put `backup.take` before the migration"),
    ];
    let remedy = remedies.iter().find(|(known, _)| what.starts_with(known));
    Some(PreflightCheck {
        check: what,
        step: None,
        verdict: if ok { CheckVerdict::Ok } else { CheckVerdict::Failed },
        measured: found,
        limit: expected,
        remedy: remedy.filter(|_| !ok).map_or_else(String::new, |(_, text)| (*text).to_owned()),
    })
}

/// An order for the pack that was never given.
fn engine_input(
    input: PreflightInput,
    from: &BuildId,
    quarantined: BTreeMap<BuildId, String>,
) -> Result<EngineInput, EngineError> {
    let kept = |source| EngineError::Kept { what: "the stand-in for an order", source };
    let literal = |source: NameError| kept(serde::de::Error::custom(source));
    let PreflightInput { product, record, others, state, parameters, wait: _, clock } = input;
    let pack = PackPin {
        to: record.manifest.to.clone(),
        record: record.bundle.target.clone(),
        digest: Digest::ZERO,
        size: ByteSize(0),
    };
    let order = Order {
        key: OrderKey {
            rollout: RolloutName::parse("preflight").map_err(literal)?,
            generation: Generation::FIRST,
        },
        plan: Digest::ZERO,
        host: HostName::parse("this-host").map_err(literal)?,
        product: product.name.clone(),
        legs: vec![Leg { from: from.clone(), pack, way: Way::Forward }],
        parameters,
        opening: None,
        times: None,
        parts: BTreeSet::new(),
    };
    Ok(EngineInput {
        order,
        records: vec![record],
        product,
        others,
        state,
        log: Arc::new(Scratch::keeping_away(quarantined)),
        releases: Arc::new(NoRelease),
        gate: Arc::new(OneLeg),
        machine: Arc::new(ThisMachine),
        clock,
    })
}

/// What the host's own journal keeps away. The agent may be running, so the journal is neither locked nor written.
fn quarantined(
    state: &Path,
    product: &ProductName,
) -> Result<BTreeMap<BuildId, String>, rusqlite::Error> {
    let path = state.join("journal.db");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    // Without a log of changes nobody writes, and none is made by looking.
    let log = path.with_extension("db-wal");
    let quiet = log.metadata().map_or(true, |log| log.len() == 0);
    let plain = path.display().to_string();
    let plain = plain.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let url = format!("file:{plain}?mode=ro{}", if quiet { "&immutable=1" } else { "" });
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let journal = Connection::open_with_flags(url, flags)?;
    let mut query = journal.prepare("SELECT build, because FROM quarantine WHERE product = ?1")?;
    let rows = query.query_map([product.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    Ok(rows
        .into_iter()
        .filter_map(|(build, why)| Some((BuildId::parse(build).ok()?, why)))
        .collect())
}

impl Engine {
    /// What a step measures now, if it is one that measures.
    fn look_at(&self, at: usize, step: &Step) -> Vec<PreflightCheck> {
        let Some(measurement) = steps::measurement(&step.kind) else { return vec![] };
        let chosen = Chosen { leg: 0, step: at, verb: Verb::Apply, attempt: 1 };
        self.in_context(&[], &chosen, |context| {
            let context = Context { only_measures: true, ..*context };
            if let Some(program) = brought(&context) {
                return vec![of_step(
                    step,
                    CheckVerdict::Later,
                    format!("{} `{program}`", step.kind.name()),
                    ["the pack brings the program".to_owned(), "as the program says".to_owned()],
                    String::new(),
                )];
            }
            match measurement.measure(&context) {
                Ok(findings) => {
                    findings.into_iter().map(|found| of_finding(&context, found)).collect()
                }
                Err(error) => vec![unmeasured(&context, &error)],
            }
        })
    }
}

/// A check that ended without a value: a command that said no, or what is needed to look is missing.
fn unmeasured(context: &Context<'_>, error: &StepError) -> PreflightCheck {
    let step = context.step;
    let (measured, limit) = match error {
        StepError::ExitCode { status, expected, said, .. } => {
            (format!("{status}: {said}"), expected.clone())
        }
        _ => (error.cause().text, "a measurement".to_owned()),
    };
    let own = step.id.as_str().starts_with(OWN);
    let kind = step.kind.name();
    let check = if own { kind.to_owned() } else { format!("{kind} `{}`", step.id) };
    let texts = [measured, limit].map(|text| context.redacted(&text));
    of_step(step, verdict(step, false), check, texts, step.remedy.clone().unwrap_or_default())
}

/// A program of the step that is not on the host before the release is.
fn brought<'a>(context: &Context<'a>) -> Option<&'a str> {
    if context.layout.release(context.to).is_dir() {
        return None;
    }
    let programs = context.step.kind.commands().into_iter().filter_map(|command| command.0.first());
    programs.map(String::as_str).find(|program| program.contains('/') && !program.starts_with('/'))
}

fn of_finding(context: &Context<'_>, found: Finding) -> PreflightCheck {
    let step = context.step;
    let Finding { what, measured, limit, remedy, ok, .. } = found;
    let remedies = [Some(remedy), step.remedy.clone()].into_iter().flatten();
    let remedies: Vec<String> = remedies.filter(|text| !ok && !text.is_empty()).collect();
    let texts = [measured, limit].map(|text| context.redacted(&text));
    of_step(step, verdict(step, ok), what, texts, context.redacted(&remedies.join("; ")))
}

fn of_step(
    step: &Step,
    verdict: CheckVerdict,
    check: String,
    [measured, limit]: [String; 2],
    remedy: String,
) -> PreflightCheck {
    let own = step.id.as_str().starts_with(OWN);
    let step = (!own).then(|| step.id.clone());
    PreflightCheck { check, step, verdict, measured, limit, remedy }
}

/// What comes after the first change may be brought about by it; leftovers are measured without the running service.
fn verdict(step: &Step, ok: bool) -> CheckVerdict {
    let now =
        matches!(step.kind, StepKind::CheckProcessesGone(_) | StepKind::CheckFilesUnlocked(_));
    match step.severity {
        _ if ok => CheckVerdict::Ok,
        _ if step.phase > Phase::Before && !now => CheckVerdict::Later,
        Severity::Advisory => CheckVerdict::Advisory,
        Severity::Mandatory => CheckVerdict::Failed,
    }
}
