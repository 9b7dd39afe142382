//! The whole fleet in memory, changed record by record, with a note of every change.

use crate::{ClusterRecord, EngineerRecord, HostRecord, SiteRecord};
use refit_names::{HostName, PersonName, SiteName, WindowName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    /// A host.
    Host,
    /// A site.
    Site,
    /// A cluster.
    Cluster,
    /// An engineer.
    Engineer,
    /// A risk that a person stated.
    Risk,
    /// The weights of the score.
    RiskWeights,
}

impl RecordKind {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Site => "site",
            Self::Cluster => "cluster",
            Self::Engineer => "engineer",
            Self::Risk => "risk",
            Self::RiskWeights => "risk-weights",
        }
    }
}

impl std::fmt::Display for RecordKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One record that was made, changed or taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordChange {
    /// What it is about.
    pub kind: RecordKind,
    /// Its name.
    pub name: String,
    /// What happened.
    #[serde(flatten)]
    pub what: ChangeKind,
}

/// What happened to a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// Values of fields differ.
    Updated {
        /// Each field with its values before and after.
        fields: Vec<FieldChange>,
    },
    /// It is gone.
    Removed,
}

/// A field with another value than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Which one.
    pub field: String,
    /// Its value before; null when it had none.
    pub before: Value,
    /// Its value now.
    pub after: Value,
}

/// Fields whose values differ between two records of one kind. When something was said is no change of what was said.
#[must_use]
pub fn field_changes(before: &impl Serialize, after: &impl Serialize) -> Vec<FieldChange> {
    let (before, after) = (fields_of(before), fields_of(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let value = |of: &BTreeMap<String, Value>, name: &String| of.get(name).cloned();
    changed
        .map(|name| FieldChange {
            field: name.clone(),
            before: value(&before, name).unwrap_or(Value::Null),
            after: value(&after, name).unwrap_or(Value::Null),
        })
        .collect()
}

fn fields_of(record: &impl Serialize) -> BTreeMap<String, Value> {
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

/// Everything that people say of hosts and of what hosts stand in.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    hosts: BTreeMap<HostName, HostRecord>,
    sites: BTreeMap<SiteName, SiteRecord>,
    clusters: BTreeMap<String, ClusterRecord>,
    engineers: BTreeMap<PersonName, EngineerRecord>,
    /// Windows that are defined; none: not known here, so names of windows are not checked.
    windows: Option<BTreeSet<WindowName>>,
    changes: Vec<RecordChange>,
}

macro_rules! records {
    ($(#[$doc:meta])* $list:ident, $put:ident, $remove:ident, $kind:ident, $key:ty, $record:ty) => {
        $(#[$doc])*
        #[must_use]
        pub const fn $list(&self) -> &BTreeMap<$key, $record> {
            &self.$list
        }

        /// Puts a record in the place of the one with its name. Nothing happens when they are equal.
        pub fn $put(&mut self, record: $record) {
            let what = match self.$list.get(&record.name) {
                None => ChangeKind::Created,
                Some(before) if *before == record => return,
                Some(before) => ChangeKind::Updated { fields: field_changes(before, &record) },
            };
            let name = record.name.to_string();
            self.changes.push(RecordChange { kind: RecordKind::$kind, name, what });
            self.$list.insert(record.name.clone(), record);
        }

        /// Takes a record away; whether there was one.
        pub fn $remove(&mut self, name: &$key) -> bool {
            if self.$list.remove(name).is_none() {
                return false;
            }
            let (kind, what) = (RecordKind::$kind, ChangeKind::Removed);
            self.changes.push(RecordChange { kind, name: name.to_string(), what });
            true
        }
    };
}

impl Fleet {
    /// The fleet as it stands.
    #[must_use]
    pub fn new(
        hosts: Vec<HostRecord>,
        sites: Vec<SiteRecord>,
        clusters: Vec<ClusterRecord>,
        engineers: Vec<EngineerRecord>,
        windows: Option<BTreeSet<WindowName>>,
    ) -> Self {
        Self {
            hosts: hosts.into_iter().map(|record| (record.name.clone(), record)).collect(),
            sites: sites.into_iter().map(|record| (record.name.clone(), record)).collect(),
            clusters: clusters.into_iter().map(|record| (record.name.clone(), record)).collect(),
            engineers: engineers.into_iter().map(|record| (record.name.clone(), record)).collect(),
            windows,
            changes: Vec::new(),
        }
    }

    records!(/** All hosts. */ hosts, put_host, remove_host, Host, HostName, HostRecord);
    records!(/** All sites. */ sites, put_site, remove_site, Site, SiteName, SiteRecord);
    records!(/** All clusters with a record. */ clusters, put_cluster, remove_cluster, Cluster, String, ClusterRecord);
    records!(/** All engineers. */ engineers, put_engineer, remove_engineer, Engineer, PersonName, EngineerRecord);

    /// Windows that are defined, when that is known.
    #[must_use]
    pub const fn windows(&self) -> Option<&BTreeSet<WindowName>> {
        self.windows.as_ref()
    }

    /// What was changed since it was read, in order.
    #[must_use]
    pub fn changes(&self) -> &[RecordChange] {
        &self.changes
    }
}
