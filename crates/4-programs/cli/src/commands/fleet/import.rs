//! Records from files of others: every fault is named with its place and field, and nothing is half imported.

mod ansible;
mod csv;
mod document;
mod encoding;
#[cfg(test)]
mod tests;

pub(super) use ansible::Mapping;

use crate::{CliError, Exit, context::Context, output::table};
use refit_client::ClientError;
use refit_inventory::{
    ChangeKind, ClusterRecord, EngineerRecord, FleetFault, HostField, HostRecord, RecordChange,
    RecordKind, Said, SiteRecord,
};
use refit_names::{HostName, PersonName};
use refit_protocol::v1::{FleetImport, FleetImported};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A header and a row per host
    Csv,
    /// What `ansible-inventory --list` prints
    Ansible,
    /// Sites, clusters, engineers and hosts as YAML or JSON, as `refit fleet export --format json` writes it
    Document,
}

/// Faults that a person is shown; `--json` has them all.
const FAULTS_SHOWN: usize = 50;
/// Changes that a person is shown.
const CHANGES_SHOWN: usize = 20;

/// What a source says, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Source {
    hosts: Vec<HostRecord>,
    /// Fields that the source has; empty: all.
    fields: BTreeSet<HostField>,
    sites: Vec<SiteRecord>,
    clusters: Vec<ClusterRecord>,
    engineers: Vec<EngineerRecord>,
    /// Where each record stands.
    places: BTreeMap<(RecordKind, String), Place>,
    /// The last host of each cluster.
    cluster_rows: BTreeMap<String, Place>,
    /// Hosts that have a name and cannot be read.
    assumed: BTreeSet<HostName>,
    faults: Vec<(Place, String)>,
}

/// Where something stands: how it is said, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    order: usize,
    text: String,
}

impl Place {
    fn row(row: usize) -> Self {
        Self { order: row, text: format!("row {row}") }
    }

    fn entry(order: usize, text: impl Into<String>) -> Self {
        Self { order, text: text.into() }
    }
}

impl Source {
    fn fault(&mut self, place: &Place, what: impl std::fmt::Display) {
        self.faults.push((place.clone(), format!("{}{what}", place.text)));
    }

    /// Notes where a record stands; one that stands somewhere already is a fault.
    fn once(&mut self, kind: RecordKind, name: &str, place: &Place) {
        let key = (kind, name.to_owned());
        match self.places.get(&key) {
            Some(first) => {
                let text = format!(", name: {kind} {name} stands in {} too", first.text);
                self.fault(place, text);
            }
            None => {
                self.places.insert(key, place.clone());
            }
        }
    }

    /// Takes a host with all its cells; each cell that is wrong is a fault.
    fn host<'a>(
        &mut self,
        place: &Place,
        cells: impl Iterator<Item = (HostField, &'a str)>,
        said: &Said,
    ) {
        let Some(mut host) = blank_host() else { return };
        let mut named = None;
        let before = self.faults.len();
        let mut missing = REQUIRED.to_vec();
        for (field, text) in cells {
            if let Err(text) = host.set_field(field, text, said) {
                self.fault(place, format_args!(", {field}: {text}"));
            } else if field == HostField::Name {
                named = Some(host.name.clone());
            }
            missing.retain(|required| *required != field);
        }
        for field in missing {
            self.fault(place, format_args!(", {field}: is missing"));
        }
        if let Some(name) = &named {
            self.once(RecordKind::Host, name.as_str(), place);
        }
        if let Some(cluster) = &host.cluster {
            self.cluster_rows.insert(cluster.clone(), place.clone());
        }
        let faults = &self.faults[before..];
        // With faults the whole is only tried, so a host with some is sent too: what it names is checked all the same. Nothing
        // is checked against a role, so one without goes with that of the blank host.
        let readable = faults.iter().all(|(_, text)| {
            let is_of = |field: &HostField| text.contains(&format!(", {field}: "));
            ![HostField::Name, HostField::Site].iter().any(is_of)
        });
        if readable {
            self.hosts.push(host);
        } else {
            self.assumed.extend(named);
        }
    }
}

const REQUIRED: [HostField; 3] = [HostField::Name, HostField::Site, HostField::Role];

