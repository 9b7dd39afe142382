//! What the library says of its progress, as bytes that are counted.

use refit_backup::Meter;
use rustic_core::{Progress, ProgressBars, ProgressType, RusticProgress};

/// Counts what the library reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Counted(pub(crate) Meter);

impl ProgressBars for Counted {
    fn progress(&self, kind: ProgressType, _: &str) -> Progress {
        match kind {
            ProgressType::Bytes => Progress::new(self.clone()),
            ProgressType::Counter | ProgressType::Spinner => Progress::hidden(),
        }
    }
}

impl RusticProgress for Counted {
    fn is_hidden(&self) -> bool {
        false
    }

    fn set_length(&self, length: u64) {
        self.0.expect(length);
    }

    fn set_title(&self, _: &str) {}

    fn inc(&self, bytes: u64) {
        self.0.add(bytes);
    }

    fn finish(&self) {}
}
