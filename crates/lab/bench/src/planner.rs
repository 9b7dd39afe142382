//! What a plan costs: time, memory, and how far its finish lies from what is proven to be the earliest (D-0015).
//!
//! The peer is the planner that anybody would write first: hosts in the order of the plan, each at the first moment at which
//! nothing is in its way, found by looking at everything that was placed before.

mod naive;

use crate::row::{Better, Row};
use anyhow::{Context as _, Result, ensure};
use refit_planbook::{fleets, model};
use refit_planner::{PlanInput, plan};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::Instant;

/// Fleets that the design names.
const SIZES: [usize; 3] = [180, 5_000, 50_000];
/// The peer looks at everything before it for every host: beyond this it takes minutes.
const NAIVE_MAX: usize = 5_000;
/// Rounds of one size; each in a process of its own, so that its memory is its own.
const ROUNDS: usize = 3;
/// Design: under a second for 50,000 hosts,
const SECONDS_GOAL: f64 = 1.0;
/// within two per cent of the bound.
const OVER_GOAL: f64 = 1.02;

/// One plan, measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    seconds: f64,
    /// What planning added to the fleet in memory, at its peak.
    mebibytes: f64,
    /// From now until the finish.
    days: f64,
    /// From now until the proven bound.
    bound_days: f64,
    waves: usize,
    left_out: usize,
}

/// Which fleets are planned.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// Of `planner`: the seed that fleets are drawn from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Of `planner`: how many hosts; once per size.
    #[arg(long = "fleet-size", value_name = "HOSTS", default_values_t = SIZES)]
    pub sizes: Vec<usize>,
    /// Of `planner`: which fleets: `model`, `uniform`, `clusters`, `people`, `narrow`, `skewed`, `tiers`, `mixed`, `capped`; all when absent.
    #[arg(long = "fleet", value_name = "NAME")]
    pub fleets: Vec<String>,
    /// Of `planner`: how often each plan is made.
    #[arg(long, default_value_t = ROUNDS)]
    pub rounds: usize,
}

impl Which {
    fn names(&self) -> Vec<String> {
        if self.fleets.is_empty() {
            let drawn = fleets::Kind::ALL.map(|kind| kind.name().to_owned());
            return std::iter::once(MODEL.to_owned()).chain(drawn).collect();
        }
        self.fleets.clone()
    }
}

/// The fleet that the peer plans too. It does not depend on the seed.
const MODEL: &str = "model";

fn fleet(name: &str, hosts: usize, seed: u64) -> Result<PlanInput> {
    if name == MODEL {
        return Ok(model::fleet(hosts));
    }
    let kind = fleets::Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.with_context(|| format!("there is no fleet `{name}`"))?;
    Ok(fleets::fleet(kind, hosts, seed))
}

