//! Why a move is refused; nothing changes.

use refit_names::{Coded, Digest, ErrorClass, Generation, HostName, PersonName};

/// Why a move is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalMove {
    /// The rollout is not where this can follow.
    #[error("`{event}` cannot follow in state `{state}`, expected {expected}")]
    State {
        /// What was tried.
        event: &'static str,
        /// Where the rollout stands.
        state: &'static str,
        /// Where it would be possible.
        expected: &'static str,
    },
    /// The decision is about another plan.
    #[error("decision is about plan {found}, expected the current plan {expected}")]
    OtherPlan {
        /// The current plan.
        expected: Digest,
        /// The one decided about.
        found: Digest,
    },
    /// The author judges an own plan.
    #[error("`{person}` made the plan and cannot {what} it, expected another person")]
    Author {
        /// Who.
        person: PersonName,
        /// `agree to` or `authorise`.
        what: &'static str,
    },
    /// The plan is not the successor of the current one.
    #[error(
        "plan has generation {found} and parent {parent:?}, expected generation above {expected} and the current plan as parent"
    )]
    NotSuccessor {
        /// The current generation.
        expected: Generation,
        /// The plan's.
        found: Generation,
        /// The plan's parent.
        parent: Option<Digest>,
    },
    /// The plan belongs to another campaign.
    #[error("plan is of rollout `{found}`, expected `{expected}`")]
    OtherRollout {
        /// This one.
        expected: String,
        /// The plan's.
        found: String,
    },
    /// The plan moves or drops what has run.
    #[error(
        "plan does not keep host `{host}`, which has run, in its wave and among those that have begun"
    )]
    Forgotten {
        /// Which.
        host: HostName,
    },
    /// The plan cannot be hashed.
    #[error("plan has no hash: {0}")]
    NoHash(String),
    /// Not in the plan.
    #[error("host `{host}` is not in the current plan")]
    UnknownHost {
        /// Which.
        host: HostName,
    },
    /// Limits were not set.
    #[error("rollout is not configured, expected `configure` before `deploy`")]
    NotConfigured,
    /// Wider than what was approved.
    #[error("limit of {found} hosts at the same time, expected 1 to {expected} as the plan says")]
    Limit {
        /// The plan's.
        expected: u32,
        /// The wished one.
        found: u32,
    },
    /// The host is not in a state in which this can follow.
    #[error("host `{host}` is {found}, expected {expected}")]
    Host {
        /// Which.
        host: HostName,
        /// What would be right.
        expected: &'static str,
        /// Where it stands.
        found: &'static str,
    },
    /// A pack of the plan was taken back.
    #[error("`{event}` cannot follow: {because}; expected a plan without it")]
    PackWithdrawn {
        /// What was tried.
        event: &'static str,
        /// Which pack, and why.
        because: String,
    },
    /// A wave still runs or is watched.
    #[error("wave `{wave}` is not ready to be left: {because}")]
    WaveNotDone {
        /// Which.
        wave: String,
        /// Why.
        because: String,
    },
}

impl Coded for IllegalMove {
    fn code(&self) -> &'static str {
        match self {
            Self::State { .. } => "rollout.wrong-state",
            Self::OtherPlan { .. } => "rollout.other-plan",
            Self::Author { .. } => "rollout.author-judges",
            Self::NotSuccessor { .. }
            | Self::OtherRollout { .. }
            | Self::Forgotten { .. }
            | Self::NoHash(_) => "rollout.plan-not-successor",
            Self::UnknownHost { .. } => "rollout.unknown-host",
            Self::NotConfigured => "rollout.not-configured",
            Self::Limit { .. } => "rollout.limit",
            Self::Host { .. } => "rollout.host-state",
            Self::PackWithdrawn { .. } => "rollout.pack-withdrawn",
            Self::WaveNotDone { .. } => "rollout.wave-not-done",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}
