//! The one total function: what follows from an event.

use crate::campaign::{Current, RolloutHost, Settings};
use crate::{Effect, Event, HostState, IllegalMove, Permission, Rollout, RolloutState, Transition};
use jiff::Timestamp;
use refit_names::{Digest, Generation, HostName, PersonName, counted};
use refit_plan::{Advance, Plan};
use std::collections::{BTreeMap, BTreeSet};

impl Rollout {
    /// What the rollout is after `event`, and what is to be done about it.
    ///
    /// Total: every event in every state has an outcome. An event that says nothing new changes nothing.
    /// Units: `now` is the server's clock; host clocks decide nothing.
    ///
    /// # Errors
    /// [`IllegalMove`] says what was expected; nothing changed.
    pub fn next(&self, event: &Event, now: Timestamp) -> Result<Transition, IllegalMove> {
        let mut rollout = self.clone();
        let effects = rollout.proceed(event, now)?;
        Ok(Transition { rollout, effects })
    }

    /// The same in place, for whoever keeps nothing of the rollout before: a rehearsal makes millions of moves.
    ///
    /// # Errors
    /// As [`Rollout::next`]; the rollout may be half moved then, and is not to be used again.
    pub fn proceed(&mut self, event: &Event, now: Timestamp) -> Result<Vec<Effect>, IllegalMove> {
        let before = Before::of(self, event);
        let after = self;
        let mut notes = Vec::new();
        after.refuse_withdrawn(event)?;
        match event {
            Event::PlanMade { plan } => after.plan_made(event, plan)?,
            Event::Agreed { by, plan } => after.agreed(event, by, *plan)?,
            Event::PrepareRequested => after.prepare_requested(event)?,
            Event::HostReported { host, standing } => {
                after.host_reported(host, standing, now, &mut notes)?;
            }
            Event::HostIgnored { host, because } => after.host_ignored(event, host, because)?,
            Event::Authorised { by, plan } => after.authorised(event, by, *plan)?,
            Event::Configured { parallel, advance } => {
                after.configured(event, *parallel, *advance)?;
            }
            Event::DeployRequested { hosts } => after.deploy_requested(event, hosts, now)?,
            Event::Paused { because } => after.paused(event, because)?,
            Event::Resumed => after.resumed(event, now)?,
            Event::Cancelled { because } => after.cancelled(event, because)?,
            Event::Advanced => after.advanced(event, now)?,
            Event::PackWithdrawn { because } => after.pack_withdrawn(event, because)?,
            Event::FreezesKnown { freezes } => after.freezes.clone_from(freezes),
            Event::Tick => {}
        }
        after.settle(now);
        Ok(before.effects(after, now, notes))
    }

    fn refuse(&self, event: &Event, expected: &'static str) -> IllegalMove {
        IllegalMove::State { event: event.name(), state: self.state.name(), expected }
    }

    /// The current plan's part; only a draft has none.
    fn current_mut(&mut self, event: &Event) -> Result<&mut Current, IllegalMove> {
        let refused = self.refuse(event, "a plan");
        self.current.as_mut().ok_or(refused)
    }

    fn plan_made(&mut self, event: &Event, plan: &Plan) -> Result<(), IllegalMove> {
        let replaceable = matches!(
            self.state,
            RolloutState::Draft
                | RolloutState::Planned
                | RolloutState::Agreed
                | RolloutState::Preparing
                | RolloutState::Prepared
                | RolloutState::Authorised
        );
        let stands_still = matches!(
            self.state,
            RolloutState::Authorised | RolloutState::Paused { .. } | RolloutState::Halted { .. }
        ) && !self.hosts().iter().any(RolloutHost::in_flight);
        if !(stands_still || replaceable && self.deployed_at.is_none()) {
            let expected =
                "a rollout that was not deployed, or is paused or halted with no host on its way";
            return Err(self.refuse(event, expected));
        }
        if plan.rollout != self.name {
            let (expected, found) = (self.name.to_string(), plan.rollout.to_string());
            return Err(IllegalMove::OtherRollout { expected, found });
        }
        let newer = self.generation().is_none_or(|generation| plan.generation > generation);
        if !newer || plan.parent != self.plan() {
            return Err(IllegalMove::NotSuccessor {
                expected: self.generation().unwrap_or(Generation(0)),
                found: plan.generation,
                parent: plan.parent,
            });
        }
        let mut current = Current::of(plan)?;
        if let Some(before) = &self.current {
            current.go_on_from(before, plan)?;
        }
        self.current = Some(current);
        self.selection = None;
        self.agreed_by.clear();
        self.authorised_by = None;
        self.settings = None;
        self.withdrawn = None;
        self.state = RolloutState::Planned;
        Ok(())
    }

