//! The single-file form of a pack: frames, chunks, signature.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    thread_local! {
        static DIR: tempfile::TempDir = tempfile::tempdir().expect("a folder for files");
    }
    DIR.with(|dir| {
        let path = dir.path().join("pack.refit");
        std::fs::write(&path, data).expect("a file can be written");
        if let Ok(pack) = refit_forge::PackFile::read(&path) {
            let _ = pack.signer();
            let _ = pack.verify(None);
        }
    });
});
