//! The published schemas are the code's, and say what the code says.
#![expect(clippy::disallowed_methods, reason = "the test reads kept files; the crate does not")]

use refit_packs::{manifest, runbook, schema::SchemaOf};
use serde_json::Value;
use std::{fs, path::PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn validator(of: SchemaOf) -> jsonschema::Validator {
    jsonschema::draft202012::new(of.schema()).unwrap()
}

/// What another YAML reader hands to a validator.
fn plain(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

fn complete_example() -> String {
    let page = text("docs/packs.md");
    let start = page.find("```yaml\n").unwrap() + "```yaml\n".len();
    page[start..].split("```").next().unwrap().to_owned()
}

#[test]
fn published_schemas_are_those_of_the_code() {
    for of in SchemaOf::ALL {
        let path = root().join(format!("docs/schema/{}.schema.json", of.name()));
        if std::env::var_os("REFIT_UPDATE_SCHEMAS").is_some() {
            fs::write(&path, of.text()).unwrap();
        }
        let stale = fs::read_to_string(&path).unwrap_or_default() != of.text();
        assert!(
            !stale,
            "{} is stale: REFIT_UPDATE_SCHEMAS=1 cargo test -p refit-packs",
            path.display()
        );
        jsonschema::draft202012::meta::validate(of.schema()).unwrap();
    }
}

#[test]
fn every_example_is_valid_for_the_schema_and_for_the_code() {
    let (packs, runbooks) = (validator(SchemaOf::Pack), validator(SchemaOf::Runbook));
    let manifests = [
        text("examples/ledger/packs/1100/pack.yaml"),
        text("examples/ledger/packs/1200/pack.yaml"),
        text("crates/lab/hosts/packs/4.0.4/pack.yaml"),
        text("crates/lab/hosts/packs/4.3.0/pack.yaml"),
        complete_example(),
        super::manifests::GOOD.to_owned(),
    ];
    for manifest in manifests {
        if let Err(error) = packs.validate(&plain(&manifest)) {
            panic!("{error}\n{manifest}");
        }
        manifest::parse(&manifest).unwrap();
    }
    let books = [
        text("examples/ledger/packs/1100/runbook.yaml"),
        text("examples/ledger/packs/1200/runbook.yaml"),
        text("runbooks/file-print/runbook.yaml"),
        text("runbooks/operating-system/runbook.yaml"),
        text("runbooks/plain-service/runbook.yaml"),
        text("runbooks/postgresql-pair/runbook.yaml"),
        text("runbooks/web-postgresql/runbook.yaml"),
        super::runbooks::GOOD.to_owned(),
    ];
    for book in books {
        if let Err(error) = runbooks.validate(&plain(&book)) {
            panic!("{error}\n{book}");
        }
        runbook::parse(&book).unwrap();
    }
}

#[test]
fn complete_example_uses_every_field() {
    let example = plain(&complete_example());
    let fields = SchemaOf::Pack.schema()["properties"].as_object().unwrap();
    let missing: Vec<_> = fields.keys().filter(|field| example.get(field).is_none()).collect();
    assert!(missing.is_empty(), "docs/packs.md does not show {missing:?}");
    let required = &SchemaOf::Pack.schema()["$defs"]["Requirements"]["properties"];
    let required = required.as_object().unwrap();
    let missing: Vec<_> =
        required.keys().filter(|field| example["requirements"].get(field).is_none()).collect();
    assert!(missing.is_empty(), "docs/packs.md does not show requirements {missing:?}");
}

/// Each with one fault of shape: what the schema refuses, the code refuses, and the other way round.
#[test]
fn wrong_manifests_are_refused_by_schema_and_code_alike() {
    let wrong = [
        ("product: ledger", "product: led ger"),
        ("product: ledger", "product: [ledger]"),
        ("product: ledger", "product: ''"),
        ("payload: payload", "payload: ../payload"),
        ("payload: payload", "payload: /etc"),
        ("payload: payload", "payload: a//b"),
        ("payload: payload", "payload: a/./b"),
        ("payload: payload", "payload: 'a\\b'"),
        ("kind: service-pack", "kind: huge"),
        ("format: refit.pack/1", "format: refit.pack/2"),
        ("title: Accounts of their own", "titel: Accounts of their own"),
        ("title: Accounts of their own", "title: {a: b}"),
        ("title: Accounts of their own\n", ""),
        ("engine: sqlite", "engine: oracle"),
        ("engine: sqlite, ", ""),
        ("p50_ms: 20000", "p50_ms: -1"),
        ("p50_ms: 20000", "p50_ms: 1.5"),
        ("p50_ms: 20000", "p50_ms: soon"),
        ("p50_ms: 20000", "p51_ms: 20000"),
        ("memory: 2 GiB", "memory: lots"),
        ("memory: 2 GiB", "memory: -3"),
        ("memory: 2 GiB", "memory: [1]"),
        ("from: [\"1000\", \"1100\"]", "from: \"1000\""),
        ("from: [\"1000\", \"1100\"]", "from: [\"1000\", \"1000\"]"),
        ("repeatable: false", "repeatable: maybe"),
        ("repeatable: false", "again: false"),
        ("action: hold", "action: stop"),
        ("memory_max: 4 GiB", "memory_most: 4 GiB"),
        ("paths: [share/samples]", "paths: share/samples"),
        ("paths: [share/samples]", "paths: [../samples]"),
        ("allowed: last-pack", "allowed: sometimes"),
        ("for_ms: 259200000", "for_ms: three days"),
        ("  samples:", "  sam ples:"),
        ("reboot: never", "reboot: perhaps"),
        ("peak: 600 MiB", "top: 600 MiB"),
    ];
    let (example, schema) = (complete_example(), validator(SchemaOf::Pack));
    for (from, to) in wrong {
        assert!(example.contains(from), "the example has no {from:?}");
        let text = example.replacen(from, to, 1);
        assert!(!schema.is_valid(&plain(&text)), "the schema accepts {to:?}");
        let error = manifest::parse(&text).unwrap_err();
        assert!(matches!(error, manifest::ManifestError::Shape(_)), "{to:?}: {error}");
    }
}

#[test]
fn wrong_runbooks_are_refused_by_schema_and_code_alike() {
    let wrong = [
        ("version: 3", "version: three"),
        ("version: 3", "version: 4294967296"),
        ("check.disk: {}", "check.dsk: {}"),
        ("check.disk: {}", "check.disk: {percent_of_product: -1}"),
        ("check.disk: {}", "check.disk: {percent: 1}"),
        ("check.disk: {}", "check.disk: {}, check.build: {}"),
        ("phase: before", "phase: sometime"),
        ("type: port", "type: prot"),
        ("method: switch-and-restore", "method: hope"),
        ("owner: owner", "owner: the owner"),
        ("run: [bin/ledger, migrate]", "run: bin/ledger migrate"),
        ("timeout_ms: 60000", "timeout: 60000"),
        ("{tcp: {port: {param: port}}}", "{udp: {port: {param: port}}}"),
    ];
    let schema = validator(SchemaOf::Runbook);
    for (from, to) in wrong {
        let good = super::runbooks::GOOD;
        assert!(good.contains(from), "the text has no {from:?}");
        let text = good.replacen(from, to, 1);
        assert!(!schema.is_valid(&plain(&text)), "the schema accepts {to:?}");
        let error = runbook::parse(&text).unwrap_err();
        assert!(matches!(error, runbook::RunbookError::Shape(_)), "{to:?}: {error}");
    }
}
