//! Fleets of any size that look like real ones: sites with windows of their own, roles with times of their own, clusters,
//! people with skills, a frozen December. The same size gives the same fleet.

use jiff::Timestamp;
use refit_calendar::{Calendar, Freeze, Place, Scope, Window};
use refit_inventory::{Criticality, EngineerRecord, HostRecord, SiteRecord};
use refit_names::{BuildId, Generation, Percent, ProductName, TimeClass};
use refit_packs::manifest::Estimate;
use refit_plan::Advance;
use refit_planner::{Candidate, Demands, Measured, PlanInput, Shape, Surroundings};
use refit_risk::{RiskInput, Weights, score};
use refit_testkit::{PRODUCT, catalog, host, lit, pack};
use std::collections::{BTreeMap, BTreeSet};

/// Windows of every model fleet.
pub const WINDOWS: usize = 200;
/// Roles with their share of a fleet in per cent, minutes to the first pack and to the second.
const ROLES: [(&str, usize, u64, u64); 6] = [
    ("app", 45, 10, 15),
    ("file-print", 25, 15, 20),
    ("database", 12, 25, 35),
    ("domain-controller", 8, 20, 25),
    ("mail", 6, 20, 30),
    ("firewall", 4, 10, 10),
];
const ZONES: [&str; 4] = ["Europe/Dublin", "America/New_York", "Asia/Tokyo", "Europe/Berlin"];
/// Hosts of one site.
const SITE_HOSTS: usize = 500;
const MINUTE: u64 = 60_000;

/// When its plans are made: a Monday in September.
#[must_use]
pub fn now() -> Timestamp {
    lit("2026-09-07T06:00:00Z")
}

/// Published packs, for whoever plans by hand.
pub type Pack = refit_packs::catalog::PackSummary;

/// Where a host stands, as freezes ask.
#[must_use]
pub fn place<'a>(host: &'a HostRecord, product: &'a ProductName) -> Place<'a> {
    Place { site: &host.site, role: &host.role, product }
}

/// A fleet of `hosts` hosts in [`WINDOWS`] windows.
#[must_use]
pub fn fleet(hosts: usize) -> PlanInput {
    let sites = hosts.div_ceil(SITE_HOSTS).max(4);
    let percent = |n| Percent::new(n).unwrap_or(Percent::HUNDRED);
    let catalog = catalog(vec![pack(&["1000"], "1100"), pack(&["1100"], "1200")]);
    let estimate = Estimate { p50_ms: 20 * MINUTE, p95_ms: 35 * MINUTE, undo_p95_ms: 20 * MINUTE };
    let mut history = BTreeMap::new();
    for (role, _, first, second) in ROLES {
        for (pack, minutes) in catalog.packs.iter().zip([first, second]) {
            let measured = Measured {
                runs: 40,
                p50_ms: minutes * MINUTE * 2 / 3,
                p95_ms: minutes * MINUTE,
                undone: 0,
                undo_p95_ms: 0,
            };
            history.insert((pack.record_digest, lit(role)), measured);
        }
    }
    PlanInput {
        rollout: lit("sp2"),
        generation: Generation::FIRST,
        parent: None,
        author: lit("planner"),
        now: now(),
        product: lit(PRODUCT),
        target: lit("1200"),
        wanted: BTreeSet::new(),
        hosts: (0..hosts).map(|number| candidate(number, sites)).collect(),
        estimates: catalog.packs.iter().map(|pack| (pack.record_digest, estimate)).collect(),
        catalog,
        parts: BTreeSet::new(),
        history,
        shape: Shape {
            shares: vec![percent(5), percent(25), percent(70)],
            goal: percent(90),
            soak_ms: 24 * 60 * MINUTE,
            timeout_ms: 72 * 60 * MINUTE,
            parallel: u32::try_from(hosts / 20).unwrap_or(u32::MAX),
            advance: Advance::Automatic,
        },
        failure_budget: u32::try_from(hosts / 50).unwrap_or(u32::MAX),
        approvals_needed: 1,
        surroundings: surroundings(hosts, sites),
        demands: Demands { validation_ms: 10 * MINUTE, ..Demands::default() },
        begun: None,
    }
}

