//! `evidence.logs`: keeps logs and what the system journal has of units since boot; empties them where the runbook says so.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{context::Context, error::StepError, places, system_journal};
use refit_packs::runbook::EvidenceLogs;
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

pub(super) struct EvidenceLogsOf<'a>(pub(super) &'a EvidenceLogs);

/// Of a longer log the end is kept: what happened last stands there. One that is emptied is kept whole.
const LOG_BYTES_MAX: u64 = 16 << 20;

impl Deed for EvidenceLogsOf<'_> {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let into = context.evidence()?;
        let root = context.layout.root();
        let mut files = vec![];
        for path in self.0.paths.iter().map(|path| root.join(path.as_str())) {
            if path.exists() {
                inside(&path, &mut files)?;
            }
        }
        files.extend(places::files(context, &self.0.files)?);
        files.retain(|file| !file.is_symlink());
        for file in &files {
            // Below the product's root the paths stay short.
            let name = file.strip_prefix(root).or_else(|_| file.strip_prefix("/")).unwrap_or(file);
            keep(file, &into.join(name), self.0.clear)?;
        }
        let units: Vec<&String> = context.service.units().iter().chain(&self.0.units).collect();
        for unit in &units {
            let file = into.join(format!("{unit}.journal"));
            let words = ["--boot", "--no-pager", "--output=short-iso", "--unit", unit];
            system_journal::write(&words, &file, context.limit())?;
        }
        if self.0.system {
            let words: &[&str] = if self.0.clear {
                &["--no-pager", "--output=short-iso"]
            } else {
                &["--boot", "--no-pager", "--output=short-iso"]
            };
            system_journal::write(words, &into.join("system.journal"), context.limit())?;
        }
        let kept = files.len() + units.len() + usize::from(self.0.system);
        let note = format!("{kept} logs kept in {}", into.display());
        if !self.0.clear {
            return Ok(note);
        }
        // Only now that everything is kept.
        for file in &files {
            File::options()
                .write(true)
                .open(file)
                .and_then(|file| file.set_len(0))
                .map_err(StepError::io("empty", file))?;
        }
        if self.0.system {
            system_journal::clear(context.limit())?;
        }
        Ok(format!(
            "{note}; {} files{} emptied",
            files.len(),
            if self.0.system { " and the journal" } else { "" }
        ))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}

fn inside(place: &Path, found: &mut Vec<PathBuf>) -> Result<(), StepError> {
    let seen = fs::symlink_metadata(place).map_err(StepError::io("look at", place))?;
    if seen.is_dir() {
        for entry in fs::read_dir(place).map_err(StepError::io("list", place))?.flatten() {
            inside(&entry.path(), found)?;
        }
    } else if seen.is_file() {
        found.push(place.to_owned());
    }
    Ok(())
}

/// What a try that was cut off after emptying kept is never overwritten by the empty file: each try adds.
fn keep(from: &Path, to: &Path, whole: bool) -> Result<(), StepError> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))?;
    let length = fs::metadata(from).map_err(StepError::io("look at", from))?.len();
    let copy = || -> std::io::Result<()> {
        let mut source = File::open(from)?;
        if whole {
            // What was written while it was copied is copied too.
            let mut target = File::options().append(true).create(true).open(to)?;
            std::io::copy(&mut source, &mut target)?;
            return target.sync_all();
        }
        source.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES_MAX)))?;
        std::io::copy(&mut source.take(LOG_BYTES_MAX), &mut File::create(to)?).map(drop)
    };
    copy().map_err(StepError::io("keep", from))
}
