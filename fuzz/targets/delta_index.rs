//! Which files a delta set makes and of what: JSON of a bundle, and its rules against a record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_packs::record::{PackRecord, delta::DeltaIndex};
use std::sync::LazyLock;

static RECORD: LazyLock<PackRecord> = LazyLock::new(|| {
    serde_json::from_slice(include_bytes!("../seeds/record/hello.json"))
        .expect("the seed is a record")
});

fuzz_target!(|data: &[u8]| {
    if let Ok(index) = serde_json::from_slice::<DeltaIndex>(data) {
        let _ = index.check(&RECORD.payload, &RECORD.bundle);
    }
});
