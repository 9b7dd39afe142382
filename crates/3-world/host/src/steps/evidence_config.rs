//! `evidence.config`: copies configuration and what commands say of it; later looks of the same name show what changed.

use super::Look;
use crate::{
    context::Context,
    error::StepError,
    finding::{Finding, judge},
    places,
};
use refit_packs::runbook::{EvidenceConfig, StepKind};
use similar::TextDiff;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A configuration file is small; of a larger one only its size and digest are kept.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Changed places that the note names; all stand in the kept file.
const NAMED_MAX: usize = 10;
/// Lines of differences that the note shows.
const SHOWN_LINES_MAX: usize = 12;

pub(super) struct EvidenceConfigOf<'a>(pub(super) &'a EvidenceConfig);

impl Look for EvidenceConfigOf<'_> {
    fn look(&self, context: &Context<'_>) -> Result<String, StepError> {
        let into = context.evidence()?;
        // Of an earlier try nothing may stay.
        fs::remove_dir_all(&into).map_err(StepError::io("empty", &into))?;
        let into = context.evidence()?;
        let files = places::files(context, &self.0.files)?;
        for file in &files {
            keep(file, &into.join("files").join(file.strip_prefix("/").unwrap_or(file)))?;
        }
        for (name, run) in &self.0.commands {
            let said = context.succeed(run)?;
            write(&into.join("commands").join(name.as_str()), said.as_bytes())?;
        }
        let kept = format!("{} files and {} outputs kept", files.len(), self.0.commands.len());
        let name = &self.0.name;
        let first = context.first_of(
            |kind| matches!(kind, StepKind::EvidenceConfig(terms) if terms.name == *name),
        );
        let Some(first) = first.filter(|first| **first != context.step.id) else { return Ok(kept) };
        let before = context.evidence_of(first);
        if !before.is_dir() {
            return Ok(format!("{kept}; nothing to compare with: step `{first}` kept nothing"));
        }
        let changes = compare(&before, &into)?;
        let full: String = changes.iter().map(|change| context.redacted(&change.text)).collect();
        write(&into.join("changes.diff"), full.as_bytes())?;
        if changes.is_empty() {
            return Ok(format!("{kept}; nothing changed since step `{first}`"));
        }
        let found = told(&changes, &full);
        let limit = if self.0.unchanged { "unchanged" } else { "shown" };
        let finding = Finding::new(format!("changed since step `{first}`"), found, limit);
        let finding = finding.judged(
            !self.0.unchanged,
            "see `changes.diff` in the evidence, and bring back what should not have changed",
        );
        Ok(format!("{kept}; {}", judge(&[finding])?))
    }
}

/// One place that differs.
struct Change {
    place: String,
    text: String,
}

fn told(changes: &[Change], full: &str) -> String {
    let named: Vec<&str> =
        changes.iter().take(NAMED_MAX).map(|change| change.place.as_str()).collect();
    let lines = full.lines().filter(|line| {
        line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
    });
    let shown: Vec<&str> = lines.take(SHOWN_LINES_MAX).collect();
    format!("{} places: {}: {}", changes.len(), named.join(", "), shown.join(" | "))
}

fn compare(before: &Path, after: &Path) -> Result<Vec<Change>, StepError> {
    let mut places: BTreeSet<PathBuf> = BTreeSet::new();
    for side in [before, after] {
        for part in ["files", "commands"] {
            list(&side.join(part), side, &mut places)?;
        }
    }
    let mut changes = vec![];
    for place in places {
        let read = |side: &Path| fs::read(side.join(&place)).unwrap_or_default();
        let (old, new) = (read(before), read(after));
        let there = [before, after].map(|side| side.join(&place).exists());
        if old == new && there[0] == there[1] {
            continue;
        }
        let name = place.display().to_string();
        let name = name
            .strip_prefix("files")
            .map_or_else(|| name.replacen("commands/", "output ", 1), str::to_owned);
        let text = match (String::from_utf8(old), String::from_utf8(new)) {
            (Ok(old), Ok(new)) => {
                let diff = TextDiff::from_lines(&old, &new);
                let diff = diff
                    .unified_diff()
                    .header(&format!("before {name}"), &format!("after {name}"))
                    .to_string();
                if diff.is_empty() {
                    format!("{name}: it {}\n", if there[1] { "came" } else { "went" })
                } else {
                    diff
                }
            }
            _ => format!("{name}: differs, not a text\n"),
        };
        changes.push(Change { place: name, text });
    }
    Ok(changes)
}

fn list(folder: &Path, top: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), StepError> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(StepError::io("list", folder))?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, top, found)?;
        } else {
            found.insert(path.strip_prefix(top).unwrap_or(&path).to_owned());
        }
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<(), StepError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))?;
    fs::write(path, content).map_err(StepError::io("write", path))
}

/// A link is kept as what it points at: that is what a configuration says.
fn keep(from: &Path, to: &Path) -> Result<(), StepError> {
    let io = |error| StepError::io("keep", from)(error);
    let seen = fs::symlink_metadata(from).map_err(io)?;
    if seen.is_symlink() {
        let target = fs::read_link(from).map_err(io)?;
        return write(to, format!("a link to {}\n", target.display()).as_bytes());
    }
    if seen.len() <= FILE_BYTES_MAX {
        return write(to, &fs::read(from).map_err(io)?);
    }
    let (size, digest) = refit_backup::measure(from)?;
    write(to, format!("{size}, sha-256 {digest}\n").as_bytes())
}
