//! `refit rollout simulate`: a plan is rehearsed, from the server or from a file.

use super::plan_file;
use crate::{CliError, Exit, context::Context, output::table};
use clap::Args;
use jiff::Timestamp;
use refit_names::RolloutName;
use refit_protocol::v1::{RehearsalQuery, RehearsalReport};
use refit_rehearsal::{Bin, Chance, HaltCause, Likelihood, RehearsalInput, Spans, WaveLine};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Arguments of `refit rollout simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The rollout; not needed with --plan
    #[arg(required_unless_present = "plan")]
    name: Option<RolloutName>,
    /// How many times the plan is run
    #[arg(long, default_value_t = 1_000)]
    runs: u32,
    /// The same seed gives the same answer
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Chance that a server fails, such as 2%; without it from its risk and the history of its role
    #[arg(long, value_name = "PERCENT")]
    failure: Option<Chance>,
    /// IANA zone in which people work, such as Europe/Dublin [default: UTC]
    #[arg(long)]
    zone: Option<String>,
    /// Working hours of people, from Monday to Friday [default: 8-18]
    #[arg(long, value_name = "FROM-TO", value_parser = hours)]
    hours: Option<(i8, i8)>,
    /// A file with a plan, as `rollout show --json` prints it; no server is asked
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    plan: Option<PathBuf>,
}

fn hours(text: &str) -> Result<(i8, i8), String> {
    let parts =
        text.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    parts.ok_or_else(|| format!("`{text}` is not two hours such as 8-18"))
}

impl SimulateArgs {
    fn query(&self) -> RehearsalQuery {
        RehearsalQuery {
            runs: self.runs,
            seed: self.seed,
            failure: self.failure,
            zone: self.zone.clone(),
            from_hour: self.hours.map(|(from, _)| from),
            to_hour: self.hours.map(|(_, to)| to),
        }
    }
}

/// Runs it.
pub(super) async fn run(context: &Context, args: SimulateArgs) -> Result<Exit, CliError> {
    let query = args.query();
    let report = match (&args.plan, &args.name) {
        (Some(file), _) => {
            let plan = plan_file::read(file)?.plan;
            refit_server::rehearse(&RehearsalInput {
                plan: &plan,
                runs: query.runs,
                seed: query.seed,
                assumptions: query.assumptions(),
                experience: BTreeMap::new(),
            })?
        }
        (None, Some(name)) => context.api()?.rehearse(name, &query).await?,
        (None, None) => return Err(CliError::usage("expected a rollout or --plan FILE")),
    };
    context.output.data(&report, text)?;
    Ok(Exit::Done)
}

/// The report as people read it.
fn text(report: &RehearsalReport) -> String {
    let mut lines = vec![
        format!(
            "{}: {} servers, run {} times with seed {}",
            report.rollout, report.hosts, report.runs, report.seed
        ),
        format!("plan {}", report.plan),
        format!("assumed: {}", assumed(report)),
        String::new(),
        format!("completes         {}", share(&report.completes)),
        format!("misses a window   {}", share(&report.misses_a_window)),
    ];
    lines.extend(finish(report));
    lines.push(format!(
        "failures          {} on average, {} or fewer in 19 of 20 runs: {} rolled back, {} need a person",
        report.failures_mean, report.failures_p95, report.rolled_back_mean, report.needs_person_mean
    ));
    lines.push(format!(
        "turned back       {} on average, because their window became too short",
        report.turned_back_mean
    ));
    lines.push(format!("left out          {} on average", report.left_out_mean));
    lines.push(format!("longest idle      {}", spans(&report.longest_idle)));
    lines.push(String::new());
    lines.push(waves(&report.waves));
    if !report.halts.is_empty() {
        lines.push("\nit stops by itself".to_owned());
    }
    lines.extend(
        report.halts.iter().map(|halt| {
            format!("  in {}: {}, {}", halt.wave, cause(halt.cause), share(&halt.chance))
        }),
    );
    lines.extend(people(report));
    if !report.finish_histogram.is_empty() {
        lines.push("\nwhen it is done, over the runs that complete".to_owned());
        lines.extend(bars(&report.finish_histogram));
    }
    lines.join("\n")
}

fn assumed(report: &RehearsalReport) -> String {
    let assumed = &report.assumptions;
    let origin = if assumed.failure.is_some() { "as asked for" } else { "by risk and history" };
    format!(
        "a server fails in {} % ({origin}), its rollback in {}, a try to prepare in {}, is silent in {}; people decide within {} to {}, from {} to {} o'clock {}",
        report.failure_percent,
        assumed.undo_failure,
        assumed.prepare_failure,
        assumed.unreachable,
        long(ms(assumed.decision.p50_ms)),
        long(ms(assumed.decision.p95_ms)),
        assumed.hours.from_hour,
        assumed.hours.to_hour,
        assumed.hours.zone,
    )
}

fn finish(report: &RehearsalReport) -> Vec<String> {
    let (Some(finish), Some(takes)) = (&report.finish, &report.takes) else {
        return vec!["done              never".to_owned()];
    };
    vec![
        format!(
            "done              by {} in half of the runs, by {} in 19 of 20, at the latest {}",
            moment(finish.p50),
            moment(finish.p95),
            moment(finish.last)
        ),
        format!("from go to end    {}", spans(takes)),
    ]
}

fn waves(waves: &[WaveLine]) -> String {
    let at = |moments: &Option<refit_rehearsal::Moments>| match moments {
        Some(seen) => [moment(seen.p50), moment(seen.p95)],
        None => ["never".to_owned(), "never".to_owned()],
    };
    let rows = waves.iter().map(|wave| {
        let [begins, _] = at(&wave.begins);
        let [ends, late] = at(&wave.ends);
        [
            wave.wave.to_string(),
            wave.hosts.to_string(),
            percent(&wave.reached),
            percent(&wave.fits),
            begins,
            ends,
            late,
            wave.planned_end.map_or_else(|| "no window".to_owned(), moment),
            wave.failures_mean.to_string(),
            percent(&wave.halts),
        ]
    });
    let heads = [
        "wave",
        "servers",
        "reached",
        "fits",
        "begins p50",
        "ends p50",
        "ends p95",
        "planned end",
        "failures",
        "stops here",
    ];
    table(heads, rows.collect())
}

fn people(report: &RehearsalReport) -> Vec<String> {
    if report.out_of_hours.is_empty() {
        return Vec::new();
    }
    let rows = report.out_of_hours.iter().map(|line| {
        let name =
            line.person.as_ref().map_or_else(|| "nobody named".to_owned(), ToString::to_string);
        [name, hours_of(line.work.p50_ms), hours_of(line.work.p95_ms), hours_of(line.work.max_ms)]
    });
    let text = table(["out of hours", "p50", "p95", "most"], rows.collect());
    vec![String::new(), text]
}

/// Work is counted in hours.
fn hours_of(ms: i64) -> String {
    format!("{:.1} h", ms as f64 / 3_600_000.0)
}

/// Longest bar, in characters.
const BAR_MAX: u32 = 40;

fn bars(bins: &[Bin]) -> Vec<String> {
    let most = bins.iter().map(|bin| bin.runs).max().unwrap_or(1).max(1);
    let line = |bin: &Bin| {
        let bar = "#".repeat(usize::try_from((bin.runs * BAR_MAX).div_ceil(most)).unwrap_or(0));
        format!("  from {}  {:>6}  {bar}", moment(bin.from), bin.runs)
    };
    let empty = |place: usize| bins.get(place).is_some_and(|bin| bin.runs == 0);
    let shown = |place: usize| !(empty(place) && place > 0 && empty(place - 1));
    (0..bins.len()).filter(|place| shown(*place)).map(|place| line(&bins[place])).collect()
}

fn cause(cause: HaltCause) -> &'static str {
    match cause {
        HaltCause::RolloutBudget => "failure budget of the rollout",
        HaltCause::WaveBudget => "failure budget of the wave",
        HaltCause::Goal => "goal of the wave out of reach",
        HaltCause::Timeout => "wave waited too long",
    }
}

fn percent(seen: &Likelihood) -> String {
    if seen.of == 0 { "–".to_owned() } else { format!("{:.1} %", seen.percent) }
}

fn share(seen: &Likelihood) -> String {
    let (low, high) = seen.between;
    format!("{:.1} % ({low:.1} to {high:.1})", seen.percent)
}

fn spans(seen: &Spans) -> String {
    format!(
        "{} in half of the runs, {} in 19 of 20, at most {}",
        long(seen.p50_ms),
        long(seen.p95_ms),
        long(seen.max_ms)
    )
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn ms(wire: u64) -> i64 {
    i64::try_from(wire).unwrap_or(i64::MAX)
}

/// A duration in its two largest units.
fn long(ms: i64) -> String {
    refit_names::span(u64::try_from(ms).unwrap_or(0))
}
