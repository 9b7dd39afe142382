//! Whether a host may start now: its opening, what still fits into it, and freezes.

use crate::campaign::Current;
use crate::{HostState, Rollout, RolloutHost, RolloutState};
use jiff::{SignedDuration, Timestamp};
use refit_names::{HostName, RoleName, SiteName};
use refit_plan::{Freeze, Opening, PlannedHost};
use serde::{Deserialize, Serialize};

/// Hosts named in a reason: enough to know where to look.
const NAMED_MAX: usize = 5;

/// When a host may be changed, as its plan says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timing {
    pub(crate) site: SiteName,
    pub(crate) role: RoleName,
    /// None: at any time.
    pub(crate) opening: Option<Opening>,
    /// Not before this moment, inside the opening: whoever looks after it is busy elsewhere.
    pub(crate) not_before: Option<Timestamp>,
    /// Milliseconds that must be left: nineteen of twenty are done, or back, in this time.
    pub(crate) needs_ms: u64,
}

/// Whether a host may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It may.
    Open,
    /// It may from then on.
    Opens(Timestamp),
    /// Too little is left of its opening, or nothing.
    Missed,
}

impl Timing {
    pub(crate) fn of(planned: &PlannedHost) -> Self {
        let slot = planned.slot.as_ref();
        // People are in one place at a time, so their hosts keep to the minute; others may use what is left free.
        let kept = slot.filter(|slot| !slot.people.is_empty());
        Self {
            site: planned.site.clone(),
            role: planned.role.clone(),
            opening: slot.map(|slot| slot.opening.clone()),
            not_before: kept.map(|slot| slot.starts_at),
            needs_ms: planned.p95_ms.saturating_add(planned.undo_p95_ms),
        }
    }

    pub(crate) fn gate(&self, now: Timestamp) -> Gate {
        let Some(opens) = self.opens() else { return Gate::Open };
        if self.latest().is_some_and(|latest| now > latest) {
            return Gate::Missed;
        }
        if now < opens { Gate::Opens(opens) } else { Gate::Open }
    }

    /// The first moment at which it may start.
    pub(crate) fn opens(&self) -> Option<Timestamp> {
        let opening = self.opening.as_ref()?;
        Some(self.not_before.map_or(opening.opens_at, |at| at.max(opening.opens_at)))
    }

    /// The last moment at which it may start.
    pub(crate) fn latest(&self) -> Option<Timestamp> {
        let opening = self.opening.as_ref()?;
        Some(opening.closes_at.checked_sub(span(self.needs_ms)).unwrap_or(Timestamp::MIN))
    }
}

impl Rollout {
    /// The freeze that a host would run into if it started now; none in an emergency that was agreed to.
    pub(crate) fn freeze_of(&self, member: &RolloutHost, now: Timestamp) -> Option<&Freeze> {
        let current = self.current.as_ref().filter(|current| !current.emergency)?;
        let (timing, product) = (member.timing.as_ref()?, current.product.as_ref()?);
        let done = now.checked_add(span(timing.needs_ms)).unwrap_or(Timestamp::MAX);
        self.freezes.iter().find(|freeze| {
            let meets = freeze.until > now && (freeze.from <= now || freeze.from < done);
            meets && freeze.scope.covers(&timing.site, &timing.role, product)
        })
    }

    /// A host's state as people are shown it: while waves run, one that its window keeps back waits for that.
    #[must_use]
    pub fn shown(&self, host: &HostName, now: Timestamp) -> Option<HostState> {
        let member = self.host(host)?;
        let runs = matches!(self.state, RolloutState::Deploying { .. });
        let waits = runs && member.state == HostState::Prepared;
        let opening = member.timing.as_ref().and_then(|timing| timing.opening.as_ref());
        let on = opening.filter(|_| waits).and_then(|opening| match member.gate(now) {
            Gate::Open => None,
            Gate::Opens(at) => Some(format!("window `{}`, from {at} on", opening.window)),
            Gate::Missed => {
                Some(format!("a new plan: window `{}` has no time left", opening.window))
            }
        });
        Some(on.map_or_else(|| member.state.clone(), |on| HostState::Waiting { on }))
    }

