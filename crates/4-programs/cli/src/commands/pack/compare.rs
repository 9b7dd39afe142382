//! `refit pack diff`: manifest, runbook and files of two packs.

use super::{DiffArgs, origin};
use crate::{CliError, Exit, context::Context};
use refit_names::ByteSize;
use refit_packs::{
    record::{PackRecord, TreeEntry, TreeNode},
    runbook::Step,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What differs.
#[derive(Serialize)]
struct Difference {
    from: String,
    to: String,
    /// Fields of the manifest.
    manifest: Vec<Field>,
    /// Fields of the runbook; its steps by their ids.
    runbook: Vec<Field>,
    /// Lines of the read-me that only one of them has.
    readme: Lines,
    files: Files,
}

/// A field of which the two say different things.
#[derive(Serialize)]
struct Field {
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

#[derive(Serialize)]
struct Lines {
    removed: usize,
    added: usize,
}

#[derive(Serialize, Default)]
struct Files {
    added: Vec<File>,
    removed: Vec<File>,
    changed: Vec<File>,
    unchanged: usize,
    unchanged_bytes: ByteSize,
}

#[derive(Serialize)]
struct File {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<ByteSize>,
    /// What changed beside or instead of the content.
    what: &'static str,
}

pub(super) async fn diff(args: &DiffArgs, context: &Context) -> Result<Exit, CliError> {
    let before = origin::open(&args.before, &args.from, context).await?;
    let after = origin::open(&args.after, &args.from, context).await?;
    let difference = Difference {
        manifest: fields(&value(&before.record.manifest)?, &value(&after.record.manifest)?),
        runbook: fields(
            &book(&before.record, &after.record)?,
            &book(&after.record, &before.record)?,
        ),
        readme: lines(&before.record.readme, &after.record.readme),
        files: files(&before.record, &after.record),
        from: before.shown,
        to: after.shown,
    };
    context.output.data(&difference, told)?;
    if before.digest == after.digest {
        context.output.say("the same pack");
    }
    Ok(Exit::Done)
}

fn value(of: &impl Serialize) -> Result<Value, CliError> {
    serde_json::to_value(of)
        .map_err(|error| CliError::new("cli.io", Exit::Failed, error.to_string()))
}

/// The runbook with its steps by id: one that moved or was put in before others is one difference, not many.
fn book(record: &PackRecord, other: &PackRecord) -> Result<Value, CliError> {
    let mut book = value(&record.runbook)?;
    let steps = record.runbook.steps.iter().map(|step| Ok((step.id.to_string(), value(step)?)));
    let steps: serde_json::Map<_, _> = steps.collect::<Result<_, CliError>>()?;
    let common = |step: &&Step| other.runbook.steps.iter().any(|twin| twin.id == step.id);
    let order = record.runbook.steps.iter().filter(common).map(|step| step.id.to_string());
    let order: Vec<_> = order.collect();
    book["steps"] = Value::Object(steps);
    book["order"] = Value::from(order.join(" "));
    Ok(book)
}

/// Every leaf that differs; lists are leaves.
fn fields(before: &Value, after: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    collect("", Some(before), Some(after), &mut found);
    found
}

fn collect(field: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Field>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let field = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
                collect(&field, before.get(key), after.get(key), found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(Field {
            field: field.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

fn lines(before: &str, after: &str) -> Lines {
    let only = |one: &str, other: &str| {
        let other: std::collections::BTreeSet<&str> = other.lines().collect();
        one.lines().filter(|line| !other.contains(line)).count()
    };
    Lines { removed: only(before, after), added: only(after, before) }
}

fn files(before: &PackRecord, after: &PackRecord) -> Files {
    let mut files = Files::default();
    let (old, new) = (entries(before), entries(after));
    for (path, entry) in &new {
        let size = size(entry);
        match old.get(path) {
            None => files.added.push(file(path, None, size, kind(entry))),
            Some(was) => match change(was, entry) {
                Some(what) => files.changed.push(file(path, self::size(was), size, what)),
                None => {
                    files.unchanged += 1;
                    files.unchanged_bytes.0 += size.unwrap_or_default().0;
                }
            },
        }
    }
    let gone = old.iter().filter(|(path, _)| !new.contains_key(*path));
    files.removed = gone.map(|(path, entry)| file(path, size(entry), None, kind(entry))).collect();
    files
}

fn file(path: &str, before: Option<ByteSize>, after: Option<ByteSize>, what: &'static str) -> File {
    File { path: path.to_owned(), before, after, what }
}

fn entries(record: &PackRecord) -> BTreeMap<String, &TreeEntry> {
    let trees = [(&record.manifest.payload, &record.payload)];
    let web = record.manifest.web.as_ref().map(|web| (web, &record.web));
    let all = trees.into_iter().chain(web);
    all.flat_map(|(name, tree)| tree.iter().map(move |e| (format!("{name}/{}", e.path), e)))
        .collect()
}

fn size(entry: &TreeEntry) -> Option<ByteSize> {
    match &entry.node {
        TreeNode::File { size, .. } => Some(*size),
        _ => None,
    }
}

fn kind(entry: &TreeEntry) -> &'static str {
    match &entry.node {
        TreeNode::Folder { .. } => "folder",
        TreeNode::File { .. } => "file",
        TreeNode::Link { .. } => "link",
    }
}

/// What changed, if anything did.
fn change(before: &TreeEntry, after: &TreeEntry) -> Option<&'static str> {
    match (&before.node, &after.node) {
        (TreeNode::File { digest: a, mode: x, .. }, TreeNode::File { digest: b, mode: y, .. }) => {
            match (a == b, x == y) {
                (true, true) => None,
                (true, false) => Some("mode"),
                (false, true) => Some("content"),
                (false, false) => Some("content, mode"),
            }
        }
        (TreeNode::Link { target: a }, TreeNode::Link { target: b }) => {
            (a != b).then_some("link's target")
        }
        (TreeNode::Folder { mode: a }, TreeNode::Folder { mode: b }) => (a != b).then_some("mode"),
        _ => Some("kind"),
    }
}

fn told(difference: &Difference) -> String {
    let Difference { from, to, manifest, runbook, readme, files } = difference;
    let mut out = vec![format!("{from} -> {to}")];
    for (title, fields) in [("manifest", manifest), ("runbook", runbook)] {
        out.extend(fields.iter().map(|field| {
            let shown = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), short);
            format!("{title}  {}: {} -> {}", field.field, shown(&field.before), shown(&field.after))
        }));
    }
    if readme.added + readme.removed > 0 {
        out.push(format!("readme  {} lines added, {} removed", readme.added, readme.removed));
    }
    let sized = |size: Option<ByteSize>| size.map_or("-".to_owned(), |size| size.to_string());
    let all = [("added  ", &files.added), ("removed", &files.removed), ("changed", &files.changed)];
    for (word, list) in all {
        out.extend(list.iter().map(|file| {
            let (before, after) = (sized(file.before), sized(file.after));
            let sizes = match word {
                "changed" => format!("{before} -> {after}"),
                "added  " => after,
                _ => before,
            };
            format!("{word}  {}  {sizes}  ({})", file.path, file.what)
        }));
    }
    out.push(format!(
        "{} added, {} removed, {} changed, {} unchanged ({})",
        files.added.len(),
        files.removed.len(),
        files.changed.len(),
        files.unchanged,
        files.unchanged_bytes
    ));
    out.join("\n")
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
