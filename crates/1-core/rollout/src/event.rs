//! What can happen to a rollout, and what is to be done about it.

use crate::{PrepareStage, Rollout};
use jiff::Timestamp;
use refit_names::{BuildId, Digest, HostName, PersonName};
use refit_plan::{Advance, Freeze, Plan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// There is a plan, the first or one that replaces the last.
    PlanMade {
        /// The plan.
        plan: Box<Plan>,
    },
    /// A person agrees to exactly this plan.
    Agreed {
        /// Who.
        by: PersonName,
        /// The plan's hash that was looked at.
        plan: Digest,
    },
    /// Hosts shall fetch and check.
    PrepareRequested,
    /// A host says where it stands; repeating it changes nothing.
    HostReported {
        /// Which.
        host: HostName,
        /// Where it stands.
        standing: HostReport,
    },
    /// A person leaves a host out.
    HostIgnored {
        /// Which.
        host: HostName,
        /// Who and why.
        because: String,
    },
    /// A person says that exactly this plan may be deployed.
    Authorised {
        /// Who.
        by: PersonName,
        /// The plan's hash that was looked at.
        plan: Digest,
    },
    /// Limits are set, never wider than the plan's.
    Configured {
        /// Hosts that may be down at the same time; none: what the plan says.
        parallel: Option<u32>,
        /// How waves follow each other; none: what the plan says.
        advance: Option<Advance>,
    },
    /// Go.
    DeployRequested {
        /// Only these; empty means by waves.
        hosts: BTreeSet<HostName>,
    },
    /// No new host shall start.
    Paused {
        /// Why.
        because: String,
    },
    /// Goes on after a pause or a halt; the ledger stays as it is.
    Resumed,
    /// Given up.
    Cancelled {
        /// Why.
        because: String,
    },
    /// A person lets the next wave start.
    Advanced,
    /// A pack of the current plan was taken back by its author: nobody begins with this plan any more.
    PackWithdrawn {
        /// Which pack, and why.
        because: String,
    },
    /// These freezes are in force, now or later; a freeze that was ended is not among them.
    FreezesKnown {
        /// All of them.
        freezes: Vec<Freeze>,
    },
    /// Time went by.
    Tick,
}

impl Event {
    /// What people call it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PlanMade { .. } => "plan made",
            Self::Agreed { .. } => "agree",
            Self::PrepareRequested => "prepare",
            Self::HostReported { .. } => "host report",
            Self::HostIgnored { .. } => "ignore host",
            Self::Authorised { .. } => "authorise",
            Self::Configured { .. } => "configure",
            Self::DeployRequested { .. } => "deploy",
            Self::Paused { .. } => "pause",
            Self::Resumed => "resume",
            Self::Cancelled { .. } => "cancel",
            Self::Advanced => "advance",
            Self::PackWithdrawn { .. } => "pack withdrawn",
            Self::FreezesKnown { .. } => "freezes",
            Self::Tick => "tick",
        }
    }
}

/// Where a host says it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostReport {
    /// In a sub-stage of prepare.
    Preparing {
        /// Which.
        stage: PrepareStage,
    },
    /// A sub-stage failed and is tried again by itself.
    PrepareFailed {
        /// Which.
        stage: PrepareStage,
        /// The root cause.
        cause: String,
    },
    /// Holds everything.
    Prepared,
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
        /// The root cause.
        cause: String,
    },
    /// Stands still.
    NeedsPerson {
        /// The root cause.
        cause: String,
    },
    /// Did not take the order.
    Refused {
        /// The root cause.
        cause: String,
    },
}

/// How far a host may go with its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Fetch, check, store: nothing that anybody notices.
    Prepare,
    /// Carry it out.
    Deploy,
    /// Do not begin; who has begun goes on to a whole build.
    Withdrawn,
}

/// What a move leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The rollout afterwards: store it before performing the effects.
    pub rollout: Rollout,
    /// What is to be done; doing it twice harms nobody.
    pub effects: Vec<Effect>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The host's permission changed: wake its sync.
    Permit {
        /// Which.
        host: HostName,
        /// The new one; none: it has no order of this rollout any more.
        permission: Option<Permission>,
    },
    /// Send [`Event::Tick`] then, at the latest.
    TickAt {
        /// When.
        at: Timestamp,
    },
    /// For the record and for whoever watches.
    Note {
        /// One line.
        text: String,
    },
}
