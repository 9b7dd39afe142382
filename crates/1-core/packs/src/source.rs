//! Reading YAML that people wrote: every flaw names line, column, field, what was expected and what was found.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_saphyr::{Error as YamlError, Spanned};
use std::collections::BTreeMap;
use std::fmt;

/// Characters of a found value that are shown: enough to recognise it, short enough for one line.
const SHOWN_CHARS_MAX: usize = 60;

/// What is wrong in a text and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFlaw {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// The field's path, such as `steps[2].do`.
    pub field: String,
    /// What would be right.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl fmt::Display for SourceFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, field, expected, found } = self;
        write!(
            f,
            "line {line}, column {column}, field `{field}`: expected {expected}, found {found}"
        )
    }
}

/// A rule that a well-formed value breaks; its place in a text is added where there is a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: expected {expected}, found {found}")]
pub struct RuleBreak {
    /// The field's path.
    pub field: String,
    /// What would be right.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl RuleBreak {
    pub(crate) fn new(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), expected: expected.into(), found: found.into() }
    }

    /// Finds the place of the field in `text`.
    pub(crate) fn locate(self, text: &str) -> SourceFlaw {
        let (line, column) = place_of(text, &self.field);
        let Self { field, expected, found } = self;
        SourceFlaw { line, column, field, expected, found }
    }
}

/// `Ok` when the condition holds, else the broken rule.
pub(crate) fn ensure(
    holds: bool,
    field: &str,
    expected: impl Into<String>,
    found: impl FnOnce() -> String,
) -> Result<(), RuleBreak> {
    if holds { Ok(()) } else { Err(RuleBreak::new(field, expected, found())) }
}

/// `Ok` when there are at most `max` of something.
pub(crate) fn at_most(count: usize, max: usize, field: &str) -> Result<(), RuleBreak> {
    ensure(count <= max, field, format!("at most {max}"), || count.to_string())
}

/// Reads `text` of at most `max` bytes.
pub(crate) fn read<T: DeserializeOwned>(text: &str, max: usize) -> Result<T, SourceFlaw> {
    if text.len() > max {
        return Err(SourceFlaw {
            line: 1,
            column: 1,
            field: "(whole text)".to_owned(),
            expected: format!("at most {max} bytes"),
            found: format!("{} bytes", text.len()),
        });
    }
    serde_saphyr::from_str(text).map_err(|error| flaw_of(text, &error))
}

fn flaw_of(text: &str, error: &YamlError) -> SourceFlaw {
    let error = match error.without_snippet() {
        YamlError::AliasError { error, .. } => error,
        plain => plain,
    };
    let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
    let here = value_at(text, line, column);
    let mut field = field_at(text, line, column);
    let (expected, found) = match error {
        YamlError::Unexpected { expected, .. } => ((*expected).to_owned(), here),
        YamlError::SerdeInvalidType { unexpected, expected, .. }
        | YamlError::SerdeInvalidValue { unexpected, expected, .. } => {
            (expected.clone(), unexpected.clone())
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("one of {}", quoted(expected)), format!("`{variant}`"))
        }
        YamlError::SerdeUnknownField { field: name, expected, .. } => {
            name.clone_into(&mut field);
            (format!("one of {}", quoted(expected)), format!("the unknown field `{name}`"))
        }
        YamlError::SerdeMissingField { field: name, .. } => {
            (*name).clone_into(&mut field);
            (format!("the field `{name}`"), "nothing".to_owned())
        }
        YamlError::DuplicateMappingKey { key, .. } => {
            let key = key.clone().unwrap_or_else(|| here.clone());
            ("each key once".to_owned(), format!("`{key}` twice"))
        }
        YamlError::InvalidScalar { ty, .. } if ty.starts_with(['u', 'i']) => {
            ("a whole number".to_owned(), here)
        }
        YamlError::InvalidScalar { ty, .. } => ((*ty).to_owned(), here),
        YamlError::Message { msg, .. } => ("a valid value".to_owned(), format!("{here} ({msg})")),
        other => ("readable YAML".to_owned(), first_line(&other.to_string())),
    };
    SourceFlaw { line, column, field, expected, found }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The rest of the line from `column`, as people see it.
fn value_at(text: &str, line: u64, column: u64) -> String {
    let rest: String = line_of(text, line)
        .chars()
        .skip(usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX))
        .take(SHOWN_CHARS_MAX)
        .collect();
    match rest.trim() {
        "" => "nothing".to_owned(),
        value => format!("`{value}`"),
    }
}

fn line_of(text: &str, line: u64) -> &str {
    let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    text.lines().nth(index).unwrap_or_default()
}

/// The path of keys that leads to a place, read from the indentation.
fn field_at(text: &str, line: u64, column: u64) -> String {
    let mut path: Vec<&str> = Vec::new();
    let mut limit = usize::MAX;
    let upto = usize::try_from(line).unwrap_or(usize::MAX);
    let lines: Vec<&str> = text.lines().take(upto).collect();
    for (index, raw) in lines.iter().enumerate().rev() {
        let bare = raw.trim_start_matches([' ', '-']);
        let indent = raw.len() - bare.len();
        let Some((mut key, _)) = bare.split_once(':') else { continue };
        if bare.starts_with('#') || indent >= limit || key.is_empty() {
            continue;
        }
        if index + 1 == lines.len() {
            key = key_before(bare, column.saturating_sub(indent as u64)).unwrap_or(key);
        }
        path.push(key.trim_matches(['"', '\'', '{', ' ']));
        limit = indent;
        if indent == 0 {
            break;
        }
    }
    path.reverse();
    if path.is_empty() { "(whole text)".to_owned() } else { path.join(".") }
}

/// In a line such as `{id: a, do: {x: 1}}`, the key whose value stands at `column`.
fn key_before(bare: &str, column: u64) -> Option<&str> {
    let upto = usize::try_from(column.saturating_sub(1)).ok()?;
    let (before, _) = bare.get(..upto)?.rsplit_once(':')?;
    before.rsplit(['{', '[', ',', ' ']).next().filter(|key| !key.is_empty())
}

/// Line and column of a field path, as near as the text's shape allows; the start when it is not there.
fn place_of(text: &str, field: &str) -> (u64, u64) {
    #[derive(Deserialize)]
    struct Steps {
        #[serde(default)]
        steps: Vec<Spanned<IgnoredAny>>,
    }
    let first = field.split(['.', '[']).next().unwrap_or_default();
    if let Some(index) = field.strip_prefix("steps[").and_then(|rest| rest.split(']').next())
        && let Ok(index) = index.parse::<usize>()
        && let Ok(found) = serde_saphyr::from_str::<Steps>(text)
        && let Some(step) = found.steps.get(index)
    {
        return (step.referenced.line(), step.referenced.column());
    }
    serde_saphyr::from_str::<BTreeMap<String, Spanned<IgnoredAny>>>(text)
        .ok()
        .and_then(|fields| {
            fields.get(first).map(|value| (value.referenced.line(), value.referenced.column()))
        })
        .unwrap_or((1, 1))
}
