//! What people and hosts are told: derived, never stored.

use crate::campaign::RolloutHost;
use crate::{HostState, Permission, PrepareStage, Rollout, RolloutState};
use jiff::Timestamp;
use refit_names::{HostName, WaveName};
use refit_plan::Advance;
use std::fmt;

/// How a wave stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveStatus {
    /// Its name.
    pub name: WaveName,
    /// Its part of the walk.
    pub phase: WavePhase,
    /// Hosts that count: all but the ignored ones.
    pub live: u32,
    /// Of these, at the target.
    pub succeeded: u32,
    /// Of these, rolled back or in need of a person.
    pub failed: u32,
    /// Of these, told to go or going.
    pub in_flight: u32,
    /// Until when it is watched, once all are finished.
    pub soak_ends: Option<Timestamp>,
}

/// Which part of its walk a wave is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WavePhase {
    /// Not started.
    Waiting,
    /// Hosts run.
    Running,
    /// All hosts are finished; it is watched, or waits for a person.
    Soaking,
    /// Done.
    Done,
}

/// Why a host stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Why not now.
    pub because: String,
    /// What unblocks it.
    pub unblocked_by: String,
    /// When at the latest something happens by itself.
    pub latest: Option<Timestamp>,
}

impl Rollout {
    /// How far the host may go with its order; none: it has no order of this rollout.
    #[must_use]
    pub fn permission_for(&self, host: &HostName) -> Option<Permission> {
        self.permission_of(self.host(host)?)
    }

    pub(crate) fn permission_of(&self, member: &RolloutHost) -> Option<Permission> {
        let ordered = !matches!(
            self.state,
            RolloutState::Draft | RolloutState::Planned | RolloutState::Agreed
        );
        if !ordered {
            return None;
        }
        let over = matches!(self.state, RolloutState::Cancelled { .. } | RolloutState::Completed);
        match &member.state {
            HostState::Succeeded { .. } | HostState::RolledBack { .. } => None,
            HostState::Ignored { .. } => Some(Permission::Withdrawn),
            // Who has begun needs nobody and is not called back.
            HostState::Running { .. } => Some(Permission::Deploy),
            _ if over => Some(Permission::Withdrawn),
            HostState::NeedsPerson { .. } => Some(Permission::Deploy),
            HostState::Due if matches!(self.state, RolloutState::Deploying { .. }) => {
                Some(Permission::Deploy)
            }
            HostState::Due => Some(Permission::Withdrawn),
            // Its order has a pack that its author took back: it stands by.
            _ if self.withdrawn.is_some() => Some(Permission::Withdrawn),
            HostState::Waiting { .. }
            | HostState::Preparing { .. }
            | HostState::PrepareFailed { .. }
            | HostState::Prepared => Some(Permission::Prepare),
        }
    }

    /// Every wave with its counts, in order.
    #[must_use]
    pub fn wave_states(&self) -> Vec<WaveStatus> {
        let Some(current) = &self.current else { return Vec::new() };
        let waves = (0u32..).zip(&current.waves);
        waves
            .map(|(at, wave)| {
                let count = current.count(at);
                let phase = match () {
                    () if wave.done => WavePhase::Done,
                    () if wave.soaking_since.is_some() => WavePhase::Soaking,
                    () if wave.started_at.is_some() || count.in_flight > 0 => WavePhase::Running,
                    () => WavePhase::Waiting,
                };
                WaveStatus {
                    name: wave.name.clone(),
                    phase,
                    live: count.live,
                    succeeded: count.succeeded,
                    failed: count.failed,
                    in_flight: count.in_flight,
                    soak_ends: wave.soak_ends(),
                }
            })
            .collect()
    }

    /// Why the host stands where it stands, what unblocks it, and when at the latest something happens.
    #[must_use]
    pub fn why(&self, host: &HostName, now: Timestamp) -> Option<Why> {
        let member = self.host(host)?;
        let in_turn = matches!(self.state, RolloutState::Deploying { wave } if wave == member.wave);
        if in_turn
            && member.state == HostState::Prepared
            && let Some((because, unblocked_by, latest)) = member.why_window(now)
        {
            return Some(Why { because, unblocked_by, latest });
        }
        let (because, unblocked_by) = match &member.state {
            HostState::Waiting { .. } | HostState::Prepared => self.why_not_started(member),
            HostState::Preparing { stage } => {
                (format!("it prepares: {stage}"), "the end of that sub-stage".to_owned())
            }
            HostState::PrepareFailed { stage, cause } => (
                format!("its preparation failed at {stage}: {cause}"),
                "its next try, or `refit rollout ignore`".to_owned(),
            ),
            HostState::Due if matches!(self.state, RolloutState::Deploying { .. }) => (
                "it was told to go and has not begun".to_owned(),
                "its agent's next sync".to_owned(),
            ),
            HostState::Due => self.why_stopped(),
            HostState::Running { phase, step } => {
                (format!("it runs step {step} of phase {phase}"), "the end of its order".to_owned())
            }
            HostState::Succeeded { build } => {
                (format!("it is done: build {build} runs and is verified"), "nothing".to_owned())
            }
            HostState::RolledBack { build, cause } => (
                format!("it was rolled back to build {build}: {cause}"),
                "the cause removed, its quarantine cleared (`refit fleet clear-quarantine`), and a new rollout".to_owned(),
            ),
            HostState::NeedsPerson { cause } => {
                (format!("it stands still: {cause}"), "a person at that host".to_owned())
            }
            HostState::Ignored { because } => {
                (format!("it was left out: {because}"), "a new rollout".to_owned())
            }
        };
        let latest = if member.settled() { None } else { self.next_tick(now) };
        Some(Why { because, unblocked_by, latest })
    }

