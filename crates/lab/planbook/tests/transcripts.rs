//! Each script in `scripts` gives the transcript beside it. `PLANBOOK_BLESS=1` writes them anew.

use std::path::{Path, PathBuf};

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut scripts: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "plan")).collect();
    scripts.sort();
    scripts
}

#[test]
fn scripts_give_their_transcripts() {
    let bless = std::env::var_os("PLANBOOK_BLESS").is_some();
    let mut differ = Vec::new();
    for script in scripts() {
        let text = std::fs::read_to_string(&script).unwrap();
        let found = refit_planbook::run(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        let kept = script.with_extension("txt");
        if bless {
            std::fs::write(&kept, &found).unwrap();
        } else if std::fs::read_to_string(&kept).unwrap_or_default() != found {
            differ.push(kept.display().to_string());
        }
        assert!(!found.contains("OBJECTS"), "{}: the second judge objects", script.display());
    }
    assert!(differ.is_empty(), "other transcripts than kept: {differ:?}");
}

#[test]
fn line_that_is_not_understood_is_named_with_its_number() {
    let error = refit_planbook::run("now 2026-01-01T00:00:00Z\nhost a site=x\n").unwrap_err();
    assert_eq!(error.to_string(), "line 2: `role=` is missing");
}
