//! The list on a medium, held against a folder that has none of its files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_repository::medium::{Medium, listed};

fuzz_target!(|data: &[u8]| {
    thread_local! {
        static DIR: tempfile::TempDir = tempfile::tempdir().expect("an empty folder");
    }
    if let Ok(medium) = serde_json::from_slice::<Medium>(data) {
        DIR.with(|dir| {
            let faults = listed::faults(dir.path(), &medium.files, "medium.json");
            assert_eq!(faults.expect("the folder is readable").len(), medium.files.len());
        });
    }
});
