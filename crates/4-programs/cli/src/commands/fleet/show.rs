//! Hosts as text.

use crate::output::{columns, moment, table};
use jiff::Timestamp;
use refit_inventory::{HostField, ObservedFacts, StatedFacts};
use refit_protocol::v1::{ChangeView, HostView};

/// What a column of the list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// A field that people state.
    Field(HostField),
    /// Products with their builds.
    Builds,
    /// The score.
    Risk,
    /// When its agent was heard of.
    Agent,
    /// `active`, `unreachable`, `never-seen` or `retired`.
    State,
}

/// Columns that are no fields.
const DERIVED: [(&str, Column); 4] = [
    ("builds", Column::Builds),
    ("risk", Column::Risk),
    ("agent", Column::Agent),
    ("state", Column::State),
];

impl std::str::FromStr for Column {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let derived = DERIVED.iter().find(|(name, _)| *name == text).map(|(_, column)| *column);
        match derived {
            Some(column) => Ok(column),
            None => HostField::parse(text).map(Self::Field).map_err(|what| {
                let more: Vec<&str> = DERIVED.iter().map(|(name, _)| *name).collect();
                format!("{what}, {}", more.join(", "))
            }),
        }
    }
}

impl Column {
    /// The columns of a list when nobody asks for others.
    pub(super) const USUAL: [Self; 7] = [
        Self::Field(HostField::Name),
        Self::Field(HostField::Site),
        Self::Field(HostField::Role),
        Self::Builds,
        Self::Risk,
        Self::State,
        Self::Agent,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Field(HostField::Name) => "host",
            Self::Field(field) => field.as_str(),
            other => {
                DERIVED.iter().find(|(_, column)| *column == other).map_or("", |(name, _)| name)
            }
        }
    }

    fn text(self, host: &HostView) -> String {
        match self {
            Self::Field(field) => host.record.field(field),
            Self::Builds => products(host),
            Self::Risk => host.risk.score.to_string(),
            Self::Agent => presence(host),
            Self::State => state(host).to_owned(),
        }
    }
}

/// Sorts by a column; numbers by their value.
pub(super) fn sort(hosts: &mut [HostView], by: Column, reverse: bool) {
    hosts.sort_by(|a, b| {
        let order = match by {
            Column::Risk => a.risk.score.cmp(&b.risk.score),
            Column::Agent => a.record.last_seen.cmp(&b.record.last_seen),
            Column::Field(HostField::Criticality) => {
                a.record.criticality.cmp(&b.record.criticality)
            }
            Column::Field(HostField::Tier) => a.record.tier.cmp(&b.record.tier),
            column => column.text(a).cmp(&column.text(b)),
        };
        let order = if reverse { order.reverse() } else { order };
        order.then_with(|| a.record.name.cmp(&b.record.name))
    });
}

/// Hosts of the fleet.
pub(super) fn list(hosts: &[HostView], shown: &[Column]) -> String {
    let headers: Vec<&str> = shown.iter().map(|column| column.name()).collect();
    let rows = hosts.iter().map(|host| shown.iter().map(|column| column.text(host)).collect());
    columns(&headers, rows.collect())
}

fn products(host: &HostView) -> String {
    let Some(facts) = &host.record.facts else {
        let stated = host.record.field(HostField::Products);
        let stated = stated.replace('=', " ");
        return if stated.is_empty() { "unknown".to_owned() } else { format!("{stated} (stated)") };
    };
    let builds = facts.products.iter().map(|product| {
        let build = product.build.as_ref().map_or("none", |build| build.as_str());
        format!("{} {build}", product.name)
    });
    builds.collect::<Vec<_>>().join(", ")
}

/// The host's state in one word.
fn state(host: &HostView) -> &'static str {
    match (host.record.retired_because(), host.reachable, host.record.last_seen) {
        (Some(_), _, _) => "retired",
        (None, true, _) => "active",
        (None, false, Some(_)) => "unreachable",
        (None, false, None) => "never-seen",
    }
}

fn presence(host: &HostView) -> String {
    match (host.reachable, host.record.last_seen) {
        (true, _) => "connected".to_owned(),
        (false, Some(at)) => format!("last heard of {}", moment(at)),
        (false, None) => "never heard of".to_owned(),
    }
}