/// Plans one fleet in this process and prints what it took; `naive`: the peer does.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub fn once(name: &str, hosts: usize, seed: u64, naive: bool) -> Result<()> {
    let input = fleet(name, hosts, seed)?;
    let before = resident_kib("VmRSS")?;
    std::fs::write("/proc/self/clear_refs", "5").context("reset the peak of memory")?;
    let started = Instant::now();
    let measured = if naive {
        let finish = naive::finish(&input)?;
        Measured { seconds: started.elapsed().as_secs_f64(), ..empty(days(&input, finish)) }
    } else {
        let (made, report) = plan(&input)?;
        let seconds = started.elapsed().as_secs_f64();
        let peak = resident_kib("VmHWM")?;
        judge(&input, &made)?;
        let (finish, bound) = report.finish.zip(report.bound).context("the plan has no times")?;
        Measured {
            seconds,
            mebibytes: (peak - before) / 1024.0,
            days: days(&input, finish.as_millisecond()),
            bound_days: days(&input, bound.as_millisecond()),
            waves: made.waves.len(),
            left_out: made.excluded.len(),
        }
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn empty(days: f64) -> Measured {
    Measured { seconds: 0.0, mebibytes: 0.0, days, bound_days: 0.0, waves: 0, left_out: 0 }
}

fn days(input: &PlanInput, at: i64) -> f64 {
    (at - input.now.as_millisecond()) as f64 / 86_400_000.0
}

/// No figure counts that was reached by breaking a rule.
fn judge(input: &PlanInput, made: &refit_plan::Plan) -> Result<()> {
    let hosts: Vec<_> = input.hosts.iter().map(|host| host.record.clone()).collect();
    let findings = refit_plan_check::judge(&refit_plan_check::CheckInput {
        plan: made,
        hosts: &hosts,
        catalog: &input.catalog,
        calendar: Some(&input.surroundings.calendar),
        sites: &input.surroundings.sites,
        clusters: &input.surroundings.clusters,
        engineers: &input.surroundings.engineers,
        pins: &input.demands.pins,
        shares: &input.shape.shares,
        parent: None,
    });
    ensure!(
        findings.is_empty(),
        "the second judge objects: {:?}",
        &findings[..findings.len().min(5)]
    );
    Ok(())
}

/// A line of this process' status, in KiB.
fn resident_kib(field: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.with_context(|| format!("no {field} in /proc/self/status"))?.parse().map_err(Into::into)
}

/// All fleets in all sizes; for the model fleet, the peer's in turns.
#[expect(clippy::print_stderr, reason = "talk beside the table")]
pub fn run(which: &Which) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for name in which.names() {
        let mut times: Vec<(usize, f64)> = Vec::new();
        for hosts in which.sizes.iter().copied() {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for round in 0..which.rounds.max(1) {
                ours.push(child(&name, hosts, which.seed, false)?);
                // The peer's time grows with the square: once says enough for the large one.
                if name == MODEL && hosts <= NAIVE_MAX && (round == 0 || hosts < NAIVE_MAX) {
                    theirs.push(child(&name, hosts, which.seed, true)?);
                }
            }
            times.push((hosts, rows_of(&name, hosts, (&ours, &theirs), &mut rows)));
            let Measured { waves, left_out, .. } = ours[0];
            eprintln!("planner: {name}, {hosts} hosts: {waves} waves, {left_out} left out");
        }
        for pair in times.windows(2) {
            let [(few, fast), (many, slow)] = pair else { continue };
            let exponent = (slow / fast).ln() / (*many as f64 / *few as f64).ln();
            eprintln!(
                "planner: {name}, from {few} to {many} hosts time grows with the power {exponent:.2}"
            );
        }
    }
    Ok(rows)
}

/// The rows of one fleet; how long a plan took.
fn rows_of(
    name: &str,
    hosts: usize,
    (ours, theirs): (&[Measured], &[Measured]),
    rows: &mut Vec<Row>,
) -> f64 {
    let of = |measured: &[Measured], value: fn(&Measured) -> f64| -> Vec<f64> {
        measured.iter().map(value).collect()
    };
    let seconds = of(ours, |one| one.seconds);
    let case = |what: &str| format!("{name}, {hosts} hosts: {what}");
    let mut row = |what: &str, series: (&[f64], &[f64]), peer, unit, goal| {
        rows.push(Row::compare(("planner", &case(what)), Better::Less, series, peer, unit, goal));
    };
    row("time", (&seconds, &[SECONDS_GOAL]), "the design's goal", "s", 1.0);
    let finish = of(ours, |one| one.days);
    let bound = of(ours, |one| one.bound_days);
    row("finish", (&finish, &bound), "proven lower bound", "days", OVER_GOAL);
    let memory = of(ours, |one| one.mebibytes);
    let per_host = [hosts as f64 * 16.0 / 1024.0];
    row("peak memory", (&memory, &per_host), "16 KiB per host", "MiB", 1.0);
    if !theirs.is_empty() {
        let naive = of(theirs, |one| one.seconds);
        row("time", (&seconds, &naive), "first fit over all that was placed", "s", 1.0);
        let naive = of(theirs, |one| one.days);
        row("finish", (&finish, &naive), "first fit over all that was placed", "days", 1.0);
    }
    crate::row::median(&seconds)
}

fn child(name: &str, hosts: usize, seed: u64, naive: bool) -> Result<Measured> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["plan-once", name, &hosts.to_string(), &seed.to_string()]);
    if naive {
        command.arg("--naive");
    }
    let out = command.output()?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(serde_json::from_slice(&out.stdout)?)
}
