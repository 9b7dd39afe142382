//! Time that moves only when a test moves it, and randomness that a seed decides.

use jiff::{SignedDuration, Timestamp};
use refit_ambient::{Ambient, Boxed, Clock, Entropy};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A clock that stands still until [`SimClock::advance`]; sleepers wake when it passes their moment.
#[derive(Clone)]
pub struct SimClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl SimClock {
    /// Stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { now: Arc::new(watch::Sender::new(start)) }
    }

    /// Moves on and wakes every sleeper whose moment has come.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = after(*now, by));
    }

    /// How many tasks sleep on it: lets a test wait until the program is idle before it moves time.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.now.receiver_count()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'_> {
        let end = after(self.now(), duration);
        let mut moments = self.now.subscribe();
        Box::pin(async move {
            // The sender lives in `self`, so this cannot end early.
            let _ = moments.wait_for(|now| *now >= end).await;
        })
    }
}

fn after(now: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Bytes that follow from a seed (SplitMix64): different each time, the same in each run. Not for secrets.
pub struct SeededEntropy {
    state: Mutex<u64>,
}

impl SeededEntropy {
    /// Starts from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = *state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Both for a program, with the clock to move; it starts at a round moment.
#[must_use]
pub fn ambient(seed: u64) -> (Ambient, SimClock) {
    let clock = SimClock::at(Timestamp::constant(1_800_000_000, 0));
    let both =
        Ambient { clock: Arc::new(clock.clone()), entropy: Arc::new(SeededEntropy::new(seed)) };
    (both, clock)
}
