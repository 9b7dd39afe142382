//! What `ansible-inventory --list` prints: groups with members and children, variables by host.
//!
//! Site, role and the other fields come from host variables `refit_…` first, then from the groups as the mapping says.

use super::{Place, Source};
use refit_inventory::{HostField, Said, did_you_mean};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How groups and variables become fields.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Mapping {
    /// Ansible: site of hosts that no variable and no group gives one
    #[arg(long, default_value = "default", value_name = "SITE")]
    site: String,
    /// Ansible: groups whose name begins with this are sites, such as `site_`
    #[arg(long, value_name = "PREFIX")]
    site_groups: Option<String>,
    /// Ansible: groups whose name begins with this are roles, such as `role_`; without it the first group that is neither site nor cluster
    #[arg(long, value_name = "PREFIX")]
    role_groups: Option<String>,
    /// Ansible: groups whose name begins with this are clusters, such as `cluster_`
    #[arg(long, value_name = "PREFIX")]
    cluster_groups: Option<String>,
    /// Ansible: groups that are not the role become tags
    #[arg(long)]
    group_tags: bool,
    /// Ansible: another variable for a field, as FIELD=VARIABLE, such as owner=app_owner; may be repeated
    #[arg(long = "var", value_name = "FIELD=VARIABLE", value_parser = pair)]
    variables: Vec<(HostField, String)>,
}

fn pair(text: &str) -> Result<(HostField, String), String> {
    let (field, variable) = text.split_once('=').ok_or("expected FIELD=VARIABLE")?;
    Ok((HostField::parse(field)?, variable.to_owned()))
}

/// Deepest nesting of groups that is followed; Ansible itself refuses circles.
const GROUPS_DEEP_MAX: usize = 64;
const NOT_GROUPS: [&str; 3] = ["all", "ungrouped", "_meta"];

/// Reads all hosts.
pub(super) fn read(text: &str, mapping: &Mapping, said: &Said) -> Result<Source, String> {
    let inventory: Value = serde_json::from_str(text)
        .map_err(|error| format!("not the JSON that `ansible-inventory --list` prints: {error}"))?;
    let groups = inventory.as_object().ok_or("the inventory is not a JSON object")?;
    let of_hosts = groups_of_hosts(groups);
    let empty = Map::new();
    let variables = |host: &str| {
        inventory["_meta"]["hostvars"].get(host).and_then(Value::as_object).unwrap_or(&empty)
    };
    let mut source = Source::default();
    source.fields.extend([HostField::Name, HostField::Site, HostField::Role]);
    if mapping.group_tags {
        source.fields.insert(HostField::Tags);
    }
    if mapping.cluster_groups.is_some() {
        source.fields.insert(HostField::Cluster);
    }
    for (at, (host, of)) in of_hosts.iter().enumerate() {
        let place = Place::entry(at, format!("host {host}"));
        let mut cells = from_groups(host, of, mapping);
        for (name, value) in variables(host) {
            match field_of(name, mapping) {
                None => {}
                Some(Err(what)) => source.fault(&place, format_args!(", {name}: {what}")),
                Some(Ok(field)) => match cell(value) {
                    Ok(text) => {
                        source.fields.insert(field);
                        cells.insert(field, text);
                    }
                    Err(what) => source.fault(&place, format_args!(", {name}: {what}")),
                },
            }
        }
        source.host(&place, cells.iter().map(|(field, text)| (*field, text.as_str())), said);
    }
    if of_hosts.is_empty() {
        return Err("the inventory has no hosts".to_owned());
    }
    Ok(source)
}

/// Each host with all groups that it is in, directly or through children; the ones nearest to it first, then by name.
fn groups_of_hosts(groups: &Map<String, Value>) -> BTreeMap<&str, Vec<&str>> {
    let mut parents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, group) in groups.iter().filter(|(name, _)| *name != "_meta") {
        for child in list(group, "children") {
            parents.entry(child).or_default().insert(name);
        }
        for host in list(group, "hosts") {
            direct.entry(host).or_default().insert(name);
        }
    }
    let meta = groups.get("_meta").and_then(|meta| meta.get("hostvars")).and_then(Value::as_object);
    for host in meta.into_iter().flat_map(Map::keys) {
        direct.entry(host).or_default();
    }
    direct.iter().map(|(host, first)| (*host, upwards(first, &parents))).collect()
}

