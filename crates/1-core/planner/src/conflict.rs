//! When demands cannot be met: a smallest set of rules that forbid it.
//!
//! A set is smallest here in the sense that each rule in it is needed: lift any one of them and it fits. It is found by
//! halving (QuickXplain), from both ends of the list of rules; the shorter answer is given, after each of its rules was
//! tried once more.

use crate::PlanInput;
use crate::attempt::{Attempt, attempt};
use crate::candidates::Placed;
use crate::rules::{Relaxed, Rule};
use refit_names::SiteName;
use std::collections::{BTreeMap, BTreeSet};

/// Whether everybody has a time, and all of it ends in time.
pub(crate) fn fits(input: &PlanInput, attempt: &Attempt<'_>) -> bool {
    let deadline = input.demands.deadline.map(|at| at.as_millisecond());
    let in_time = |finish: i64| deadline.is_none_or(|deadline| finish <= deadline);
    attempt.board.is_none() || attempt.finish.is_some_and(in_time)
}

/// The rules in conflict; empty when the demand cannot be met even without all of them.
pub(crate) fn smallest(input: &PlanInput, placed: &[Placed<'_>]) -> Vec<Rule> {
    let rules = rules(input, placed);
    let all: BTreeSet<Rule> = rules.iter().cloned().collect();
    let mut known = BTreeMap::new();
    let mut holds = |kept: &[&Rule]| -> bool {
        let kept: BTreeSet<&Rule> = kept.iter().copied().collect();
        let lifted: BTreeSet<Rule> =
            all.iter().filter(|rule| !kept.contains(rule)).cloned().collect();
        *known.entry(lifted.clone()).or_insert_with(|| {
            let relaxed = Relaxed(lifted);
            match attempt(input, &relaxed, placed.to_vec()) {
                Ok(attempt) => fits(input, &attempt),
                Err(_) => false,
            }
        })
    };
    if !holds(&[]) {
        return Vec::new();
    }
    let forward: Vec<&Rule> = rules.iter().collect();
    let backward: Vec<&Rule> = rules.iter().rev().collect();
    let one = halve(&mut holds, &[], false, &forward);
    let two = halve(&mut holds, &[], false, &backward);
    let mut shortest = if two.len() < one.len() { two } else { one };
    // A search that sometimes misses a plan can leave a rule that is not needed.
    let mut at = 0;
    while at < shortest.len() {
        let rest: Vec<&Rule> = shortest
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != at)
            .map(|(_, r)| *r)
            .collect();
        if holds(&rest) { at += 1 } else { shortest = rest }
    }
    shortest.sort();
    shortest.into_iter().cloned().collect()
}

/// The part of `rules` that is needed beside `kept` so that it does not fit.
fn halve<'r>(
    holds: &mut impl FnMut(&[&Rule]) -> bool,
    kept: &[&'r Rule],
    changed: bool,
    rules: &[&'r Rule],
) -> Vec<&'r Rule> {
    if changed && !holds(kept) {
        return Vec::new();
    }
    if rules.len() <= 1 {
        return rules.to_vec();
    }
    let (left, right) = rules.split_at(rules.len() / 2);
    let with_left: Vec<&Rule> = kept.iter().chain(left).copied().collect();
    let of_right = halve(holds, &with_left, !left.is_empty(), right);
    let with_right: Vec<&Rule> = kept.iter().chain(&of_right).copied().collect();
    let of_left = halve(holds, &with_right, !of_right.is_empty(), left);
    of_left.into_iter().chain(of_right).collect()
}

/// Every rule that the plan keeps and that people could change.
fn rules(input: &PlanInput, placed: &[Placed<'_>]) -> Vec<Rule> {
    let around = &input.surroundings;
    let mut rules: Vec<Rule> = Vec::new();
    if input.demands.emergency.is_none() {
        let ahead = around.calendar.freezes().iter().filter(|freeze| freeze.until > input.now);
        rules.extend(ahead.map(|freeze| Rule::Freeze(freeze.name.clone())));
    }
    rules.extend(input.demands.pins.iter().cloned().map(Rule::Pin));
    let mut sites: BTreeSet<&SiteName> = BTreeSet::new();
    let mut found: BTreeSet<Rule> = BTreeSet::new();
    let mut tiers: BTreeSet<u32> = BTreeSet::new();
    let mut clusters: BTreeMap<&String, usize> = BTreeMap::new();
    for host in placed.iter().map(|host| host.record) {
        sites.insert(&host.site);
        tiers.insert(host.tier);
        found.extend(host.windows.iter().cloned().map(Rule::Window));
        found.extend(host.time_class.map(Rule::Class));
        let after = host.after.iter().map(|first| Rule::After(host.name.clone(), first.clone()));
        found.extend(after);
        if let Some(cluster) = &host.cluster {
            *clusters.entry(cluster).or_default() += 1;
        }
    }
    rules.extend(found);
    let many = clusters.into_iter().filter(|(_, members)| *members > 1);
    rules.extend(many.map(|(cluster, _)| Rule::Cluster(cluster.clone())));
    for site in around.sites.iter().filter(|site| sites.contains(&site.name)) {
        rules.extend(site.down_at_once.map(|most| Rule::SiteDown(site.name.clone(), most)));
        rules.extend(site.bandwidth.map(|_| Rule::Bandwidth(site.name.clone())));
    }
    if !around.engineers.is_empty() {
        rules.push(Rule::People);
    }
    if tiers.len() > 1 {
        rules.push(Rule::Tiers);
    }
    rules.push(Rule::Parallel(input.shape.parallel));
    if input.shape.soak_ms > 0 {
        rules.push(Rule::Soak(input.shape.soak_ms));
    }
    rules.push(Rule::Waves);
    rules
}
