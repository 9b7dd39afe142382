//! `evidence.logs`: keeps the product's logs, and what the system journal has of its units since boot.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{command::Run, context::Context, error::StepError};
use refit_names::TreePath;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub(super) struct EvidenceLogs<'a> {
    pub(super) paths: &'a [TreePath],
}

/// Of a longer log the end is kept: what happened last stands there.
const LOG_BYTES_MAX: u64 = 16 << 20;

impl Deed for EvidenceLogs<'_> {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let (into, mut kept) = (context.evidence()?, 0);
        for path in self.paths {
            let from = context.layout.root().join(path.as_str());
            if from.exists() {
                kept += keep(&from, &into.join(path.as_str()))?;
            }
        }
        for unit in context.service.units() {
            let words =
                ["journalctl", "--boot", "--no-pager", "--output=short-iso", "--unit", unit];
            let journal = Run {
                argv: words.map(str::to_owned).to_vec(),
                folder: PathBuf::from("/"),
                below: PathBuf::from("/"),
                environment: BTreeMap::new(),
                user: None,
                secrets: context.secrets.to_vec(),
            };
            let file = into.join(format!("{unit}.journal"));
            let text = journal.succeed(context.limit())?;
            fs::write(&file, text).map_err(StepError::io("write", &file))?;
            kept += 1;
        }
        Ok(format!("{kept} logs kept in {}", into.display()))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}

fn keep(from: &Path, to: &Path) -> Result<usize, StepError> {
    let seen = fs::symlink_metadata(from).map_err(StepError::io("look at", from))?;
    if seen.is_dir() {
        let inside = fs::read_dir(from).map_err(StepError::io("list", from))?;
        return inside
            .flatten()
            .map(|entry| keep(&entry.path(), &to.join(entry.file_name())))
            .sum();
    }
    if !seen.is_file() {
        return Ok(0);
    }
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))?;
    let copy = || -> std::io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut source = fs::File::open(from)?;
        source.seek(SeekFrom::Start(seen.len().saturating_sub(LOG_BYTES_MAX)))?;
        std::io::copy(&mut source.take(LOG_BYTES_MAX), &mut fs::File::create(to)?).map(drop)
    };
    copy().map_err(StepError::io("keep", from))?;
    Ok(1)
}
