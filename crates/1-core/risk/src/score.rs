//! Puts the reasons together.

mod machine;
mod people;
mod place;

use crate::{RiskEntry, RiskReason, RiskScore, Weights};
use jiff::Timestamp;
use refit_inventory::{HostRecord, ObservedProduct};
use refit_names::{ProductName, RolloutName};

/// No score is higher.
const SCORE_MAX: u32 = 100;

/// Everything that a score is made of.
#[derive(Debug, Clone, Copy)]
pub struct RiskInput<'a> {
    /// The host.
    pub host: &'a HostRecord,
    /// What would be upgraded; none: the host as such, with all its products.
    pub product: Option<&'a ProductName>,
    /// Packs on its way; 0 when there is no way or no target.
    pub legs: u32,
    /// Upgrades that were rolled back or stopped on it so far.
    pub failures: &'a [PastFailure],
    /// Known issues of packs on its way that concern it.
    pub issues: &'a [KnownIssue],
    /// What people stated about it.
    pub entries: &'a [RiskEntry],
    /// What each reason weighs.
    pub weights: &'a Weights,
    /// Now.
    pub now: Timestamp,
}

/// An upgrade that was rolled back or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastFailure {
    /// Its campaign.
    pub rollout: RolloutName,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: String,
}

/// A trouble that a pack on the way is known to make on hosts like this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIssue {
    /// The pack, as `product build`.
    pub pack: String,
    /// Its identifier.
    pub id: String,
    /// What happens.
    pub text: String,
    /// Whether it keeps the host out of plans.
    pub holds: bool,
}

/// Scores a host. The sum of the points, capped at 100; the heaviest reason first.
#[must_use]
pub fn score(input: &RiskInput<'_>) -> RiskScore {
    let rules: [fn(&RiskInput<'_>) -> Vec<RiskReason>; 16] = [
        place::criticality,
        place::role,
        place::cluster,
        place::dependencies,
        place::distance,
        place::failures,
        place::issues,
        machine::boot,
        machine::backup,
        machine::facts,
        machine::clock,
        machine::disk,
        machine::data,
        machine::services,
        machine::hardware,
        people::entries,
    ];
    let mut reasons: Vec<RiskReason> = rules.iter().flat_map(|rule| rule(input)).collect();
    reasons.sort_by(|a, b| (b.points, &a.code, &a.text).cmp(&(a.points, &b.code, &b.text)));
    RiskScore { score: sum(reasons.iter().map(|reason| reason.points)), reasons }
}

/// What the score would be if nothing had been done about the stated risk `entry`.
#[must_use]
pub fn score_without(score: &RiskScore, entry: u64) -> u32 {
    let before = |reason: &RiskReason| match reason.points_before {
        Some(before) if reason.entry == Some(entry) => before,
        _ => reason.points,
    };
    sum(score.reasons.iter().map(before))
}

fn sum(points: impl Iterator<Item = u32>) -> u32 {
    points.fold(0, u32::saturating_add).min(SCORE_MAX)
}

/// A reason whose points are one weight; none when that is nothing.
fn one(input: &RiskInput<'_>, code: &str, weight: &str, reason: RiskReason) -> Vec<RiskReason> {
    let points = input.weights.get(weight);
    weighed(points, code, weight.to_owned(), reason)
}

/// A reason that counts `times`, up to a limit that is a weight too.
fn each(
    input: &RiskInput<'_>,
    code: &str,
    times: usize,
    (weight, most): (&str, &str),
    reason: RiskReason,
) -> Vec<RiskReason> {
    let times = u32::try_from(times).unwrap_or(u32::MAX);
    let points = input.weights.get(weight).saturating_mul(times).min(input.weights.get(most));
    weighed(points, code, format!("{weight} × {times}, at most {most}"), reason)
}

fn weighed(points: u32, code: &str, weight: String, reason: RiskReason) -> Vec<RiskReason> {
    if points == 0 {
        return Vec::new();
    }
    vec![RiskReason { code: code.to_owned(), points, weight, ..reason }]
}

/// A reason without its points.
fn because(
    text: String,
    mitigation: &str,
    source: &str,
    known_at: Option<Timestamp>,
) -> RiskReason {
    let (mitigation, source) = (mitigation.to_owned(), source.to_owned());
    RiskReason { text, mitigation, source, known_at, ..RiskReason::default() }
}

/// Products that count: the one that would be upgraded, else all that were seen.
fn products<'a>(input: &RiskInput<'a>) -> impl Iterator<Item = &'a ObservedProduct> {
    let wanted = input.product;
    let all = input.host.facts.iter().flat_map(|facts| &facts.products);
    all.filter(move |seen| wanted.is_none_or(|wanted| seen.name == *wanted))
}

/// Whole hours from `earlier` to `later`; 0 when the clocks disagree about which is which.
fn hours_between(earlier: Timestamp, later: Timestamp) -> u32 {
    let seconds = later.as_second().saturating_sub(earlier.as_second()).max(0);
    u32::try_from(seconds / 3600).unwrap_or(u32::MAX)
}

fn days_between(earlier: Timestamp, later: Timestamp) -> u32 {
    hours_between(earlier, later) / 24
}
