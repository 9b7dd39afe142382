//! A plan in a file: what `rollout show --json` prints, or the bare plan.

use crate::{CliError, Exit, context};
use refit_plan::{PLAN_FORMAT, Plan};
use serde::Deserialize;
use std::path::Path;

/// Bytes of a plan: one of 50,000 servers is about 60 MB.
const PLAN_BYTES_MAX: u64 = 256 << 20;

/// A plan, with what was said of it where the file has that.
#[derive(Debug, Deserialize)]
pub(super) struct PlanFile {
    pub(super) plan: Plan,
    #[serde(default)]
    pub(super) report: Vec<String>,
    #[serde(default)]
    pub(super) findings: Vec<String>,
}

/// Reads it.
pub(super) fn read(path: &Path) -> Result<PlanFile, CliError> {
    let size = std::fs::metadata(path)
        .map_err(|source| CliError::io("read", path.display(), source))?
        .len();
    let wrong = |what: String| {
        CliError::new("rollout.plan-file", Exit::Usage, format!("`{}` {what}", path.display()))
    };
    if size > PLAN_BYTES_MAX {
        return Err(wrong(format!("has {size} bytes, expected at most {PLAN_BYTES_MAX}")));
    }
    let text = context::text(path)?;
    let not_plan = |error: serde_json::Error| wrong(format!("is not a plan: {error}"));
    let bare = serde_json::from_str::<Bare>(&text).map_err(not_plan)?;
    let file = if bare.plan.is_some() {
        serde_json::from_str(&text).map_err(not_plan)?
    } else {
        let plan = serde_json::from_str(&text).map_err(not_plan)?;
        PlanFile { plan, report: Vec::new(), findings: Vec::new() }
    };
    if file.plan.format != PLAN_FORMAT {
        let found = file.plan.format;
        return Err(wrong(format!("has format `{found}`, expected `{PLAN_FORMAT}`")));
    }
    Ok(file)
}

/// Which of the two forms a file has.
#[derive(Deserialize)]
struct Bare {
    plan: Option<serde::de::IgnoredAny>,
}
