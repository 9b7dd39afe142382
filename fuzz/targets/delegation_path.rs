//! Path patterns of delegations: no pattern may take long, and none matches across folders.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Some((pattern, path)) = text.split_once('\n') {
        if refit_packs::pattern::path_matches(pattern, path) {
            assert_eq!(pattern.matches('/').count(), path.matches('/').count());
        }
        assert!(refit_packs::pattern::path_matches(&path.replace(['*', '?'], ""), &path.replace(['*', '?'], "")));
    }
});
