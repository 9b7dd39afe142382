//! Holds a tree against its JSON Schema and finds every fault, not only the first. Understands what [`crate::schema`] uses.

use super::{
    SourceFlaw,
    node::{Entry, Kind, Node, Place},
    words::{expected, listed, nearest, shown, unknown, with_near},
};
use refit_names::{ByteSize, ProductName, TreePath};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Holds trees against one schema.
pub(super) struct Shape<'a> {
    /// The whole schema, for references.
    pub(super) root: &'a Value,
    /// A sound value. The only item of a list at its top stands for faulty items of that list, so that the others keep their places.
    pub(super) filler: &'a Value,
}

/// A place in the tree: where, and how the path to it is written.
struct At<'a> {
    place: Place,
    field: &'a str,
}

impl At<'_> {
    fn flaw(&self, expected: impl Into<String>, found: impl Into<String>) -> SourceFlaw {
        let Place { line, column } = self.place;
        let field = if self.field.is_empty() { "(whole text)" } else { self.field }.to_owned();
        SourceFlaw { line, column, field, expected: expected.into(), found: found.into() }
    }
}

impl Shape<'_> {
    /// Adds every fault of `node` to `flaws`. Returns what is left of it without the faulty parts, or none when nothing is left that
    /// could stand for it.
    pub(super) fn check(
        &self,
        node: &Node,
        schema: &Value,
        field: &str,
        flaws: &mut Vec<SourceFlaw>,
    ) -> Option<Value> {
        let schema = self.resolve(schema);
        let at = At { place: node.place, field };
        if let Some(branches) = branches(schema) {
            return self.alternatives(node, schema, branches, &at, flaws);
        }
        if let Some(fixed) = schema.get("const") {
            return one_of(node, std::slice::from_ref(fixed), &at, flaws);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return one_of(node, values, &at, flaws);
        }
        let found = shown(node);
        let wrong = || at.flaw(expected(schema), found.clone());
        let value = match &node.kind {
            Kind::Null => accepts(schema, "null").then_some(Value::Null),
            Kind::List(items) if accepts(schema, "array") => {
                return self.list(items, schema, field, flaws);
            }
            Kind::Map(entries) if accepts(schema, "object") => {
                return self.map(entries, schema, &at, flaws);
            }
            Kind::Bool(value, _) if accepts_only(schema, "boolean") => Some(Value::Bool(*value)),
            Kind::Whole(number, _) if accepts(schema, "integer") => whole(*number, schema),
            _ if accepts(schema, "string") => {
                node.as_text().filter(|text| fits(text, schema)).map(Value::from)
            }
            _ => None,
        };
        if value.is_none() {
            flaws.push(wrong());
        }
        value
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn list(
        &self,
        items: &[Node],
        schema: &Value,
        field: &str,
        flaws: &mut Vec<SourceFlaw>,
    ) -> Option<Value> {
        let nothing = Value::Null;
        let of = schema.get("items").unwrap_or(&nothing);
        let unique = schema.get("uniqueItems").and_then(Value::as_bool).unwrap_or_default();
        let stand_in = self.filler.get(field).and_then(|list| list.get(0)).filter(|_| !unique);
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let value = self.check(item, of, &field, flaws).or_else(|| stand_in.cloned());
            let Some(value) = value else { continue };
            if unique && values.contains(&value) {
                let at = At { place: item.place, field: &field };
                flaws.push(at.flaw("each value once", format!("{} twice", shown(item))));
            } else {
                values.push(value);
            }
        }
        Some(Value::Array(values))
    }

    fn map(
        &self,
        entries: &[Entry],
        schema: &Value,
        at: &At<'_>,
        flaws: &mut Vec<SourceFlaw>,
    ) -> Option<Value> {
        let nothing = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
        let mut seen: BTreeMap<&str, &Entry> = BTreeMap::new();
        let mut left = Map::new();
        let mut whole = true;
        for entry in entries {
            let field = joined(at.field, &entry.key);
            let here = At { place: entry.place, field: &field };
            if seen.contains_key(entry.key.as_str()) {
                flaws.push(here.flaw("each key once", format!("`{}` twice", entry.key)));
                continue;
            }
            let (name, of) = match known.get_key_value(&entry.key) {
                Some((name, of)) => (name.as_str(), of),
                None => match other_keys(schema, &entry.key) {
                    Keys::Of(of) => (entry.key.as_str(), of),
                    Keys::Misnamed => {
                        let name = "a name: letters, digits, `.`, `_`, `+` and `-`, the first a letter or digit";
                        flaws.push(here.flaw(name, format!("the key `{}`", entry.key)));
                        continue;
                    }
                    Keys::Unknown => {
                        let near = nearest(&entry.key, known.keys().map(String::as_str));
                        let names = || listed(known.keys());
                        let expected = near.map_or_else(names, |_| "a known field".to_owned());
                        flaws.push(here.flaw(expected, unknown(&entry.key, near)));
                        // Read as what was meant, so that what is wrong with the value is told as well.
                        match near.and_then(|near| known.get_key_value(near)) {
                            Some((near, of)) if !entries.iter().any(|other| other.key == *near) => {
                                (near.as_str(), of)
                            }
                            _ => continue,
                        }
                    }
                },
            };
            seen.insert(name, entry);
            match self.check(&entry.value, of, &joined(at.field, name), flaws) {
                Some(value) => drop(left.insert(name.to_owned(), value)),
                None => whole &= !is_required(schema, name),
            }
        }
        for name in required(schema).filter(|name| !seen.contains_key(name)) {
            whole = false;
            let field = joined(at.field, name);
            let here = At { place: at.place, field: &field };
            flaws.push(here.flaw(format!("the field `{name}`"), "nothing"));
        }
        // The top is kept in pieces: rules about what is there can still be checked.
        (whole || at.field.is_empty()).then_some(Value::Object(left))
    }

    fn alternatives(
        &self,
        node: &Node,
        schema: &Value,
        branches: &[Value],
        at: &At<'_>,
        flaws: &mut Vec<SourceFlaw>,
    ) -> Option<Value> {
        let branches: Vec<&Value> = branches.iter().map(|branch| self.resolve(branch)).collect();
        for branch in &branches {
            let mut tried = Vec::new();
            let value = self.check(node, branch, at.field, &mut tried);
            if tried.is_empty() {
                return value;
            }
        }
        let branches: Vec<&Value> =
            branches.into_iter().filter(|branch| !accepts_only(branch, "null")).collect();
        if let [only] = branches[..] {
            return self.check(node, only, at.field, flaws);
        }
        let names: Vec<Value> =
            branches.iter().filter_map(|branch| branch.get("const").cloned()).collect();
        if names.len() == branches.len() {
            return one_of(node, &names, at, flaws);
        }
        if let Some(branch) = self.tagged(node, &branches, at, flaws) {
            return branch.and_then(|branch| self.check(node, branch, at.field, flaws));
        }
        let kind = kind_of(node);
        let mut fitting = branches.iter().filter(|branch| accepts(branch, kind));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) if matches!(kind, "object" | "array") => {
                self.check(node, only, at.field, flaws)
            }
            _ => {
                flaws.push(at.flaw(expected(schema), shown(node)));
                None
            }
        }
    }

    /// Which branch a tag chooses: the only key of a map, or a key with a fixed value. None when the branches have no tags.
    fn tagged<'b>(
        &self,
        node: &Node,
        branches: &[&'b Value],
        at: &At<'_>,
        flaws: &mut Vec<SourceFlaw>,
    ) -> Option<Option<&'b Value>> {
        let keys: Vec<&str> = branches.iter().filter_map(|branch| only_key(branch)).collect();
        if keys.len() == branches.len() {
            let Kind::Map(entries) = &node.kind else {
                flaws.push(at.flaw(format!("a mapping with {}", listed(&keys)), shown(node)));
                return Some(None);
            };
            let [entry] = &entries[..] else {
                let found = format!("{} fields", entries.len());
                flaws.push(at.flaw(format!("exactly {}", listed(&keys)), found));
                return Some(None);
            };
            let chosen = branches.iter().find(|branch| only_key(branch) == Some(&entry.key));
            if chosen.is_none() {
                let at = At { place: entry.place, field: at.field };
                let near = nearest(&entry.key, keys.iter().copied());
                let expected = near.map_or_else(|| listed(&keys), |_| "a known name".to_owned());
                flaws.push(at.flaw(expected, unknown(&entry.key, near)));
            }
            return Some(chosen.copied());
        }
        let tag = fixed_key(branches.first()?)?.0.to_owned();
        let values: Vec<Value> = branches
            .iter()
            .filter_map(|branch| fixed_key(branch).filter(|(key, _)| **key == tag))
            .map(|(_, value)| value.clone())
            .collect();
        if values.len() < branches.len() {
            return None;
        }
        let Kind::Map(entries) = &node.kind else {
            flaws.push(at.flaw(format!("a mapping with the field `{tag}`"), shown(node)));
            return Some(None);
        };
        let field = joined(at.field, &tag);
        let Some(entry) = entries.iter().find(|entry| entry.key == tag) else {
            let at = At { place: at.place, field: &field };
            flaws.push(at.flaw(format!("the field `{tag}`"), "nothing"));
            return Some(None);
        };
        let at = At { place: entry.value.place, field: &field };
        let chosen = one_of(&entry.value, &values, &at, flaws);
        Some(branches.iter().find(|b| fixed_key(b).map(|(_, v)| v) == chosen.as_ref()).copied())
    }
}