fn list<'a>(group: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    group.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Groups and their parents, level by level.
fn upwards<'a>(
    first: &BTreeSet<&'a str>,
    parents: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> Vec<&'a str> {
    let (mut found, mut level) = (Vec::new(), first.clone());
    for _ in 0..GROUPS_DEEP_MAX {
        let new: Vec<&str> = level.iter().copied().filter(|name| !found.contains(name)).collect();
        if new.is_empty() {
            break;
        }
        level = new.iter().filter_map(|name| parents.get(name)).flatten().copied().collect();
        found.extend(new);
    }
    found.retain(|name| !NOT_GROUPS.contains(name));
    found
}

/// Site, role, cluster and tags as groups give them.
fn from_groups(host: &str, groups: &[&str], mapping: &Mapping) -> BTreeMap<HostField, String> {
    let with = |prefix: &Option<String>| {
        let prefix = prefix.as_deref().filter(|prefix| !prefix.is_empty())?;
        groups.iter().find_map(|group| group.strip_prefix(prefix))
    };
    let has = |prefix: &Option<String>, group: &str| {
        prefix.as_deref().is_some_and(|prefix| !prefix.is_empty() && group.starts_with(prefix))
    };
    let (site, cluster) = (with(&mapping.site_groups), with(&mapping.cluster_groups));
    let plain =
        |group: &&&str| !has(&mapping.site_groups, group) && !has(&mapping.cluster_groups, group);
    let role = match &mapping.role_groups {
        Some(_) => with(&mapping.role_groups),
        None => groups.iter().find(plain).copied(),
    };
    let mut cells = BTreeMap::from([
        (HostField::Name, host.to_owned()),
        (HostField::Site, site.unwrap_or(&mapping.site).to_owned()),
    ]);
    cells.extend(role.map(|role| (HostField::Role, role.to_owned())));
    cells.extend(cluster.map(|cluster| (HostField::Cluster, cluster.to_owned())));
    if mapping.group_tags {
        let is_role = |group: &str| has(&mapping.role_groups, group) || role == Some(group);
        let tags = groups.iter().filter(plain).filter(|group| !is_role(group));
        cells.insert(HostField::Tags, tags.copied().collect::<Vec<_>>().join(" "));
    }
    cells
}

/// The field that a variable gives: one of the mapping, or `refit_…`.
fn field_of(variable: &str, mapping: &Mapping) -> Option<Result<HostField, String>> {
    if let Some((field, _)) = mapping.variables.iter().find(|(_, name)| name == variable) {
        return Some(Ok(*field));
    }
    let name = variable.strip_prefix("refit_")?;
    let known = || HostField::ALL.iter().map(|field| field.as_str());
    let found = HostField::ALL.iter().copied().find(|field| field.as_str() == name);
    Some(found.ok_or_else(|| {
        let meant = did_you_mean(name, known());
        let all: Vec<&str> = known().collect();
        format!("`{name}` is no field{meant}; expected refit_ and one of {}", all.join(", "))
    }))
}

/// A variable as the text of a cell: texts, numbers, lists of them, and maps of them as `key=value`.
pub(super) fn cell(value: &Value) -> Result<String, String> {
    let plain = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => Err(format!("{other} is neither a text nor a number")),
    };
    match value {
        Value::Null => Ok(String::new()),
        Value::Array(values) => {
            Ok(values.iter().map(plain).collect::<Result<Vec<_>, _>>()?.join(" "))
        }
        Value::Object(values) => {
            let pair = |(key, value): (&String, &Value)| Ok(format!("{key}={}", plain(value)?));
            Ok(values.iter().map(pair).collect::<Result<Vec<_>, String>>()?.join(" "))
        }
        value => plain(value),
    }
}
