//! Packs with deltas: built, fetched by a host that has the old release, and what happens when that release or the delta is not right.

use refit_content::{
    FetchOptions, FetchReport, Fetched, Origin, Realise, assemble, chunking, fetch_with,
    verify_tree,
};
use refit_forge::{ForgeError, OldBuild, PackFile, pack, pack_file};
use refit_names::BuildId;
use refit_packs::record::{Chunk, PackRecord, TreeEntry, TreeNode};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(step).collect()
}

/// Rows as a table of relocations has them; every address behind the first third moves.
fn program(seed: u64, by: u64) -> Vec<u8> {
    let code = noise(seed, 60_000);
    let row = |n: u64| [0x1000 + n * 0x35 + if n > 700 { by } else { 0 }, (n % 50) << 32, n * seed];
    let rows = (0..2_000).flat_map(row).flat_map(u64::to_le_bytes);
    code.iter().copied().chain(rows).collect()
}

/// Text whose lines change places.
fn text(turn: usize) -> Vec<u8> {
    let mut lines: Vec<String> =
        (0..3_000).map(|n| format!("line {} of the manual\n", n * 7_919 % 5_000)).collect();
    lines.rotate_left(turn);
    lines.concat().into_bytes()
}

fn old_files() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("bin/server", program(1, 0)),
        ("lib/libone.so.1.2", program(2, 0)),
        ("lib/two.so", program(3, 0)),
        ("share/manual.txt", text(0)),
        ("share/picture", noise(7, 90_000)),
        ("share/same", noise(8, 50_000)),
        ("strange-name", program(9, 0)),
    ])
}

fn new_files() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("bin/server", program(1, 0x10)),
        ("lib/libone.so.1.3", program(2, 0x20)),
        ("lib64/two.so", program(3, 0x10)),
        ("pictures/picture", noise(7, 90_000)),
        ("pictures/twin", noise(7, 90_000)),
        ("share/manual.txt", text(1_300)),
        ("share/same", noise(8, 50_000)),
        ("quite-another", program(9, 0x10)),
    ])
}

