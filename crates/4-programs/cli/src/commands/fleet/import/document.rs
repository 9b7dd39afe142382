//! Sites, clusters, engineers and hosts in one YAML or JSON document: each entry states its record as a whole.

use super::{Place, Source, ansible::cell};
use refit_inventory::{HostField, RecordKind, Said, did_you_mean};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Parts of a document.
const PARTS: [&str; 4] = ["sites", "clusters", "engineers", "hosts"];

/// Reads all entries.
pub(super) fn read(text: &str, said: &Said) -> Result<Source, String> {
    let document: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?
    } else {
        serde_saphyr::from_str(text).map_err(|error| format!("not YAML: {error}"))?
    };
    let parts = document.as_object().ok_or_else(expected)?;
    let mut source = Source::default();
    for (part, entries) in parts {
        if !PARTS.contains(&part.as_str()) {
            let meant = did_you_mean(part, PARTS.into_iter());
            let place = Place::entry(0, part.clone());
            source.fault(&place, format_args!(": is not known{meant}; {}", expected()));
        }
        if !entries.is_array() {
            source.fault(&Place::entry(0, part.clone()), ": is no list");
        }
    }
    let entries = |part: &str| parts.get(part).and_then(Value::as_array).into_iter().flatten();
    let sites = records(
        &mut source,
        ("sites", RecordKind::Site),
        entries("sites"),
        &json!({ "name": "x", "zone": "UTC" }),
    );
    let clusters = records(
        &mut source,
        ("clusters", RecordKind::Cluster),
        entries("clusters"),
        &json!({ "name": "x", "down_at_once": 1 }),
    );
    let engineers = records(
        &mut source,
        ("engineers", RecordKind::Engineer),
        entries("engineers"),
        &json!({ "name": "x" }),
    );
    (source.sites, source.clusters, source.engineers) = (sites, clusters, engineers);
    for (at, entry) in entries("hosts").enumerate() {
        host(&mut source, &place("hosts", at, entry), entry, said);
    }
    let nothing = source.sites.is_empty()
        && source.clusters.is_empty()
        && source.engineers.is_empty()
        && source.hosts.is_empty();
    if nothing && source.faults.is_empty() { Err(expected()) } else { Ok(source) }
}

fn expected() -> String {
    format!("expected lists under some of {}", PARTS.join(", "))
}

fn place(part: &str, at: usize, entry: &Value) -> Place {
    let order = PARTS.iter().position(|known| *known == part).unwrap_or(0) * 1_000_000 + at;
    match entry.get("name").and_then(Value::as_str) {
        Some(name) => Place::entry(order, format!("{part}[{at}] ({name})")),
        None => Place::entry(order, format!("{part}[{at}]")),
    }
}

/// Entries as records; of a wrong one every wrong field is a fault. `lawful` is the smallest entry that can be read.
fn records<'a, T: DeserializeOwned>(
    source: &mut Source,
    (part, kind): (&str, RecordKind),
    entries: impl Iterator<Item = &'a Value>,
    lawful: &Value,
) -> Vec<T> {
    let mut records = Vec::new();
    for (at, entry) in entries.enumerate() {
        let place = place(part, at, entry);
        if let Some(name) = entry.get("name").and_then(Value::as_str) {
            source.once(kind, name, &place);
            // The server takes the last of them, so what it says of the record is said of this entry.
            source.places.insert((kind, name.to_owned()), place.clone());
        }
        match serde_json::from_value(entry.clone()) {
            Ok(record) => records.push(record),
            Err(whole) => {
                let faults = field_faults::<T>(entry, lawful);
                if faults.is_empty() {
                    source.fault(&place, format_args!(": {whole}"));
                }
                for (field, text) in faults {
                    source.fault(&place, format_args!(", {field}: {text}"));
                }
            }
        }
    }
    records
}

/// Tries each field in an entry that is lawful otherwise.
fn field_faults<T: DeserializeOwned>(entry: &Value, lawful: &Value) -> Vec<(String, String)> {
    let (Some(fields), Some(lawful)) = (entry.as_object(), lawful.as_object()) else {
        return Vec::new();
    };
    let tried = |with: Map<String, Value>| serde_json::from_value::<T>(Value::Object(with)).err();
    let mut faults = Vec::new();
    for (field, value) in fields {
        let mut with = lawful.clone();
        with.insert(field.clone(), value.clone());
        faults.extend(tried(with).map(|error| (field.clone(), error.to_string())));
    }
    let missing = lawful.keys().filter(|field| !fields.contains_key(*field));
    faults.extend(missing.map(|field| (field.clone(), "is missing".to_owned())));
    faults
}

fn host(source: &mut Source, place: &Place, entry: &Value, said: &Said) {
    let Some(fields) = entry.as_object() else {
        source.fault(place, ": is no host with fields");
        return;
    };
    let mut cells = Vec::new();
    for (name, value) in fields {
        match (HostField::parse(name), cell(value)) {
            (Ok(field), Ok(text)) => cells.push((field, text)),
            (Err(what), _) => source.fault(place, format_args!(", {what}")),
            (Ok(_), Err(what)) => source.fault(place, format_args!(", {name}: {what}")),
        }
    }
    source.host(place, cells.iter().map(|(field, text)| (*field, text.as_str())), said);
}
