//! How far a long work is, for whoever waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Bytes done and bytes to do; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    /// Another piece of work begins.
    pub fn begin(&self) {
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(0, Ordering::Relaxed);
    }

    /// There are so many more to do.
    pub fn expect(&self, bytes: u64) {
        self.0.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many more are done.
    pub fn add(&self, bytes: u64) {
        self.0.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Done, and of how many, as far as that is known; never fewer than done.
    #[must_use]
    pub fn read(&self) -> (u64, u64) {
        let done = self.0.done.load(Ordering::Relaxed);
        (done, self.0.total.load(Ordering::Relaxed).max(done))
    }
}
