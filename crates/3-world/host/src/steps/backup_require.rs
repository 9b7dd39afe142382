//! `backup.require`: a backup that others take is young enough and holds what it must; a hook proves it.

use super::measure::Measure;
use crate::{command::last_lines, context::Context, error::StepError, finding::Finding};
use jiff::Timestamp;
use refit_packs::runbook::BackupRequire;
use serde::Deserialize;
use std::collections::BTreeSet;

pub(super) struct BackupRequireOf<'a>(pub(super) &'a BackupRequire);

const REMEDY: &str =
    "let the backup run, and look whether it ended well, before anything is changed";
/// Clocks of two machines differ; a backup of the future is none.
const CLOCKS_DIFFER_MS: i64 = 60_000;

/// What a hook prints.
#[derive(Deserialize)]
struct Proof {
    taken_at: Timestamp,
    #[serde(default)]
    covers: BTreeSet<String>,
}

impl Proof {
    /// JSON, a time, or seconds since 1970.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with('{') {
            return serde_json::from_str(text).ok();
        }
        let seconds = || Timestamp::from_second(text.parse().ok()?).ok();
        let taken_at = text.parse().ok().or_else(seconds)?;
        Some(Self { taken_at, covers: BTreeSet::new() })
    }
}

impl Measure for BackupRequireOf<'_> {
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let BackupRequire { run, within_ms, covers } = self.0;
        let said = context.succeed(run)?;
        let proof = Proof::read(&said).ok_or_else(|| StepError::Unexpected {
            expected: "2026-01-02T03:04:05Z` or `{\"taken_at\": …, \"covers\": […]}".to_owned(),
            found: last_lines(&said),
        })?;
        let age = context.clock.now().duration_since(proof.taken_at).as_millis();
        let future = age < -i128::from(CLOCKS_DIFFER_MS);
        let age_ms = u64::try_from(age.max(0)).unwrap_or(u64::MAX);
        let found = if future {
            format!("taken at {}, which is in the future", proof.taken_at)
        } else {
            format!("{}, taken at {}", refit_names::span(age_ms), proof.taken_at)
        };
        let limit = format!("at most {}", refit_names::span(*within_ms));
        let age = Finding::new("age of the independent backup", found, limit);
        let mut findings = vec![age.judged(!future && age_ms <= *within_ms, REMEDY)];
        if !covers.is_empty() {
            let told = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
            let found = if proof.covers.is_empty() {
                "nothing that it names".to_owned()
            } else {
                told(&proof.covers)
            };
            let what = "what the independent backup holds";
            findings.push(
                Finding::new(what, found, told(covers))
                    .judged(covers.is_subset(&proof.covers), REMEDY),
            );
        }
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_a_time_or_json() {
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for text in [
            "2026-01-02T03:04:05Z\n",
            "1767323045",
            "{\"taken_at\": \"2026-01-02T03:04:05Z\", \"covers\": [\"files\"]}",
        ] {
            assert_eq!(Proof::read(text).unwrap().taken_at, at, "{text}");
        }
        for text in ["", "yesterday", "{}", "{\"taken_at\": 3}"] {
            assert!(Proof::read(text).is_none(), "{text}");
        }
    }
}
