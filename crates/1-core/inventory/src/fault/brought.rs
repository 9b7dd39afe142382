//! Which fields of which records the changes brought in.

use crate::{ChangeKind, RecordChange, RecordKind};
use std::collections::BTreeSet;

/// Records and fields with other values than before.
pub(super) struct Brought<'a> {
    records: BTreeSet<(RecordKind, &'a str)>,
    made: BTreeSet<(RecordKind, &'a str)>,
    fields: BTreeSet<(RecordKind, &'a str, &'a str)>,
}

impl<'a> Brought<'a> {
    pub(super) fn by(changes: &'a [RecordChange]) -> Self {
        let mut all =
            Self { records: BTreeSet::new(), made: BTreeSet::new(), fields: BTreeSet::new() };
        for change in changes {
            let record = (change.kind, change.name.as_str());
            all.records.insert(record);
            match &change.what {
                ChangeKind::Created => {
                    all.made.insert(record);
                }
                ChangeKind::Updated { fields } => {
                    let fields = fields.iter().map(|field| (record.0, record.1, &*field.field));
                    all.fields.extend(fields);
                }
                ChangeKind::Removed => {}
            }
        }
        all
    }

    /// Whether anything of the record is new.
    pub(super) fn record(&self, kind: RecordKind, name: &str) -> bool {
        self.records.contains(&(kind, name))
    }

    /// Whether this field of it is new.
    pub(super) fn field(&self, kind: RecordKind, name: &str, field: &str) -> bool {
        self.made.contains(&(kind, name)) || self.fields.contains(&(kind, name, field))
    }
}