    fn same_plan(&self, plan: Digest) -> Result<(), IllegalMove> {
        match self.plan() {
            Some(expected) if expected != plan => {
                Err(IllegalMove::OtherPlan { expected, found: plan })
            }
            _ => Ok(()),
        }
    }

    fn not_author(&self, by: &PersonName, what: &'static str) -> Result<(), IllegalMove> {
        if self.author() == Some(by) {
            return Err(IllegalMove::Author { person: by.clone(), what });
        }
        Ok(())
    }

    fn agreed(&mut self, event: &Event, by: &PersonName, plan: Digest) -> Result<(), IllegalMove> {
        if !matches!(self.state, RolloutState::Planned | RolloutState::Agreed) {
            return Err(self.refuse(event, "`planned` or `agreed`"));
        }
        self.same_plan(plan)?;
        self.not_author(by, "agree to")?;
        let needed = self.current_mut(event)?.approvals_needed;
        self.agreed_by.insert(by.clone());
        if self.agreed_by.len() >= usize::try_from(needed).unwrap_or(usize::MAX) {
            self.state = RolloutState::Agreed;
        }
        Ok(())
    }

    fn prepare_requested(&mut self, event: &Event) -> Result<(), IllegalMove> {
        match self.state {
            RolloutState::Agreed => {}
            RolloutState::Preparing | RolloutState::Prepared => return Ok(()),
            _ => return Err(self.refuse(event, "`agreed`")),
        }
        for host in &mut self.current_mut(event)?.hosts {
            if let HostState::Waiting { on } = &mut host.state {
                "the first report of its agent".clone_into(on);
            }
        }
        self.state = RolloutState::Preparing;
        self.settle_preparation();
        Ok(())
    }

    /// Prepared when every host is prepared or ignored.
    pub(crate) fn settle_preparation(&mut self) {
        let ready = |host: &RolloutHost| host.state == HostState::Prepared || host.settled();
        if self.state == RolloutState::Preparing && self.hosts().iter().all(ready) {
            self.state = RolloutState::Prepared;
        }
    }

    fn host_ignored(
        &mut self,
        event: &Event,
        host: &HostName,
        because: &str,
    ) -> Result<(), IllegalMove> {
        if matches!(self.state, RolloutState::Completed | RolloutState::Cancelled { .. }) {
            return Err(self.refuse(event, "a rollout that is not over"));
        }
        let unknown = || IllegalMove::UnknownHost { host: host.clone() };
        let current = self.current.as_mut().ok_or_else(unknown)?;
        let member = current.host_mut(host).ok_or_else(unknown)?;
        if let HostState::Succeeded { .. } = member.state {
            let (host, found) = (host.clone(), member.state.name());
            return Err(IllegalMove::Host { host, expected: "a host that is not done", found });
        }
        if !matches!(member.state, HostState::Ignored { .. }) {
            member.state = HostState::Ignored { because: because.to_owned() };
        }
        self.settle_preparation();
        Ok(())
    }

    fn authorised(
        &mut self,
        event: &Event,
        by: &PersonName,
        plan: Digest,
    ) -> Result<(), IllegalMove> {
        match self.state {
            RolloutState::Prepared => {}
            RolloutState::Authorised if self.authorised_by.as_ref() == Some(by) => {
                return self.same_plan(plan);
            }
            _ => return Err(self.refuse(event, "`prepared`")),
        }
        self.same_plan(plan)?;
        self.not_author(by, "authorise")?;
        self.authorised_by = Some(by.clone());
        self.state = RolloutState::Authorised;
        Ok(())
    }

