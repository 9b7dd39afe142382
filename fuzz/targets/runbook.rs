//! A runbook.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(runbook) = refit_packs::runbook::parse(&text) {
        let json = serde_json::to_vec(&runbook).expect("a runbook can be written");
        let again: refit_packs::runbook::Runbook =
            serde_json::from_slice(&json).expect("what was written can be read");
        assert_eq!(runbook, again);
    }
});
