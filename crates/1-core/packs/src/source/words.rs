//! Schemas and values in words.

use super::{
    node::{Kind, Node},
    shape::{accepts, branches},
};
use serde_json::Value;

/// Characters of a found value that are shown: enough to recognise it, short enough for one line.
const SHOWN_CHARS_MAX: usize = 60;
/// Likeness from which on a known name is offered for an unknown one: one wrong letter in three at most.
const LIKENESS_MIN: f64 = 0.7;

/// What a schema wants, in words.
pub(super) fn expected(schema: &Value) -> String {
    let told = schema.get("description").and_then(Value::as_str).map(|told| {
        let (first, rest) = told.split_at(told.chars().next().map_or(0, char::len_utf8));
        format!("{}{}", first.to_lowercase(), rest.trim_end_matches('.'))
    });
    if let Some(told) =
        told.filter(|_| schema.get("format").is_some() || branches(schema).is_some())
        && !accepts(schema, "integer")
    {
        return told;
    }
    let bound = |key: &str| schema.get(key).and_then(Value::as_number).map(ToString::to_string);
    match (accepts(schema, "integer"), bound("minimum"), bound("maximum")) {
        (true, Some(least), Some(most)) if schema.get("format") != Some(&"uint64".into()) => {
            return format!("a whole number from {least} to {most}");
        }
        (true, ..) => return "a whole number".to_owned(),
        _ => {}
    }
    let words = [
        ("object", "a mapping of fields"),
        ("array", "a list"),
        ("string", "a text"),
        ("boolean", "true or false"),
    ];
    let word = words.into_iter().find(|(kind, _)| accepts(schema, kind));
    word.map_or("another value", |(_, word)| word).to_owned()
}

/// What stands there, in words.
pub(super) fn shown(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "nothing".to_owned(),
        Kind::List(items) => format!("a list of {}", items.len()),
        Kind::Map(entries) => format!("a mapping of {}", entries.len()),
        _ => {
            let text = node.as_text().unwrap_or_default();
            let short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            let dots = if short.len() < text.len() { "…" } else { "" };
            format!("`{}{dots}`", short.escape_debug())
        }
    }
}

pub(super) fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match &names[..] {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        _ => format!("one of {}", names.join(", ")),
    }
}

pub(super) fn unknown(key: &str, near: Option<&str>) -> String {
    with_near(format!("the unknown field `{key}`"), near)
}

pub(super) fn with_near(found: String, near: Option<&str>) -> String {
    near.map_or(found.clone(), |near| format!("{found} (did you mean `{near}`?)"))
}

/// The known name that looks most like `name`, if one does.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |other: &str| {
        strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase())
    };
    let best = known.map(|other| (likeness(other), other)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= LIKENESS_MIN).map(|(_, other)| other)
}
