//! A release record: JSON of a repository, and its rules.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = serde_json::from_slice::<refit_packs::record::PackRecord>(data) {
        let _ = refit_packs::record::validate(&record);
    }
});