pub(super) fn branches(schema: &Value) -> Option<&[Value]> {
    let branches = schema.get("anyOf").or_else(|| schema.get("oneOf"))?;
    branches.as_array().map(Vec::as_slice)
}

/// What a schema says about a key that it does not list.
enum Keys<'a> {
    Of(&'a Value),
    Misnamed,
    Unknown,
}

fn other_keys<'a>(schema: &'a Value, key: &str) -> Keys<'a> {
    let by_pattern = schema.get("patternProperties").and_then(Value::as_object);
    if let Some(of) = by_pattern.and_then(|patterns| patterns.values().next()) {
        // The only pattern for keys is that of names.
        return if ProductName::parse(key).is_ok() { Keys::Of(of) } else { Keys::Misnamed };
    }
    match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => Keys::Unknown,
        Some(of) => Keys::Of(of),
        None => Keys::Unknown,
    }
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn is_required(schema: &Value, name: &str) -> bool {
    required(schema).any(|required| required == name)
}

/// The key of a branch that has exactly one.
fn only_key(branch: &Value) -> Option<&str> {
    let properties = branch.get("properties")?.as_object()?;
    let mut keys = properties.keys();
    let (key, None) = (keys.next()?, keys.next()) else { return None };
    (is_required(branch, key) && properties[key].get("const").is_none()).then_some(key)
}

