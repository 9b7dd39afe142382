//! Growing delays between tries.

use refit_ambient::Entropy;
use std::time::Duration;

/// Delays that double up to a limit, each shortened by up to a half at random so that a fleet does not knock in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    tries: u32,
}

impl Backoff {
    /// Starts with `first` and never waits longer than `limit`.
    #[must_use]
    pub const fn new(first: Duration, limit: Duration) -> Self {
        Self { first, limit, tries: 0 }
    }

    /// The delay before the next try.
    pub fn delay(&mut self, entropy: &dyn Entropy) -> Duration {
        // 2^20 times any first delay is beyond every limit in use; more would overflow.
        let whole = self.first.saturating_mul(1 << self.tries.min(20)).min(self.limit);
        self.tries = self.tries.saturating_add(1);
        let mut bytes = [0; 2];
        entropy.fill(&mut bytes);
        let share = f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX);
        whole.mul_f64(0.5 + share / 2.0)
    }

    /// How often a delay was asked for since the last success.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// Begins anew after a success.
    pub const fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);
    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn delays_double_up_to_the_limit_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(300));
        let delays: Vec<u64> = (0..9).map(|_| backoff.delay(&Fixed(255)).as_secs()).collect();
        assert_eq!(delays, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.delay(&Fixed(0)), Duration::from_millis(2500));
    }

    #[test]
    fn many_tries_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(300));
        for _ in 0..100 {
            assert!(backoff.delay(&Fixed(255)) <= Duration::from_secs(300));
        }
    }
}