    fn configured(
        &mut self,
        event: &Event,
        parallel: Option<u32>,
        advance: Option<Advance>,
    ) -> Result<(), IllegalMove> {
        let open = matches!(
            self.state,
            RolloutState::Preparing
                | RolloutState::Prepared
                | RolloutState::Authorised
                | RolloutState::Paused { .. }
        );
        if !open {
            return Err(self.refuse(event, "`preparing`, `prepared`, `authorised` or `paused`"));
        }
        let widest = self.current_mut(event)?.waves.iter().map(|wave| wave.parallel).max();
        let expected = widest.unwrap_or(1);
        if let Some(found) = parallel.filter(|wished| !(1..=expected).contains(wished)) {
            return Err(IllegalMove::Limit { expected, found });
        }
        self.settings = Some(Settings { parallel, advance });
        Ok(())
    }

    fn deploy_requested(
        &mut self,
        event: &Event,
        hosts: &BTreeSet<HostName>,
        now: Timestamp,
    ) -> Result<(), IllegalMove> {
        if self.state != RolloutState::Authorised {
            return Err(self.refuse(event, "`authorised`"));
        }
        if self.settings.is_none() {
            return Err(IllegalMove::NotConfigured);
        }
        let current = self.current_mut(event)?;
        for host in hosts {
            let unknown = || IllegalMove::UnknownHost { host: host.clone() };
            let state = &current.host(host).ok_or_else(unknown)?.state;
            if *state != HostState::Prepared {
                let (host, found) = (host.clone(), state.name());
                return Err(IllegalMove::Host { host, expected: "prepared", found });
            }
        }
        for wave in &mut current.waves {
            wave.started_at = None;
        }
        self.selection = (!hosts.is_empty()).then(|| hosts.clone());
        self.deployed_at.get_or_insert(now);
        self.state = RolloutState::Deploying { wave: 0 };
        Ok(())
    }

    fn paused(&mut self, event: &Event, because: &str) -> Result<(), IllegalMove> {
        match self.state {
            RolloutState::Deploying { wave } => {
                self.state = RolloutState::Paused { wave, because: because.to_owned() };
                Ok(())
            }
            RolloutState::Paused { .. } => Ok(()),
            _ => Err(self.refuse(event, "`deploying`")),
        }
    }

    fn resumed(&mut self, event: &Event, now: Timestamp) -> Result<(), IllegalMove> {
        let (RolloutState::Paused { wave, .. } | RolloutState::Halted { wave, .. }) = self.state
        else {
            return Err(self.refuse(event, "`paused` or `halted`"));
        };
        let halted = matches!(self.state, RolloutState::Halted { .. });
        let current = self.current_mut(event)?;
        let unreachable = !current.goal_in_reach(wave);
        if let Some(running) = current.wave_mut(wave) {
            // A person saw why it halted: the clock starts anew, and a goal that was missed is not asked for again.
            running.started_at = running.started_at.map(|_| now);
            running.goal_waived |= halted && unreachable;
        }
        self.state = RolloutState::Deploying { wave };
        Ok(())
    }

    fn cancelled(&mut self, event: &Event, because: &str) -> Result<(), IllegalMove> {
        if matches!(self.state, RolloutState::Completed | RolloutState::Cancelled { .. }) {
            return Err(self.refuse(event, "a rollout that is not over"));
        }
        for host in self.current.iter_mut().flat_map(|current| &mut current.hosts) {
            // `due_at` stays: one that began before it heard of it must still be able to say so.
            if host.state == HostState::Due {
                host.state = HostState::Prepared;
            }
        }
        self.state = RolloutState::Cancelled { because: because.to_owned() };
        Ok(())
    }

