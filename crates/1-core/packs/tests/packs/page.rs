//! The page for authors of runbooks: every kind and field of the schema stands on it, and its examples are what the code reads.
#![expect(clippy::disallowed_methods, reason = "the test reads kept files; the crate does not")]

use refit_packs::{
    runbook::{self, Step},
    schema::SchemaOf,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::PathBuf};

fn page() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../docs/runbooks.md");
    fs::read_to_string(path).unwrap()
}

/// Every example in order.
fn examples(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Follows a reference into the definitions.
fn resolved<'a>(schema: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(name) => resolved(schema, schema.pointer(name.trim_start_matches('#')).unwrap()),
        None => value,
    }
}

/// The fields of each kind, and of the steps themselves under an empty name.
fn kinds(schema: &Value) -> Vec<(String, Vec<String>)> {
    let fields = |value: &Value| -> Vec<String> {
        value["properties"].as_object().map_or(vec![], |all| all.keys().cloned().collect())
    };
    let all = schema["$defs"]["StepKind"]["oneOf"].as_array().unwrap().iter().map(|one| {
        let (name, terms) = one["properties"].as_object().unwrap().iter().next().unwrap();
        (name.clone(), fields(resolved(schema, terms)))
    });
    all.chain([(String::new(), fields(&schema["$defs"]["Step"]))]).collect()
}

#[test]
fn every_kind_and_every_field_stands_on_the_page() {
    let (page, schema) = (page(), SchemaOf::Runbook.schema());
    let mut missing = vec![];
    for (kind, fields) in kinds(schema) {
        let heading = format!("\n### {kind}\n");
        let heading = if kind.is_empty() { "\n## What every step may say\n" } else { &heading };
        let Some((_, section)) = page.split_once(heading) else {
            missing.push(kind);
            continue;
        };
        let section = section.split("\n##").next().unwrap();
        let rows = fields.iter().filter(|field| !section.contains(&format!("| `{field}` | ")));
        missing.extend(rows.map(|field| format!("{kind}: {field}")));
    }
    assert!(missing.is_empty(), "docs/runbooks.md lacks {missing:?}");
}

#[test]
fn every_example_is_read_and_every_kind_has_one() {
    let page = page();
    let examples = examples(&page);
    runbook::parse(examples[0]).unwrap();
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for example in &examples[1..] {
        let steps: Vec<Step> =
            serde_saphyr::from_str(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        shown.extend(steps.iter().map(|step| step.kind.name()));
    }
    // Authors do not write it.
    shown.insert("install.remove");
    let all = kinds(SchemaOf::Runbook.schema());
    let without: Vec<_> =
        all.iter().filter(|(kind, _)| !kind.is_empty() && !shown.contains(kind.as_str())).collect();
    assert!(without.is_empty(), "no example of {without:?}");
}

#[test]
fn every_example_is_told_in_words_that_say_more_than_its_kind() {
    let page = page();
    for example in &examples(&page)[1..] {
        let steps: Vec<Step> = serde_saphyr::from_str(example).unwrap();
        for step in steps {
            let (kind, words) = (step.kind.name(), step.kind.describe());
            let by_name = kind.contains('.') && words.contains(kind);
            assert!(words.split(' ').count() >= 2 && !by_name, "{kind}: {words}");
        }
    }
}
