//! What tests rely on when they rely on this.

use refit_ambient::{Clock, Entropy};
use refit_testkit::{PlanBuilder, SeededEntropy, ambient, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_sleeper_wakes_when_time_passes_its_moment_and_not_before() {
    let (both, clock) = ambient(1);
    let start = clock.now();
    let woken = Arc::new(AtomicU32::new(0));
    for minutes in [1u64, 3] {
        let (both, woken) = (both.clone(), woken.clone());
        tokio::spawn(async move {
            both.clock.sleep(Duration::from_secs(60 * minutes)).await;
            woken.fetch_add(1, Ordering::SeqCst);
        });
    }
    let deadline = Duration::from_secs(5);
    until("both sleep", deadline, || (clock.sleepers() == 2).then_some(())).await;
    clock.advance(Duration::from_secs(59));
    assert_eq!(woken.load(Ordering::SeqCst), 0);
    clock.advance(Duration::from_secs(1));
    until("one woke", deadline, || (woken.load(Ordering::SeqCst) == 1).then_some(())).await;
    clock.advance(Duration::from_secs(120));
    until("both woke", deadline, || (woken.load(Ordering::SeqCst) == 2).then_some(())).await;
    assert_eq!(both.clock.now() - start, jiff::Span::new().seconds(180).fieldwise());
}

#[test]
fn a_seed_decides_every_byte() {
    let bytes = |seed| {
        let entropy = SeededEntropy::new(seed);
        let mut bytes = [[0; 13]; 2];
        bytes.iter_mut().for_each(|some| entropy.fill(some));
        bytes
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
    assert_ne!(bytes(7)[0], bytes(7)[1]);
}

#[test]
fn a_built_plan_chains_from_the_first_build_to_the_last() {
    let plan = PlanBuilder::along(&["1000", "1100", "1200"]).wave(&["a"]).wave(&["b", "c"]).plan();
    let builds: Vec<_> = plan.waves[1].hosts[1].builds().iter().map(ToString::to_string).collect();
    assert_eq!(builds, ["1000", "1100", "1200"]);
    assert_eq!(plan.hosts().count(), 3);
}
