use crate::manifests::GOOD;
use refit_names::{ByteSize, ChunkId, Coded, Digest, TargetName, TreePath};
use refit_packs::record::{
    Bundle, Chunk, PackRecord, RECORD_FORMAT, TreeEntry, TreeNode, validate,
};
use refit_packs::{manifest, runbook};

fn folder(path: &str) -> TreeEntry {
    TreeEntry { path: TreePath::parse(path).unwrap(), node: TreeNode::Folder { mode: 0o755 } }
}

fn file(path: &str, size: u64, chunks: &[u32]) -> TreeEntry {
    let node = TreeNode::File {
        mode: 0o644,
        size: ByteSize(size),
        digest: Digest::of(path.as_bytes()),
        chunks: chunks.to_vec(),
    };
    TreeEntry { path: TreePath::parse(path).unwrap(), node }
}

fn link(path: &str, target: &str) -> TreeEntry {
    let node = TreeNode::Link { target: target.to_owned() };
    TreeEntry { path: TreePath::parse(path).unwrap(), node }
}

fn record() -> PackRecord {
    let chunk =
        |n: u8, offset, size| Chunk { id: ChunkId::from_bytes([n; 32]), offset, stored: 5, size };
    PackRecord {
        format: RECORD_FORMAT.to_owned(),
        manifest: manifest::parse(GOOD).unwrap(),
        runbook: runbook::default_for_plain_service(),
        readme: "read me".to_owned(),
        payload: vec![
            folder("bin"),
            file("bin/ledger", 30, &[0, 1]),
            link("bin/old", "../lib/./x"),
            file("empty", 0, &[]),
            folder("lib"),
            file("lib/x", 20, &[1]),
        ],
        web: vec![file("index.html", 10, &[0])],
        bundle: Bundle {
            target: TargetName::parse("bundles/ledger-1100").unwrap(),
            size: ByteSize(10),
            digest: Digest::of(b"bundle"),
            chunks: vec![chunk(1, 0, 10), chunk(2, 5, 20)],
            deltas: Vec::new(),
        },
    }
}

#[test]
fn a_sound_record_passes_and_survives_json() {
    validate(&record()).unwrap();
    let json = serde_json::to_string(&record()).unwrap();
    assert_eq!(serde_json::from_str::<PackRecord>(&json).unwrap(), record());
}

#[test]
fn an_unknown_field_in_a_tree_entry_is_refused() {
    let json = serde_json::to_string(&record()).unwrap();
    let harmed = json.replacen("\"type\":\"folder\"", "\"type\":\"folder\",\"owner\":\"root\"", 1);
    assert!(serde_json::from_str::<PackRecord>(&harmed).is_err());
}

#[test]
fn a_hostile_record_is_refused_with_its_entry_named() {
    type Harm = fn(&mut PackRecord);
    let harms: [Harm; 20] = [
        |r| r.format = "refit.record/2".to_owned(),
        |r| r.manifest.from.clear(),
        |r| r.runbook.steps.clear(),
        |r| r.payload.push(file("lib/x", 20, &[1])),
        |r| r.payload.swap(3, 4),
        |r| r.payload.insert(0, folder("BIN")),
        |r| r.payload.push(file("sub/deep/x", 20, &[1])),
        |r| drop(r.payload.remove(0)),
        |r| r.payload.push(link("lib/y", "../../etc/passwd")),
        |r| r.payload.push(link("lib/y", "/etc/passwd")),
        |r| r.payload.push(link("lib/y", "up/../../x")),
        |r| r.payload.push(link("lib/y", "")),
        |r| r.payload.extend([link("lib/y", "."), file("lib/y/z", 20, &[1])]),
        |r| r.payload.push(file("z", 20, &[2])),
        |r| r.payload.push(file("z", 21, &[1])),
        |r| r.payload.push(TreeEntry { node: TreeNode::Folder { mode: 0o4755 }, ..folder("z") }),
        |r| r.bundle.chunks[1].id = r.bundle.chunks[0].id,
        |r| r.bundle.chunks[1].offset = 4,
        |r| r.bundle.chunks[1].size = u32::MAX,
        |r| r.bundle.size = ByteSize(11),
    ];
    let lines: Vec<String> = harms
        .iter()
        .map(|harm| {
            let mut record = record();
            harm(&mut record);
            let error = validate(&record).unwrap_err();
            assert_eq!(error.code(), "pack.record-unsound");
            error.to_string()
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_step_is_repeatable_when_all_of_its_migrations_are() {
    let steps = r#"[{"id":"up","phase":"install","do":{"database.migrate":{"run":["up"]}}},
        {"id":"index","phase":"install","do":{"database.migrate":{"run":["index"]}}},
        {"id":"silent","phase":"install","do":{"database.migrate":{"run":["silent"]}}}]"#;
    let PackRecord { mut manifest, mut runbook, .. } = record();
    runbook.steps = serde_json::from_str(steps).unwrap();
    let migration = |id: &str, step: &str, repeatable: bool| {
        serde_json::from_value(serde_json::json!({
            "id": id, "database": "entries", "about": id, "repeatable": repeatable, "step": step
        }))
        .unwrap()
    };
    manifest.migrations = vec![
        migration("a", "up", true),
        migration("b", "up", false),
        migration("c", "index", true),
    ];
    let found = manifest::repeatable_migrations(&manifest, &runbook);
    assert_eq!(found.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["index"]);
    runbook.steps.truncate(1);
    manifest.migrations = vec![migration("a", "up", true)];
    manifest.migrations[0].step = None;
    let found = manifest::repeatable_migrations(&manifest, &runbook);
    assert_eq!(found.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["up"]);
}

#[test]
fn parts_are_chosen_once_each() {
    let name: refit_names::PartName = "samples".parse().unwrap();
    let part = manifest::PartTerms { title: "Samples".to_owned(), default: true };
    let terms = [(name.clone(), part)].into();
    let (one, none) = ([name.clone()].into(), [].into());
    let choose =
        |wanted, unwanted| refit_packs::parts::choose([&terms].into_iter(), wanted, unwanted);
    assert!(choose(&one, &none).unwrap().contains(&name));
    assert!(!choose(&none, &one).unwrap().contains(&name));
    let error = choose(&one, &one).unwrap_err().to_string();
    assert!(error.contains("is both wanted and left out"), "{error}");
    let error = choose(&["nothing".parse().unwrap()].into(), &none).unwrap_err().to_string();
    assert!(error.contains("no pack has the optional part `nothing`"), "{error}");
}
