//! Chance: one seeded generator per run and host, and the two shapes that are drawn from it.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

/// The normal quantile of 0.95: what lies between p50 and p95 of a log-normal, in its own measure.
const Z95: f64 = 1.644_853_626_951_472_2;

/// No draw lies further out: one in a thousand million, and no run takes longer than the rollout it rehearses.
const Z_MAX: f64 = 6.0;

/// Odd and without pattern (the golden ratio in 64 bits): neighbouring numbers become far ones.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source of chance. The arithmetic is that of `libm`, so that every machine draws the same.
pub(crate) struct Luck(Pcg64Mcg);

impl Luck {
    /// The luck of one subject in one run.
    pub(crate) fn of(seed: u64, run: u32, subject: u64) -> Self {
        let mixed = seed
            .wrapping_mul(SPREAD)
            .wrapping_add(u64::from(run))
            .wrapping_mul(SPREAD)
            .wrapping_add(subject);
        Self(Pcg64Mcg::seed_from_u64(mixed))
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        // The upper 53 bits: all that a double holds.
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this chance happens.
    pub(crate) fn happens(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// Box and Muller's transformation.
    fn normal(&mut self) -> f64 {
        let (first, second) = (1.0 - self.unit(), self.unit());
        let z =
            libm::sqrt(-2.0 * libm::log(first)) * libm::cos(2.0 * core::f64::consts::PI * second);
        z.clamp(-Z_MAX, Z_MAX)
    }
}

/// A duration whose logarithm is normal: never negative, with a long tail, known by two of its quantiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogNormal {
    mu: f64,
    sigma: f64,
}

impl LogNormal {
    /// The one with these quantiles, in milliseconds. A p95 below the p50 counts as equal to it.
    pub(crate) fn fitted(p50_ms: u64, p95_ms: u64) -> Self {
        let p50 = p50_ms.max(1) as f64;
        let p95 = (p95_ms as f64).max(p50);
        Self { mu: libm::log(p50), sigma: libm::log(p95 / p50) / Z95 }
    }

    /// One duration in milliseconds, at least 1.
    pub(crate) fn draw(&self, luck: &mut Luck) -> i64 {
        let ms = libm::exp(self.mu + self.sigma * luck.normal());
        // Saturates; a century is as good as never.
        (libm::round(ms) as i64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_durations_have_the_quantiles_that_they_were_fitted_to() {
        let shape = LogNormal::fitted(60_000, 300_000);
        let mut drawn: Vec<i64> =
            (0..20_000).map(|subject| shape.draw(&mut Luck::of(7, 1, subject))).collect();
        drawn.sort_unstable();
        let near = |found: i64, wanted: i64| (found - wanted).abs() * 100 < wanted * 4;
        assert!(near(drawn[10_000], 60_000), "p50 is {}", drawn[10_000]);
        assert!(near(drawn[19_000], 300_000), "p95 is {}", drawn[19_000]);
    }

    #[test]
    fn a_fixed_duration_is_drawn_as_it_is() {
        assert_eq!(LogNormal::fitted(5_000, 5_000).draw(&mut Luck::of(1, 1, 1)), 5_000);
        assert_eq!(LogNormal::fitted(5_000, 10).draw(&mut Luck::of(1, 1, 1)), 5_000);
    }

    #[test]
    fn something_of_two_per_cent_happens_in_two_of_a_hundred() {
        let happened =
            (0..100_000).filter(|subject| Luck::of(3, 0, *subject).happens(0.02)).count();
        assert!((1_850..2_150).contains(&happened), "{happened} of 100000");
    }
}
