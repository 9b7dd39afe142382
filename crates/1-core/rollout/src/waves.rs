//! Waves: who may start, when a wave is done, and when it has to stop.

use crate::campaign::{Current, Wave};
use crate::gate::Gate;
use crate::{HostState, Rollout, RolloutState};
use jiff::{SignedDuration, Timestamp};
use refit_names::HostName;
use refit_plan::Advance;

/// Hosts named in a reason: enough to know where to look.
const NAMED_MAX: usize = 5;

/// How the live members of a wave stand. Ignored ones do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Count {
    pub(crate) live: u32,
    pub(crate) succeeded: u32,
    pub(crate) failed: u32,
    pub(crate) in_flight: u32,
    pub(crate) unsettled: u32,
}

impl Current {
    pub(crate) fn count(&self, wave: u32) -> Count {
        let mut count = Count::default();
        for host in self.members(wave) {
            if matches!(host.state, HostState::Ignored { .. }) {
                continue;
            }
            count.live += 1;
            count.succeeded += u32::from(matches!(host.state, HostState::Succeeded { .. }));
            count.failed += u32::from(host.failed());
            count.in_flight += u32::from(host.in_flight());
            count.unsettled += u32::from(!host.settled());
        }
        count
    }

    /// Whether the wave's goal is reached if all that are not finished succeed.
    pub(crate) fn goal_in_reach(&self, wave: u32) -> bool {
        let Some(limits) = self.wave(wave) else { return true };
        let count = self.count(wave);
        let best = u64::from(count.live - count.failed) * 100;
        best >= u64::from(limits.goal.get()) * u64::from(count.live)
    }

    fn unsettled_names(&self, wave: u32) -> String {
        let open = self.members(wave).filter(|host| !host.settled());
        let names: Vec<_> = open.map(|host| host.host.as_str()).collect();
        let shown = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
        match names.len().saturating_sub(NAMED_MAX) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    }
}

impl Wave {
    pub(crate) fn soak_ends(&self) -> Option<Timestamp> {
        self.soaking_since.map(|since| later(since, self.soak_ms))
    }

    pub(crate) fn times_out(&self) -> Option<Timestamp> {
        let from = self.started_at.map(|start| self.opens_last.map_or(start, |at| at.max(start)));
        from.map(|from| later(from, self.timeout_ms))
    }
}

/// A moment after another; the end of time when it does not fit.
fn later(from: Timestamp, ms: u64) -> Timestamp {
    let ms = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    from.checked_add(ms).unwrap_or(Timestamp::MAX)
}

/// What to do with the wave that runs.
enum Verdict {
    /// Nothing but starting hosts.
    Run,
    /// It is watched, or waits for a person.
    Wait,
    /// The next one.
    Leave,
    /// No new host.
    Halt(String),
}

