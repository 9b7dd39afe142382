//! `pack.yaml`: what a person or a stranger wrote.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(manifest) = refit_packs::manifest::parse(&text) {
        // What was accepted can be written and read again.
        let json = serde_json::to_vec(&manifest).expect("a manifest can be written");
        let again: refit_packs::manifest::Manifest =
            serde_json::from_slice(&json).expect("what was written can be read");
        assert_eq!(manifest, again);
    }
});
