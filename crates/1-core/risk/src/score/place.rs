//! Reasons that lie in what a host is, what hangs on it and what happened to it.

use super::{RiskInput, because, each, one, weighed};
use crate::RiskReason;

const INVENTORY: &str = "inventory";

pub(super) fn criticality(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let word = input.host.criticality.as_str();
    let what = "change it in a late wave, with its owner present";
    let reason = because(format!("criticality is {word}"), what, INVENTORY, None);
    one(input, "criticality", &format!("criticality.{word}"), reason)
}

pub(super) fn role(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let name = input.host.role.as_str();
    let Some((weight, _)) = input.weights.of_role(name) else { return Vec::new() };
    let what = "tell those who use it, and change it when few do";
    let reason = because(format!("others depend on its role {name}"), what, INVENTORY, None);
    one(input, "role", &weight, reason)
}

pub(super) fn cluster(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let Some(cluster) = &input.host.cluster else { return Vec::new() };
    let text = format!("it is a member of cluster {cluster}");
    let reason = because(text, "one member at a time, each in another wave", INVENTORY, None);
    one(input, "cluster", "cluster", reason)
}

pub(super) fn dependencies(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let count = input.host.after.len();
    let text = format!("it depends on {}", refit_names::counted(count, "other host"));
    let reason = because(text, "change and verify those first", INVENTORY, None);
    each(input, "dependencies", count, ("dependencies.each", "dependencies.most"), reason)
}

pub(super) fn distance(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let text = format!("{} packs lie on its way", input.legs);
    let what = "each pack is verified before the next starts";
    let more = usize::try_from(input.legs.saturating_sub(1)).unwrap_or(usize::MAX);
    let reason = because(text, what, "catalogue", None);
    each(input, "distance", more, ("distance.each", "distance.most"), reason)
}

pub(super) fn failures(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let Some(last) = input.failures.iter().max_by_key(|failure| failure.at) else {
        return Vec::new();
    };
    let text = match input.failures.len() {
        1 => format!("an earlier upgrade was rolled back or stopped on it: {}", last.cause),
        more => format!(
            "{more} earlier upgrades were rolled back or stopped on it, the last: {}",
            last.cause
        ),
    };
    let source = format!("rollout {}", last.rollout);
    let reason = because(text, "find out why before the next try", &source, Some(last.at));
    each(input, "history", input.failures.len(), ("history.each", "history.most"), reason)
}

/// One reason per issue, so that each can be read; together they have a limit.
pub(super) fn issues(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let mut left = input.weights.get("issue.most");
    let mut reasons = Vec::new();
    for issue in input.issues {
        let (weight, word) =
            if issue.holds { ("issue.hold", "holds") } else { ("issue.warn", "warns of") };
        let points = input.weights.get(weight).min(left);
        left -= points;
        let text = format!("known issue {} {word} hosts like it: {}", issue.id, issue.text);
        let reason = because(
            text,
            "read the pack's notes; wait for the pack that mends it",
            &format!("pack {}", issue.pack),
            None,
        );
        reasons.extend(weighed(points, "known-issue", weight.to_owned(), reason));
    }
    reasons
}
