//! `check.os`: operating system, its release, architecture and kernel.

use super::measure::Measure;
use crate::{context::Context, error::StepError, facts, finding::Finding};
use refit_packs::{manifest::Patterns, runbook::CheckOs};
use std::{collections::BTreeSet, fs, path::Path};

pub(super) struct CheckOsOf<'a>(pub(super) &'a CheckOs);

impl Measure for CheckOsOf<'_> {
    fn measure(&self, _: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let CheckOs { os, release, arch, kernel } = self.0;
        let path = Path::new("/proc/sys/kernel/osrelease");
        let running = fs::read_to_string(path).map_err(StepError::io("read", path))?;
        let rows = [
            ("operating system", std::env::consts::OS.to_owned(), os),
            ("operating system release", facts::os_release(), release),
            ("architecture", std::env::consts::ARCH.to_owned(), arch),
            ("kernel", running.trim().to_owned(), kernel),
        ];
        let asked = rows.into_iter().filter(|(_, _, allowed)| !allowed.is_empty());
        Ok(asked.map(|(what, found, allowed)| one(what, found, allowed)).collect())
    }
}

fn one(what: &str, found: String, allowed: &BTreeSet<String>) -> Finding {
    let fits = Patterns::from(allowed.clone()).matches(&found);
    let limit = allowed.iter().cloned().collect::<Vec<_>>().join(" or ");
    Finding::new(what, found, limit).judged(fits, "use a pack that is made for this host")
}
