//! What is left of the stage steps: they belong to prepare, days before maybe, and are never undone.

use crate::{
    Entry, EntryBody, JournalBroken, LegSteps, Verb,
    fold::{Track, describe, repeatable},
};
use refit_names::StepId;
use refit_packs::runbook::{Phase, Step};

/// What prepare does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageMove {
    /// Write the intent, do the step, write the outcome.
    Run {
        /// Which leg, from 0.
        leg: u32,
        /// Place of the step among all steps of the leg.
        step: usize,
        /// Its name.
        id: StepId,
        /// From 1.
        attempt: u32,
    },
    /// Every leg's release stands beside the running one.
    Done,
}

/// Says which stage step comes next.
///
/// A step that failed or was cut off is done again. One that may not be repeated begins its leg again: `install.stage`
/// lays a fresh tree, in which nothing of the first try is left.
///
/// # Errors
/// [`JournalBroken`] when an outcome has no intent.
pub fn next_stage(legs: &[LegSteps], entries: &[Entry]) -> Result<StageMove, JournalBroken> {
    for (at, leg) in legs.iter().enumerate() {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        let steps: Vec<(usize, &Step)> =
            (leg.steps.iter().enumerate()).filter(|(_, step)| step.phase == Phase::Stage).collect();
        let mut tracks = vec![Track::default(); steps.len()];
        let mut total = vec![0_u32; steps.len()];
        for entry in entries {
            let (EntryBody::Intent { leg, step, verb: Verb::Apply, .. }
            | EntryBody::Outcome { leg, step, verb: Verb::Apply, .. }) = &entry.body
            else {
                continue;
            };
            let place = steps.iter().position(|(_, known)| known.id == *step);
            let (true, Some(place)) = (*leg == at, place) else { continue };
            if let EntryBody::Outcome { result, .. } = &entry.body {
                if !tracks[place].open {
                    return Err(JournalBroken::IllegalMove {
                        seq: entry.seq,
                        what: describe(&entry.body),
                        because: "it was not about to",
                    });
                }
                tracks[place].outcome(result);
            } else {
                // Doing a step again makes all after it void.
                tracks[place..].fill(Track::default());
                tracks[place].intent();
                total[place] += 1;
            }
        }
        let Some(open) = tracks.iter().position(|track| !track.done) else { continue };
        let spoilt = tracks[open].attempts > 0 && !repeatable(&steps[open].1.kind);
        let next = if spoilt { 0 } else { open };
        let (step, known) = steps[next];
        return Ok(StageMove::Run {
            leg: at,
            step,
            id: known.id.clone(),
            attempt: total[next] + 1,
        });
    }
    Ok(StageMove::Done)
}
