//! `check.backup-age`: Refit's newest backup of the product: how old it is, and whether it holds what the pack says belongs together.

use super::measure::Measure;
use crate::{context::Context, error::StepError, finding::Finding};
use refit_backup::Sealed;
use refit_packs::runbook::CheckBackupAge;

pub(super) struct CheckBackupAgeOf<'a>(pub(super) &'a CheckBackupAge);

const REMEDY: &str = "take a backup: `refit backup run`";

impl Measure for CheckBackupAgeOf<'_> {
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let limit = format!("at most {}", refit_names::span(self.0.within_ms));
        let all = refit_backup::list(&context.backups(), &context.product.name);
        let Some(newest) = all.last() else {
            let none = Finding::new("age of the newest backup", "there is none", limit);
            return Ok(vec![none.judged(false, REMEDY)]);
        };
        let age = context.clock.now().duration_since(newest.manifest.taken_at);
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(0);
        let found = format!("{}, taken at {}", refit_names::span(age_ms), newest.manifest.taken_at);
        let age = Finding::new("age of the newest backup", found, limit);
        Ok(vec![age.judged(age_ms <= self.0.within_ms, REMEDY), coverage(context, newest)?])
    }
}

/// Every folder and database of the pack's unit, of the build that runs.
fn coverage(context: &Context<'_>, backup: &Sealed) -> Result<Finding, StepError> {
    let unit = &context.record.manifest.unit;
    let manifest = &backup.manifest;
    let has = |path: &str| {
        let below = |saved: &str| {
            saved == path || saved.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        };
        manifest.files.iter().any(|saved| below(&saved.path))
            || manifest.absent.iter().any(|absent| absent == path)
    };
    let folders = unit.data.iter().map(|path| path.as_str());
    let missing = folders.filter(|path| !has(path)).map(|path| format!("folder {path}"));
    let databases = unit.databases.keys().filter(|name| !manifest.databases.contains_key(*name));
    let mut missing: Vec<String> =
        missing.chain(databases.map(|name| format!("database {name}"))).collect();
    if let Some(installed) = context.layout.installed()?
        && manifest.build != installed
    {
        missing.push(format!("build {installed}, it is of {}", manifest.build));
    }
    let limit = format!(
        "{} folders and {} databases of the installed build",
        unit.data.len(),
        unit.databases.len()
    );
    let found = if missing.is_empty() {
        "all".to_owned()
    } else {
        format!("without {}", missing.join(", "))
    };
    Ok(Finding::new("what the newest backup holds", found, limit)
        .judged(missing.is_empty(), REMEDY))
}
