//! Waiting for a named condition with a deadline, instead of sleeping.

use std::time::{Duration, Instant};

/// Between two looks: short beside any deadline, long beside a look.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until `condition` gives a value; real time, for what runs outside of the simulated clock.
///
/// # Panics
/// When `within` is over, with the condition's name.
pub async fn until<T>(what: &str, within: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "after {within:?} still not: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
