//! A catalogue, and the paths through it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(catalog) = serde_json::from_slice::<refit_packs::catalog::Catalog>(data) else { return };
    for pack in catalog.packs.iter().take(8) {
        for from in pack.from.iter().take(8) {
            let _ = catalog.path(&pack.product, from, &pack.to);
            let _ = catalog.reachable(&pack.product, from);
        }
    }
});