    fn why_stopped(&self) -> (String, String) {
        if let Some(because) = &self.withdrawn {
            let by = "a plan without it: `refit rollout plan` before it was deployed, else `cancel` and a new rollout";
            return (because.clone(), by.to_owned());
        }
        match &self.state {
            RolloutState::Paused { because, .. } => {
                (format!("the rollout is paused: {because}"), "`refit rollout resume`".to_owned())
            }
            RolloutState::Halted { because, .. } => (
                format!("the rollout halted: {because}"),
                "`refit rollout resume`, or `ignore` for the hosts in the way".to_owned(),
            ),
            RolloutState::Cancelled { because } => {
                (format!("the rollout was cancelled: {because}"), "a new rollout".to_owned())
            }
            other => (format!("the rollout is {other}"), "a new rollout".to_owned()),
        }
    }

    fn why_not_started(&self, member: &RolloutHost) -> (String, String) {
        let say = |because: &str, by: &str| (because.to_owned(), by.to_owned());
        if self.withdrawn.is_some() {
            return self.why_stopped();
        }
        match &self.state {
            RolloutState::Draft => say("there is no plan", "`refit rollout plan`"),
            RolloutState::Planned => {
                say("too few people agreed to the plan", "`refit rollout agree` by another person")
            }
            RolloutState::Agreed => say("prepare was not started", "`refit rollout prepare`"),
            RolloutState::Preparing if member.state == HostState::Prepared => {
                say("other hosts are not prepared", "their preparation, or `refit rollout ignore`")
            }
            RolloutState::Preparing => {
                say("its agent has not reported on this order", "its agent's next sync")
            }
            RolloutState::Prepared => {
                say("the rollout is not authorised", "`refit rollout authorise` by another person")
            }
            RolloutState::Authorised if self.settings.is_none() => {
                say("the rollout is not configured", "`refit rollout configure`")
            }
            RolloutState::Authorised => {
                say("the rollout is not deployed", "`refit rollout deploy`")
            }
            RolloutState::Deploying { wave } => self.why_in_queue(member, *wave),
            _ => self.why_stopped(),
        }
    }

    fn why_in_queue(&self, member: &RolloutHost, running: u32) -> (String, String) {
        let name = |wave: u32| {
            let limits = self.current.as_ref().and_then(|current| current.wave(wave));
            limits.map_or_else(String::new, |limits| limits.name.to_string())
        };
        if self.selection.as_ref().is_some_and(|only| !only.contains(&member.host)) {
            let because = "only selected hosts are deployed now";
            return (because.to_owned(), "the end of the selected ones, then `deploy`".to_owned());
        }
        if member.state != HostState::Prepared {
            return ("it is not prepared".to_owned(), "its preparation".to_owned());
        }
        if member.wave == running {
            let because = "as many hosts of its wave as allowed are on their way";
            return (because.to_owned(), "the end of one of them".to_owned());
        }
        let limits = self.current.as_ref().and_then(|current| current.wave(running));
        let manual = limits.is_some_and(|limits| {
            let wished = self.settings.and_then(|settings| settings.advance);
            limits.soaking_since.is_some() && wished.unwrap_or(limits.advance) == Advance::Manual
        });
        let because =
            format!("it is in wave `{}`; wave `{}` is not done", name(member.wave), name(running));
        let by = if manual {
            "`refit rollout advance`, when it was watched long enough"
        } else {
            "its goal and its soak"
        };
        (because, by.to_owned())
    }
}

impl RolloutState {
    /// The word that people see.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Planned => "planned",
            Self::Agreed => "agreed",
            Self::Preparing => "preparing",
            Self::Prepared => "prepared",
            Self::Authorised => "authorised",
            Self::Deploying { .. } => "deploying",
            Self::Paused { .. } => "paused",
            Self::Halted { .. } => "halted",
            Self::Completed => "completed",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

impl fmt::Display for RolloutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploying { wave } => write!(f, "deploying wave {}", wave + 1),
            Self::Paused { because, .. }
            | Self::Halted { because, .. }
            | Self::Cancelled { because } => write!(f, "{}: {because}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

impl HostState {
    /// The word that people see.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Preparing { .. } => "preparing",
            Self::PrepareFailed { .. } => "prepare failed",
            Self::Prepared => "prepared",
            Self::Due => "due",
            Self::Running { .. } => "running",
            Self::Succeeded { .. } => "succeeded",
            Self::RolledBack { .. } => "rolled back",
            Self::NeedsPerson { .. } => "in need of a person",
            Self::Ignored { .. } => "ignored",
        }
    }
}

impl fmt::Display for PrepareStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ReplicateContent => "replicate content",
            Self::DeployPages => "deploy pages",
            Self::UpgradeUpdater => "upgrade updater",
            Self::PersistCommands => "persist commands",
            Self::Finalise => "finalise",
        })
    }
}
