//! Which fields of which records the changes brought in.

use crate::{ChangeKind, RecordChange, RecordKind};
use std::collections::{BTreeMap, BTreeSet};

/// Fields of a record with other values than before: every one when it was made.
#[derive(Default)]
pub(super) struct Fields<'a> {
    all: bool,
    named: BTreeSet<&'a str>,
}

impl Fields<'_> {
    pub(super) fn has(&self, field: &str) -> bool {
        self.all || self.named.contains(field)
    }
}

/// Records that the changes touched.
pub(super) struct Brought<'a>(BTreeMap<(RecordKind, &'a str), Fields<'a>>);

impl<'a> Brought<'a> {
    pub(super) fn by(changes: &'a [RecordChange]) -> Self {
        let mut records: BTreeMap<_, Fields<'_>> = BTreeMap::new();
        for change in changes {
            let own = records.entry((change.kind, change.name.as_str())).or_default();
            match &change.what {
                ChangeKind::Created => own.all = true,
                ChangeKind::Updated { fields } => {
                    own.named.extend(fields.iter().map(|field| field.field.as_str()));
                }
                ChangeKind::Removed => {}
            }
        }
        Self(records)
    }

    /// What is new of a record; none: it was not touched.
    pub(super) fn of<'b>(&'b self, kind: RecordKind, name: &'b str) -> Option<&'b Fields<'b>> {
        self.0.get(&(kind, name))
    }

    pub(super) fn host(&self, name: &str, field: &str) -> bool {
        self.of(RecordKind::Host, name).is_some_and(|fields| fields.has(field))
    }
}
