//! Host records of an import, and facts that an agent reports.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = serde_json::from_slice::<refit_inventory::HostRecord>(data);
    let _ = serde_json::from_slice::<refit_inventory::ObservedFacts>(data);
});
