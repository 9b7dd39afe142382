//! A plan is rehearsed on all cores: the runs are shared out, the summary is the same whoever ran which.

use refit_rehearsal::{Rehearsal, RehearsalError, RehearsalInput, RehearsalReport, RunOutcome};
use std::num::NonZero;
use std::thread;

/// Runs a plan as often as was asked for. Takes a while and all cores: not for a thread that answers requests.
///
/// # Errors
/// As [`Rehearsal::new`] and [`Rehearsal::run`].
pub fn rehearse(input: &RehearsalInput<'_>) -> Result<RehearsalReport, RehearsalError> {
    let rehearsal = Rehearsal::new(input)?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = rehearsal.runs().div_ceil(u32::try_from(cores).unwrap_or(1)).max(1);
    let parts: Vec<_> = (0..rehearsal.runs())
        .step_by(usize::try_from(share).unwrap_or(usize::MAX))
        .map(|from| from..(from + share).min(rehearsal.runs()))
        .collect();
    let run = |part: std::ops::Range<u32>| -> Result<Vec<RunOutcome>, RehearsalError> {
        part.map(|number| rehearsal.run(number)).collect()
    };
    let outcomes = thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> =
            parts.into_iter().map(|part| scope.spawn(move || run(part))).collect();
        running.into_iter().map(joined).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(rehearsal.summary(&outcomes.concat()))
}

fn joined<T>(running: thread::ScopedJoinHandle<'_, T>) -> T {
    // A panic of a run is a defect and stays one.
    running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
