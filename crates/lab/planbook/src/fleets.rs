//! Fleets that are hard in ways of their own, drawn by chance: the same kind, size and seed give the same fleet.
//!
//! None of them is made so that its plan comes out well; what each of them makes scarce stands beside its name.

mod draw;

use crate::model::{self, WINDOWS, now};
use draw::Draw;
use jiff::Timestamp;
use refit_calendar::{Calendar, Freeze, Scope, Window};
use refit_inventory::{ClusterRecord, Criticality, EngineerRecord, HostRecord, SiteRecord};
use refit_names::{ByteSize, HostName, SiteName, TimeClass, WindowName};
use refit_planner::{Candidate, Demands, Measured, PlanInput, Shape, Surroundings};
use refit_testkit::{host, lit};
use std::collections::{BTreeMap, BTreeSet};

const MINUTE: u64 = 60_000;
const ZONES: [&str; 7] = [
    "Europe/Dublin",
    "America/New_York",
    "Asia/Tokyo",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Australia/Sydney",
    "Asia/Kolkata",
];
const ROLES: [&str; 8] =
    ["app", "file-print", "database", "domain-controller", "mail", "firewall", "web", "batch"];

/// What is scarce in a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sites alike, one or two windows per host, four hosts of a site at once.
    Uniform,
    /// Clusters of two to five with limits and orders, and hosts that wait for others.
    Clusters,
    /// A few engineers with skills and hours look after everything.
    People,
    /// Windows of two or three hours once a week in seven zones, several per host, freezes of sites and of all.
    Narrow,
    /// A few sites have most of the hosts; all have small limits and slow lines.
    Skewed,
    /// Eight tiers, each with waves of its own.
    Tiers,
    /// Everything at once, and any of the windows for each host.
    Mixed,
    /// One small limit over all hosts, any of the windows for each host.
    Capped,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Uniform,
        Self::Clusters,
        Self::People,
        Self::Narrow,
        Self::Skewed,
        Self::Tiers,
        Self::Mixed,
        Self::Capped,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Clusters => "clusters",
            Self::People => "people",
            Self::Narrow => "narrow",
            Self::Skewed => "skewed",
            Self::Tiers => "tiers",
            Self::Mixed => "mixed",
            Self::Capped => "capped",
        }
    }

    const fn traits(self) -> Traits {
        let plain = Traits {
            sites_of: 400,
            skewed: false,
            down: (3, 6),
            lines: false,
            narrow: false,
            anywhere: false,
            windows: (1, 2),
            clustered: 0,
            waiting: 0,
            tiers: 1,
            people: People::Nobody,
            freezes: 1,
            all_at_once: 1,
        };
        match self {
            Self::Uniform => plain,
            Self::Clusters => Traits { clustered: 60, waiting: 10, ..plain },
            Self::People => Traits { people: People::Few, down: (8, 16), ..plain },
            Self::Narrow => {
                Traits { narrow: true, windows: (1, 3), freezes: 6, down: (8, 20), ..plain }
            }
            Self::Skewed => Traits { skewed: true, down: (2, 8), lines: true, ..plain },
            Self::Tiers => Traits { tiers: 8, down: (6, 12), ..plain },
            Self::Mixed => Traits {
                skewed: true,
                down: (4, 12),
                lines: true,
                anywhere: true,
                windows: (1, 4),
                clustered: 20,
                waiting: 5,
                tiers: 3,
                people: People::PerSite,
                freezes: 3,
                ..plain
            },
            Self::Capped => {
                Traits { anywhere: true, windows: (1, 4), down: (10, 50), all_at_once: 8, ..plain }
            }
        }
    }
}

/// Who looks after hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum People {
    /// Nobody has to.
    Nobody,
    /// One per thousand hosts, everywhere, with two or three skills and office hours or nights.
    Few,
    /// A few for each site and its neighbours.
    PerSite,
}

/// What a kind of fleet is drawn from.
#[derive(Debug, Clone, Copy)]
struct Traits {
    /// Hosts of a site, on average.
    sites_of: usize,
    skewed: bool,
    /// Hosts of a site that may be down at once.
    down: (u64, u64),
    lines: bool,
    narrow: bool,
    /// Hosts have any of the windows, not some of their site's.
    anywhere: bool,
    windows: (u64, u64),
    /// Hosts in clusters, in per cent.
    clustered: u64,
    /// Hosts that wait for another one, in per cent.
    waiting: u64,
    tiers: u64,
    people: People,
    freezes: u64,
    /// The limit over all hosts is the twentieth part of them, divided by this.
    all_at_once: usize,
}

