//! Deltas out of a bundle: a group of copy operations, and a zstd frame with a dictionary.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    const OLD: &[u8] = b"the old file, whose pieces a delta copies, the old file";
    let mut sink = std::io::sink();
    if let Some((size, frame)) = data.split_first() {
        if let Ok(mut group) = refit_delta::GroupReader::new(frame) {
            let _ = group.piece(OLD, u64::from(*size) * 64, &mut sink);
        }
        if let Ok(mut patch) = refit_delta::patch::Patch::new(OLD, frame) {
            let _ = patch.next(u64::from(*size) * 64, &mut sink);
        }
    }
});