fn window(number: usize) -> Window {
    let kind = number % 5;
    let (hour, minutes, days, class) = match kind {
        0 => (9, 180, "MO,TU,WE,TH,FR", TimeClass::WorkingHours),
        1 | 2 => (21, 360, "MO,TU,WE,TH", TimeClass::OutOfHours),
        3 => (22, 480, "TU,TH", TimeClass::OutOfHours),
        _ => (8, 600, "SA,SU", TimeClass::Weekend),
    };
    let shift = number / 5 % 4;
    Window {
        name: lit(&format!("window-{number:03}")),
        about: String::new(),
        zone: ZONES[number / 20 % ZONES.len()].to_owned(),
        starts: lit(&format!("2026-01-05T{:02}:{:02}:00", hour, shift * 15)),
        rule: Some(format!("FREQ=WEEKLY;BYDAY={days}")),
        minutes,
        class,
        except: BTreeSet::new(),
        extra: BTreeSet::new(),
    }
}

/// The windows of a site: ten in a row, shared with the neighbours at both ends.
fn windows_of(site: usize, kind: usize) -> usize {
    (site * 5 + kind) % WINDOWS
}

fn role_of(number: usize) -> &'static str {
    let mut place = number * 37 % 100;
    for (role, share, _, _) in ROLES {
        if place < share {
            return role;
        }
        place -= share;
    }
    ROLES[0].0
}

fn candidate(number: usize, sites: usize) -> Candidate {
    let site = number % sites;
    let role = role_of(number / sites);
    let record = host(&format!("host-{number:05}"), now())
        .at_build(if (number / sites * 7 + site).is_multiple_of(5) { "1100" } else { "1000" })
        .with(|host| {
            host.site = lit(&format!("site-{site:03}"));
            host.role = lit(role);
            host.criticality = match (number / sites * 13 + site * 7) % 20 {
                0 => Criticality::Critical,
                1..5 => Criticality::High,
                5..15 => Criticality::Medium,
                _ => Criticality::Low,
            };
            let turn = number / sites;
            let kinds: &[usize] = match turn % 10 {
                0..3 => &[0, 1],
                3..8 => &[1],
                _ => &[4],
            };
            host.windows = kinds
                .iter()
                .map(|kind| lit(&format!("window-{:03}", windows_of(site, *kind))))
                .collect();
            if matches!(role, "database" | "mail") {
                host.cluster = Some(format!("cluster-{site:03}-{role}-{}", turn / 12));
            }
        })
        .record();
    Candidate { risk: risk(&record), record, reachable: true }
}

pub(crate) fn risk(record: &HostRecord) -> refit_risk::RiskScore {
    let (product, target) = (lit(PRODUCT), lit::<BuildId>("1200"));
    let at = record.product(&product).and_then(|seen| seen.build.clone());
    let legs = if at == Some(lit("1100")) || at == Some(target) { 1 } else { 2 };
    score(&RiskInput {
        host: record,
        product: Some(&product),
        legs,
        failures: &[],
        issues: &[],
        entries: &[],
        weights: &Weights::default(),
        now: now(),
    })
}

fn surroundings(hosts: usize, sites: usize) -> Surroundings {
    let windows = (0..WINDOWS).map(window).collect();
    let freezes = vec![Freeze {
        name: "year-end".to_owned(),
        from: lit("2026-12-07T00:00:00Z"),
        until: lit("2027-01-06T00:00:00Z"),
        scope: Scope::default(),
        reason: "the year is closed".to_owned(),
    }];
    let calendar = match Calendar::new(windows, freezes) {
        Ok(calendar) => calendar,
        Err(error) => unreachable!("the model's windows are valid: {error}"),
    };
    let site = |number: usize| SiteRecord {
        name: lit(&format!("site-{number:03}")),
        zone: ZONES[number / 4 % ZONES.len()].to_owned(),
        bandwidth: None,
        down_at_once: Some(if number.is_multiple_of(3) { 3 } else { 4 }),
    };
    // A handful for 180 hosts; a few per site for large fleets.
    let people = (hosts / 60).max(5);
    let engineer = |number: usize| EngineerRecord {
        name: lit(&format!("engineer-{number:03}")),
        skills: BTreeSet::new(),
        sites: if hosts < 1000 {
            BTreeSet::new()
        } else {
            [lit(&format!("site-{:03}", number % sites))].into()
        },
        available: BTreeSet::new(),
        hosts_at_once: 3,
    };
    Surroundings {
        calendar,
        sites: (0..sites).map(site).collect(),
        clusters: Vec::new(),
        engineers: (0..people).map(engineer).collect(),
    }
}
