//! Guarded expressions: filters and gates.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = refit_expression::select_hosts(&text, &[]);
});
