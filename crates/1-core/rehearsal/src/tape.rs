//! The virtual clock: what will happen, in the order of time, and in the order of writing where the time is the same.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What happens in the world outside the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    /// An approver has read the plan.
    Agree {
        /// Which, from 0.
        approver: usize,
    },
    /// Someone starts prepare.
    Prepare,
    /// A host's try to prepare ended.
    PrepareEnds {
        /// Place of the host.
        host: usize,
        /// Which try, from 0.
        attempt: u32,
    },
    /// Someone authorises, configures and says go.
    Deploy,
    /// A host that was told to go begins, if nobody called it back since.
    Begin {
        /// Place of the host.
        host: usize,
        /// The call that it answers.
        call: u32,
    },
    /// A host's order ends.
    End {
        /// Place of the host.
        host: usize,
    },
    /// A person looks whether a host has begun, and leaves it out if not.
    Look {
        /// Place of the host.
        host: usize,
        /// The call that it has not answered.
        call: u32,
    },
    /// A person leaves out whoever missed their window, and resumes.
    Clear,
    /// A person lets the next wave start.
    Advance,
    /// The state machine asked to be told the time.
    Tick,
}

/// All that will happen.
#[derive(Default)]
pub(crate) struct Tape {
    heap: BinaryHeap<Reverse<(i64, u64, Happening)>>,
    written: u64,
}

impl Tape {
    pub(crate) fn write(&mut self, at_ms: i64, happening: Happening) {
        self.heap.push(Reverse((at_ms, self.written, happening)));
        self.written += 1;
    }

    pub(crate) fn next(&mut self) -> Option<(i64, Happening)> {
        let Reverse((at_ms, _, happening)) = self.heap.pop()?;
        Some((at_ms, happening))
    }
}
