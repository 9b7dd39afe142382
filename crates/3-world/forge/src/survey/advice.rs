//! What does not keep a pack from being built, and should be looked at.

use super::{Survey, walk::Tree};
use refit_names::ByteSize;
use refit_packs::{
    manifest::{Estimate, Manifest},
    runbook::{Runbook, StepKind},
};
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// From this size on a file should have a reason: an image or a log that was packed by mistake.
const HUGE_BYTES: u64 = 1 << 30;
/// What a read-me tells, each with words that its heading may have.
const HEADINGS: [(&str, &[&str]); 3] = [
    ("what changes", &["change", "new", "fix"]),
    ("what to know before", &["before", "require", "known issue", "prepar"]),
    ("whom to ask, or the way back", &["ask", "contact", "support", "back"]),
];
/// Names that Windows gives to devices.
const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];

pub(super) fn manifest(m: &Manifest, runbook: &Runbook, survey: &mut Survey) {
    let file = crate::pack::MANIFEST_FILE;
    if m.web.is_none() {
        survey.advise(file, "names no folder `web`: the console has no page to show");
    }
    if m.estimate == Estimate::default() {
        survey.advise(file, "has no `estimate` of its own: plans take five minutes for each host");
    }
    let does = |kind: fn(&StepKind) -> bool| runbook.steps.iter().any(|step| kind(&step.kind));
    let has_unit = !m.unit.data.is_empty() || !m.unit.databases.is_empty();
    if has_unit && !does(|kind| matches!(kind, StepKind::BackupTake {})) {
        survey.advise(file, "names a `unit`, and the runbook has no step `backup.take`");
    }
    let name = m.runbook.as_ref().map_or("(default runbook)", refit_names::TreePath::as_str);
    if m.runbook.is_some() && runbook.rollback.tested.is_none() {
        survey.advise(name, "does not say in `rollback.tested` when the way back was rehearsed");
    }
    for line in refit_packs::runbook::advice(runbook) {
        survey.advise(name, line);
    }
    let migrates = does(|kind| matches!(kind, StepKind::DatabaseMigrate { .. }));
    if migrates && m.migrations.is_empty() {
        survey.advise(file, "lists no `migrations`, and the runbook has a step `database.migrate`");
    }
}

pub(super) fn readme(file: &str, text: &str, survey: &mut Survey) {
    let lines = text.lines().map(str::to_lowercase);
    let headings: Vec<String> = lines.filter(|line| line.starts_with('#')).collect();
    for (wanted, words) in HEADINGS {
        let has = |heading: &String| words.iter().any(|word| heading.contains(word));
        if !headings.iter().any(has) {
            survey.advise(file, format!("has no heading that tells {wanted}"));
        }
    }
}

pub(super) fn payload(m: &Manifest, payload: &Tree, survey: &mut Survey) {
    for (path, entry) in &payload.entries {
        let file = format!("{}/{path}", payload.name);
        if entry.link.is_none() && entry.mode & 0o002 != 0 {
            survey
                .advise(&file, format!("everybody may write it (mode {:o})", entry.mode & 0o7777));
        }
        if entry.mode & 0o6000 != 0 {
            survey.advise(&file, "its set-user-id or set-group-id bit is left out");
        }
        if entry.is_file && entry.mode & 0o111 == 0 && is_script(&entry.place).unwrap_or_default() {
            survey.advise(&file, "begins with `#!` and is no program (mode without x)");
        }
        if entry.is_file && entry.size >= HUGE_BYTES {
            survey.advise(&file, format!("is huge: {}", ByteSize(entry.size)));
        }
        let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        let stem = name.split('.').next().unwrap_or_default();
        if RESERVED.contains(&stem) || name.ends_with(['.', ' ']) {
            survey.advise(&file, "has a name that Windows does not allow");
        }
        if let Some(target) = &entry.link
            && dangles(payload, path, target)
        {
            survey.advise(&file, format!("links to `{target}`, which is not there"));
        }
    }
    if payload.entries.is_empty() {
        survey.advise(m.payload.as_str(), "is empty");
    }
}

fn is_script(place: &Path) -> io::Result<bool> {
    let mut head = [0; 2];
    File::open(place)?.read_exact(&mut head)?;
    Ok(head == *b"#!")
}

fn dangles(payload: &Tree, path: &str, target: &str) -> bool {
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    !folders.is_empty() && !payload.entries.contains_key(&folders.join("/"))
}
