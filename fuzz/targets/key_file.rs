//! The public half of a key as a holder hands it out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_forge::key::PublicKey;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(key) = PublicKey::parse(text)
    {
        assert_eq!(PublicKey::parse(&key.to_pem()).map(|key| key.to_pem()), Some(key.to_pem()));
    }
});
