//! JSON Schemas (draft 2020-12) of what people and programs write: one source for editors, for other validators and for the
//! shape check of this crate.

use crate::{
    catalog::{CATALOG_FORMAT, Catalog},
    manifest::{MANIFEST_FORMAT, Manifest},
    record::{PackRecord, RECORD_FORMAT},
    runbook::{RUNBOOK_FORMAT, Runbook},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// What a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaOf {
    /// `pack.yaml`.
    Pack,
    /// A runbook.
    Runbook,
    /// The signed record of a built pack.
    Record,
    /// The signed catalogue of a repository.
    Catalog,
}

impl SchemaOf {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pack, Self::Runbook, Self::Record, Self::Catalog];

    /// As it stands in file names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pack => "pack",
            Self::Runbook => "runbook",
            Self::Record => "record",
            Self::Catalog => "catalog",
        }
    }

    /// The schema.
    #[must_use]
    pub fn schema(self) -> &'static Value {
        static ALL: LazyLock<[Value; 4]> = LazyLock::new(|| {
            [
                written_by_people(of::<Manifest>(SchemaOf::Pack, MANIFEST_FORMAT)),
                written_by_people(of::<Runbook>(SchemaOf::Runbook, RUNBOOK_FORMAT)),
                of::<PackRecord>(SchemaOf::Record, RECORD_FORMAT),
                of::<Catalog>(SchemaOf::Catalog, CATALOG_FORMAT),
            ]
        });
        &ALL[self as usize]
    }

    /// The schema as it is published.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:#}\n", self.schema())
    }
}

fn of<T: JsonSchema>(which: SchemaOf, format: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["$id"] = json!(format!("https://refit.example/schema/{}.schema.json", which.name()));
    schema["properties"]["format"]["const"] = json!(format);
    each_object(&mut schema, &mut |object| {
        // schemars leaves the upper limit of wide integers out.
        let limit = match object.get("format").and_then(Value::as_str) {
            Some("uint32") => json!(u32::MAX),
            Some("uint64") => json!(u64::MAX),
            _ => return,
        };
        object.insert("maximum".to_owned(), limit);
    });
    schema
}

/// In YAML `1100` and `true` are texts where a text is wanted; another reader hands them on as number and boolean.
fn written_by_people(mut schema: Value) -> Value {
    each_object(&mut schema, &mut |object| {
        let form = object.get("format").and_then(Value::as_str);
        if object.contains_key("const") || object.contains_key("enum") || form == Some("refit-size")
        {
            return;
        }
        // The pattern of names looks at texts only.
        let least = (form == Some("refit-name")).then_some(0);
        let kinds = match object.get("type") {
            Some(Value::String(kind)) => vec![kind.clone()],
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => return,
        };
        if kinds.iter().any(|kind| kind == "string") {
            let more = ["number", "boolean"].map(str::to_owned);
            let kinds: Vec<String> = kinds.into_iter().chain(more).collect();
            object.insert("type".to_owned(), json!(kinds));
            object.extend(least.map(|least| ("minimum".to_owned(), json!(least))));
        }
    });
    schema
}

/// Calls `change` for every object of a schema that may be a schema itself.
fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|value| each_object(value, change));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| each_object(value, change)),
        _ => {}
    }
}