    /// Calls hosts back that were told to go, did not begin, and have no time left.
    pub(crate) fn call_back_late(&mut self, now: Timestamp) {
        let hosts = self.current.iter_mut().flat_map(|current| &mut current.hosts);
        for host in hosts.filter(|host| host.state == HostState::Due) {
            let late = host.timing.as_ref().is_some_and(|timing| timing.gate(now) == Gate::Missed);
            if late {
                // `due_at` stays: one that began before it heard of it must still be able to say so.
                host.state = HostState::Prepared;
            }
        }
    }

    /// Halts when a host that is about to start would run into a freeze.
    pub(crate) fn halt_for_freeze(&mut self, now: Timestamp) {
        let RolloutState::Deploying { wave } = self.state else { return };
        let about_to = |host: &&RolloutHost| {
            let startable = host.state == HostState::Prepared
                && host.wave == wave
                && self.selection.as_ref().is_none_or(|only| only.contains(&host.host))
                && host.gate(now) == Gate::Open;
            startable || host.state == HostState::Due
        };
        if self.freezes.is_empty() {
            return;
        }
        let frozen = self.hosts().iter().filter(about_to);
        let mut frozen = frozen.filter_map(|host| Some((host, self.freeze_of(host, now)?)));
        if let Some((host, freeze)) = frozen.next() {
            let because = format!(
                "freeze `{}` from {} until {}: {}; host `{}` has not begun",
                freeze.name, freeze.from, freeze.until, freeze.reason, host.host
            );
            self.state = RolloutState::Halted { wave, because };
        }
    }
}

impl Current {
    /// The hosts that missed their windows, when nothing is on its way and all that is left missed theirs.
    pub(crate) fn all_missed(
        &self,
        of: impl Fn(&RolloutHost) -> bool,
        now: Timestamp,
    ) -> Option<String> {
        let left = || self.hosts.iter().filter(|host| !host.settled() && of(host));
        let missed = |host: &RolloutHost| {
            host.state == HostState::Prepared && host.gate(now) == Gate::Missed
        };
        if left().next().is_none() || !left().all(missed) {
            return None;
        }
        let one = |host: &RolloutHost| {
            let opening = host.timing.as_ref().and_then(|timing| timing.opening.as_ref());
            let window =
                opening.map_or_else(String::new, |opening| format!(" (`{}`)", opening.window));
            format!("{}{window}", host.host)
        };
        let names: Vec<String> = left().take(NAMED_MAX).map(one).collect();
        let more = left().count().saturating_sub(NAMED_MAX);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Some(format!(
            "too little time is left in the windows of {}{more}; plan again, or ignore them",
            names.join(", ")
        ))
    }
}

impl RolloutHost {
    pub(crate) fn gate(&self, now: Timestamp) -> Gate {
        self.timing.as_ref().map_or(Gate::Open, |timing| timing.gate(now))
    }

    /// Why its window keeps it waiting, what unblocks it, and when at the latest.
    pub(crate) fn why_window(&self, now: Timestamp) -> Option<(String, String, Option<Timestamp>)> {
        let timing = self.timing.as_ref()?;
        let Opening { window, opens_at, closes_at } = timing.opening.as_ref()?;
        match timing.gate(now) {
            Gate::Open => None,
            Gate::Opens(at) if at > *opens_at => Some((
                format!("it starts at {at}, when whoever looks after it is free"),
                format!("that moment, in window `{window}` from {opens_at} until {closes_at}"),
                timing.latest(),
            )),
            Gate::Opens(at) => Some((
                format!("window `{window}` is closed; it opens at {at} until {closes_at}"),
                "its opening".to_owned(),
                timing.latest(),
            )),
            Gate::Missed => Some((
                format!(
                    "window `{window}` closes at {closes_at}, and {} ms for the change and the way back are not left",
                    timing.needs_ms
                ),
                "a new plan: `refit rollout plan`, or `refit rollout ignore`".to_owned(),
                None,
            )),
        }
    }
}

fn span(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}