/// The key of a branch whose value is fixed.
fn fixed_key(branch: &Value) -> Option<(&String, &Value)> {
    let properties = branch.get("properties")?.as_object()?;
    properties.iter().find_map(|(key, of)| Some((key, of.get("const")?)))
}

pub(super) fn accepts(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        _ => schema.get("properties").is_some() && kind == "object",
    }
}

/// Where a text is wanted, true and false are texts.
fn accepts_only(schema: &Value, kind: &str) -> bool {
    accepts(schema, kind) && (kind == "null" || !accepts(schema, "string")) && {
        kind != "null" || schema.get("type").is_some_and(Value::is_string)
    }
}

fn whole(number: i128, schema: &Value) -> Option<Value> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_number).map(ToString::to_string);
    let bound = |key: &str| bound(key).and_then(|text| text.parse::<i128>().ok());
    let above = bound("minimum").is_none_or(|least| number >= least);
    let below = bound("maximum").is_none_or(|most| number <= most);
    let value =
        || u64::try_from(number).map(Value::from).or(i64::try_from(number).map(Value::from));
    if above && below { value().ok() } else { None }
}

/// Whether a text has the form that the schema names; the words themselves decide.
fn fits(text: &str, schema: &Value) -> bool {
    match schema.get("format").and_then(Value::as_str) {
        Some("refit-name") => ProductName::parse(text).is_ok(),
        Some("refit-path") => TreePath::parse(text).is_ok(),
        Some("refit-size") => ByteSize::parse(text).is_ok(),
        _ => true,
    }
}

fn one_of(
    node: &Node,
    values: &[Value],
    at: &At<'_>,
    flaws: &mut Vec<SourceFlaw>,
) -> Option<Value> {
    let text = node.as_text();
    if let Some(value) = values.iter().find(|value| value.as_str() == text && text.is_some()) {
        return Some(value.clone());
    }
    let names: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    let near = text.and_then(|text| nearest(text, names.iter().copied()));
    flaws.push(at.flaw(listed(&names), with_near(shown(node), near)));
    None
}

fn kind_of(node: &Node) -> &'static str {
    match &node.kind {
        Kind::Null => "null",
        Kind::Bool(..) => "boolean",
        Kind::Whole(..) => "integer",
        Kind::Fraction(_) => "number",
        Kind::Text(_) => "string",
        Kind::List(_) => "array",
        Kind::Map(_) => "object",
    }
}

pub(super) fn joined(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}
