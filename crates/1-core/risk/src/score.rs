//! The reasons, each a rule of its own.

use crate::{RiskReason, RiskScore};
use jiff::Timestamp;
use refit_inventory::{Criticality, HostRecord, ObservedFacts, ObservedProduct, ServiceState};
use refit_names::ProductName;

/// No score is higher.
const SCORE_MAX: u32 = 100;
/// A machine that ran this long without a restart may not come up as it is: half a year.
const BOOT_OLD_DAYS: i64 = 180;
/// Facts older than this say little about now: a day.
const FACTS_OLD_HOURS: i64 = 24;
/// From here on the backup decides the downtime.
const DATA_LARGE_BYTES: u64 = 20 << 30;

/// Everything that a score is made of.
#[derive(Debug, Clone, Copy)]
pub struct RiskInput<'a> {
    /// The host.
    pub host: &'a HostRecord,
    /// What would be upgraded; none: the host as such.
    pub product: Option<&'a ProductName>,
    /// Packs on its way; 0 when there is no way or no target.
    pub legs: u32,
    /// Upgrades that were rolled back or stopped on it so far.
    pub failures: u32,
    /// Now.
    pub now: Timestamp,
}

/// Scores a host. The sum of the points, capped at 100; the heaviest reason first.
#[must_use]
pub fn score(input: &RiskInput<'_>) -> RiskScore {
    let rules = [
        criticality,
        role,
        cluster,
        dependents,
        failures,
        distance,
        boot,
        facts_age,
        never_seen,
        disk,
        data,
        service,
    ];
    let mut reasons: Vec<RiskReason> = rules.iter().filter_map(|rule| rule(input)).collect();
    reasons.sort_by(|a, b| (b.points, &a.code).cmp(&(a.points, &b.code)));
    let sum: u32 = reasons.iter().map(|reason| reason.points).sum();
    RiskScore { score: sum.min(SCORE_MAX), reasons }
}

fn reason(code: &str, points: u32, text: String, mitigation: &str) -> Option<RiskReason> {
    (points > 0).then(|| RiskReason {
        code: code.to_owned(),
        points,
        text,
        mitigation: mitigation.to_owned(),
    })
}

fn seen<'a>(input: &RiskInput<'a>) -> Option<(&'a ObservedFacts, &'a ObservedProduct)> {
    let product = input.host.product(input.product?)?;
    input.host.facts.as_ref().map(|facts| (facts, product))
}

fn criticality(input: &RiskInput<'_>) -> Option<RiskReason> {
    let (points, word) = match input.host.criticality {
        Criticality::Low => (0, "low"),
        Criticality::Medium => (10, "medium"),
        Criticality::High => (25, "high"),
        Criticality::Critical => (40, "critical"),
    };
    reason(
        "criticality",
        points,
        format!("criticality is {word}"),
        "change it in a late wave, with its owner present",
    )
}

/// Roles whose loss others feel at once, by a word of the role's name, the heaviest first.
const HEAVY_ROLES: [(&str, u32); 4] =
    [("domain-controller", 20), ("database", 10), ("mail", 10), ("file-print", 5)];

fn role(input: &RiskInput<'_>) -> Option<RiskReason> {
    let name = input.host.role.as_str();
    let (_, points) = HEAVY_ROLES.iter().find(|(word, _)| name.contains(word))?;
    reason(
        "role",
        *points,
        format!("others depend on its role {name}"),
        "tell those who use it, and change it when few do",
    )
}

fn cluster(input: &RiskInput<'_>) -> Option<RiskReason> {
    let cluster = input.host.cluster.as_ref()?;
    reason(
        "cluster",
        15,
        format!("it is a member of cluster {cluster}"),
        "one member at a time, each in another wave",
    )
}

fn dependents(input: &RiskInput<'_>) -> Option<RiskReason> {
    let count = input.host.after.len();
    let points = u32::try_from(count).unwrap_or(u32::MAX).min(3) * 2;
    reason(
        "dependencies",
        points,
        format!("it depends on {count} other hosts"),
        "change and verify those first",
    )
}

