//! What a rehearsal costs: a thousand runs of two hundred servers, against the time that they last in their own world.
//!
//! Simulators of distributed systems are judged by that ratio: TigerBeetle's claims a thousand times the speed of the world.

use crate::ROUNDS;
use crate::row::{Better, Row};
use anyhow::{Context as _, Result, ensure};
use refit_planbook::model;
use refit_rehearsal::{Assumptions, RehearsalInput};
use std::collections::BTreeMap;
use std::time::Instant;

const SERVERS: usize = 200;
const RUNS: u32 = 1_000;
/// Design: in seconds; five are what a person waits for without looking elsewhere.
const SECONDS_GOAL: f64 = 5.0;
/// A thousand times faster than the world.
const RATIO_GOAL: f64 = 0.001;

/// Rehearses the plan of a model fleet.
pub fn run() -> Result<Vec<Row>> {
    let (plan, _) = refit_planner::plan(&model::fleet(SERVERS))?;
    let (mut wall, mut world) = (Vec::new(), Vec::new());
    let mut first = None;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let report = refit_server::rehearse(&RehearsalInput {
            plan: &plan,
            runs: RUNS,
            seed: 1,
            assumptions: Assumptions::default(),
            experience: BTreeMap::new(),
        })?;
        wall.push(started.elapsed().as_secs_f64());
        let takes = report.takes.context("no run of the model fleet completes")?;
        world.push(takes.p50_ms as f64 / 1_000.0 * f64::from(report.completes.runs));
        ensure!(first.get_or_insert_with(|| report.clone()) == &report, "two rehearsals differ");
    }
    let case = format!("{RUNS} runs of {SERVERS} servers");
    let goal = [SECONDS_GOAL; ROUNDS];
    Ok(vec![
        Row::compare(("rehearsal", &case), Better::Less, (&wall, &goal), "5 s", "s", 1.0),
        Row::compare(
            ("rehearsal", &case),
            Better::Less,
            (&wall, &world),
            "the time that they last",
            "s",
            RATIO_GOAL,
        ),
    ])
}