/// A fleet of `hosts` hosts in [`WINDOWS`] windows.
#[must_use]
pub fn fleet(kind: Kind, hosts: usize, seed: u64) -> PlanInput {
    let traits = kind.traits();
    let mut draw = Draw::new(seed, kind.name());
    let plain = model::fleet(0);
    let sites = places(&traits, hosts, &mut draw);
    let windows: Vec<Window> =
        (0..WINDOWS).map(|number| window(number, &traits, &mut draw)).collect();
    let history = plain.catalog.packs.iter().flat_map(|pack| ROLES.map(|role| (pack, role)));
    let history: BTreeMap<_, _> = history
        .map(|(pack, role)| {
            let minutes = draw.between(8, 40);
            let (p50_ms, p95_ms) = (minutes * MINUTE * 2 / 3, minutes * MINUTE);
            let measured = Measured { runs: 40, p50_ms, p95_ms, undone: 0, undo_p95_ms: 0 };
            ((pack.record_digest, lit(role)), measured)
        })
        .collect();
    let mut candidates: Vec<HostRecord> =
        (0..hosts).map(|number| record(number, &traits, &sites, &mut draw)).collect();
    let clusters = gather(&mut candidates, &traits, &mut draw);
    wait(&mut candidates, &traits, &mut draw);
    let engineers = people(&traits, hosts, &sites, &windows, &mut draw);
    let freezes = freezes(&traits, &sites, &mut draw);
    let calendar = match Calendar::new(windows, freezes) {
        Ok(calendar) => calendar,
        Err(error) => unreachable!("the drawn windows are valid: {error}"),
    };
    let parallel = (hosts / 20 / traits.all_at_once).max(4);
    PlanInput {
        hosts: candidates
            .into_iter()
            .map(|record| Candidate { risk: model::risk(&record), record, reachable: true })
            .collect(),
        history,
        shape: Shape {
            parallel: u32::try_from(parallel).unwrap_or(u32::MAX),
            ..plain.shape.clone()
        },
        surroundings: Surroundings {
            calendar,
            sites: sites.into_iter().map(|(site, _)| site).collect(),
            clusters,
            engineers,
        },
        demands: Demands { validation_ms: 10 * MINUTE, ..Demands::default() },
        ..plain
    }
}

/// Sites with the share of hosts that stand there.
fn places(traits: &Traits, hosts: usize, draw: &mut Draw) -> Vec<(SiteRecord, u64)> {
    let count = hosts.div_ceil(traits.sites_of).max(4);
    let site = |number: usize| {
        // Zipf's law cut off: the largest site has about a dozen times the hosts of a usual one.
        let share = if traits.skewed { 6_000 / (number as u64 + 5) + 40 } else { 100 };
        // A large site may have more down.
        let down = draw.between(traits.down.0, traits.down.1);
        let down = if traits.skewed { down * share.div_ceil(200) } else { down };
        let record = SiteRecord {
            name: lit(&format!("site-{number:03}")),
            zone: ZONES[number % ZONES.len()].to_owned(),
            // A pack in a few seconds to some minutes.
            bandwidth: traits.lines.then(|| ByteSize(draw.between(20_000, 400_000))),
            down_at_once: Some(u32::try_from(down).unwrap_or(u32::MAX)),
        };
        (record, share)
    };
    (0..count).map(site).collect()
}

fn window(number: usize, traits: &Traits, draw: &mut Draw) -> Window {
    let days = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let (hour, minutes, days, class) = if traits.narrow {
        let minutes = draw.between(24, 40) * 5;
        (draw.between(0, 23), minutes, days[draw.below(7)].to_owned(), TimeClass::OutOfHours)
    } else {
        match draw.below(5) {
            0 => {
                (9, draw.between(12, 32) * 15, "MO,TU,WE,TH,FR".to_owned(), TimeClass::WorkingHours)
            }
            1 | 2 => (
                draw.between(19, 23),
                draw.between(12, 32) * 15,
                "MO,WE".to_owned(),
                TimeClass::OutOfHours,
            ),
            3 => (
                22,
                draw.between(16, 32) * 15,
                days[draw.below(4)].to_owned(),
                TimeClass::OutOfHours,
            ),
            _ => (
                draw.between(6, 12),
                draw.between(16, 40) * 15,
                "SA,SU".to_owned(),
                TimeClass::Weekend,
            ),
        }
    };
    Window {
        name: name_of(number),
        about: String::new(),
        zone: ZONES[draw.below(ZONES.len())].to_owned(),
        starts: lit(&format!("2026-01-05T{hour:02}:{:02}:00", draw.below(4) * 15)),
        rule: Some(format!("FREQ=WEEKLY;BYDAY={days}")),
        minutes: u32::try_from(minutes).unwrap_or(240),
        class,
        except: BTreeSet::new(),
        extra: BTreeSet::new(),
    }
}

fn name_of(window: usize) -> WindowName {
    lit(&format!("window-{window:03}"))
}

