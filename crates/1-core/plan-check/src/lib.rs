//! The second judge of plans: looks at a finished plan with code of its own and says what breaks a rule.
//!
//! Here: rules, each a function from a plan to findings. Deliberately not here: anything of the planner, not even a helper.
//! Called by: server before a plan is shown, every test that makes a plan.
//!
//! Invariants:
//! 1. Shares no code with `planner`.
//! 2. A finding names the rule, the host or wave, what was found and what was expected.

mod people;
mod placement;
mod upgrade;

use refit_inventory::HostRecord;
use refit_names::HostName;
use refit_packs::catalog::Catalog;
use refit_plan::Plan;
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
    /// Members of a cluster are changed in different waves.
    Clusters,
    /// Budgets and limits make sense.
    Budgets,
    /// Enough people must agree.
    People,
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
pub(crate) struct Case<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) hosts: BTreeMap<&'a HostName, &'a HostRecord>,
    pub(crate) catalog: &'a Catalog,
}

/// Judges a plan. An empty result means that no rule is broken.
#[must_use]
pub fn check(plan: &Plan, hosts: &[HostRecord], catalog: &Catalog) -> Vec<Finding> {
    let case = Case { plan, hosts: hosts.iter().map(|host| (&host.name, host)).collect(), catalog };
    let mut findings = Vec::new();
    for rule in [
        upgrade::shape,
        upgrade::known_hosts,
        upgrade::legs,
        placement::once_per_host,
        placement::risk_order,
        placement::dependencies,
        placement::clusters,
        people::budgets,
        people::approvals,
    ] {
        rule(&case, &mut findings);
    }
    findings.sort();
    findings
}

pub(crate) fn find(findings: &mut Vec<Finding>, rule: Rule, text: String) {
    findings.push(Finding { rule, text });
}
