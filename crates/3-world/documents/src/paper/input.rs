//! What documents are made of: the plan, and what is known around it. Whatever is missing leaves a section shorter, never wrong.

use jiff::tz::TimeZone;
use refit_names::{BuildId, Digest, HostName, PersonName, RoleName, TimeClass};
use refit_plan::Plan;
use refit_rehearsal::RehearsalReport;
use std::collections::BTreeMap;

/// Everything that a document is made of.
#[derive(Debug, Clone)]
pub struct PaperInput {
    /// The plan.
    pub plan: Plan,
    /// Its hash.
    pub hash: Digest,
    /// How far people are with it.
    pub standing: Standing,
    /// The zone that all times are written in.
    pub zone: TimeZone,
    /// What is known of its hosts.
    pub hosts: BTreeMap<HostName, HostNote>,
    /// Its packs, by the build that they lead to.
    pub packs: BTreeMap<BuildId, PackNote>,
    /// Procedures, without duplicates.
    pub runbooks: Vec<RunbookNote>,
    /// Risks that people stated for its hosts.
    pub risks: Vec<RiskLine>,
    /// What is known of people.
    pub engineers: BTreeMap<PersonName, EngineerNote>,
    /// Functions that sign each certificate.
    pub parties: Vec<String>,
    /// The planner's remarks.
    pub remarks: Vec<String>,
    /// What the second judge objects to.
    pub findings: Vec<String>,
    /// The rehearsal, when there was one.
    pub rehearsal: Option<RehearsalReport>,
}

impl PaperInput {
    /// A plan of which nothing else is known: times in UTC, no notes.
    #[must_use]
    pub fn of_plan(plan: Plan, hash: Digest) -> Self {
        Self {
            plan,
            hash,
            standing: Standing::default(),
            zone: TimeZone::UTC,
            hosts: BTreeMap::new(),
            packs: BTreeMap::new(),
            runbooks: Vec::new(),
            risks: Vec::new(),
            engineers: BTreeMap::new(),
            parties: Vec::new(),
            remarks: Vec::new(),
            findings: Vec::new(),
            rehearsal: None,
        }
    }

    pub(crate) fn note(&self, host: &HostName) -> Option<&HostNote> {
        self.hosts.get(host)
    }

    /// A sentence of the planner or the judge with moments as this paper tells them.
    pub(crate) fn told(&self, text: &str) -> String {
        super::text::told(text, &self.zone)
    }
}

/// How far people are with the plan.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Where the rollout stands, in one word.
    pub state: String,
    /// Who agreed to exactly this plan.
    pub agreed_by: Vec<PersonName>,
    /// Who authorised it.
    pub authorised_by: Option<PersonName>,
}

/// A host beyond what the plan says of it.
#[derive(Debug, Clone, Default)]
pub struct HostNote {
    /// Who signs for its application.
    pub owner: Option<PersonName>,
    /// 0 low, 1 medium, 2 high, 3 critical.
    pub criticality: usize,
    /// Its cluster.
    pub cluster: Option<String>,
    /// When people want it changed.
    pub time_class: Option<TimeClass>,
    /// Hosts that go before it.
    pub after: Vec<HostName>,
}

/// A pack for people.
#[derive(Debug, Clone, Default)]
pub struct PackNote {
    /// One line.
    pub title: String,
    /// `minor`, `service-pack`, `feature`.
    pub kind: String,
    /// Its read-me.
    pub readme: String,
    /// Troubles known at publication.
    pub issues: Vec<KnownTrouble>,
    /// What it needs and changes, a line each.
    pub terms: Vec<String>,
}

/// A known issue.
#[derive(Debug, Clone, Default)]
pub struct KnownTrouble {
    /// Its identifier.
    pub id: String,
    /// What happens.
    pub text: String,
    /// Whether matching hosts are left out.
    pub holds: bool,
    /// Roles that it concerns; empty means all.
    pub roles: Vec<String>,
}

/// A procedure for people.
#[derive(Debug, Clone)]
pub struct RunbookNote {
    /// Its name.
    pub name: String,
    /// The builds whose packs use it.
    pub builds: Vec<BuildId>,
    /// Roles of the plan that it is for; empty means all.
    pub roles: Vec<RoleName>,
    /// Steps as phase, name and kind, in order.
    pub steps: Vec<(String, String, String)>,
    /// Client tests, by name.
    pub tests: Vec<String>,
    /// What a backup holds.
    pub unit: Vec<String>,
    /// The way back.
    pub rollback: RollbackNote,
}

/// The way back of a procedure.
#[derive(Debug, Clone)]
pub struct RollbackNote {
    /// How.
    pub method: String,
    /// What triggers it.
    pub trigger: String,
    /// The decision falls within this time.
    pub deadline_ms: u64,
    /// Who decides.
    pub owner: PersonName,
    /// Whether it was tried, and when.
    pub tested: Option<String>,
}

/// A risk that somebody stated.
#[derive(Debug, Clone)]
pub struct RiskLine {
    /// Its number.
    pub id: u64,
    /// The host.
    pub host: HostName,
    /// What may happen.
    pub text: String,
    /// 1 to 5, before anything was done.
    pub likelihood: u8,
    /// 1 to 5, before anything was done.
    pub impact: u8,
    /// The same afterwards, where something was done.
    pub left: Option<(u8, u8)>,
    /// What lessens it.
    pub mitigation: String,
    /// Who looks after it.
    pub owner: Option<PersonName>,
    /// `open`, `mitigated`, `accepted`.
    pub state: String,
}

/// A person who changes hosts.
#[derive(Debug, Clone, Default)]
pub struct EngineerNote {
    /// Roles that they know; empty means all.
    pub skills: Vec<RoleName>,
    /// How many hosts they look after at once.
    pub hosts_at_once: u32,
}
