//! Free space per volume: who needs what there, added up and shown.

use crate::{error::StepError, finding::Finding, layout::free_bytes};
use refit_names::ByteSize;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// What is needed on the volume of a folder.
pub(crate) struct Need {
    pub(crate) folder: PathBuf,
    /// What for.
    pub(crate) what: String,
    pub(crate) bytes: u64,
}

impl Need {
    pub(crate) fn new(folder: &Path, what: impl Into<String>, bytes: u64) -> Self {
        Self { folder: folder.to_owned(), what: what.into(), bytes }
    }
}

/// One finding per volume: folders on one volume are added up.
pub(crate) fn judge(needs: Vec<Need>) -> Result<Vec<Finding>, StepError> {
    let mut volumes: BTreeMap<u64, (PathBuf, Vec<Need>)> = BTreeMap::new();
    for need in needs {
        // A folder that is made later lies where its parent does.
        let near = need.folder.ancestors().find(|folder| folder.exists()).unwrap_or(&need.folder);
        let device = fs::metadata(near).map_err(StepError::io("look at", near))?.dev();
        volumes.entry(device).or_insert_with(|| (near.to_owned(), vec![])).1.push(need);
    }
    volumes.into_values().map(|(folder, needs)| one(&folder, &needs)).collect()
}

fn one(folder: &Path, needs: &[Need]) -> Result<Finding, StepError> {
    let needed = ByteSize(needs.iter().map(|need| need.bytes).fold(0, u64::saturating_add));
    let free = free_bytes(folder)?;
    let short = ByteSize(needed.0.saturating_sub(free.0));
    let parts = needs.iter().filter(|need| need.bytes > 0);
    let sum: Vec<String> =
        parts.map(|need| format!("{} {}", ByteSize(need.bytes), need.what)).collect();
    let mut limit = format!("at least {needed}");
    if !sum.is_empty() {
        limit = format!("{limit} = {}", sum.join(" + "));
    }
    let found = if short.0 == 0 { free.to_string() } else { format!("{free}, {short} too little") };
    let what = format!("free space of the volume of {}", folder.display());
    let remedy = format!("free {short} there, or give the volume more");
    Ok(Finding::new(what, found, limit).judged(short.0 == 0, remedy).coded("host.disk-full"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_volume_are_added_up_and_the_sum_is_shown() {
        let scratch = tempfile::tempdir().unwrap();
        let needs = vec![
            Need::new(scratch.path(), "for the release", 1 << 20),
            Need::new(&scratch.path().join("not/yet"), "for backups", 1 << 21),
        ];
        let found = judge(needs).unwrap();
        let [only] = &found[..] else { panic!("{found:?}") };
        assert!(only.ok, "{only}");
        assert!(only.limit.contains(" for the release + "), "{only}");
    }

    #[test]
    fn what_is_missing_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let found = judge(vec![Need::new(scratch.path(), "for a giant", u64::MAX)]).unwrap();
        assert!(!found[0].ok && found[0].measured.contains("too little"), "{}", found[0]);
    }
}
