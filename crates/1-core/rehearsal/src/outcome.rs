//! What one run came to.

use serde::{Deserialize, Serialize};

/// One run. Times in milliseconds since 1970, in the virtual world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutcome {
    /// When someone said go; none: it never came so far.
    pub(crate) deployed_ms: Option<i64>,
    /// When the last wave was done; none: something stopped it.
    pub(crate) completed_ms: Option<i64>,
    /// What stopped it, and in which wave, from 0.
    pub(crate) halted: Option<(usize, HaltCause)>,
    pub(crate) waves: Vec<WaveOutcome>,
    /// Hosts that ended on the old build.
    pub(crate) rolled_back: u32,
    /// Hosts that ended where only a person helps.
    pub(crate) stuck: u32,
    /// Of the rolled back ones, those whose window became too short.
    pub(crate) turned_back: u32,
    /// Hosts that people left out: never prepared, silent, or too late for their window.
    pub(crate) left_out: u32,
    /// Work outside working hours, by place in the model's people; the last entry is work that names nobody.
    pub(crate) out_of_hours_ms: Vec<i64>,
    /// The longest time between first and last host in which none ran.
    pub(crate) idle_ms: i64,
    /// Moves of the state machine: what a run costs.
    pub(crate) moves: u64,
}

/// A wave in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WaveOutcome {
    /// A host of it was told to go.
    pub(crate) reached: bool,
    /// When its first host began.
    pub(crate) began_ms: Option<i64>,
    /// When its last host ended; none: not all did.
    pub(crate) ended_ms: Option<i64>,
    /// Every host that counts ended inside its window, and the wave inside its time limit.
    pub(crate) fits: bool,
    /// Failures in it.
    pub(crate) failures: u32,
}

impl RunOutcome {
    /// Moves that the state machine made in it.
    #[must_use]
    pub const fn moves(&self) -> u64 {
        self.moves
    }

    /// Whether the last wave was done.
    #[must_use]
    pub const fn completed(&self) -> bool {
        self.completed_ms.is_some()
    }
}

/// Why a rollout stops by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HaltCause {
    /// More failures than the rollout may have.
    RolloutBudget,
    /// More failures than the wave may have.
    WaveBudget,
    /// The wave's goal is out of reach.
    Goal,
    /// The wave waited too long.
    Timeout,
}
