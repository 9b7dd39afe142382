//! The committed folders are what the workshop makes, and each tells what it is.

use refit_museum::{
    attacks::{self, Exhibit},
    attacks_dir,
    workshop::Files,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Attacks that need a server that misbehaves: `tests/exhibits.rs` has it.
const OF_SERVERS: &[&str] = &[
    "cut-off",
    "endless-data",
    "freeze",
    "other-range",
    "redirect",
    "slow-retrieval",
    "wrong-length",
];

fn tree(base: &Path, below: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(base.join(below)).into_iter().flatten().flatten() {
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            tree(base, &path, found);
        } else {
            found.insert(path.clone(), fs::read(base.join(&path)).unwrap());
        }
    }
}

/// `REFIT_MUSEUM_WRITE=1 cargo test -p refit-museum --test kept` writes them anew.
fn compare(dir: &Path, files: &Files) {
    if std::env::var_os("REFIT_MUSEUM_WRITE").is_some() {
        let _ = fs::remove_dir_all(dir);
        files.write(dir).unwrap();
    }
    let mut found = BTreeMap::new();
    tree(dir, Path::new(""), &mut found);
    let expected: BTreeMap<PathBuf, Vec<u8>> =
        files.0.iter().map(|(name, content)| (PathBuf::from(name), content.clone())).collect();
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "{}",
        dir.display()
    );
    for (path, content) in expected {
        assert!(found[&path] == content, "{} is not what is made", dir.join(path).display());
    }
}

#[test]
fn folders_are_what_the_workshop_makes() {
    compare(&attacks_dir().join("honest"), &attacks::before());
    for Exhibit { attack, variant, files, .. } in attacks::all() {
        compare(&attacks_dir().join(attack).join(variant), &files);
    }
}

#[test]
fn every_folder_tells_what_it_is_and_how_it_is_refused() {
    let mut codes: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for exhibit in attacks::all() {
        codes.entry(exhibit.attack.to_owned()).or_default().insert(exhibit.code);
    }
    for attack in OF_SERVERS {
        codes.entry((*attack).to_owned()).or_default();
    }
    let index = fs::read_to_string(attacks_dir().join("README.md")).unwrap();
    let folders: BTreeSet<String> = fs::read_dir(attacks_dir())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "honest")
        .collect();
    assert_eq!(folders, codes.keys().cloned().collect::<BTreeSet<_>>());
    for (attack, codes) in codes {
        let readme = fs::read_to_string(attacks_dir().join(&attack).join("README.md")).unwrap();
        assert!(readme.contains("`repository."), "{attack} names no code");
        for code in codes {
            assert!(readme.contains(code), "{attack} does not name {code}");
            assert!(index.contains(code), "the table does not name {code}");
        }
        assert!(index.contains(&format!("[{attack}]({attack}/README.md)")), "{attack}");
    }
}
