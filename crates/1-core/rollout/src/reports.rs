//! What hosts say, and what it does to them and to the ledger.

use crate::campaign::{Failure, RolloutHost};
use crate::{HostReport, HostState, IllegalMove, PrepareStage, Rollout, RolloutState};
use jiff::Timestamp;
use refit_names::{HostName, counted};

impl Rollout {
    /// Whether a report would change the host's state or the ledger, or be refused. Cheap: repeating reports need no move.
    #[must_use]
    pub fn is_news(&self, host: &HostName, standing: &HostReport) -> bool {
        self.host(host).is_none_or(|member| match member.after(standing) {
            Ok(Some(state)) => {
                state != member.state || standing.failure().is_some() && !self.has_failed(host)
            }
            Ok(None) => false,
            Err(_) => true,
        })
    }

    fn has_failed(&self, host: &HostName) -> bool {
        self.ledger.iter().any(|failure| failure.host == *host)
    }

    /// Reports are level-triggered: one that is older than what is known changes nothing.
    pub(crate) fn host_reported(
        &mut self,
        host: &HostName,
        standing: &HostReport,
        now: Timestamp,
        notes: &mut Vec<String>,
    ) -> Result<(), IllegalMove> {
        let begun = !matches!(
            self.state,
            RolloutState::Draft | RolloutState::Planned | RolloutState::Agreed
        );
        let unknown = || IllegalMove::UnknownHost { host: host.clone() };
        let member = self.current.as_mut().and_then(|current| current.host_mut(host));
        let member = member.ok_or_else(unknown)?;
        if !begun {
            return Ok(());
        }
        let before = member.state.clone();
        let Some(state) = member.after(standing)? else { return Ok(()) };
        member.state = state;
        let wave = member.wave;
        if member.settled() && before != member.state {
            member.ended_at = Some(now);
        }
        let counts = member.failed() || !matches!(standing, HostReport::Refused { .. });
        if let Some(cause) = standing.failure().filter(|_| counts) {
            self.record_failure(host, wave, cause, now, notes);
        }
        self.settle_preparation();
        Ok(())
    }

    /// One line per host: a host runs its order once.
    fn record_failure(
        &mut self,
        host: &HostName,
        wave: u32,
        cause: &str,
        now: Timestamp,
        notes: &mut Vec<String>,
    ) {
        if self.has_failed(host) {
            return;
        }
        self.ledger.push(Failure { host: host.clone(), wave, at: now, cause: cause.to_owned() });
        notes.push(format!("host `{host}` failed: {cause}"));
        let (RolloutState::Deploying { wave: at } | RolloutState::Paused { wave: at, .. }) =
            self.state
        else {
            return;
        };
        if let Some(because) = self.exceeded(wave) {
            self.state = RolloutState::Halted { wave: at, because };
        }
    }

    /// Which budget is exceeded, if any.
    fn exceeded(&self, wave: u32) -> Option<String> {
        let current = self.current.as_ref()?;
        let last = self.ledger.last()?;
        let over = |count: usize, budget: u32| u32::try_from(count).unwrap_or(u32::MAX) > budget;
        let all = self.ledger.len();
        let (budget, tail) =
            (current.failure_budget, format!("last `{}`: {}", last.host, last.cause));
        if over(all, budget) {
            let failures = counted(all, "failure");
            return Some(format!("{failures}, budget of the rollout {budget}; {tail}"));
        }
        let here = self.ledger.iter().filter(|failure| failure.wave == wave).count();
        let limits = current.wave(wave)?;
        let (name, budget) = (&limits.name, limits.failure_budget);
        over(here, budget)
            .then(|| counted(here, "failure"))
            .map(|failures| format!("{failures} in wave `{name}`, its budget {budget}; {tail}"))
    }
}

impl HostReport {
    /// The cause, when it may be a failure for the ledger.
    fn failure(&self) -> Option<&str> {
        match self {
            Self::RolledBack { cause, .. }
            | Self::NeedsPerson { cause }
            | Self::Refused { cause } => Some(cause),
            _ => None,
        }
    }
}

impl RolloutHost {
    /// The state after a report; none when the report says nothing new.
    fn after(&self, report: &HostReport) -> Result<Option<HostState>, IllegalMove> {
        let state = match report {
            HostReport::Preparing { stage } => {
                return Ok(self.preparable().then_some(HostState::Preparing { stage: *stage }));
            }
            HostReport::PrepareFailed { stage, cause } => {
                let state = HostState::PrepareFailed { stage: *stage, cause: cause.clone() };
                return Ok(self.preparable().then_some(state));
            }
            HostReport::Prepared => return Ok(self.preparable().then_some(HostState::Prepared)),
            HostReport::Refused { cause } if !self.told() => {
                let stage = PrepareStage::PersistCommands;
                let state = HostState::PrepareFailed { stage, cause: cause.clone() };
                return Ok(self.preparable().then_some(state));
            }
            HostReport::Running { phase, step } => {
                HostState::Running { phase: phase.clone(), step: step.clone() }
            }
            HostReport::Succeeded { build } => HostState::Succeeded { build: build.clone() },
            HostReport::RolledBack { build, cause } => {
                HostState::RolledBack { build: build.clone(), cause: cause.clone() }
            }
            HostReport::NeedsPerson { cause } | HostReport::Refused { cause } => {
                HostState::NeedsPerson { cause: cause.clone() }
            }
        };
        match &self.state {
            HostState::Due | HostState::Running { .. } => Ok(Some(state)),
            // One that stands still may be repaired; that it moves is not yet an end.
            HostState::NeedsPerson { .. } if !matches!(state, HostState::Running { .. }) => {
                Ok(Some(state))
            }
            HostState::Succeeded { .. }
            | HostState::RolledBack { .. }
            | HostState::NeedsPerson { .. } => Ok(None),
            HostState::Ignored { .. } if !self.told() => Ok(None),
            // It stays ignored, but what it says still counts: an end at the target, or a failure for the ledger.
            HostState::Ignored { .. } if matches!(state, HostState::Succeeded { .. }) => {
                Ok(Some(state))
            }
            HostState::Ignored { .. } => Ok(Some(self.state.clone())),
            _ if self.told() => Ok(Some(state)),
            other => Err(IllegalMove::Host {
                host: self.host.clone(),
                expected: "told to deploy before it runs",
                found: other.name(),
            }),
        }
    }

    /// It may still hear that it has to prepare.
    fn preparable(&self) -> bool {
        let early = matches!(
            self.state,
            HostState::Waiting { .. }
                | HostState::Preparing { .. }
                | HostState::PrepareFailed { .. }
                | HostState::Prepared
        );
        early && !self.told()
    }

    /// It was told to go, maybe called back since.
    fn told(&self) -> bool {
        self.due_at.is_some()
    }
}
