//! Hosts from files of others: every wrong row is named, and nothing is half imported.

use crate::{CliError, Exit, context::text};
use refit_inventory::{Criticality, HostRecord};
use refit_names::{HostName, NameError, PersonName, RoleName, SiteName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

/// What is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A header and a row per host.
    Csv,
    /// What `ansible-inventory --list` prints.
    Ansible,
}

/// Larger files are no inventory: 100,000 hosts with long rows.
const FILE_BYTES_MAX: u64 = 64 << 20;
const COLUMNS: [&str; 8] =
    ["name", "site", "role", "owner", "criticality", "cluster", "tags", "after"];

/// Reads all hosts, or says what is wrong with all wrong ones.
pub(super) fn read(
    file: &Path,
    format: Option<Format>,
    site: &SiteName,
) -> Result<Vec<HostRecord>, CliError> {
    let content = content(file)?;
    let by_name =
        if file.extension().is_some_and(|e| e == "json") { Format::Ansible } else { Format::Csv };
    let (hosts, faults) = match format.unwrap_or(by_name) {
        Format::Csv => csv(&content),
        Format::Ansible => ansible(&content, site),
    };
    if faults.is_empty() {
        return Ok(hosts);
    }
    let what = format!("{} has {} faults, nothing was imported", file.display(), faults.len());
    Err(CliError::new("fleet.import", Exit::Usage, what).with_details(faults))
}

fn content(file: &Path) -> Result<String, CliError> {
    if file.as_os_str() != "-" {
        return text(file);
    }
    let mut content = String::new();
    let mut input = std::io::stdin().lock().take(FILE_BYTES_MAX);
    input
        .read_to_string(&mut content)
        .map_err(|error| CliError::io("read", "standard input", error))?;
    Ok(content)
}

type Read = (Vec<HostRecord>, Vec<String>);

fn csv(content: &str) -> Read {
    let mut lines = content.trim_start_matches('\u{feff}').lines().enumerate();
    let Some((_, header)) = lines.next() else {
        return (
            Vec::new(),
            vec!["row 1: no header, expected columns name, site, role".to_owned()],
        );
    };
    let header: Vec<String> =
        fields(header).unwrap_or_default().iter().map(|f| f.trim().to_lowercase()).collect();
    let mut faults: Vec<String> = header
        .iter()
        .filter(|name| !COLUMNS.contains(&name.as_str()))
        .map(|name| {
            format!("row 1: column `{name}` is not known, expected some of {}", COLUMNS.join(", "))
        })
        .collect();
    let missing = COLUMNS[..3].iter().filter(|name| !header.iter().any(|h| h == *name));
    faults.extend(missing.map(|name| format!("row 1: column `{name}` is missing")));
    if !faults.is_empty() {
        return (Vec::new(), faults);
    }
    let mut hosts = Vec::new();
    let mut rows: BTreeMap<HostName, usize> = BTreeMap::new();
    for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let row = at + 1;
        let Some(cells) = fields(line).filter(|cells| cells.len() == header.len()) else {
            faults.push(format!("row {row}: not {} fields with closed quotes", header.len()));
            continue;
        };
        let values: BTreeMap<&str, &str> =
            header.iter().map(String::as_str).zip(cells.iter().map(|cell| cell.trim())).collect();
        match record(&values) {
            Ok(host) => match rows.insert(host.name.clone(), row) {
                Some(first) => faults
                    .push(format!("row {row}, name: host {} stands in row {first} too", host.name)),
                None => hosts.push(host),
            },
            Err(wrong) => faults.extend(wrong.into_iter().map(|text| format!("row {row}, {text}"))),
        }
    }
    (hosts, faults)
}

/// Fields of one row (RFC 4180 without line breaks in fields); none when a quote stays open.
fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    (!quoted).then_some(fields)
}

