//! The way back of one wave: in reverse order, in its windows, with its people.

use crate::board::Board;
use crate::candidates::Placed;
use crate::rules::Relaxed;
use crate::schedule::{self, Load};
use crate::times::{ceil_ms, moment};
use crate::{PlanInput, text};
use refit_inventory::HostRecord;
use refit_names::{HostName, WaveName};
use refit_plan::{Excluded, Plan, PlannedHost, ReturnWay, RollbackHost, RollbackPlan, Slot};
use std::collections::BTreeMap;

/// What the way back of a wave is made of.
#[derive(Debug, Clone, Copy)]
pub struct RollbackInput<'a> {
    /// Fleet, windows, people and the moment: as for a plan.
    pub around: &'a PlanInput,
    /// The plan whose wave goes back.
    pub plan: &'a Plan,
    /// Which one.
    pub wave: &'a WaveName,
    /// How far its hosts came; one that is not here was not changed.
    pub ways: &'a BTreeMap<HostName, ReturnWay>,
}

/// Plans the way back of a wave; none when the plan has no such wave.
///
/// Shape: who starts last in the plan comes first, and nobody who was changed waits for somebody who was not; each starts no
/// earlier than the one before it.
#[must_use]
pub fn rollback(input: &RollbackInput<'_>) -> Option<RollbackPlan> {
    let wave = input.plan.waves.iter().find(|wave| wave.name == *input.wave)?;
    let records: BTreeMap<&HostName, &HostRecord> =
        input.around.hosts.iter().map(|host| (&host.record.name, &host.record)).collect();
    let mut left_out = Vec::new();
    let mut hosts: Vec<(&PlannedHost, Placed<'_>)> = Vec::new();
    for planned in &wave.hosts {
        match records.get(&planned.host) {
            Some(record) => hosts.push((planned, placed(planned, record))),
            None => left_out.push(Excluded {
                host: planned.host.clone(),
                because: "it is not in the fleet any more".to_owned(),
            }),
        }
    }
    let starts = |planned: &PlannedHost| planned.slot.as_ref().map(|slot| slot.starts_at);
    // Stable, so that hosts without a time come in the reverse order of the plan.
    hosts.reverse();
    hosts.sort_by_key(|(planned, _)| {
        (!input.ways.contains_key(&planned.host), std::cmp::Reverse(starts(planned)))
    });
    let relaxed = Relaxed::default();
    let references: Vec<&Placed<'_>> = hosts.iter().map(|(_, placed)| placed).collect();
    let days = input.around.demands.horizon_days;
    let mut board = Board::new(input.around, &relaxed, &references, days);
    let mut load = Load::new(&board);
    let mut from = ceil_ms(input.around.now);
    let (mut back, mut ends_at) = (Vec::new(), None);
    for (number, (planned, placed)) in hosts.iter().enumerate() {
        let job = board.jobs[number];
        let Some(place) = schedule::first(&board, &load, number, from) else {
            let because = text::no_time(input.around, &mut board, number, placed);
            left_out.push(Excluded { host: planned.host.clone(), because });
            continue;
        };
        load.take(job.site, place.person, place.start, job.busy);
        from = place.start;
        ends_at = ends_at.max(Some(moment(place.start + job.busy)));
        let slot = crate::make::slot_of(input.around, &board, placed, &place);
        back.push(host(input, planned, job.told.then_some(slot)));
    }
    Some(RollbackPlan {
        rollout: input.plan.rollout.clone(),
        product: input.plan.product.clone(),
        wave: wave.name.clone(),
        made_at: input.around.now,
        hosts: back,
        left_out,
        ends_at,
    })
}

/// A host that takes its way back for its way there.
fn placed<'a>(planned: &PlannedHost, record: &'a HostRecord) -> Placed<'a> {
    Placed {
        record,
        risk: planned.risk,
        reasons: &[],
        // Nothing is fetched for the way back.
        legs: Vec::new(),
        parameters: BTreeMap::new(),
        p50_ms: 0,
        p95_ms: planned.undo_p95_ms,
        undo_p95_ms: 0,
        estimated_from: String::new(),
    }
}

fn host(input: &RollbackInput<'_>, planned: &PlannedHost, slot: Option<Slot>) -> RollbackHost {
    let to = planned.legs.first().map_or_else(|| input.plan.target.clone(), |leg| leg.from.clone());
    RollbackHost {
        host: planned.host.clone(),
        from: input.plan.target.clone(),
        to,
        undo_p95_ms: planned.undo_p95_ms,
        slot,
        way: input.ways.get(&planned.host).copied().unwrap_or(ReturnWay::NotChanged),
        // Backups are told by agents: whoever asked for this plan fills it in.
        backup: None,
    }
}
