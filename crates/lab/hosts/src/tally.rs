//! Counts what was checked.

use crate::talk::say;
use anyhow::Result;

/// Checks that passed and failed so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u32,
    failed: Vec<String>,
}

impl Tally {
    /// Notes how `what` ended; a failure does not stop the others.
    pub(crate) fn check(&mut self, what: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => {
                self.passed += 1;
                say(&format!("ok      {what}"));
            }
            Err(error) => {
                say(&format!("FAILED  {what}: {error:#}"));
                self.failed.push(format!("{what}: {error:#}"));
            }
        }
    }

    /// As [`Tally::check`], for two values that must be the same.
    pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
        &mut self,
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
        self.failed.is_empty() && self.passed > 0
    }

    /// `N passed, N failed`.
    pub(crate) fn line(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed.len())
    }

    /// The failures, a line each.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failed
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
        let mut tally = Tally::default();
        tally.check("a", Ok(()));
        tally.same("schema", &"066", Ok("067"));
        assert_eq!(tally.line(), "1 passed, 1 failed");
        assert!(tally.failures()[0].contains("expected \"066\", found \"067\""));
    }
}