fn lay_out(dir: &Path, build: &str, from: &str, files: &BTreeMap<&str, Vec<u8>>) {
    for (path, content) in files {
        let path = dir.join("payload").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::write(dir.join("README.md"), "read me").unwrap();
    let manifest = format!(
        "format: refit.pack/1\nproduct: ledger\nfrom: [\"{from}\"]\nto: \"{build}\"\nkind: minor\ntitle: t\nreadme: README.md\n\
         payload: payload\nunit:\n  data: [data]\nrequirements:\n  os: [linux]\nestimate: {{ p50_ms: 1, p95_ms: 2, undo_p95_ms: 3 }}\n"
    );
    fs::write(dir.join("pack.yaml"), manifest).unwrap();
}

/// A pack with deltas from 1000 to 1100, its bundle as a file, and a host on 1000.
struct World {
    dir: tempfile::TempDir,
    record: PackRecord,
    seed: [PathBuf; 1],
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        lay_out(&dir.path().join("1000"), "1000", "0900", &old_files());
        lay_out(&dir.path().join("1100"), "1100", "1000", &new_files());
        let old = OldBuild::open(&dir.path().join("1000")).unwrap();
        let built = pack::build_against(&dir.path().join("1100"), &[old]).unwrap();
        fs::copy(built.bundle(), dir.path().join("bundle")).unwrap();
        let seed = dir.path().join("host/1000");
        lay_out(&seed, "1000", "0900", &old_files());
        let record = built.record().clone();
        Self { dir, record, seed: [seed.join("payload")] }
    }

    fn bundle(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    async fn update(&self) -> FetchReport {
        self.update_part(&self.record.payload).await
    }

    async fn update_part(&self, entries: &[TreeEntry]) -> FetchReport {
        let into = self.dir.path().join("host/1100");
        let cache = self.dir.path().join("cache");
        let job = Realise {
            entries,
            bundle: &self.record.bundle,
            seeds: &self.seed,
            into: &into,
            cache: &cache,
            progress: &|_: Fetched| (),
        };
        let origin = Origin {
            http: reqwest::Client::builder().tls_certs_only([]).build().unwrap(),
            url: url::Url::from_file_path(self.bundle()).unwrap(),
        };
        let from = [BuildId::parse("1000").unwrap()];
        let options = FetchOptions { from: &from, ..FetchOptions::default() };
        let report = fetch_with(&origin, &job, &options).await.unwrap();
        assemble(&job).unwrap();
        verify_tree(entries, &into).unwrap();
        // Whoever asks again finds everything.
        fs::remove_dir_all(&into).unwrap();
        let again = fetch_with(&origin, &job, &options).await.unwrap();
        assert_eq!(again.fetched.fetched.0, 0);
        assemble(&job).unwrap();
        verify_tree(entries, &into).unwrap();
        report
    }

    fn stored(&self) -> u64 {
        self.record.bundle.deltas[0].stored.0
    }
}

#[tokio::test]
async fn host_on_the_old_build_fetches_only_the_deltas() {
    let world = World::new();
    let report = world.update().await;
    assert_eq!(report.fell_back, Vec::<String>::new());
    // Changed in place, renamed by number, moved to another folder, found by content, and text.
    assert_eq!(report.made, 5);
    assert_eq!(report.fetched.fetched.0, world.stored());
    assert!(world.stored() < 20_000, "{} bytes", world.stored());
    // The picture lies elsewhere, twice, and does not travel; the two are two files.
    let place = |name: &str| world.dir.path().join("host/1100/pictures").join(name);
    fs::write(place("twin"), b"changed").unwrap();
    assert_eq!(fs::read(place("picture")).unwrap(), old_files()["share/picture"]);
}

/// Web pages are such a tree, and what parts leave.
#[tokio::test]
async fn tree_without_the_moved_files_is_made_of_deltas_too() {
    let world = World::new();
    let is_moved = |entry: &TreeEntry| entry.path.as_str().starts_with("pictures/");
    let all = world.record.payload.iter().cloned();
    let rest: Vec<TreeEntry> = all.filter(|entry| !is_moved(entry)).collect();
    assert!(rest.len() < world.record.payload.len());
    let report = world.update_part(&rest).await;
    assert_eq!(report.fell_back, Vec::<String>::new());
    assert_eq!(report.made, 5);
}

#[test]
fn same_input_gives_the_same_pack_and_the_old_one_may_be_a_file() {
    let world = World::new();
    let folder = |name: &str| world.dir.path().join(name);
    let old = folder("ledger-1000.refit");
    pack_file::write(&pack::build(&folder("1000")).unwrap(), &old, None).unwrap();
    let old = OldBuild::open(&old).unwrap();
    let built = pack::build_against(&folder("1100"), &[old]).unwrap();
    assert_eq!(*built.record(), world.record);
    let file = folder("ledger-1100.refit");
    pack_file::write(&built, &file, None).unwrap();
    let _ = PackFile::read(&file).unwrap().verify(None).unwrap();
}

#[test]
fn build_that_the_pack_does_not_follow_is_refused() {
    let world = World::new();
    let newer = OldBuild::open(&world.dir.path().join("1100")).unwrap();
    let error = pack::build_against(&world.dir.path().join("1100"), &[newer]).unwrap_err();
    assert!(
        matches!(&error, ForgeError::NotBefore { found, .. } if found == "ledger 1100"),
        "{error}"
    );
}

#[tokio::test]
async fn changed_old_file_is_named_and_its_group_comes_as_chunks() {
    let world = World::new();
    let place = world.seed[0].join("bin/server");
    let mut content = fs::read(&place).unwrap();
    content[70_000] ^= 1;
    fs::write(&place, content).unwrap();
    let report = world.update().await;
    assert_eq!(report.fell_back.len(), 1);
    assert!(report.fell_back[0].contains("`bin/server` was changed here"), "{report:?}");
    assert!(report.fetched.fetched.0 > world.stored());
}

#[tokio::test]
async fn missing_old_file_costs_only_bytes() {
    let world = World::new();
    fs::remove_file(world.seed[0].join("lib/two.so")).unwrap();
    let report = world.update().await;
    assert!(report.fell_back[0].contains("`lib/two.so` is not here"), "{report:?}");
}

#[tokio::test]
async fn damaged_delta_costs_only_bytes() {
    let mut world = World::new();
    // The publisher's own mistake: signed, whole, and wrong. Each chunk behind those of the files is replaced in turn.
    let first = world
        .record
        .payload
        .iter()
        .filter_map(|entry| match &entry.node {
            TreeNode::File { chunks, .. } => chunks.iter().max(),
            _ => None,
        })
        .max()
        .map_or(0, |place| *place as usize + 1);
    let sound = world.record.bundle.chunks.clone();
    for place in first..sound.len() {
        let mut bytes = fs::read(world.bundle()).unwrap();
        let chunk = sound[place];
        let frame = &bytes[chunk.offset as usize..][..chunk.stored as usize];
        let mut content = chunking::expand(frame, chunk.size).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 0x55;
        let frame = chunking::compress(&content).unwrap();
        let wrong = Chunk {
            id: chunking::chunk_id(&content),
            offset: bytes.len() as u64,
            stored: frame.len() as u32,
            size: chunk.size,
        };
        bytes.extend(frame);
        fs::write(world.bundle(), &bytes).unwrap();
        world.record.bundle.chunks = sound.clone();
        world.record.bundle.chunks[place] = wrong;
        world.record.bundle.size.0 = bytes.len() as u64;
        let report = world.update().await;
        assert!(!report.fell_back.is_empty(), "chunk {place}: {report:?}");
        fs::remove_dir_all(world.dir.path().join("host/1100")).unwrap();
        fs::remove_dir_all(world.dir.path().join("cache")).unwrap();
    }
}
