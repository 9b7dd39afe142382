//! What a well-formed manifest must also hold.

mod fit;
mod terms;

use super::{MANIFEST_FORMAT, Manifest};
use crate::{
    schema::SchemaOf,
    source::{Breaks, Reading, Rule, RuleBreak, SourceFlaws, read as read_source},
};
use refit_names::{Coded, ErrorClass};
use serde_json::json;
use std::collections::BTreeSet;

pub use fit::{misfits, repeatable_migrations};

/// Bytes of a manifest: a page of text has 4 KiB, the longest known-issue lists some tens.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;
/// Entries of any list in a manifest: more `from` builds than any vendor supports at a time.
const LIST_MAX: usize = 256;
/// Characters of a title: it stands in tables.
const TITLE_CHARS_MAX: usize = 200;

/// Why a text is not a manifest: everything that could be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The text does not have a manifest's shape; rules that it breaks besides are listed too.
    #[error("manifest, {0}")]
    Shape(SourceFlaws),
    /// The shape is right and rules are broken.
    #[error("manifest, {0}")]
    Rule(SourceFlaws),
}

impl ManifestError {
    /// Every fault, from top to bottom.
    #[must_use]
    pub fn flaws(&self) -> &SourceFlaws {
        let (Self::Shape(flaws) | Self::Rule(flaws)) = self;
        flaws
    }
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
/// [`ManifestError`] names line, column, field, what was expected and what was found, for every fault.
pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
    accept(read(text))
}

/// The manifest when nothing is wrong with it.
///
/// # Errors
/// As [`parse`].
pub fn accept(reading: Reading<Manifest>) -> Result<Manifest, ManifestError> {
    reading.into_result().map_err(|(is_shape, flaws)| {
        if is_shape { ManifestError::Shape(flaws) } else { ManifestError::Rule(flaws) }
    })
}

/// Reads as much of `pack.yaml` as can be read, with everything that is wrong with it.
#[must_use]
pub fn read(text: &str) -> Reading<Manifest> {
    // Stands for what is missing or faulty; rules that look at such a field are not asked.
    let filler = json!({
        "format": MANIFEST_FORMAT, "product": "x", "from": ["x"], "to": "y", "kind": "minor",
        "title": "x", "readme": "x", "payload": "x", "unit": {},
    });
    read_source(text, MANIFEST_BYTES_MAX, SchemaOf::Pack.schema(), filler, RULES)
}

/// The rules without a text, for manifests that arrive inside a record.
pub(crate) fn check(manifest: &Manifest) -> Result<(), RuleBreak> {
    Breaks::of(manifest, RULES).into_first()
}

/// Each with the fields that it looks at.
const RULES: &[Rule<Manifest>] = &[
    (&["format"], check_format),
    (&["from", "to"], check_from),
    (&["title"], check_title),
    (&["blocked", "from"], check_blocked),
    (&["supersedes", "floor", "to"], check_order),
    (&["unit"], check_unit),
    (&["estimate"], check_estimate),
    (&["known_issues"], check_issues),
    (&["requirements"], terms::check_requirements),
    (&["components"], terms::check_components),
    (&["migrations", "unit"], terms::check_migrations),
    (&["switches"], terms::check_switches),
    (&["parts"], terms::check_parts),
    (&["uninstall"], terms::check_uninstall),
    (&["coexistence", "to"], terms::check_coexistence),
];

fn check_format(m: &Manifest, breaks: &mut Breaks) {
    breaks.ensure(m.format == MANIFEST_FORMAT, "format", format!("`{MANIFEST_FORMAT}`"), || {
        format!("`{}`", m.format)
    });
}

fn check_from(m: &Manifest, breaks: &mut Breaks) {
    breaks.ensure(!m.from.is_empty(), "from", "at least one build", || "none".to_owned());
    breaks.ensure(!m.from.contains(&m.to), "from", "builds other than `to`", || {
        format!("`{}`", m.to)
    });
    breaks.at_most(m.from.len(), LIST_MAX, "from");
}

fn check_title(m: &Manifest, breaks: &mut Breaks) {
    breaks.line("title", &m.title);
    breaks.at_most(m.title.chars().count(), TITLE_CHARS_MAX, "title");
}

fn check_blocked(m: &Manifest, breaks: &mut Breaks) {
    breaks.at_most(m.blocked.len(), LIST_MAX, "blocked");
    for (build, reason) in &m.blocked {
        let field = format!("blocked.{build}");
        breaks.ensure(!reason.trim().is_empty(), &field, "a reason", || "nothing".to_owned());
        breaks.ensure(m.from.contains(build), &field, "a build of `from`", || format!("`{build}`"));
    }
}

/// What the pack says about its place in the build graph.
fn check_order(m: &Manifest, breaks: &mut Breaks) {
    breaks.at_most(m.supersedes.len(), LIST_MAX, "supersedes");
    breaks.ensure(!m.supersedes.contains(&m.to), "supersedes", "builds other than `to`", || {
        format!("`{}`", m.to)
    });
    breaks.ensure(m.floor.as_ref() != Some(&m.to), "floor", "a build other than `to`", || {
        format!("`{}`", m.to)
    });
}

fn check_unit(m: &Manifest, breaks: &mut Breaks) {
    breaks.at_most(m.unit.data.len(), LIST_MAX, "unit.data");
    breaks.at_most(m.unit.databases.len(), LIST_MAX, "unit.databases");
    let mut seen = BTreeSet::new();
    for (index, path) in m.unit.data.iter().enumerate() {
        let field = format!("unit.data[{index}]");
        breaks.ensure(seen.insert(path), &field, "each path once", || format!("`{path}` twice"));
        let first = path.as_str().split('/').next().unwrap_or_default();
        // The agent owns these two: saving or restoring them would undo the switch itself.
        breaks.ensure(
            !matches!(first, "releases" | "current"),
            &field,
            "a path outside `releases` and `current`",
            || format!("`{path}`"),
        );
    }
}

fn check_estimate(m: &Manifest, breaks: &mut Breaks) {
    let e = m.estimate;
    breaks.ensure(e.p50_ms <= e.p95_ms, "estimate.p95_ms", "at least `p50_ms`", || {
        format!("{} below {}", e.p95_ms, e.p50_ms)
    });
    breaks.ensure(e.p95_ms > 0, "estimate.p95_ms", "more than 0", || "0".to_owned());
}

fn check_issues(m: &Manifest, breaks: &mut Breaks) {
    breaks.at_most(m.known_issues.len(), LIST_MAX, "known_issues");
    let mut ids = BTreeSet::new();
    for (index, issue) in m.known_issues.iter().enumerate() {
        let field = format!("known_issues[{index}]");
        let id = format!("{field}.id");
        breaks.line(&id, &issue.id);
        breaks
            .ensure(ids.insert(&issue.id), &id, "each id once", || format!("`{}` twice", issue.id));
        breaks.told(&format!("{field}.text"), &issue.text);
        let Some(facts) = &issue.facts else { continue };
        if let (Some(least), Some(most)) = (facts.memory_min, facts.memory_max) {
            let field = format!("{field}.facts.memory_min");
            breaks.ensure(least <= most, &field, "at most `memory_max`", || {
                format!("{least} above {most}")
            });
        }
    }
}
