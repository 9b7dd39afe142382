//! The second judge of plans: looks at a finished plan with code of its own and says what breaks a rule.
//!
//! Here: rules, each a function from a plan to findings. Deliberately not here: anything of the planner, not even a helper.
//! Called by: server before a plan is shown, every test that makes a plan.
//!
//! Invariants:
//! 1. Shares no code with `planner`.
//! 2. A finding names the rule, the host or wave, what was found and what was expected.
//! 3. Times are judged where a plan has them; that it has them where something asks for them is a rule of its own.

mod coexistence;
mod demands;
mod limits;
mod people;
mod placement;
mod staff;
mod staging;
mod upgrade;
mod windows;

use jiff::Timestamp;
use refit_calendar::Calendar;
use refit_inventory::{ClusterRecord, EngineerRecord, HostRecord, SiteRecord};
use refit_names::{BuildId, HostName, Percent, SiteName};
use refit_packs::catalog::Catalog;
use refit_plan::{Pin, Plan, PlannedHost, Slot};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The plan is of the known format and has something in it.
    Shape,
    /// Each host stands in one place.
    OncePerHost,
    /// Every host is known, active and has the product.
    KnownHost,
    /// Legs lead from the installed build to the target over published, open edges, pinned as published.
    Legs,
    /// Low risk first.
    RiskOrder,
    /// What a host depends on is changed in an earlier wave.
    Dependencies,
    /// No more members of a cluster in one wave than may be down, in its order.
    Clusters,
    /// Members of a cluster run builds side by side only where their packs allow it, and no longer.
    Coexistence,
    /// Budgets and limits make sense.
    Budgets,
    /// Enough people must agree.
    People,
    /// Every placement and every exclusion has a reason.
    Reasons,
    /// Low tiers first.
    Tiers,
    /// The first waves are as small as the shape says.
    Canaries,
    /// Hosts have a time where something asks for one, and none before the plan.
    Times,
    /// A host's opening is one of its windows', of its time class.
    Windows,
    /// An opening holds estimate, validation and the way back.
    Reserve,
    /// Nothing in a freeze but in an emergency, which has an approval of its own.
    Freezes,
    /// A wave starts when the one before was watched long enough.
    Soak,
    /// No more hosts at once than a wave allows.
    Parallel,
    /// No more hosts at once than their site allows.
    Sites,
    /// People who know the role and the site, within their hours, in one place, with no more hosts than they can.
    Staff,
    /// Content can be there in time.
    Staging,
    /// Pins are kept.
    Pins,
    /// It ends in time.
    Deadline,
    /// What has begun stands as in the plan before.
    Begun,
}

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// Where, what was found, what was expected.
    pub text: String,
}

/// What a plan is judged against.
#[derive(Debug, Clone, Copy)]
pub struct CheckInput<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The fleet.
    pub hosts: &'a [HostRecord],
    /// Published packs.
    pub catalog: &'a Catalog,
    /// Windows and freezes; none: windows are not judged.
    pub calendar: Option<&'a Calendar>,
    /// Sites with their limits.
    pub sites: &'a [SiteRecord],
    /// Clusters with their limits.
    pub clusters: &'a [ClusterRecord],
    /// People.
    pub engineers: &'a [EngineerRecord],
    /// What people pinned.
    pub pins: &'a [Pin],
    /// Shares of the waves that were asked for; empty: not judged.
    pub shares: &'a [Percent],
    /// The plan before, when hosts had begun.
    pub parent: Option<&'a Plan>,
}

/// What a plan is judged against, with look-ups.
pub(crate) struct Case<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) hosts: BTreeMap<&'a HostName, &'a HostRecord>,
    pub(crate) sites: BTreeMap<&'a SiteName, &'a SiteRecord>,
    pub(crate) catalog: &'a Catalog,
    pub(crate) input: &'a CheckInput<'a>,
}

/// Judges a plan by what it says of itself. An empty result means that no rule is broken.
#[must_use]
pub fn check(plan: &Plan, hosts: &[HostRecord], catalog: &Catalog) -> Vec<Finding> {
    judge(&CheckInput {
        plan,
        hosts,
        catalog,
        calendar: None,
        sites: &[],
        clusters: &[],
        engineers: &[],
        pins: &[],
        shares: &[],
        parent: None,
    })
}

/// Judges a plan with all that it stands in. An empty result means that no rule is broken.
#[must_use]
pub fn judge(input: &CheckInput<'_>) -> Vec<Finding> {
    let case = Case {
        plan: input.plan,
        hosts: input.hosts.iter().map(|host| (&host.name, host)).collect(),
        sites: input.sites.iter().map(|site| (&site.name, site)).collect(),
        catalog: input.catalog,
        input,
    };
    let mut findings = Vec::new();
    for rule in [
        upgrade::shape,
        upgrade::known_hosts,
        upgrade::legs,
        placement::once_per_host,
        placement::risk_order,
        placement::dependencies,
        placement::clusters,
        coexistence::coexistence,
        placement::tiers,
        placement::canaries,
        people::budgets,
        people::approvals,
        people::reasons,
        windows::times,
        windows::openings,
        windows::freezes,
        limits::soak,
        limits::parallel,
        limits::sites,
        staff::hands,
        staff::places,
        staging::lines,
        demands::pins,
        demands::deadline,
        demands::begun,
    ] {
        rule(&case, &mut findings);
    }
    findings.sort();
    findings
}

pub(crate) fn find(findings: &mut Vec<Finding>, rule: Rule, text: String) {
    findings.push(Finding { rule, text });
}

impl<'a> Case<'a> {
    /// The build that a host has, as an agent saw it; in a plan that takes what is stated, as people say where none did.
    pub(crate) fn build(&self, name: &HostName) -> Option<&'a BuildId> {
        let (host, product) = (self.hosts.get(name)?, &self.plan.product);
        match host.product(product) {
            Some(seen) => seen.build.as_ref(),
            None => host.stated_build(product).filter(|_| !self.plan.stated.is_empty()),
        }
    }

    /// Hosts with a time that this plan gives, not one before it.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (usize, &'a PlannedHost, &'a Slot)> + '_ {
        let waves = self.plan.waves.iter().enumerate();
        waves
            .flat_map(|(at, wave)| wave.hosts.iter().map(move |host| (at, host)))
            .filter(|(_, host)| !self.plan.begun.contains(&host.host))
            .filter_map(|(at, host)| Some((at, host, host.slot.as_ref()?)))
    }
}

/// Milliseconds since 1970.
pub(crate) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// From when until when a host with a time is busy when all goes well.
pub(crate) fn busy(host: &PlannedHost, slot: &Slot) -> (i64, i64) {
    let start = ms(slot.starts_at);
    let takes = host.p95_ms.saturating_add(host.validation_ms).max(1);
    (start, start.saturating_add(i64::try_from(takes).unwrap_or(i64::MAX)))
}
