//! What people state of the fleet, as files that can be imported again: the same records give the same bytes.

use crate::{CliError, Exit, context::Context};
use refit_inventory::{HostField, HostRecord};
use refit_protocol::v1::FleetRecords;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// Hosts: a header and a row per host
    Csv,
    /// Everything: sites, clusters, engineers and hosts
    Json,
    /// Hosts in the form that `ansible-inventory --list` prints
    Ansible,
}

/// Writes to standard output.
pub(super) async fn run(
    format: Option<ExportFormat>,
    filter: Option<&str>,
    context: &Context,
) -> Result<Exit, CliError> {
    let format = match format {
        Some(format) => format,
        None if context.output.is_json() => ExportFormat::Json,
        None => ExportFormat::Csv,
    };
    let api = context.api()?;
    let mut records = api.fleet_records().await?;
    if filter.is_some() {
        let named = api.hosts_where(filter).await?;
        let named: BTreeSet<_> = named.into_iter().map(|host| host.record.name).collect();
        records.hosts.retain(|host| named.contains(&host.name));
    }
    let text = match format {
        ExportFormat::Csv => csv(&records.hosts)?,
        ExportFormat::Json => pretty(&document(&records))?,
        ExportFormat::Ansible => pretty(&ansible(&records.hosts))?,
    };
    context.output.text(&text)?;
    Ok(Exit::Done)
}

fn pretty(value: &Value) -> Result<String, CliError> {
    serde_json::to_string_pretty(value).map_err(|error| {
        CliError::new("cli.io", Exit::Failed, format!("failed to write JSON: {error}"))
    })
}

/// All columns, always in the same order.
pub(super) fn csv(hosts: &[HostRecord]) -> Result<String, CliError> {
    let failed = |error: String| {
        CliError::new("cli.io", Exit::Failed, format!("failed to write CSV: {error}"))
    };
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let header = HostField::ALL.iter().map(|field| field.as_str());
    writer.write_record(header).map_err(|error| failed(error.to_string()))?;
    for host in hosts {
        let cells = HostField::ALL.iter().map(|field| host.field(*field));
        writer.write_record(cells).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
}

/// Everything that people state.
pub(super) fn document(records: &FleetRecords) -> Value {
    json!({
        "sites": records.sites,
        "clusters": records.clusters,
        "engineers": records.engineers,
        "hosts": records.hosts.iter().map(host).collect::<Vec<_>>(),
    })
}

/// Fields that differ from those of a new host, lists as lists.
fn host(host: &HostRecord) -> Value {
    let plain = HostRecord::new(host.name.clone(), host.site.clone(), host.role.clone());
    let mut fields = Map::new();
    for field in HostField::ALL {
        let text = host.field(*field);
        let always = matches!(field, HostField::Name | HostField::Site | HostField::Role);
        if always || text != plain.field(*field) {
            fields.insert(field.to_string(), value(*field, &text));
        }
    }
    Value::Object(fields)
}

fn value(field: HostField, text: &str) -> Value {
    match field {
        HostField::Tags | HostField::After | HostField::Windows => {
            text.split_whitespace().collect::<Vec<_>>().into()
        }
        HostField::Tier | HostField::Memory => {
            text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
        }
        HostField::Products => {
            let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, build)| (name.to_owned(), build.into())).collect::<Map<_, _>>().into()
        }
        _ => text.into(),
    }
}

/// Groups by role, site and cluster; every field as a variable, so that an import needs no mapping.
pub(super) fn ansible(hosts: &[HostRecord]) -> Value {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut variables = Map::new();
    for record in hosts {
        let name = record.name.as_str();
        groups.entry(group("role", record.role.as_str())).or_default().insert(name);
        groups.entry(group("site", record.site.as_str())).or_default().insert(name);
        if let Some(cluster) = &record.cluster {
            groups.entry(group("cluster", cluster)).or_default().insert(name);
        }
        let Value::Object(fields) = host(record) else { continue };
        let named = fields.into_iter().filter(|(field, _)| field != "name");
        variables.insert(
            name.to_owned(),
            named
                .map(|(field, value)| (format!("refit_{field}"), value))
                .collect::<Map<_, _>>()
                .into(),
        );
    }
    let mut inventory = Map::new();
    inventory.insert("_meta".to_owned(), json!({ "hostvars": variables }));
    inventory.insert("all".to_owned(), json!({ "children": groups.keys().collect::<Vec<_>>() }));
    for (group, members) in groups {
        inventory.insert(group, json!({ "hosts": members }));
    }
    Value::Object(inventory)
}

/// Ansible's groups have letters, digits and underscores.
fn group(prefix: &str, name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("{prefix}_{}", name.chars().map(plain).collect::<String>())
}
