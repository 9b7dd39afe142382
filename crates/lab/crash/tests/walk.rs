//! A seeded, bounded part of the walk, for every kind: `./dev crash` walks all points.

#![expect(clippy::print_stderr, reason = "what is left out is said")]

use refit_crash::{Disk, Fault, KINDS, Tally, Walk, possible, possible_for_packages};
use std::{
    env,
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
};

const JOBS: usize = 2;

/// One walk at a time: packages are walked with mounts of their own, and such a copy of a volume that loses its power would keep it from coming back.
static TURN: Mutex<()> = Mutex::new(());

fn walk(fault: Fault, every: usize) -> Vec<Tally> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let traces = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !traces.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED the walk: strace is not there or may not trace");
        assert!(env::var_os("CI").is_none(), "the walk must run in CI");
        return vec![];
    }
    let agent = vec![env!("CARGO_BIN_EXE_refit-crash").to_owned(), "agent".to_owned()];
    let ledger = PathBuf::from(env!("CARGO_BIN_EXE_refit-crash-ledger"));
    let mut tallies = vec![];
    let no_packages = possible_for_packages().err();
    for (seed, kind) in (3..).zip(KINDS) {
        if !kind.is_walked_with(fault) {
            continue;
        }
        if let Some(error) = no_packages.as_ref().filter(|_| kind.packages) {
            eprintln!("SKIPPED {}: {error:#}", kind.name);
            assert!(env::var_os("CI").is_none(), "packages must be walked in CI");
            continue;
        }
        // Another place in each kind.
        let walk =
            Walk { fault, every, seed, jobs: JOBS, agent: agent.clone(), ledger: ledger.clone() };
        tallies.push(walk.kind(kind).unwrap());
    }
    let wrong: Vec<_> = tallies.iter().flat_map(|tally| &tally.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    tallies
}

#[test]
fn killed_at_any_file_operation_and_again_the_host_ends_whole_on_old_or_new() {
    for (fault, every) in [(Fault::Kill, 61), (Fault::KillTwice, 97)] {
        let tallies = walk(fault, every);
        for tally in &tallies {
            assert!(tally.points > 250 && tally.journal > 100, "{tally:?}");
            assert!(tally.killed * every + 2 * every > tally.points, "{tally:?}");
        }
        let again: usize = tallies.iter().map(|tally| tally.killed_again).sum();
        assert!(fault == Fault::Kill || tallies.is_empty() || again > 20, "{again}");
    }
}

#[test]
fn power_that_fails_at_any_file_operation_loses_nothing_that_was_acknowledged() {
    for (disk, every) in [(Disk::Ext4, 101), (Disk::Xfs, 307)] {
        if let Err(error) = possible(disk) {
            eprintln!("SKIPPED the power cut on {disk:?}: {error:#}");
            continue;
        }
        for tally in walk(Fault::Power(disk), every) {
            assert!(tally.killed > 0, "{tally:?}");
        }
    }
}
