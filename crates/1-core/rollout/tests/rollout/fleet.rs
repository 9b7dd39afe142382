//! A rollout to move about: plans and shorthand.

use jiff::{SignedDuration, Timestamp};
use refit_names::{
    BuildId, ByteSize, Digest, Generation, HostName, Percent, PersonName, TargetName,
};
use refit_plan::{Advance, Leg, PLAN_FORMAT, PackPin, Plan, PlannedHost, PlannedWave};
use refit_rollout::{Event, HostReport, HostState, IllegalMove, PrepareStage, Rollout};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

pub(crate) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

pub(crate) fn person(name: &str) -> PersonName {
    PersonName::parse(name).unwrap()
}

pub(crate) fn build(name: &str) -> BuildId {
    BuildId::parse(name).unwrap()
}

/// Waves of the given sizes: hosts `h0-0`, `h0-1`, … `h1-0`, …; two at a time, 10 s soak, 100 s timeout.
pub(crate) fn plan(sizes: &[u32]) -> Plan {
    let pack = PackPin {
        to: build("1100"),
        record: TargetName::parse("packs/ledger-1100.json").unwrap(),
        digest: Digest::of(b"1100"),
        size: ByteSize(1),
    };
    let planned = |wave: usize, number: u32| PlannedHost {
        host: host(&format!("h{wave}-{number}")),
        site: "home".parse().unwrap(),
        role: "app".parse().unwrap(),
        risk: number,
        because: "lowest risk first".to_owned(),
        legs: vec![Leg { from: build("1000"), pack: pack.clone(), way: Default::default() }],
        parameters: BTreeMap::new(),
        p95_ms: 1000,
        undo_p95_ms: 1000,
        p50_ms: 0,
        validation_ms: 0,
        estimated_from: String::new(),
        reasons: Vec::new(),
        slot: None,
    };
    let wave = |(number, size): (usize, &u32)| PlannedWave {
        name: format!("wave-{number}").parse().unwrap(),
        hosts: (0..*size).map(|n| planned(number, n)).collect(),
        goal: Percent::new(50).unwrap(),
        failure_budget: 1,
        soak_ms: 10_000,
        timeout_ms: 100_000,
        parallel: 2,
        advance: Advance::Automatic,
    };
    Plan {
        format: PLAN_FORMAT.to_owned(),
        rollout: "spring".parse().unwrap(),
        generation: Generation::FIRST,
        parent: None,
        made_at: at(0),
        author: person("planner"),
        product: "ledger".parse().unwrap(),
        target: build("1100"),
        packs: vec![pack.clone()],
        waves: sizes.iter().enumerate().map(wave).collect(),
        failure_budget: 2,
        excluded: Vec::new(),
        approvals_needed: 1,
        parts: BTreeSet::new(),
        deadline: None,
        emergency: None,
        staging: Vec::new(),
        begun: BTreeSet::new(),
        stated: BTreeSet::new(),
    }
}

/// A rollout with a clock, moved by shorthand.
pub(crate) struct Walk {
    pub(crate) rollout: Rollout,
    pub(crate) seconds: i64,
}

impl Walk {
    pub(crate) fn drafted() -> Self {
        Self { rollout: Rollout::draft("spring".parse().unwrap()), seconds: 0 }
    }

    pub(crate) fn planned(plan: Plan) -> Self {
        let mut walk = Self::drafted();
        walk.go(Event::PlanMade { plan: Box::new(plan) });
        walk
    }

    pub(crate) fn prepared(plan: Plan) -> Self {
        let mut walk = Self::planned(plan);
        walk.agree("owner").unwrap();
        walk.go(Event::PrepareRequested);
        let names: Vec<_> = walk.rollout.hosts().iter().map(|host| host.host.clone()).collect();
        for name in names {
            walk.say(
                name.as_str(),
                HostReport::Preparing { stage: PrepareStage::ReplicateContent },
            );
            walk.say(name.as_str(), HostReport::Prepared);
        }
        walk
    }

    pub(crate) fn authorised(plan: Plan) -> Self {
        let mut walk = Self::prepared(plan);
        walk.authorise("authoriser").unwrap();
        walk.go(Event::Configured { parallel: None, advance: None });
        walk
    }

    pub(crate) fn deploying(plan: Plan) -> Self {
        let mut walk = Self::authorised(plan);
        walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
        walk
    }

    pub(crate) fn try_go(
        &mut self,
        event: &Event,
    ) -> Result<Vec<refit_rollout::Effect>, IllegalMove> {
        let transition = self.rollout.next(event, at(self.seconds))?;
        self.rollout = transition.rollout;
        Ok(transition.effects)
    }

    pub(crate) fn go(&mut self, event: Event) -> Vec<refit_rollout::Effect> {
        self.try_go(&event).unwrap()
    }

    pub(crate) fn after(&mut self, seconds: i64) {
        self.seconds += seconds;
        self.go(Event::Tick);
    }

    pub(crate) fn agree(&mut self, by: &str) -> Result<(), IllegalMove> {
        let plan = self.rollout.plan().unwrap();
        self.try_go(&Event::Agreed { by: person(by), plan }).map(drop)
    }

    pub(crate) fn authorise(&mut self, by: &str) -> Result<(), IllegalMove> {
        let plan = self.rollout.plan().unwrap();
        self.try_go(&Event::Authorised { by: person(by), plan }).map(drop)
    }

    pub(crate) fn say(&mut self, name: &str, standing: HostReport) {
        self.go(Event::HostReported { host: host(name), standing });
    }

    pub(crate) fn run(&mut self, name: &str) {
        self.say(
            name,
            HostReport::Running { phase: "protect".to_owned(), step: "stop".to_owned() },
        );
    }

    pub(crate) fn succeed(&mut self, name: &str) {
        self.run(name);
        self.say(name, HostReport::Succeeded { build: build("1100") });
    }

    pub(crate) fn fail(&mut self, name: &str) {
        self.run(name);
        let cause = "database.migrate exited with 1".to_owned();
        self.say(name, HostReport::RolledBack { build: build("1000"), cause });
    }

    pub(crate) fn ignore(&mut self, name: &str) {
        self.go(Event::HostIgnored {
            host: host(name),
            because: "deployer: broken disk".to_owned(),
        });
    }

    pub(crate) fn state(&self) -> String {
        self.rollout.state().to_string()
    }

    pub(crate) fn due(&self) -> Vec<&str> {
        let due = self.rollout.hosts().iter().filter(|host| host.state == HostState::Due);
        due.map(|host| host.host.as_str()).collect()
    }
}
