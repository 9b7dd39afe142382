//! What a new plan changes of an old one, for the people who have to agree again.

use crate::{Plan, PlannedHost, PlannedWave, Slot};
use jiff::Timestamp;
use refit_names::{BuildId, HostName, WaveName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One difference between two plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// A value of the whole plan or of one wave.
    Value {
        /// Which, such as `failure budget` or `wave-1: goal`.
        what: String,
        /// Before.
        old: String,
        /// After.
        new: String,
    },
    /// A host that the old plan did not have.
    HostAdded {
        /// Which.
        host: HostName,
        /// Where it stands.
        wave: WaveName,
    },
    /// A host that the new plan does not have.
    HostRemoved {
        /// Which.
        host: HostName,
        /// Why, as the new plan says; none when it was not asked for.
        because: Option<String>,
    },
    /// A host that stands in another wave.
    HostMoved {
        /// Which.
        host: HostName,
        /// Before.
        old: WaveName,
        /// After.
        new: WaveName,
        /// Why it stands there now.
        because: String,
    },
    /// A host that takes another way, or the same way with other content.
    PathChanged {
        /// Which.
        host: HostName,
        /// Builds before, first and last included.
        old: Vec<BuildId>,
        /// Builds after.
        new: Vec<BuildId>,
    },
    /// A host that is changed at another time, in another window or by other people.
    SlotMoved {
        /// Which.
        host: HostName,
        /// Before; none: as soon as its wave runs.
        old: Option<Slot>,
        /// After.
        new: Option<Slot>,
        /// Why it stands there now.
        because: String,
    },
    /// A host whose values of runbook parameters changed; the values are not shown.
    ParametersChanged {
        /// Which.
        host: HostName,
    },
}

/// Everything that differs, whole plan first, then hosts by name. Empty when nothing but hash, generation, parent, author
/// and moment differ.
#[must_use]
pub fn diff(old: &Plan, new: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut value = |what: &str, old: String, new: String| {
        if old != new {
            changes.push(Change::Value { what: what.to_owned(), old, new });
        }
    };
    value("product", old.product.to_string(), new.product.to_string());
    value("target", old.target.to_string(), new.target.to_string());
    value("failure budget", old.failure_budget.to_string(), new.failure_budget.to_string());
    value("approvals needed", old.approvals_needed.to_string(), new.approvals_needed.to_string());
    value("waves", names(&old.waves), names(&new.waves));
    value("finish", moment(old.finishes_at()), moment(new.finishes_at()));
    value("deadline", moment(old.deadline), moment(new.deadline));
    let emergency = |plan: &Plan| plan.emergency.clone().unwrap_or_else(|| "no".to_owned());
    value("emergency", emergency(old), emergency(new));
    for wave in &new.waves {
        if let Some(before) = old.waves.iter().find(|before| before.name == wave.name) {
            for ((what, old), (_, new)) in limits(before).into_iter().zip(limits(wave)) {
                value(&format!("{}: {what}", wave.name), old, new);
            }
        }
    }
    host_changes(old, new, &mut changes);
    changes
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "none".to_owned(), |at| at.to_string())
}

fn names(waves: &[PlannedWave]) -> String {
    waves.iter().map(|wave| wave.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn limits(wave: &PlannedWave) -> [(&'static str, String); 6] {
    [
        ("goal", wave.goal.to_string()),
        ("failure budget", wave.failure_budget.to_string()),
        ("soak", exact(wave.soak_ms)),
        ("timeout", exact(wave.timeout_ms)),
        ("parallel", wave.parallel.to_string()),
        ("advance", format!("{:?}", wave.advance).to_lowercase()),
    ]
}

/// A duration to the millisecond: what differs at all must look different.
fn exact(ms: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = ms;
    let mut parts = Vec::new();
    for (unit, length) in units {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    if parts.is_empty() { "0".to_owned() } else { parts.join(" ") }
}

fn host_changes(old: &Plan, new: &Plan, changes: &mut Vec<Change>) {
    let place = |plan: &Plan| -> BTreeMap<HostName, (WaveName, PlannedHost)> {
        let hosts = plan.hosts();
        hosts.map(|(wave, host)| (host.host.clone(), (wave.name.clone(), host.clone()))).collect()
    };
    let (before, after) = (place(old), place(new));
    for (host, (wave, planned)) in &after {
        let host = host.clone();
        let Some((old_wave, was)) = before.get(&host) else {
            changes.push(Change::HostAdded { host, wave: wave.clone() });
            continue;
        };
        if old_wave != wave {
            changes.push(Change::HostMoved {
                host: host.clone(),
                old: old_wave.clone(),
                new: wave.clone(),
                because: planned.because.clone(),
            });
        }
        if was.legs != planned.legs {
            let (old, new) = (was.builds(), planned.builds());
            changes.push(Change::PathChanged { host: host.clone(), old, new });
        }
        if was.slot != planned.slot {
            changes.push(Change::SlotMoved {
                host: host.clone(),
                old: was.slot.clone(),
                new: planned.slot.clone(),
                because: planned.because.clone(),
            });
        }
        if was.parameters != planned.parameters {
            changes.push(Change::ParametersChanged { host });
        }
    }
    for host in before.keys().filter(|host| !after.contains_key(*host)) {
        let excluded = new.excluded.iter().find(|excluded| excluded.host == *host);
        let because = excluded.map(|excluded| excluded.because.clone());
        changes.push(Change::HostRemoved { host: host.clone(), because });
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { what, old, new } => write!(f, "~ {what}: {old} → {new}"),
            Self::HostAdded { host, wave } => write!(f, "+ host {host} in {wave}"),
            Self::HostRemoved { host, because: Some(because) } => {
                write!(f, "- host {host}: {because}")
            }
            Self::HostRemoved { host, because: None } => write!(f, "- host {host}: not asked for"),
            Self::HostMoved { host, old, new, because } => {
                write!(f, "~ host {host}: {old} → {new} ({because})")
            }
            Self::PathChanged { host, old, new } if old == new => {
                write!(f, "~ host {host}: same builds, other content of a pack")
            }
            Self::PathChanged { host, old, new } => {
                write!(f, "~ host {host}: {} → {}", chain(old), chain(new))
            }
            Self::SlotMoved { host, old, new, .. } => {
                let told = |slot: &Option<Slot>| {
                    slot.as_ref().map_or_else(|| "as its wave runs".to_owned(), Slot::to_string)
                };
                write!(f, "~ host {host}: {} → {}", told(old), told(new))
            }
            Self::ParametersChanged { host } => write!(f, "~ host {host}: other parameters"),
        }
    }
}

fn chain(builds: &[BuildId]) -> String {
    let names: Vec<_> = builds.iter().map(BuildId::as_str).collect();
    format!("[{}]", names.join(" "))
}
