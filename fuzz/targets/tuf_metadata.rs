//! TUF metadata of any role, with signatures, bins and digests.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = refit_repository::inspect(data);
});
