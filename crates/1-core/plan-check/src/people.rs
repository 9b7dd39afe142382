//! Budgets, limits and how many people look at the plan.

use crate::{Case, Finding, Rule, find};

pub(crate) fn budgets(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let total = case.plan.hosts().count() as u64;
    if u64::from(case.plan.failure_budget) > total {
        let text = format!(
            "{} failures of {total} hosts are allowed, expected at most as many as there are hosts",
            case.plan.failure_budget
        );
        find(findings, Rule::Budgets, text);
    }
    for wave in &case.plan.waves {
        let count = wave.hosts.len() as u64;
        let must = (count * u64::from(wave.goal.get())).div_ceil(100);
        if u64::from(wave.failure_budget) + must > count {
            let text = format!(
                "wave {} allows {} failures of {count} hosts and wants {must} to succeed",
                wave.name, wave.failure_budget
            );
            find(findings, Rule::Budgets, text);
        }
        if wave.parallel == 0 {
            find(findings, Rule::Budgets, format!("wave {} lets no host run", wave.name));
        }
        let longest = wave.hosts.iter().map(|host| host.p95_ms + host.undo_p95_ms).max();
        if longest.is_some_and(|longest| longest > wave.timeout_ms) {
            let text = format!(
                "wave {} stops waiting after {} ms, its slowest host with its way back needs {} ms",
                wave.name,
                wave.timeout_ms,
                longest.unwrap_or_default()
            );
            find(findings, Rule::Budgets, text);
        }
    }
}

pub(crate) fn approvals(case: &Case<'_>, findings: &mut Vec<Finding>) {
    if case.plan.approvals_needed == 0 {
        find(
            findings,
            Rule::People,
            "nobody must agree, expected at least one person other than the author".to_owned(),
        );
    }
}

pub(crate) fn reasons(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let placed = case.plan.hosts().map(|(_, host)| (&host.host, &host.because));
    let left_out = case.plan.excluded.iter().map(|host| (&host.host, &host.because));
    for (host, because) in placed.chain(left_out) {
        if because.trim().is_empty() {
            find(findings, Rule::Reasons, format!("host {host} has no reason"));
        }
    }
}
