//! How fast this host may fetch.

use std::{sync::Mutex, time::Duration};
use tokio::time::Instant;

/// What may come at once after a rest; a socket's buffer is about that.
const BURST: Duration = Duration::from_millis(100);

/// A rate that all who share it keep together.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: u64,
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most so many bytes per second; nought counts as one.
    #[must_use]
    pub const fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, free_at: Mutex::new(None) }
    }

    /// Waits until so many bytes are paid for, and returns how long that was.
    pub(crate) async fn take(&self, bytes: u64) -> Duration {
        let now = Instant::now();
        let due = {
            let Ok(mut free_at) = self.free_at.lock() else { return Duration::ZERO };
            let rest = now.checked_sub(BURST).unwrap_or(now);
            let start = free_at.map_or(rest, |free_at| free_at.max(rest));
            let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second.max(1) as f64);
            let due = start + cost;
            *free_at = Some(due);
            due
        };
        tokio::time::sleep_until(due).await;
        due.saturating_duration_since(now)
    }
}
