//! The state machines of rollout, wave and host: `(state, event, now) → (state, effects)`.
//!
//! Here: what may follow what, budgets, gates. Deliberately not here: performing effects (`4-programs/server`).
//! Called by: server, simulator.
//!
//! ```text
//! draft → planned → agreed → preparing → prepared → authorised → deploying ⇄ paused → completed
//!                                                      ↘ halted → (resume | cancel)
//! host: waiting → preparing(sub-stage) → prepared → due → running(phase, step) → succeeded → signed off
//!       → rolled back | needs a person        ignored · retired · unreachable
//! ```
//!
//! Invariants:
//! 1. No state without its why.
//! 2. Failures are counted in one ledger over all waves, and never reset.
//! 3. No host starts outside of its opening, when too little of it is left, or into a freeze.
//! 4. Unreachable and unknown never count as success.

mod campaign;
mod event;
mod gate;
mod illegal;
mod moves;
mod reports;
mod view;
mod waves;

pub use campaign::{Failure, Rollout, RolloutHost, Settings};
pub use event::{Effect, Event, HostReport, Permission, Transition};
pub use illegal::IllegalMove;
pub use view::{WavePhase, WaveStatus, Why};

use refit_names::BuildId;
use serde::{Deserialize, Serialize};

/// Where a campaign stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RolloutState {
    /// Target and servers are chosen.
    Draft,
    /// There is a plan.
    Planned,
    /// The plan was approved by enough people.
    Agreed,
    /// Servers fetch and check; nothing is down.
    Preparing,
    /// Every server is prepared or ignored.
    Prepared,
    /// Someone with the right to said that it may be deployed.
    Authorised,
    /// Waves run.
    Deploying {
        /// Which wave runs, from 0.
        wave: u32,
    },
    /// No new host starts until someone resumes it.
    Paused {
        /// Which wave, from 0.
        wave: u32,
        /// Why.
        because: String,
    },
    /// A budget was exceeded or a gate closed; no new host starts.
    Halted {
        /// Which wave, from 0.
        wave: u32,
        /// Why.
        because: String,
    },
    /// Every wave is done.
    Completed,
    /// Given up; hosts that had not started stay as they are.
    Cancelled {
        /// Why.
        because: String,
    },
}

/// Where a host of a campaign stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum HostState {
    /// Nothing happens yet.
    Waiting {
        /// For what.
        on: String,
    },
    /// In one of the five sub-stages.
    Preparing {
        /// Which.
        stage: PrepareStage,
    },
    /// A sub-stage failed; it is tried again by itself.
    PrepareFailed {
        /// Which.
        stage: PrepareStage,
        /// Why.
        cause: String,
    },
    /// Holds everything that it needs.
    Prepared,
    /// Was told to go and has not begun.
    Due,
    /// Carries out its order.
    Running {
        /// Phase of the runbook.
        phase: String,
        /// The step.
        step: String,
    },
    /// The target build runs and is verified.
    Succeeded {
        /// The build.
        build: BuildId,
    },
    /// Back on the last good build.
    RolledBack {
        /// The build that runs.
        build: BuildId,
        /// Why.
        cause: String,
    },
    /// Stands still and says why.
    NeedsPerson {
        /// Why.
        cause: String,
    },
    /// Left out by a person.
    Ignored {
        /// Why, and by whom.
        because: String,
    },
}

/// The five sub-stages of prepare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrepareStage {
    /// Fetch and verify content.
    ReplicateContent,
    /// Put the pack's pages where they are served.
    DeployPages,
    /// Bring the agent itself to the version that the pack needs.
    UpgradeUpdater,
    /// Write order and identifiers to the host's disk.
    PersistCommands,
    /// Stage the release, run the preflight: the host holds everything that it needs.
    Finalise,
}

impl PrepareStage {
    /// All, in order.
    pub const ALL: [Self; 5] = [
        Self::ReplicateContent,
        Self::DeployPages,
        Self::UpgradeUpdater,
        Self::PersistCommands,
        Self::Finalise,
    ];
}