/// A host of named values; every wrong field as `field: what`.
fn record(values: &BTreeMap<&str, &str>) -> Result<HostRecord, Vec<String>> {
    let mut faults = Vec::new();
    let value = |name: &str| values.get(name).copied().unwrap_or_default();
    let mut keep = |field: &str, error: String| faults.push(format!("{field}: {error}"));
    let name = HostName::parse(value("name")).map_err(|e: NameError| keep("name", e.to_string()));
    let site = SiteName::parse(value("site")).map_err(|e| keep("site", e.to_string()));
    let role = RoleName::parse(value("role")).map_err(|e| keep("role", e.to_string()));
    let owner = optional(value("owner"))
        .map(PersonName::parse)
        .transpose()
        .map_err(|e| keep("owner", e.to_string()));
    let criticality = match optional(value("criticality")) {
        None => Ok(Criticality::default()),
        Some(word) => serde_json::from_value(Value::String(word.to_lowercase()))
            .map_err(|e| keep("criticality", e.to_string())),
    };
    let after = value("after")
        .split_whitespace()
        .map(HostName::parse)
        .collect::<Result<BTreeSet<_>, _>>()
        .map_err(|e| keep("after", e.to_string()));
    match (name, site, role, owner, criticality, after) {
        (Ok(name), Ok(site), Ok(role), Ok(owner), Ok(criticality), Ok(after)) => Ok(HostRecord {
            owner,
            criticality,
            tags: value("tags").split_whitespace().map(str::to_owned).collect(),
            cluster: optional(value("cluster")).map(str::to_owned),
            after,
            ..HostRecord::new(name, site, role)
        }),
        _ => Err(faults),
    }
}

fn optional(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Host variables `refit_site`, `refit_role`, `refit_owner`, `refit_criticality`, `refit_cluster`; the role is else the first group.
fn ansible(content: &str, site: &SiteName) -> Read {
    let inventory: Value = match serde_json::from_str(content) {
        Ok(inventory) => inventory,
        Err(error) => return (Vec::new(), vec![format!("not the JSON of an inventory: {error}")]),
    };
    let Some(groups) = inventory.as_object() else {
        return (Vec::new(), vec!["the inventory is not a JSON object".to_owned()]);
    };
    let mut first_group: BTreeMap<&str, &str> = BTreeMap::new();
    for (group, members) in groups.iter().filter(|(name, _)| *name != "_meta") {
        let hosts = members["hosts"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for host in hosts {
            first_group.entry(host).or_insert(group);
        }
    }
    let (mut hosts, mut faults) = (Vec::new(), Vec::new());
    for (host, group) in first_group {
        let variables = &inventory["_meta"]["hostvars"][host];
        let variable = |name: &str| variables[format!("refit_{name}")].as_str();
        let mut values = BTreeMap::from([("name", host), ("site", site.as_str()), ("role", group)]);
        for name in &COLUMNS[1..] {
            if let Some(value) = variable(name) {
                values.insert(name, value);
            }
        }
        match record(&values) {
            Ok(record) => hosts.push(record),
            Err(wrong) => {
                faults.extend(wrong.into_iter().map(|text| format!("host {host}, {text}")))
            }
        }
    }
    if hosts.is_empty() && faults.is_empty() {
        faults.push("the inventory has no hosts".to_owned());
    }
    (hosts, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_row_is_named_with_its_field() {
        let (hosts, faults) = csv(
            "name,site,role,criticality\nweb-1,north,app,high\nweb 2,north,app,\nweb-3,north,app,huge\nweb-1,north,app,\nweb-4,\"north",
        );
        assert_eq!(hosts.len(), 1);
        let starts: Vec<_> = faults.iter().map(|f| f.split(':').next().unwrap()).collect();
        assert_eq!(starts, ["row 3, name", "row 4, criticality", "row 5, name", "row 6"]);
    }

    #[test]
    fn unknown_and_missing_columns_are_faults() {
        let (_, faults) = csv("name,place\nweb-1,north");
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn quoted_fields_may_have_commas_and_quotes() {
        assert_eq!(
            fields("a,\"b, \"\"c\"\"\",d"),
            Some(vec!["a".into(), "b, \"c\"".into(), "d".into()])
        );
    }

    #[test]
    fn ansible_inventory_gives_hosts_with_groups_as_roles() {
        let list = r#"{"_meta":{"hostvars":{"db1":{"refit_site":"south","refit_criticality":"critical"}}},
            "all":{"children":["ungrouped","database"]},"database":{"hosts":["db1","db2"]}}"#;
        let (hosts, faults) = ansible(list, &SiteName::parse("default").unwrap());
        assert_eq!(faults, Vec::<String>::new());
        let seen: Vec<_> = hosts
            .iter()
            .map(|h| (h.name.as_str(), h.site.as_str(), h.role.as_str(), h.criticality))
            .collect();
        assert_eq!(
            seen,
            [
                ("db1", "south", "database", Criticality::Critical),
                ("db2", "default", "database", Criticality::Medium)
            ]
        );
    }
}