impl Rollout {
    /// Moves on as far as events so far allow: starts hosts, ends waves, halts.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        self.call_back_late(now);
        self.halt_for_freeze(now);
        // Each turn leaves a wave or returns, so the number of waves bounds it.
        while let RolloutState::Deploying { wave } = self.state {
            if self.selection.is_some() {
                if self.settle_selection(wave, now) {
                    continue;
                }
                return;
            }
            let advance = self.settings.and_then(|settings| settings.advance);
            let Some(current) = self.current.as_mut() else { return };
            if current.wave(wave).is_none() {
                self.state = RolloutState::Completed;
                return;
            }
            match current.judge(wave, advance, now) {
                Verdict::Run => return self.start_due(wave, now),
                Verdict::Wait => return,
                Verdict::Leave => {
                    self.state = RolloutState::Deploying { wave: wave + 1 };
                    self.halt_for_freeze(now);
                }
                Verdict::Halt(because) => self.state = RolloutState::Halted { wave, because },
            }
        }
    }

    /// Selected hosts, wave by wave, without goal and soak. True: the state changed, look again.
    fn settle_selection(&mut self, wave: u32, now: Timestamp) -> bool {
        let Some(current) = self.current.as_mut() else { return false };
        let selection = self.selection.clone().unwrap_or_default();
        let open = |name: &&HostName| current.host(name).filter(|host| !host.settled());
        let first = selection.iter().filter_map(|name| open(&name)).map(|host| host.wave).min();
        let Some(first) = first else {
            self.selection = None;
            let over = current.hosts.iter().all(super::RolloutHost::settled);
            self.state = if over { RolloutState::Completed } else { RolloutState::Authorised };
            return false;
        };
        if first != wave {
            self.state = RolloutState::Deploying { wave: first };
            return true;
        }
        if let Some(running) = current.wave_mut(wave) {
            running.started_at.get_or_insert(now);
            if running.times_out().is_some_and(|end| now >= end) {
                let because = format!(
                    "wave `{}` timed out; not finished: {}",
                    running.name,
                    list(&selection)
                );
                self.state = RolloutState::Halted { wave, because };
                return false;
            }
        }
        let missed = self.current.as_ref().and_then(|current| {
            current.all_missed(|host| host.wave == wave && selection.contains(&host.host), now)
        });
        if let Some(because) = missed {
            self.state = RolloutState::Halted { wave, because };
            return false;
        }
        self.start_due(wave, now);
        false
    }

    /// Tells prepared hosts of the wave to go, lowest risk first, up to the limit.
    fn start_due(&mut self, wave: u32, now: Timestamp) {
        let wished = self.settings.and_then(|settings| settings.parallel).unwrap_or(u32::MAX);
        let selection = self.selection.as_ref();
        let Some(current) = self.current.as_mut() else { return };
        let limit = current.wave(wave).map_or(0, |limits| limits.parallel).min(wished);
        // All waves count: a person may have resumed with hosts of an earlier wave on their way.
        let flying = current.hosts.iter().filter(|host| host.in_flight()).count();
        let free = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(flying);
        let may_start = |host: &&mut crate::RolloutHost| {
            host.wave == wave
                && host.state == HostState::Prepared
                && host.gate(now) == Gate::Open
                && selection.is_none_or(|only| only.contains(&host.host))
        };
        for host in current.hosts.iter_mut().filter(may_start).take(free) {
            host.state = HostState::Due;
            host.due_at = Some(now);
        }
    }

    /// When something happens by itself next.
    pub(crate) fn next_tick(&self, now: Timestamp) -> Option<Timestamp> {
        let RolloutState::Deploying { wave } = self.state else { return None };
        let running = self.current.as_ref()?.wave(wave)?;
        let ends = running.soak_ends().or(running.times_out());
        // The next opening of a host that waits for it.
        let opens = self.hosts().iter().filter(|host| host.state == HostState::Prepared);
        let opens = opens.filter_map(|host| match host.gate(now) {
            Gate::Opens(at) if host.wave == wave => Some(at),
            _ => None,
        });
        opens.chain(ends).min()
    }
}

impl Current {
    fn judge(&mut self, wave: u32, advance: Option<Advance>, now: Timestamp) -> Verdict {
        let count = self.count(wave);
        let in_reach = self.goal_in_reach(wave);
        let late = count.unsettled > 0
            && self.wave(wave).and_then(Wave::times_out).is_some_and(|end| now >= end);
        let missed = if count.unsettled > 0 && count.in_flight == 0 {
            self.all_missed(|host| host.wave == wave, now)
        } else {
            None
        };
        let names = if late { self.unsettled_names(wave) } else { String::new() };
        let last = usize::try_from(wave).is_ok_and(|wave| wave + 1 >= self.waves.len());
        let Some(running) = self.wave_mut(wave) else { return Verdict::Wait };
        running.started_at.get_or_insert(now);
        if !in_reach && !running.goal_waived {
            return Verdict::Halt(format!(
                "wave `{}` cannot reach its goal of {}: {} of {} hosts failed",
                running.name, running.goal, count.failed, count.live
            ));
        }
        if let Some(because) = missed {
            return Verdict::Halt(format!("wave `{}`: {because}", running.name));
        }
        if count.unsettled > 0 {
            if late {
                let name = &running.name;
                return Verdict::Halt(format!("wave `{name}` timed out; not finished: {names}"));
            }
            return Verdict::Run;
        }
        running.soaking_since.get_or_insert(now);
        let watched = count.live > 0 && running.soak_ends().is_some_and(|end| now < end);
        let manual = advance.unwrap_or(running.advance) == Advance::Manual;
        if watched || (manual && !last && !running.done) {
            return Verdict::Wait;
        }
        running.done = true;
        Verdict::Leave
    }
}

fn list(hosts: &std::collections::BTreeSet<HostName>) -> String {
    hosts.iter().take(NAMED_MAX).map(HostName::as_str).collect::<Vec<_>>().join(", ")
}
