//! What a server says of the part that it sends.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Some(first) = refit_repository::first_byte(&text) {
        assert!(text.starts_with("bytes "), "{first}");
    }
});