/// One host: what people state, each fact with its source and age, what changed, the reasons of its score.
pub(super) fn one(host: &HostView, changes: &[ChangeView], now: Timestamp) -> String {
    let record = &host.record;
    let mut lines = vec![format!("{}  {}  {}", record.name, state(host), presence(host))];
    if let Some(retired) = &record.retired {
        lines.push(format!("retired by {} at {}: {}", retired.by, retired.at, retired.reason));
    }
    let said =
        HostField::ALL.iter().filter(|field| !is_fact(**field) && **field != HostField::Name);
    let said =
        said.map(|field| (*field, record.field(*field))).filter(|(_, text)| !text.is_empty());
    lines.push(said.map(|(field, text)| format!("{field} {text}")).collect::<Vec<_>>().join("  "));
    let mut facts = record.facts.as_ref().map(|facts| seen(facts, now)).unwrap_or_default();
    facts.extend(record.stated.as_ref().map(|stated| told(stated, now)).unwrap_or_default());
    if facts.is_empty() {
        lines.push("nothing was seen of it, and nothing stated".to_owned());
    } else {
        lines.push(format!("\n{}", table(["fact", "value", "source", "known since"], facts)));
    }
    let quarantined = record.facts.iter().flat_map(|facts| &facts.products).flat_map(|product| {
        product.quarantined.iter().map(|(build, cause)| {
            format!("build {build} of {} is quarantined: {cause}", product.name)
        })
    });
    lines.extend(quarantined);
    lines.push(format!("\nrisk {}", host.risk.score));
    let reasons = host.risk.reasons.iter();
    lines.extend(
        reasons.map(|r| format!("  {:>3}  {}: {} ({})", r.points, r.code, r.text, r.mitigation)),
    );
    if !changes.is_empty() {
        let row = |view: &ChangeView| {
            let [_, _, what] = super::import::change_row(&view.change);
            [moment(view.at), view.who.clone(), what]
        };
        lines.push(format!(
            "\n{}",
            table(["changed", "by", "what"], changes.iter().map(row).collect())
        ));
    }
    lines.join("\n")
}

fn is_fact(field: HostField) -> bool {
    matches!(
        field,
        HostField::Os
            | HostField::Memory
            | HostField::Booted
            | HostField::Backup
            | HostField::Products
            | HostField::Retired
    )
}

/// What an agent saw: sure at the moment it looked.
fn seen(facts: &ObservedFacts, now: Timestamp) -> Vec<[String; 4]> {
    let fact = |name: &str, value: String| {
        [
            name.to_owned(),
            value,
            format!("agent {}", facts.agent_version),
            age(facts.observed_at, now),
        ]
    };
    let mut rows = vec![
        fact("os", format!("{} ({}, {})", facts.os_release, facts.kernel, facts.arch)),
        fact("memory", facts.memory.to_string()),
    ];
    rows.extend(facts.virtualisation.as_ref().map(|kind| fact("virtualisation", kind.clone())));
    rows.extend(facts.booted_at.map(|at| fact("started", moment(at))));
    for product in &facts.products {
        let build = product.build.as_ref().map_or("none", |build| build.as_str());
        let services = format!("{:?}", product.services).to_lowercase();
        let text = format!(
            "build {build} in {}: {}, {} free, services {services}",
            product.root, product.size, product.free
        );
        rows.push(fact(product.name.as_str(), text));
        rows.extend(
            product.backup_at.map(|at| fact(&format!("{} backup", product.name), moment(at))),
        );
    }
    rows
}

/// What was said of it: as sure as whoever said it.
fn told(stated: &StatedFacts, now: Timestamp) -> Vec<[String; 4]> {
    let by = stated.by.as_ref().map_or("somebody", |by| by.as_str());
    let since = stated.at.map(|at| age(at, now)).unwrap_or_default();
    let fact = |name: &str, value: String| {
        [name.to_owned(), value, format!("stated by {by}"), since.clone()]
    };
    let mut rows = Vec::new();
    rows.extend(stated.os.as_ref().map(|os| fact("os", os.clone())));
    rows.extend(stated.memory.map(|memory| fact("memory", memory.to_string())));
    rows.extend(stated.booted_at.map(|at| fact("started", moment(at))));
    rows.extend(stated.backup_at.map(|at| fact("backup", moment(at))));
    rows.extend(
        stated.products.iter().map(|(name, build)| fact(name.as_str(), format!("build {build}"))),
    );
    rows
}

/// A moment with how long ago it was.
fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(at.as_second()).max(0);
    let ago = match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    format!("{} ({ago} ago)", moment(at))
}