fn failures(input: &RiskInput<'_>) -> Option<RiskReason> {
    let text = format!("{} earlier upgrades were rolled back or stopped on it", input.failures);
    reason("history", input.failures.min(3) * 10, text, "find out why before the next try")
}

fn distance(input: &RiskInput<'_>) -> Option<RiskReason> {
    let points = input.legs.saturating_sub(1).min(5) * 4;
    reason(
        "distance",
        points,
        format!("{} packs lie on its way", input.legs),
        "each pack is verified before the next starts",
    )
}

fn boot(input: &RiskInput<'_>) -> Option<RiskReason> {
    let booted = input.host.facts.as_ref()?.booted_at?;
    let days = hours_between(booted, input.now) / 24;
    let points = if days > BOOT_OLD_DAYS { 10 } else { 0 };
    reason(
        "boot",
        points,
        format!("it was not restarted for {days} days"),
        "a proof reboot before the change",
    )
}

fn facts_age(input: &RiskInput<'_>) -> Option<RiskReason> {
    let hours = hours_between(input.host.facts.as_ref()?.observed_at, input.now);
    let points = if hours > FACTS_OLD_HOURS { 5 } else { 0 };
    reason(
        "stale-facts",
        points,
        format!("what is known of it is {hours} hours old"),
        "let its agent report again",
    )
}

fn never_seen(input: &RiskInput<'_>) -> Option<RiskReason> {
    let points = if input.host.facts.is_none() { 20 } else { 0 };
    reason("never-seen", points, "its agent has never reported".to_owned(), "enrol its agent")
}

fn disk(input: &RiskInput<'_>) -> Option<RiskReason> {
    let (_, product) = seen(input)?;
    let points = if product.free.0 < product.size.0.saturating_mul(2) { 10 } else { 0 };
    let text = format!("{} are free beside a product of {}", product.free, product.size);
    reason("disk", points, text, "make room before the window")
}

fn data(input: &RiskInput<'_>) -> Option<RiskReason> {
    let (_, product) = seen(input)?;
    let points = if product.size.0 > DATA_LARGE_BYTES { 8 } else { 0 };
    reason(
        "data",
        points,
        format!("the product has {}", product.size),
        "a longer window: backup and way back take longer",
    )
}

fn service(input: &RiskInput<'_>) -> Option<RiskReason> {
    let (_, product) = seen(input)?;
    let points = if product.services == ServiceState::Running { 0 } else { 10 };
    reason(
        "service",
        points,
        format!("its services are {:?}", product.services).to_lowercase(),
        "bring it into its normal state first",
    )
}

/// Whole hours from `earlier` to `later`; 0 when the clocks disagree about which is which.
fn hours_between(earlier: Timestamp, later: Timestamp) -> i64 {
    (later.as_second() - earlier.as_second()).max(0) / 3600
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> HostRecord {
        HostRecord {
            criticality: Criticality::Critical,
            cluster: Some("db".to_owned()),
            ..HostRecord::new(
                "db-1".parse().unwrap(),
                "north".parse().unwrap(),
                "database".parse().unwrap(),
            )
        }
    }

    fn input(host: &HostRecord) -> RiskInput<'_> {
        RiskInput { host, product: None, legs: 2, failures: 1, now: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn every_number_can_be_traced() {
        let score = score(&input(&host()));
        let lines: Vec<_> = score.reasons.iter().map(|r| (r.code.as_str(), r.points)).collect();
        assert_eq!(
            lines,
            [
                ("criticality", 40),
                ("never-seen", 20),
                ("cluster", 15),
                ("history", 10),
                ("role", 10),
                ("distance", 4)
            ]
        );
        assert_eq!(score.score, 99);
        assert!(score.reasons.iter().all(|r| !r.mitigation.is_empty()));
    }

    #[test]
    fn plain_role_adds_nothing() {
        let mut host = host();
        host.role = "app".parse().unwrap();
        assert!(score(&input(&host)).reasons.iter().all(|reason| reason.code != "role"));
    }

    #[test]
    fn score_is_never_over_a_hundred() {
        let host = host();
        assert_eq!(score(&RiskInput { legs: 9, failures: 9, ..input(&host) }).score, 100);
    }
}
