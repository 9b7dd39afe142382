//! Every hostile manifest of the museum is refused, and what is said of it is kept.
#![expect(clippy::disallowed_methods, reason = "the test reads kept files; the crate does not")]

use refit_names::Coded as _;
use refit_packs::manifest;
use std::{fs, path::PathBuf};

#[test]
fn every_hostile_manifest_is_refused_with_its_place() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../lab/museum/manifests");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let told = files.iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy();
        let error = manifest::parse(&fs::read_to_string(path).unwrap());
        let error = error.expect_err(&format!("{name} was accepted"));
        let flaws: Vec<_> = error.flaws().iter().map(|flaw| format!("  {flaw}")).collect();
        format!("{name}: {}\n{}", error.code(), flaws.join("\n"))
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}
