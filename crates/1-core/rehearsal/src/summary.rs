//! From many runs to one report. Sorting and counting only: no order of runs can change it.

use crate::hours::moment;
use crate::model::Model;
use crate::outcome::{HaltCause, RunOutcome, WaveOutcome};
use crate::report::{
    Bin, HaltLine, Likelihood, Moments, PersonLine, RehearsalReport, Spans, WaveLine,
};
use std::collections::BTreeMap;

/// In milliseconds.
const MINUTE: i64 = 60_000;

/// Bars of the histogram: enough for its shape, few enough for a line of text.
const BINS: i64 = 20;

pub(crate) fn of(model: &Model, outcomes: &[RunOutcome]) -> RehearsalReport {
    let completed: Vec<i64> = sorted(outcomes.iter().filter_map(|run| run.completed_ms));
    let takes =
        sorted(outcomes.iter().filter_map(|run| Some(run.completed_ms? - run.deployed_ms?)));
    let count = |which: fn(&RunOutcome) -> bool| {
        likelihood(outcomes.iter().filter(|run| which(run)).count(), outcomes.len())
    };
    let each =
        |value: fn(&RunOutcome) -> u32| mean(outcomes.iter().map(|run| i64::from(value(run))));
    let failures = sorted(outcomes.iter().map(|run| i64::from(run.rolled_back + run.stuck)));
    let chances = model.hosts.iter().map(|host| host.failure.share() * 100.0);
    RehearsalReport {
        rollout: model.name.clone(),
        plan: model.plan,
        hosts: whole(model.hosts.len()),
        runs: whole(outcomes.len()),
        seed: model.seed,
        assumptions: model.assumptions.clone(),
        failure_percent: hundredths(chances.sum::<f64>() / model.hosts.len().max(1) as f64),
        completes: count(RunOutcome::completed),
        misses_a_window: count(|run| run.waves.iter().any(|wave| !wave.fits)),
        finish: moments(&completed),
        takes: (!takes.is_empty()).then(|| spans(&takes)),
        finish_histogram: histogram(&completed),
        waves: waves(model, outcomes),
        halts: halts(model, outcomes),
        failures_mean: mean(failures.iter().copied()),
        failures_p95: u32::try_from(quantile(&failures, 95)).unwrap_or(u32::MAX),
        rolled_back_mean: each(|run| run.rolled_back),
        needs_person_mean: each(|run| run.stuck),
        turned_back_mean: each(|run| run.turned_back),
        left_out_mean: each(|run| run.left_out),
        out_of_hours: people(model, outcomes),
        longest_idle: spans(&sorted(outcomes.iter().map(|run| run.idle_ms))),
    }
}

fn waves(model: &Model, outcomes: &[RunOutcome]) -> Vec<WaveLine> {
    let line = |(place, wave): (usize, &crate::model::ModelWave)| {
        let all: Vec<&WaveOutcome> = outcomes.iter().map(|run| &run.waves[place]).collect();
        let reached: Vec<&WaveOutcome> = all.iter().copied().filter(|seen| seen.reached).collect();
        let stops = |run: &&RunOutcome| run.halted.is_some_and(|(at, _)| at == place);
        WaveLine {
            wave: wave.name.clone(),
            hosts: whole(wave.hosts),
            reached: likelihood(reached.len(), all.len()),
            fits: likelihood(reached.iter().filter(|seen| seen.fits).count(), reached.len()),
            begins: moments(&sorted(reached.iter().filter_map(|seen| seen.began_ms))),
            ends: moments(&sorted(reached.iter().filter_map(|seen| seen.ended_ms))),
            planned_end: wave.planned_ms.map(|(_, end)| moment(end)),
            failures_mean: mean(reached.iter().map(|seen| i64::from(seen.failures))),
            halts: likelihood(outcomes.iter().filter(stops).count(), outcomes.len()),
        }
    };
    model.waves.iter().enumerate().map(line).collect()
}

fn halts(model: &Model, outcomes: &[RunOutcome]) -> Vec<HaltLine> {
    let mut counted: BTreeMap<(usize, HaltCause), usize> = BTreeMap::new();
    for halt in outcomes.iter().filter_map(|run| run.halted) {
        *counted.entry(halt).or_default() += 1;
    }
    let mut lines: Vec<HaltLine> = counted
        .into_iter()
        .filter_map(|((wave, cause), runs)| {
            let wave = model.waves.get(wave)?.name.clone();
            Some(HaltLine { wave, cause, chance: likelihood(runs, outcomes.len()) })
        })
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.chance.runs));
    lines
}

