//! `check.files-unlocked`: nobody holds files; waits, then names who does. Never ends a process.

use super::measure::Measure;
use crate::{
    context::Context,
    error::StepError,
    finding::Finding,
    holders::{self, Held},
};
use refit_packs::runbook::CheckFilesUnlocked;
use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// How often the process table is read while holders are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) struct CheckFilesUnlockedOf<'a>(pub(super) &'a CheckFilesUnlocked);

impl Measure for CheckFilesUnlockedOf<'_> {
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let places = self.places(context)?;
        let limit = Duration::from_millis(self.0.wait_ms).min(context.limit());
        let deadline = Instant::now() + limit;
        let of_service = context.of_running_service()?;
        loop {
            let findings = look(&places, &of_service)?;
            if findings.iter().all(|finding| finding.ok) || Instant::now() >= deadline {
                return Ok(findings);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl CheckFilesUnlockedOf<'_> {
    fn places(&self, context: &Context<'_>) -> Result<Vec<PathBuf>, StepError> {
        let root = context.layout.root();
        if !self.0.paths.is_empty() {
            return self.0.paths.iter().map(|path| Ok(root.join(context.text(path)?))).collect();
        }
        let release = context.layout.release(context.from);
        let data = context.record.manifest.unit.data.iter().map(|path| root.join(path.as_str()));
        Ok(std::iter::once(release).chain(data).collect())
    }
}

fn look(places: &[PathBuf], may: &impl Fn(i32) -> bool) -> Result<Vec<Finding>, StepError> {
    let one = |place: &PathBuf| {
        // A single file may be held under another of its names.
        let held =
            if place.is_file() { Held::files([place.as_path()]) } else { Held::below(place) };
        let mut found = holders::holders(&held)?;
        found.retain(|holder| !may(holder.pid));
        let told = if found.is_empty() { "nobody".to_owned() } else { holders::list(&found) };
        let what = format!("who holds {}", place.display());
        let remedy = "end the named processes, or wait until they let go";
        Ok(Finding::new(what, told, "nobody")
            .judged(found.is_empty(), remedy)
            .coded("host.files-held"))
    };
    places.iter().map(one).collect()
}