/// A host whose required fields are set right after.
fn blank_host() -> Option<HostRecord> {
    let (name, site, role) = ("x".parse().ok()?, "x".parse().ok()?, "x".parse().ok()?);
    Some(HostRecord::new(name, site, role))
}

/// What is read, and how.
pub(super) struct Wanted<'a> {
    pub(super) file: &'a Path,
    pub(super) format: Option<Format>,
    pub(super) mapping: &'a Mapping,
    pub(super) dry_run: bool,
}

/// Reads a file and takes it over, or says everything that is wrong with it.
pub(super) async fn run(wanted: Wanted<'_>, context: &Context) -> Result<Exit, CliError> {
    let name = named(wanted.file);
    let source = read(&wanted)?;
    let request = FleetImport {
        hosts: source.hosts,
        fields: source.fields,
        sites: source.sites,
        clusters: source.clusters,
        engineers: source.engineers,
        assumed: source.assumed,
        // With faults of its own the file is only looked at further, so that the rest of them is found too.
        dry_run: wanted.dry_run || !source.faults.is_empty(),
    };
    let mut faults = source.faults;
    let answer = context.api()?.import_fleet(&request).await;
    drop(request);
    let done = match answer {
        Ok(done) if faults.is_empty() => done,
        Ok(_) => return Err(refused(&name, faults, context)),
        Err(ClientError::Problem(problem)) if !problem.faults.is_empty() => {
            let place = |fault| located(fault, &source.places, &source.cluster_rows);
            // Names that come twice were found here already, with both of their places.
            let is_new = |fault: &&FleetFault| fault.field != "name" || fault.text != "comes twice";
            faults.extend(problem.faults.iter().filter(is_new).map(place));
            return Err(refused(&name, faults, context));
        }
        // The faults of the file are worth more than the server's silence.
        Err(error) if !faults.is_empty() => {
            let error = CliError::from(error);
            context.output.say(&format!("names and circles were not checked: {}", error.text));
            return Err(refused(&name, faults, context));
        }
        Err(error) => return Err(error.into()),
    };
    for remark in &done.remarks {
        context.output.say(remark);
    }
    context.output.data(&done, |done| summary(done, wanted.dry_run))?;
    let pending = wanted.dry_run && !done.changes.is_empty();
    Ok(if pending { Exit::ChangesPending } else { Exit::Done })
}

/// A fault that the server found, at its place in the source.
fn located(
    fault: &FleetFault,
    places: &BTreeMap<(RecordKind, String), Place>,
    cluster_rows: &BTreeMap<String, Place>,
) -> (Place, String) {
    let FleetFault { kind, name, field, text } = fault;
    if let Some(place) = places.get(&(*kind, name.clone())) {
        return (place.clone(), format!("{}, {field}: {text}", place.text));
    }
    let row = cluster_rows.get(name).filter(|_| *kind == RecordKind::Cluster);
    match row {
        Some(place) => {
            (place.clone(), format!("{}, cluster: cluster {name}, {field}: {text}", place.text))
        }
        None => (Place::entry(usize::MAX, ""), format!("{kind} {name}, {field}: {text}")),
    }
}

fn refused(name: &str, mut faults: Vec<(Place, String)>, context: &Context) -> CliError {
    faults.sort_by(|a, b| a.0.cmp(&b.0));
    let count = faults.len();
    let word = refit_names::counted(count, "fault");
    let mut lines: Vec<String> = faults.into_iter().map(|(_, text)| text).collect();
    if !context.output.is_json() && count > FAULTS_SHOWN {
        lines.truncate(FAULTS_SHOWN);
        lines.push(format!("… and {} more; --json has them all", count - FAULTS_SHOWN));
    }
    let what = format!("{name} has {word}, nothing was imported");
    CliError::new("fleet.import", Exit::Usage, what).with_details(lines)
}

