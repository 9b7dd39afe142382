//! The messages between agent and server, read by either side.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    use refit_protocol::agent::{SyncRequest, SyncResponse};
    if let Ok(request) = serde_json::from_slice::<SyncRequest>(data) {
        let json = serde_json::to_vec(&request).expect("a message can be written");
        serde_json::from_slice::<SyncRequest>(&json).expect("what was written can be read");
    }
    if let Ok(response) = serde_json::from_slice::<SyncResponse>(data) {
        let json = serde_json::to_vec(&response).expect("a message can be written");
        serde_json::from_slice::<SyncResponse>(&json).expect("what was written can be read");
    }
});
