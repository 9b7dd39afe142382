//! What is wrong with records that people gave: all of it at once.

mod brought;
mod circle;
#[cfg(test)]
mod tests;

use crate::{Fleet, HostRecord, Lifecycle, RecordKind, SiteRecord};
use brought::{Brought, Fields};
use jiff::tz::TimeZoneDatabase;
use refit_names::HostName;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// One fault of one field of one record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FleetFault {
    /// What the record is about.
    pub kind: RecordKind,
    /// Its name.
    pub name: String,
    /// Its field.
    pub field: String,
    /// What was found and what was expected.
    pub text: String,
}

impl std::fmt::Display for FleetFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}, {}: {}", self.kind, self.name, self.field, self.text)
    }
}

/// Below this likeness another name would be a guess.
const LIKE_ENOUGH: f64 = 0.8;
/// Names that all faults of one check are compared with: a fraction of a second's worth. Each of 100,000 unknown names would otherwise be
/// compared with 100,000 known ones, which takes hours; past the limit a fault still says what is not known, and guesses nothing.
const COMPARED_MAX: usize = 500_000;
/// Hosts of a circle that are named; the rest is counted.
const CIRCLE_NAMES_MAX: usize = 12;

/// The name that is most like the one found, if one is.
#[must_use]
pub fn closest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let like = |name: &&str| strsim::jaro_winkler(&found.to_lowercase(), &name.to_lowercase());
    let best = known.map(|name| (like(&name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= LIKE_ENOUGH).map(|(_, name)| name)
}

/// `; did you mean ...?` with the name that is most like the one found, if one is.
#[must_use]
pub fn did_you_mean<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(found, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

impl Fleet {
    /// Every fault that the changes brought in. Names in `assumed` count as hosts: they have faults of their own.
    ///
    /// A field that a change left alone may stay as wrong as it was, or nothing else of its record could be mended first.
    ///
    /// Sites and clusters are checked as soon as one of their kind has a record; before that nobody keeps them.
    #[must_use]
    pub fn faults(&self, assumed: &BTreeSet<HostName>) -> Vec<FleetFault> {
        let mut faults = Vec::new();
        let brought = Brought::by(self.changes());
        let known = Known::of(self);
        for host in self.hosts().values() {
            if let Some(new) = brought.of(RecordKind::Host, host.name.as_str()) {
                self.host_faults((host, new), assumed, &known, &mut faults);
            }
        }
        self.cluster_faults(&brought, assumed, &mut faults);
        self.engineer_faults(&brought, &known, &mut faults);
        self.site_faults(&brought, &mut faults);
        self.removal_faults(&mut faults);
        for circle in circle::circles(self) {
            if circle.iter().any(|name| brought.host(name.as_str(), "after")) {
                faults.push(circle_fault(&circle));
            }
        }
        faults
    }

    fn host_faults(
        &self,
        (host, new): (&HostRecord, &Fields<'_>),
        assumed: &BTreeSet<HostName>,
        known: &Known<'_>,
        faults: &mut Vec<FleetFault>,
    ) {
        let mut fault = |field: &str, text: String| {
            let (kind, name) = (RecordKind::Host, host.name.to_string());
            faults.push(FleetFault { kind, name, field: field.to_owned(), text });
        };
        let kept = !known.sites.is_empty();
        if kept && new.has("site") && !known.sites.contains(host.site.as_str()) {
            fault("site", known.unknown("site", host.site.as_str(), known.sites.iter().copied()));
        }
        if let Some(cluster) = &host.cluster
            && !known.clusters.is_empty()
            && new.has("cluster")
            && !known.clusters.contains(cluster.as_str())
        {
            fault("cluster", known.unknown("cluster", cluster, known.clusters.iter().copied()));
        }
        if let Some(windows) = known.windows.as_ref().filter(|_| new.has("windows")) {
            for window in host.windows.iter().filter(|name| !windows.contains(name.as_str())) {
                fault("windows", known.unknown("window", window.as_str(), windows.iter().copied()));
            }
        }
        for before in host.after.iter().filter(|_| new.has("after")) {
            if *before == host.name {
                fault("after", "a host cannot wait for itself".to_owned());
            } else if !self.hosts().contains_key(before) && !assumed.contains(before) {
                fault(
                    "after",
                    known.unknown(
                        "host",
                        before.as_str(),
                        self.hosts().keys().map(HostName::as_str),
                    ),
                );
            }
        }
    }

    /// A cluster that could be down as a whole, that is larger than it may be, or whose order names others.
    fn cluster_faults(
        &self,
        brought: &Brought<'_>,
        assumed: &BTreeSet<HostName>,
        faults: &mut Vec<FleetFault>,
    ) {
        let mut members: BTreeMap<&str, Vec<&HostRecord>> = BTreeMap::new();
        for host in self.hosts().values().filter(|host| host.lifecycle == Lifecycle::Active) {
            if let Some(cluster) = &host.cluster {
                members.entry(cluster).or_default().push(host);
            }
        }
        let none = Vec::new();
        for cluster in self.clusters().values() {
            let members = members.get(cluster.name.as_str()).unwrap_or(&none);
            let joined = members
                .iter()
                .map(|host| host.name.as_str())
                .any(|name| brought.host(name, "cluster") || brought.host(name, "lifecycle"));
            if !joined && brought.of(RecordKind::Cluster, &cluster.name).is_none() {
                continue;
            }
            let mut fault = |field: &str, text: String| {
                let (kind, name) = (RecordKind::Cluster, cluster.name.clone());
                faults.push(FleetFault { kind, name, field: field.to_owned(), text });
            };
            let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
            if let Some(most) = cluster.members_max.filter(|most| count > *most) {
                let names = names_of(members.iter().map(|host| host.name.as_str()));
                fault(
                    "members_max",
                    format!("it has {count} members, at most {most} are allowed: {names}"),
                );
            }
            if cluster.down_at_once == 0 {
                fault(
                    "down_at_once",
                    "0 members may be down, so none could ever be changed; expected at least 1"
                        .to_owned(),
                );
            } else if count >= 2 && cluster.down_at_once >= count {
                let most = count - 1;
                let at_once = cluster.down_at_once;
                fault(
                    "down_at_once",
                    format!(
                        "{at_once} of its {count} members may be down, so nobody would be left; expected at most {most}"
                    ),
                );
            }
            let is_member = |name: &HostName| members.iter().any(|host| host.name == *name);
            for name in cluster
                .order
                .iter()
                .filter(|name| !members.is_empty() && !is_member(name) && !assumed.contains(*name))
            {
                fault("order", format!("host `{name}` is not a member of the cluster"));
            }
        }
    }

    fn engineer_faults(
        &self,
        brought: &Brought<'_>,
        known: &Known<'_>,
        faults: &mut Vec<FleetFault>,
    ) {
        for engineer in self.engineers().values() {
            let name = engineer.name.as_str();
            let Some(new) = brought.of(RecordKind::Engineer, name) else { continue };
            let mut fault = |field: &str, text: String| {
                let (kind, name) = (RecordKind::Engineer, engineer.name.to_string());
                faults.push(FleetFault { kind, name, field: field.to_owned(), text });
            };
            if engineer.hosts_at_once == 0 && new.has("hosts_at_once") {
                fault(
                    "hosts_at_once",
                    "0: they could never look after a host; expected at least 1".to_owned(),
                );
            }
            if !known.sites.is_empty() && new.has("sites") {
                for site in
                    engineer.sites.iter().filter(|site| !known.sites.contains(site.as_str()))
                {
                    fault(
                        "sites",
                        known.unknown("site", site.as_str(), known.sites.iter().copied()),
                    );
                }
            }
            if let Some(windows) = known.windows.as_ref().filter(|_| new.has("available")) {
                for window in
                    engineer.available.iter().filter(|one| !windows.contains(one.as_str()))
                {
                    fault(
                        "available",
                        known.unknown("window", window.as_str(), windows.iter().copied()),
                    );
                }
            }
        }
    }

    fn site_faults(&self, brought: &Brought<'_>, faults: &mut Vec<FleetFault>) {
        let zones = TimeZoneDatabase::bundled();
        let touched =
            |site: &&SiteRecord| brought.of(RecordKind::Site, site.name.as_str()).is_some();
        for site in self.sites().values().filter(touched) {
            let mut fault = |field: &str, text: String| {
                let (kind, name) = (RecordKind::Site, site.name.to_string());
                faults.push(FleetFault { kind, name, field: field.to_owned(), text });
            };
            if !zones.get(&site.zone).is_ok_and(|zone| zone.iana_name() == Some(&site.zone)) {
                let names: Vec<String> = zones.available().map(|zone| zone.to_string()).collect();
                let meant = did_you_mean(&site.zone, names.iter().map(String::as_str));
                fault("zone", format!("`{}` is no IANA time zone{meant}", site.zone));
            }
            if site.down_at_once == Some(0) {
                fault(
                    "down_at_once",
                    "0: no host could ever be changed; expected at least 1".to_owned(),
                );
            }
            if site.bandwidth.is_some_and(|bytes| bytes.0 == 0) {
                fault(
                    "bandwidth",
                    "0: nothing could ever be fetched; leave it out for no limit".to_owned(),
                );
            }
        }
    }

    /// A site or cluster that is taken away while hosts name it.
    fn removal_faults(&self, faults: &mut Vec<FleetFault>) {
        for change in
            self.changes().iter().filter(|change| change.what == crate::ChangeKind::Removed)
        {
            let names = |host: &&HostRecord| match change.kind {
                RecordKind::Site => host.site.as_str() == change.name,
                RecordKind::Cluster => host.cluster.as_deref() == Some(&change.name),
                _ => false,
            };
            let hosts: Vec<_> = self.hosts().values().filter(names).collect();
            if !hosts.is_empty() {
                let (kind, name) = (change.kind, change.name.clone());
                let named = names_of(hosts.iter().map(|host| host.name.as_str()));
                let text = format!(
                    "still named by {}: {named}",
                    refit_names::counted(hosts.len(), "host")
                );
                faults.push(FleetFault { kind, name, field: "name".to_owned(), text });
            }
        }
    }
}

fn circle_fault(circle: &[&HostName]) -> FleetFault {
    let first = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(at, _)| at);
    let turned = circle[first..].iter().chain(&circle[..first]);
    let mut shown: Vec<&str> = turned.take(CIRCLE_NAMES_MAX).map(|name| name.as_str()).collect();
    let name = shown.first().copied().unwrap_or_default().to_owned();
    if circle.len() > shown.len() {
        shown.push("…");
    }
    let text =
        format!("{} hosts wait for each other: {} → {name}", circle.len(), shown.join(" → "));
    FleetFault { kind: RecordKind::Host, name, field: "after".to_owned(), text }
}

/// Names that may be used.
struct Known<'a> {
    sites: BTreeSet<&'a str>,
    clusters: BTreeSet<&'a str>,
    windows: Option<BTreeSet<&'a str>>,
    /// Names that may still be compared, of [`COMPARED_MAX`].
    comparisons: Cell<usize>,
}

impl<'a> Known<'a> {
    fn of(fleet: &'a Fleet) -> Self {
        let windows = fleet.windows().map(|all| all.iter().map(|name| name.as_str()).collect());
        Self {
            sites: fleet.sites().keys().map(|name| name.as_str()).collect(),
            clusters: fleet.clusters().keys().map(String::as_str).collect(),
            windows,
            comparisons: Cell::new(COMPARED_MAX),
        }
    }

    fn unknown<'n>(
        &self,
        what: &str,
        found: &str,
        names: impl ExactSizeIterator<Item = &'n str>,
    ) -> String {
        let left = self.comparisons.get().checked_sub(names.len());
        self.comparisons.set(left.unwrap_or_default());
        let meant = left.map(|_| did_you_mean(found, names));
        format!("{what} `{found}` is not known{}", meant.unwrap_or_default())
    }
}

fn names_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut shown: Vec<&str> = names.take(CIRCLE_NAMES_MAX + 1).collect();
    if shown.len() > CIRCLE_NAMES_MAX {
        shown[CIRCLE_NAMES_MAX] = "…";
    }
    shown.join(", ")
}
