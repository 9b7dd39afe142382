//! Reading YAML that people wrote: every flaw names line, column, field, what was expected and what was found; all of them at once.

mod breaks;
mod node;
mod shape;
mod syntax;
mod words;

use node::{Kind, Node, Place};
use serde::de::DeserializeOwned;
use serde_json::Value;
use shape::Shape;
use std::collections::BTreeSet;
use std::fmt;

pub use breaks::RuleBreak;
pub(crate) use breaks::{Breaks, Rule};

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

/// All that is wrong in a text, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFlaws(Vec<SourceFlaw>);

impl std::ops::Deref for SourceFlaws {
    type Target = [SourceFlaw];
    fn deref(&self) -> &[SourceFlaw] {
        &self.0
    }
}

impl fmt::Display for SourceFlaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len() > 1 {
            write!(f, "{} faults: ", self.len())?;
        }
        for (index, flaw) in self.iter().enumerate() {
            write!(f, "{}{flaw}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// What could be read of a text, and all that is wrong with it.
#[derive(Debug)]
pub struct Reading<T> {
    value: Option<T>,
    tree: Option<Node>,
    /// Fields at the top that are faulty or missing.
    damaged: BTreeSet<String>,
    is_shape: bool,
    flaws: SourceFlaws,
}

impl<T> Reading<T> {
    /// All that is wrong.
    #[must_use]
    pub fn flaws(&self) -> &SourceFlaws {
        &self.flaws
    }

    /// Whether the text has faults of shape, not only broken rules.
    #[must_use]
    pub const fn is_shape(&self) -> bool {
        self.is_shape
    }

    /// The value, to look at `fields` only: none when one of them is faulty.
    #[must_use]
    pub fn look(&self, fields: &[&str]) -> Option<&T> {
        let fit = fields.iter().all(|field| !self.damaged.contains(*field));
        self.value.as_ref().filter(|_| fit)
    }

    /// The value when nothing is wrong; else whether the shape is, and all flaws.
    /// [`ManifestError`](crate::manifest::ManifestError) and [`RunbookError`](crate::runbook::RunbookError) are made of it.
    pub(crate) fn into_result(self) -> Result<T, (bool, SourceFlaws)> {
        match self.value {
            Some(value) if self.flaws.is_empty() => Ok(value),
            _ => Err((self.is_shape, self.flaws)),
        }
    }

    /// Adds rules that turned out to be broken when the text was held against something else.
    #[must_use]
    pub fn with(mut self, breaks: Vec<RuleBreak>) -> Self {
        if let Some(tree) = &self.tree {
            self.flaws.0.extend(breaks.into_iter().map(|broken| locate(broken, tree)));
            self.flaws.0.sort_by_key(|flaw| (flaw.line, flaw.column));
        }
        self
    }

    fn failed(flaw: SourceFlaw) -> Self {
        let flaws = SourceFlaws(vec![flaw]);
        Self { value: None, tree: None, damaged: BTreeSet::new(), is_shape: true, flaws }
    }
}

/// Reads `text` of at most `max` bytes and holds it against schema, type and rules. `filler` is a sound value: it stands for fields
/// that are missing or faulty while the rules about the others are checked; the only item of a list in it stands for faulty items.
pub(crate) fn read<T: DeserializeOwned>(
    text: &str,
    max: usize,
    schema: &Value,
    filler: Value,
    rules: &[Rule<T>],
) -> Reading<T> {
    if text.len() > max {
        return Reading::failed(SourceFlaw {
            line: 1,
            column: 1,
            field: "(whole text)".to_owned(),
            expected: format!("at most {max} bytes"),
            found: format!("{} bytes", text.len()),
        });
    }
    let tree = match node::read(text) {
        Ok(tree) => tree,
        Err(error) => return Reading::failed(syntax::flaw_of(text, &error)),
    };
    let mut flaws = Vec::new();
    let left = Shape { root: schema, filler: &filler }.check(&tree, schema, "", &mut flaws);
    let value = if flaws.is_empty() {
        match serde_saphyr::from_str(text) {
            Ok(value) => Some(value),
            Err(error) => return Reading::failed(syntax::flaw_of(text, &error)),
        }
    } else {
        left.and_then(|left| serde_json::from_value(over(filler, left)).ok())
    };
    let damaged: BTreeSet<String> = flaws.iter().map(|flaw| top(&flaw.field).to_owned()).collect();
    let is_shape = !flaws.is_empty();
    if let Some(value) = &value {
        let broken = broken_rules(value, rules, &flaws);
        flaws.extend(broken.into_iter().map(|broken| locate(broken, &tree)));
    }
    flaws.sort_by_key(|flaw| (flaw.line, flaw.column));
    Reading { value, tree: Some(tree), damaged, is_shape, flaws: SourceFlaws(flaws) }
}

/// The rules that can be asked although `flaws` were found, and that are broken.
fn broken_rules<T>(value: &T, rules: &[Rule<T>], flaws: &[SourceFlaw]) -> Vec<RuleBreak> {
    let items: BTreeSet<String> = flaws.iter().filter_map(|flaw| item(&flaw.field)).collect();
    let sound = |field: &str| match field.strip_suffix("[]") {
        // Its items may be faulty, one by one; the list itself may not.
        Some(list) => {
            flaws.iter().all(|flaw| top(&flaw.field) != list || item(&flaw.field).is_some())
        }
        None => flaws.iter().all(|flaw| top(&flaw.field) != field),
    };
    let mut breaks = Breaks::default();
    for (fields, rule) in rules {
        if fields.iter().all(|field| sound(field)) {
            rule(value, &mut breaks);
        }
    }
    // Of a faulty item, or what stands for it, no more is told than what is wrong with its shape.
    let mut broken = breaks.into_list();
    broken.retain(|broken| item(&broken.field).is_none_or(|at| !items.contains(&at)));
    broken
}

/// The field at the top that a field lies in.
fn top(field: &str) -> &str {
    field.split(['.', '[']).next().unwrap_or_default()
}

/// The item of a list at the top that a field lies in: `steps[2]` of `steps[2].do`.
fn item(field: &str) -> Option<String> {
    let (list, rest) = field.split_once('[')?;
    let (index, _) = rest.split_once(']')?;
    (!list.contains('.')).then(|| format!("{list}[{index}]"))
}

/// The fields of `top`, and those of `filler` that it lacks.
fn over(filler: Value, top: Value) -> Value {
    match (filler, top) {
        (Value::Object(mut all), Value::Object(top)) => {
            all.extend(top);
            Value::Object(all)
        }
        (_, top) => top,
    }
}

/// Finds the place of a broken rule's field, or of the nearest thing around it that the text has.
fn locate(broken: RuleBreak, tree: &Node) -> SourceFlaw {
    let RuleBreak { field, expected, found } = broken;
    let Place { line, column } = place_of(tree, &field, tree.place);
    SourceFlaw { line, column, field, expected, found }
}

fn place_of(node: &Node, field: &str, around: Place) -> Place {
    let field = field.strip_prefix('.').unwrap_or(field);
    if field.is_empty() {
        return node.place;
    }
    match &node.kind {
        Kind::List(items) => {
            let index = field.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let item = index
                .and_then(|(index, rest)| Some((items.get(index.parse::<usize>().ok()?)?, rest)));
            item.map_or(around, |(item, rest)| place_of(item, rest, item.place))
        }
        Kind::Map(entries) => {
            // Keys may have dots in them: the longest that fits is meant.
            let fitting = entries.iter().filter_map(|entry| {
                let rest = field.strip_prefix(entry.key.as_str())?;
                (rest.is_empty() || rest.starts_with(['.', '['])).then_some((entry, rest))
            });
            let entry = fitting.max_by_key(|(entry, _)| entry.key.len());
            entry.map_or(around, |(entry, rest)| place_of(&entry.value, rest, entry.value.place))
        }
        _ => around,
    }
}
