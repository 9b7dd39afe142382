//! Foreign archives (tar, zip, deb and their packed forms) that become a pack's folder, and that nothing is written beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_forge::import::{ImportOptions, import};

fuzz_target!(|data: &[u8]| {
    let dir = tempfile::tempdir().expect("a folder for files");
    let (from, out) = (dir.path().join("foreign"), dir.path().join("out"));
    std::fs::write(&from, data).expect("a file can be written");
    let options =
        ImportOptions { size_max: refit_names::ByteSize(8 << 20), ..ImportOptions::default() };
    let _ = import(&from, &out, &options);
    for entry in std::fs::read_dir(dir.path()).expect("the folder is there") {
        let path = entry.expect("an entry is readable").path();
        assert!(path == from || path == out, "{} is left over", path.display());
    }
});
