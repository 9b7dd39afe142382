//! Counts what was checked.

use crate::talk::say;
use anyhow::Result;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Checks that passed and failed so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    // Several scenarios count at once.
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    passed: u32,
    failed: Vec<String>,
}

impl Tally {
    /// Notes how `what` ended; a failure does not stop the others.
    pub(crate) fn check(&self, what: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => {
                self.counted().passed += 1;
                say(&format!("ok      {what}"));
            }
            Err(error) => {
                say(&format!("FAILED  {what}: {error:#}"));
                self.counted().failed.push(format!("{what}: {error:#}"));
            }
        }
    }

    /// As [`Tally::check`], for two values that must be the same.
    pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        expected: &T,
        found: Result<T>,
    ) {
        let outcome = found.and_then(|found| {
            anyhow::ensure!(found == *expected, "expected {expected:?}, found {found:?}");
            Ok(())
        });
        self.check(what, outcome);
    }

    /// Whether all passed, and at least one did.
    pub(crate) fn is_good(&self) -> bool {
        let counted = self.counted();
        counted.failed.is_empty() && counted.passed > 0
    }

    /// `N passed, N failed`.
    pub(crate) fn line(&self) -> String {
        let counted = self.counted();
        format!("{} passed, {} failed", counted.passed, counted.failed.len())
    }

    /// The failures, a line each.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.counted().failed.clone()
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        // A thread that broke down while it counted has left whole numbers.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_checked_is_not_good() {
        assert!(!Tally::default().is_good());
    }

    #[test]
    fn failure_is_counted_and_told() {
        let tally = Tally::default();
        tally.check("a", Ok(()));
        tally.same("schema", &"066", Ok("067"));
        assert_eq!(tally.line(), "1 passed, 1 failed");
        assert!(tally.failures()[0].contains("expected \"066\", found \"067\""));
    }
}