    /// What leads on is refused when a pack of the plan was taken back.
    fn refuse_withdrawn(&self, event: &Event) -> Result<(), IllegalMove> {
        let leads_on = matches!(
            event,
            Event::Agreed { .. }
                | Event::PrepareRequested
                | Event::Authorised { .. }
                | Event::DeployRequested { .. }
                | Event::Resumed
                | Event::Advanced
        );
        match &self.withdrawn {
            Some(because) if leads_on => {
                Err(IllegalMove::PackWithdrawn { event: event.name(), because: because.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Halts what runs; who has not begun stands by, who has begun ends whole by the host's own rules.
    fn pack_withdrawn(&mut self, event: &Event, because: &str) -> Result<(), IllegalMove> {
        self.current_mut(event)?;
        if matches!(self.state, RolloutState::Completed | RolloutState::Cancelled { .. }) {
            return Ok(());
        }
        let because = self.withdrawn.get_or_insert_with(|| because.to_owned()).clone();
        if let RolloutState::Deploying { wave } | RolloutState::Paused { wave, .. } = self.state {
            self.state = RolloutState::Halted { wave, because };
        }
        Ok(())
    }

    fn advanced(&mut self, event: &Event, now: Timestamp) -> Result<(), IllegalMove> {
        let RolloutState::Deploying { wave } = self.state else {
            return Err(self.refuse(event, "`deploying`"));
        };
        if self.selection.is_some() {
            return Err(self.refuse(event, "`deploying` by waves"));
        }
        let current = self.current_mut(event)?;
        let count = current.count(wave);
        if let Some(running) = current.wave_mut(wave) {
            let because = match running.soak_ends() {
                _ if count.unsettled > 0 => {
                    format!("not finished: {}", counted(count.unsettled as usize, "host"))
                }
                Some(end) if now < end => format!("it is watched until {end}"),
                _ => {
                    running.done = true;
                    return Ok(());
                }
            };
            return Err(IllegalMove::WaveNotDone { wave: running.name.to_string(), because });
        }
        Ok(())
    }
}

/// What has to be known of a rollout before a move to say what the move changed.
struct Before {
    state: RolloutState,
    /// In the order of its hosts.
    permissions: Vec<Option<Permission>>,
    /// Its hosts, where the move may replace them.
    replaced: Option<Vec<HostName>>,
}

impl Before {
    fn of(rollout: &Rollout, event: &Event) -> Self {
        let hosts = rollout.hosts();
        let names = || hosts.iter().map(|host| host.host.clone()).collect();
        Self {
            state: rollout.state.clone(),
            permissions: hosts.iter().map(|host| rollout.permission_of(host)).collect(),
            replaced: matches!(event, Event::PlanMade { .. }).then(names),
        }
    }

    /// What changed, as things to do.
    fn effects(self, after: &Rollout, now: Timestamp, notes: Vec<String>) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.state != after.state {
            let text = format!("rollout `{}` is {}", after.name, after.state);
            effects.push(Effect::Note { text });
        }
        effects.extend(notes.into_iter().map(|text| Effect::Note { text }));
        effects.extend(
            self.permits(after)
                .into_iter()
                .map(|(host, permission)| Effect::Permit { host: host.clone(), permission }),
        );
        if let Some(at) = after.next_tick(now).filter(|at| *at > now) {
            effects.push(Effect::TickAt { at });
        }
        effects
    }

    /// Permissions that changed, by host.
    fn permits<'a>(&'a self, after: &'a Rollout) -> BTreeMap<&'a HostName, Option<Permission>> {
        let now = after.hosts().iter().map(|host| (&host.host, after.permission_of(host)));
        let Some(old) = &self.replaced else {
            let pairs = now.zip(&self.permissions);
            return pairs.filter(|((_, new), old)| new != *old).map(|(new, _)| new).collect();
        };
        let was: BTreeMap<_, _> = old.iter().zip(self.permissions.iter().copied()).collect();
        let gone = old.iter().map(|host| (host, None));
        let all: BTreeMap<_, _> = gone.chain(now).collect();
        all.into_iter().filter(|(host, new)| was.get(host).copied().flatten() != *new).collect()
    }
}
