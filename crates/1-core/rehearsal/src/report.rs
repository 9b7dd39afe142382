//! What many runs say together: the words of the answer, as they stand in JSON. docs/simulation.md says how to read them.

use crate::{Assumptions, HaltCause};
use jiff::Timestamp;
use refit_names::{Digest, PersonName, RolloutName, WaveName};
use serde::{Deserialize, Serialize};

/// The summary of a rehearsal.
#[must_use]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RehearsalReport {
    /// The rollout.
    pub rollout: RolloutName,
    /// The plan that was rehearsed.
    pub plan: Digest,
    /// Hosts in it.
    pub hosts: u32,
    /// How many times it was run.
    pub runs: u32,
    /// The seed: with it and the same plan and assumptions everything below comes out the same.
    pub seed: u64,
    /// What was assumed.
    pub assumptions: Assumptions,
    /// The mean chance of failure over the hosts, in per cent, as it was used.
    pub failure_percent: f64,
    /// That the last wave is done: no budget, goal or time limit stops it. Hosts that missed their window were left out on the way.
    pub completes: Likelihood,
    /// That some host is late, is turned back or misses its window, or a wave times out.
    pub misses_a_window: Likelihood,
    /// When it is done, over the runs that complete.
    pub finish: Option<Moments>,
    /// From the go to the end, over the runs that complete.
    pub takes: Option<Spans>,
    /// Runs that complete, by the time of their end: equal spans, first to last.
    pub finish_histogram: Vec<Bin>,
    /// In order.
    pub waves: Vec<WaveLine>,
    /// Why and where it stops by itself, the most frequent first.
    pub halts: Vec<HaltLine>,
    /// Hosts that end on the old build or in need of a person, on average.
    pub failures_mean: f64,
    /// Nineteen of twenty runs have no more failures.
    pub failures_p95: u32,
    /// Of these, rolled back.
    pub rolled_back_mean: f64,
    /// Of these, where coming back failed too.
    pub needs_person_mean: f64,
    /// Hosts that are rolled back because their window became too short, on average.
    pub turned_back_mean: f64,
    /// Hosts that people leave out: never prepared, silent, or too late for their window; on average.
    pub left_out_mean: f64,
    /// Work outside working hours, in the order of names; work that names nobody last.
    pub out_of_hours: Vec<PersonLine>,
    /// The longest time between first and last host in which nothing ran.
    pub longest_idle: Spans,
}

/// How often something happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// In so many runs.
    pub runs: u32,
    /// Of so many.
    pub of: u32,
    /// The same in per cent.
    pub percent: f64,
    /// Where the true value lies with a confidence of 95 %: so few runs do not say more.
    pub between: (f64, f64),
}

/// Quantiles of moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names of quantiles say what they are")]
pub struct Moments {
    pub p5: Timestamp,
    pub p50: Timestamp,
    pub p95: Timestamp,
    pub last: Timestamp,
}

/// Quantiles of durations, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names of quantiles say what they are")]
pub struct Spans {
    pub p50_ms: i64,
    pub p95_ms: i64,
    pub max_ms: i64,
}

/// One bar of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bin {
    /// From this moment on.
    pub from: Timestamp,
    /// Until just before this one.
    pub to: Timestamp,
    /// So many runs.
    pub runs: u32,
}

/// One wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaveLine {
    /// Its name.
    pub wave: WaveName,
    /// Its hosts.
    pub hosts: u32,
    /// That a host of it is told to go.
    pub reached: Likelihood,
    /// That, once it is reached, every host ends inside its window, validation included, and the wave inside its time limit.
    pub fits: Likelihood,
    /// When its first host begins, over the runs that reach it.
    pub begins: Option<Moments>,
    /// When its last host ends, over the runs in which all end.
    pub ends: Option<Moments>,
    /// When the last one ends by the plan alone.
    pub planned_end: Option<Timestamp>,
    /// Failures in it, on average over the runs that reach it.
    pub failures_mean: f64,
    /// That the rollout stops in it.
    pub halts: Likelihood,
}

/// One way in which it stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HaltLine {
    /// In which wave.
    pub wave: WaveName,
    /// Why.
    pub cause: HaltCause,
    /// How often.
    pub chance: Likelihood,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonLine {
    /// Who; none: the plan names nobody.
    pub person: Option<PersonName>,
    /// How much work outside working hours.
    pub work: Spans,
}
