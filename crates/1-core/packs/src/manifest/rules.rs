//! What a well-formed manifest must also hold.

use super::{MANIFEST_FORMAT, Manifest};
use crate::source::{RuleBreak, SourceFlaw, at_most, ensure, read};
use refit_names::{Coded, ErrorClass};
use std::collections::BTreeSet;

/// Bytes of a manifest: a page of text has 4 KiB, the longest known-issue lists some tens.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;
/// Entries of any list in a manifest: more `from` builds than any vendor supports at a time.
const LIST_MAX: usize = 256;
/// Characters of a title: it stands in tables.
const TITLE_CHARS_MAX: usize = 200;

/// Why a text is not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The text does not have a manifest's shape.
    #[error("manifest, {0}")]
    Shape(SourceFlaw),
    /// The shape is right and a rule is broken.
    #[error("manifest, {0}")]
    Rule(SourceFlaw),
}

impl Coded for ManifestError {
    fn code(&self) -> &'static str {
        match self {
            Self::Shape(_) => "pack.manifest-shape",
            Self::Rule(_) => "pack.manifest-rule",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }
}

/// Reads `pack.yaml` and holds it against the rules.
///
/// # Errors
/// [`ManifestError`] names line, column, field, what was expected and what was found.
pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
    let manifest: Manifest = read(text, MANIFEST_BYTES_MAX).map_err(ManifestError::Shape)?;
    check(&manifest).map_err(|broken| ManifestError::Rule(broken.locate(text)))?;
    Ok(manifest)
}

/// The rules without a text, for manifests that arrive inside a record.
pub(crate) fn check(manifest: &Manifest) -> Result<(), RuleBreak> {
    let m = manifest;
    ensure(m.format == MANIFEST_FORMAT, "format", format!("`{MANIFEST_FORMAT}`"), || {
        format!("`{}`", m.format)
    })?;
    ensure(!m.from.is_empty(), "from", "at least one build", || "none".to_owned())?;
    ensure(!m.from.contains(&m.to), "from", "builds other than `to`", || format!("`{}`", m.to))?;
    ensure(!m.title.trim().is_empty(), "title", "one line for people", || "nothing".to_owned())?;
    ensure(!m.title.contains(char::is_control), "title", "one line", || {
        "a control character".to_owned()
    })?;
    at_most(m.title.chars().count(), TITLE_CHARS_MAX, "title")?;
    at_most(m.from.len(), LIST_MAX, "from")?;
    at_most(m.blocked.len(), LIST_MAX, "blocked")?;
    at_most(m.known_issues.len(), LIST_MAX, "known_issues")?;
    at_most(m.unit.data.len(), LIST_MAX, "unit.data")?;
    at_most(m.unit.databases.len(), LIST_MAX, "unit.databases")?;
    check_blocked(m)?;
    check_order(m)?;
    check_unit(m)?;
    check_estimate(m)?;
    let mut ids = BTreeSet::new();
    for (index, issue) in m.known_issues.iter().enumerate() {
        ensure(
            ids.insert(&issue.id),
            &format!("known_issues[{index}].id"),
            "each id once",
            || format!("`{}` twice", issue.id),
        )?;
    }
    Ok(())
}

fn check_blocked(m: &Manifest) -> Result<(), RuleBreak> {
    for (build, reason) in &m.blocked {
        let field = format!("blocked.{build}");
        ensure(!reason.trim().is_empty(), &field, "a reason", || "nothing".to_owned())?;
        ensure(m.from.contains(build), &field, "a build of `from`", || format!("`{build}`"))?;
    }
    Ok(())
}

/// What the pack says about its place in the build graph.
fn check_order(m: &Manifest) -> Result<(), RuleBreak> {
    at_most(m.supersedes.len(), LIST_MAX, "supersedes")?;
    ensure(!m.supersedes.contains(&m.to), "supersedes", "builds other than `to`", || {
        format!("`{}`", m.to)
    })?;
    ensure(m.floor.as_ref() != Some(&m.to), "floor", "a build other than `to`", || {
        format!("`{}`", m.to)
    })
}

fn check_unit(m: &Manifest) -> Result<(), RuleBreak> {
    let mut seen = BTreeSet::new();
    for path in &m.unit.data {
        ensure(seen.insert(path), "unit.data", "each path once", || format!("`{path}` twice"))?;
        let first = path.as_str().split('/').next().unwrap_or_default();
        // The agent owns these two: saving or restoring them would undo the switch itself.
        ensure(
            !matches!(first, "releases" | "current"),
            "unit.data",
            "paths outside `releases` and `current`",
            || format!("`{path}`"),
        )?;
    }
    Ok(())
}

fn check_estimate(m: &Manifest) -> Result<(), RuleBreak> {
    let e = m.estimate;
    ensure(e.p50_ms <= e.p95_ms, "estimate.p95_ms", "at least `p50_ms`", || {
        format!("{} below {}", e.p95_ms, e.p50_ms)
    })?;
    ensure(e.p95_ms > 0, "estimate.p95_ms", "more than 0", || "0".to_owned())
}