/// What was done, or would be.
pub(super) fn summary(done: &FleetImported, dry_run: bool) -> String {
    let FleetImported { created, updated, unchanged, .. } = done;
    let counts = if dry_run {
        format!("would be: {created} created, {updated} updated, {unchanged} unchanged")
    } else {
        format!("{created} created, {updated} updated, {unchanged} unchanged")
    };
    let show = if dry_run { CHANGES_SHOWN } else { 0 };
    if show == 0 || done.changes.is_empty() {
        return counts;
    }
    let mut rows: Vec<[String; 3]> = done.changes.iter().take(show).map(change_row).collect();
    if done.changes.len() > show {
        rows.push(["…".to_owned(), format!("{} more", done.changes.len() - show), String::new()]);
    }
    format!("{}\n{counts}", table(["record", "name", "change"], rows))
}

/// Every change, for commands that change little.
pub(super) fn changes(done: &FleetImported, dry_run: bool) -> String {
    if done.changes.is_empty() {
        return "nothing to change".to_owned();
    }
    let rows = done.changes.iter().map(|change| change_row(change).join("  "));
    let word = if dry_run { "would be " } else { "" };
    rows.map(|row| format!("{word}{row}")).collect::<Vec<_>>().join("\n")
}

/// One change as a line.
pub(super) fn change_row(change: &RecordChange) -> [String; 3] {
    let what = match &change.what {
        ChangeKind::Created => "created".to_owned(),
        ChangeKind::Removed => "removed".to_owned(),
        ChangeKind::Updated { fields } => {
            let field = |one: &refit_inventory::FieldChange| {
                format!("{}: {} → {}", one.field, said_as(&one.before), said_as(&one.after))
            };
            // Who retires a host says why: that tells more than that its state is another.
            let is_told = |one: &&refit_inventory::FieldChange| {
                one.field != "lifecycle" || fields.iter().all(|other| other.field != "retired")
            };
            fields.iter().filter(is_told).map(field).collect::<Vec<_>>().join(", ")
        }
    };
    [change.kind.to_string(), change.name.clone(), what]
}

/// A value as people would write it.
fn said_as(value: &serde_json::Value) -> String {
    use serde_json::Value;
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(said_as).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name} {}", said_as(value));
            fields.iter().map(field).collect::<Vec<_>>().join("; ")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    };
    if text.is_empty() { "–".to_owned() } else { text }
}

/// A source as errors name it.
fn named(file: &Path) -> String {
    if file.as_os_str() == "-" {
        return "standard input".to_owned();
    }
    file.display().to_string()
}

/// Reads the file as what it is.
fn read(wanted: &Wanted<'_>) -> Result<Source, CliError> {
    let name = named(wanted.file);
    let text = encoding::text(wanted.file)?;
    let format = match wanted.format {
        Some(format) => format,
        None => guess(wanted.file, &text)?,
    };
    let said = said()?;
    let source = match format {
        Format::Csv => csv::read(&text, &said),
        Format::Ansible => ansible::read(&text, wanted.mapping, &said),
        Format::Document => document::read(&text, &said),
    };
    source.map_err(|what| {
        let what = format!("{name} cannot be read, nothing was imported: {what}");
        CliError::new("fleet.import", Exit::Usage, what)
    })
}

/// By the file's name, and where JSON may be either, by what it begins with.
fn guess(file: &Path, text: &str) -> Result<Format, CliError> {
    let end = file.extension().and_then(|end| end.to_str()).unwrap_or_default().to_lowercase();
    let json = || {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
        let is_inventory =
            parsed.is_ok_and(|json| json.get("_meta").is_some() || json.get("all").is_some());
        if is_inventory { Format::Ansible } else { Format::Document }
    };
    match end.as_str() {
        "csv" | "txt" => Ok(Format::Csv),
        "yaml" | "yml" => Ok(Format::Document),
        "json" => Ok(json()),
        _ if text.trim_start().starts_with('{') => Ok(json()),
        _ if file.as_os_str() == "-" => Ok(Format::Csv),
        _ => Err(CliError::usage(format!(
            "what is in {} cannot be told by its name: say --format csv, ansible or document",
            file.display()
        ))),
    }
}

/// The server puts the real person and moment in their place.
fn said() -> Result<Said, CliError> {
    let by = PersonName::parse("import").map_err(|error| CliError::usage(error.to_string()))?;
    Ok(Said { by, at: jiff::Timestamp::UNIX_EPOCH })
}
