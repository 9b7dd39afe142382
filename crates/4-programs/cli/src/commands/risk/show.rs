//! Risk as text.

use crate::output::{moment, table};
use refit_protocol::v1::{HostRisk, RiskEntryView, WeightsView};
use refit_risk::{RiskReason, RiskStatus};

/// Reasons that fit into the line of a host.
const REASONS_SHOWN: usize = 3;

/// Hosts with their scores.
pub(super) fn assessed(hosts: &[HostRisk]) -> String {
    let row = |host: &HostRisk| {
        let heaviest = host.risk.reasons.iter().take(REASONS_SHOWN);
        let mut reasons: Vec<String> =
            heaviest.map(|one| format!("{} {}", one.points, one.code)).collect();
        if host.risk.reasons.len() > REASONS_SHOWN {
            reasons.push(format!("{} more", host.risk.reasons.len() - REASONS_SHOWN));
        }
        let open = host.entries.iter().filter(|view| view.entry.status == RiskStatus::Open).count();
        [
            host.host.to_string(),
            host.site.to_string(),
            host.role.to_string(),
            host.risk.score.to_string(),
            open.to_string(),
            reasons.join(", "),
        ]
    };
    table(
        ["host", "site", "role", "score", "open", "heaviest reasons"],
        hosts.iter().map(row).collect(),
    )
}

/// Stated risks.
pub(super) fn entries(entries: &[RiskEntryView]) -> String {
    let row = |view: &RiskEntryView| {
        let entry = &view.entry;
        let (first, now) = (entry.exposure, entry.now());
        let changed =
            if first == now { String::new() } else { format!(" (was {})", first.product()) };
        [
            entry.id.to_string(),
            entry.host.to_string(),
            format!("{} × {} = {}{changed}", now.likelihood, now.impact, now.product()),
            entry.status.word().to_owned(),
            entry.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
            entry.due.map(|due| due.to_string()).unwrap_or_default(),
            entry.text.clone(),
            entry.mitigation.clone(),
        ]
    };
    table(
        ["id", "host", "likelihood × impact", "status", "owner", "due", "risk", "mitigation"],
        entries.iter().map(row).collect(),
    )
}

/// One stated risk after something was done with it.
pub(super) fn entry(view: &RiskEntryView) -> String {
    let score = if view.score_before == view.score_now {
        format!("score of {} is {}", view.entry.host, view.score_now)
    } else {
        format!("score of {} was {} and is {}", view.entry.host, view.score_before, view.score_now)
    };
    format!("risk {} is {}; {score}", view.entry.id, view.entry.status.word())
}

/// Where every point of a score comes from.
pub(super) fn one(host: &HostRisk) -> String {
    let mut lines = vec![format!(
        "{}  site {}  role {}  score {}",
        host.host, host.site, host.role, host.risk.score
    )];
    let row = |reason: &RiskReason| {
        [
            reason.points.to_string(),
            reason.code.clone(),
            reason.text.clone(),
            reason.weight.clone(),
            reason.source.clone(),
            reason.known_at.map(moment).unwrap_or_default(),
            reason.mitigation.clone(),
        ]
    };
    let headers =
        ["points", "reason", "what was found", "weight", "source", "known since", "mitigation"];
    lines.push(table(headers, host.risk.reasons.iter().map(row).collect()));
    let sum: u64 = host.risk.reasons.iter().map(|reason| u64::from(reason.points)).sum();
    if sum > u64::from(host.risk.score) {
        lines.push(format!(
            "the reasons add up to {sum}; no score is higher than {}",
            host.risk.score
        ));
    }
    for view in host.entries.iter().filter(|view| view.score_before != view.score_now) {
        let (id, before, now) = (view.entry.id, view.score_before, view.score_now);
        lines.push(format!(
            "without the mitigation of risk {id} the score would be {before} instead of {now}"
        ));
    }
    lines.join("\n")
}

/// All weights.
pub(super) fn weights(view: &WeightsView) -> String {
    let by = match (&view.by, view.at) {
        (Some(by), Some(at)) => format!("version {} by {by} at {}", view.version, moment(at)),
        _ => "the ones that Refit comes with".to_owned(),
    };
    let rows = view.weights.iter().map(|one| {
        let default = one.default.map(|value| value.to_string()).unwrap_or_default();
        [one.name.clone(), one.value.to_string(), default, one.about.clone()]
    });
    format!("{}\n{by}", table(["weight", "value", "default", "what it is for"], rows.collect()))
}

/// What changed between two versions.
pub(super) fn changed_weights(before: &WeightsView, after: &WeightsView) -> String {
    let value = |view: &WeightsView, name: &str| {
        view.weights.iter().find(|one| one.name == name).map_or(0, |one| one.value)
    };
    let names: std::collections::BTreeSet<&str> =
        before.weights.iter().chain(&after.weights).map(|one| one.name.as_str()).collect();
    let changed = names.into_iter().filter(|name| value(before, name) != value(after, name));
    let mut lines: Vec<String> = changed
        .map(|name| format!("{name}: {} → {}", value(before, name), value(after, name)))
        .collect();
    lines.push(if lines.is_empty() {
        "nothing to change".to_owned()
    } else {
        format!("version {}", after.version)
    });
    lines.join("\n")
}
