//! What the YAML library says, in our words.

use super::SourceFlaw;
use serde_saphyr::Error as YamlError;

/// Characters of a found value that are shown: enough to recognise it, short enough for one line.
const SHOWN_CHARS_MAX: usize = 60;

pub(super) fn flaw_of(text: &str, error: &YamlError) -> SourceFlaw {
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