fn record(
    number: usize,
    traits: &Traits,
    sites: &[(SiteRecord, u64)],
    draw: &mut Draw,
) -> HostRecord {
    let site = draw.weighted(sites.iter().map(|(_, share)| *share));
    let build = if draw.percent(20) { "1100" } else { "1000" };
    host(&format!("host-{number:05}"), now())
        .at_build(build)
        .with(|host| {
            host.site = sites[site].0.name.clone();
            host.role = lit(ROLES[draw.weighted([40, 20, 10, 7, 5, 4, 10, 4].into_iter())]);
            host.criticality =
                [Criticality::Low, Criticality::Medium, Criticality::High, Criticality::Critical]
                    [draw.weighted([25, 50, 20, 5].into_iter())];
            host.tier =
                u32::try_from(draw.below(usize::try_from(traits.tiers).unwrap_or(1))).unwrap_or(0);
            let count = draw.between(traits.windows.0, traits.windows.1);
            for _ in 0..count {
                let any = draw.below(WINDOWS);
                // Eight in a row for each site.
                let own = (site * 5 + any % 8) % WINDOWS;
                host.windows.insert(name_of(if traits.anywhere { any } else { own }));
            }
        })
        .record()
}

/// Clusters of two to five neighbours in the list, with limits, half of them with an order.
fn gather(hosts: &mut [HostRecord], traits: &Traits, draw: &mut Draw) -> Vec<ClusterRecord> {
    let mut clusters = Vec::new();
    let mut at = 0;
    while traits.clustered > 0 && at + 5 < hosts.len() {
        let members = draw.between(2, 5) as usize;
        if draw.percent(traits.clustered) {
            let name = format!("cluster-{at:05}");
            let site = hosts[at].site.clone();
            for host in &mut hosts[at..at + members] {
                host.cluster = Some(name.clone());
                host.site = site.clone();
            }
            let tier = hosts[at].tier;
            hosts[at..at + members].iter_mut().for_each(|host| host.tier = tier);
            let most = draw.between(1, members as u64 - 1);
            let order: Vec<HostName> = if draw.percent(50) {
                hosts[at..at + 2].iter().map(|host| host.name.clone()).collect()
            } else {
                Vec::new()
            };
            let down_at_once = u32::try_from(most).unwrap_or(1);
            clusters.push(ClusterRecord { name, down_at_once, members_max: Some(5), order });
        }
        at += members;
    }
    clusters
}

/// Some hosts wait for one before them that is in no cluster and of no higher tier.
fn wait(hosts: &mut [HostRecord], traits: &Traits, draw: &mut Draw) {
    for at in 1..hosts.len() {
        if !draw.percent(traits.waiting) || hosts[at].cluster.is_some() {
            continue;
        }
        let first = &hosts[draw.below(at)];
        if first.cluster.is_none() && first.tier <= hosts[at].tier && first.after.is_empty() {
            let first = first.name.clone();
            hosts[at].after.insert(first);
        }
    }
}

fn people(
    traits: &Traits,
    hosts: usize,
    sites: &[(SiteRecord, u64)],
    windows: &[Window],
    draw: &mut Draw,
) -> Vec<EngineerRecord> {
    let of_class = |class| windows.iter().filter(move |window| window.class == class);
    let days: BTreeSet<WindowName> =
        of_class(TimeClass::WorkingHours).map(|window| window.name.clone()).collect();
    let count = match traits.people {
        People::Nobody => return Vec::new(),
        People::Few => (hosts / 1000).max(6),
        People::PerSite => sites.len() * 3,
    };
    let engineer = |number: usize| {
        let mut skills: BTreeSet<_> = BTreeSet::new();
        let mut places: BTreeSet<SiteName> = BTreeSet::new();
        if traits.people == People::Few {
            // Each role is known by someone.
            skills.insert(lit(ROLES[number % ROLES.len()]));
            skills.extend((0..2).map(|_| lit(ROLES[draw.below(ROLES.len())])));
            if number < 4 {
                skills.clear();
            }
        } else {
            places.insert(sites[number % sites.len()].0.name.clone());
            places.insert(sites[draw.below(sites.len())].0.name.clone());
        }
        let office = traits.people == People::Few && number % 4 == 3;
        EngineerRecord {
            name: lit(&format!("engineer-{number:03}")),
            skills,
            sites: places,
            available: if office { days.clone() } else { BTreeSet::new() },
            hosts_at_once: u32::try_from(draw.between(2, 8)).unwrap_or(2),
        }
    };
    (0..count).map(engineer).collect()
}

/// The end of the year for all, and weeks of single sites.
fn freezes(traits: &Traits, sites: &[(SiteRecord, u64)], draw: &mut Draw) -> Vec<Freeze> {
    let freeze = |number: u64| {
        let (from, days, scope) = if number == 0 {
            (lit::<Timestamp>("2026-12-18T00:00:00Z"), 19, Scope::default())
        } else {
            let site = sites[draw.below(sites.len())].0.name.clone();
            let scope = Scope { sites: [site].into(), ..Scope::default() };
            let from = now()
                + jiff::SignedDuration::from_hours(
                    24 * i64::try_from(draw.between(3, 30)).unwrap_or(3),
                );
            (from, draw.between(3, 10), scope)
        };
        let until = from + jiff::SignedDuration::from_hours(24 * i64::try_from(days).unwrap_or(1));
        let name = format!("freeze-{number}");
        Freeze { name, from, until, scope, reason: "nothing may change".to_owned() }
    };
    (0..traits.freezes).map(freeze).collect()
}
