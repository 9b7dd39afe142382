//! Journal entries that a host sends: their chain and their meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(entries) = serde_json::from_slice::<Vec<refit_journal::Entry>>(data) {
        let _ = refit_journal::verify_chain(&entries);
        let _ = refit_journal::fold(&[], &entries);
    }
});