fn people(model: &Model, outcomes: &[RunOutcome]) -> Vec<PersonLine> {
    let names = model.people.iter().cloned().map(Some).chain([None]);
    names
        .enumerate()
        .map(|(place, person)| {
            let work = sorted(outcomes.iter().map(|run| run.out_of_hours_ms[place]));
            PersonLine { person, work: spans(&work) }
        })
        .filter(|line| line.person.is_some() || line.work.max_ms > 0)
        .collect()
}

fn histogram(completed: &[i64]) -> Vec<Bin> {
    let (Some(first), Some(last)) = (completed.first(), completed.last()) else {
        return Vec::new();
    };
    // People read moments by the minute: bars that begin within one would all be called the same.
    let first = first - first.rem_euclid(MINUTE);
    let width = ((last - first) / BINS / MINUTE + 1) * MINUTE;
    let bins = (0..BINS).map(|bin| (first + bin * width, first + (bin + 1) * width));
    bins.filter(|(from, _)| from <= last)
        .map(|(from, to)| Bin {
            from: moment(from),
            to: moment(to),
            runs: whole(completed.iter().filter(|at| (from..to).contains(*at)).count()),
        })
        .collect()
}

fn sorted(values: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut values: Vec<i64> = values.collect();
    values.sort_unstable();
    values
}

/// The nearest-rank quantile of sorted values.
fn quantile(sorted: &[i64], percent: usize) -> i64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).copied().unwrap_or(0)
}

fn moments(sorted: &[i64]) -> Option<Moments> {
    let last = *sorted.last()?;
    Some(Moments {
        p5: moment(quantile(sorted, 5)),
        p50: moment(quantile(sorted, 50)),
        p95: moment(quantile(sorted, 95)),
        last: moment(last),
    })
}

fn spans(sorted: &[i64]) -> Spans {
    Spans {
        p50_ms: quantile(sorted, 50),
        p95_ms: quantile(sorted, 95),
        max_ms: sorted.last().copied().unwrap_or(0),
    }
}

fn mean(values: impl Iterator<Item = i64>) -> f64 {
    let (sum, count) = values.fold((0i64, 0i64), |(sum, count), value| (sum + value, count + 1));
    hundredths(sum as f64 / count.max(1) as f64)
}

/// Share with Wilson's interval, which is honest for few runs and for shares near 0 and 1.
fn likelihood(runs: usize, of: usize) -> Likelihood {
    if of == 0 {
        return Likelihood { runs: 0, of: 0, percent: 0.0, between: (0.0, 100.0) };
    }
    let (n, z) = (of as f64, 1.96_f64);
    let share = runs as f64 / n;
    let centre = share + z * z / (2.0 * n);
    let reach = z * libm::sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
    let bound = |value: f64| tenths((value / (1.0 + z * z / n)).clamp(0.0, 1.0) * 100.0);
    Likelihood {
        runs: whole(runs),
        of: whole(of),
        percent: tenths(share * 100.0),
        between: (bound(centre - reach), bound(centre + reach)),
    }
}

fn tenths(value: f64) -> f64 {
    libm::round(value * 10.0) / 10.0
}

fn hundredths(value: f64) -> f64 {
    libm::round(value * 100.0) / 100.0
}

fn whole(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_says_how_surely_it_is_known() {
        let seen = likelihood(50, 100);
        assert_eq!((seen.percent, seen.between), (50.0, (40.4, 59.6)));
        assert_eq!(likelihood(0, 100).between, (0.0, 3.7));
        assert_eq!(likelihood(0, 0).between, (0.0, 100.0), "nothing was seen");
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values: Vec<i64> = (1..=100).collect();
        assert_eq!((quantile(&values, 50), quantile(&values, 95)), (50, 95));
        assert_eq!(quantile(&[7], 95), 7);
        assert_eq!(quantile(&[], 95), 0);
    }

    #[test]
    fn every_finished_run_stands_in_one_bar() {
        let bins = histogram(&[0, 1, 5, 100, 1_000]);
        assert_eq!(bins.iter().map(|bin| bin.runs).sum::<u32>(), 5);
        assert!(histogram(&[]).is_empty());
        assert_eq!(histogram(&[3, 3]).len(), 1);
        let close = histogram(&[50_000, 61_000, 119_000]);
        let starts: Vec<i64> = close.iter().map(|bin| bin.from.as_millisecond()).collect();
        assert_eq!(starts, [0, MINUTE], "within two minutes");
    }
}
