//! `check.privilege`: what the agent may do.

use super::measure::Measure;
use crate::{context::Context, error::StepError, finding::Finding, preflight::privileged};
use refit_packs::runbook::CheckPrivilege;

pub(super) struct CheckPrivilegeOf<'a>(pub(super) &'a CheckPrivilege);

impl Measure for CheckPrivilegeOf<'_> {
    fn measure(&self, _: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let one = |name: &String| {
            let has = privileged(name);
            let found = if has { "held" } else { "not held by the agent" };
            let remedy = format!("run the agent as root, or give its unit `{name}`");
            Finding::new(format!("privilege {name}"), found, "held").judged(has, remedy)
        };
        Ok(self.0.privileges.iter().map(one).collect())
    }
}
