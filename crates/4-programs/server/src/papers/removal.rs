//! What documents say of packs that are taken back: the procedure of the removal, and what becomes of data.

use super::input::pack_note;
use refit_documents::paper::PackNote;
use refit_names::BuildId;
use refit_packs::{manifest::DataSince, record::PackRecord, runbook::Remove};
use std::collections::BTreeMap;

/// All removals that lead to one build as one note, for a plan names builds by where they lead; and packs that lead back, each made of
/// the signed record of one that goes.
pub(super) fn of(
    own: &[PackRecord],
    to: &BuildId,
) -> (BTreeMap<BuildId, PackNote>, Vec<PackRecord>) {
    let mut notes: BTreeMap<BuildId, PackNote> = BTreeMap::new();
    let mut records = Vec::with_capacity(own.len());
    for own in own {
        // As hosts fill it in, but for what only they know.
        let in_place = own.runbook.in_place().cloned();
        let remove =
            Remove { installed_by: String::new(), in_place, backup: None, refuse_written: false };
        let Ok(back) = refit_packs::removal(own, to, &remove) else { continue };
        let mut note = pack_note(&back);
        note.terms.push(data(own));
        match notes.get_mut(to) {
            Some(all) => {
                all.title = format!("{}; {}", all.title, note.title);
                all.terms.extend(note.terms);
            }
            None => drop(notes.insert(to.clone(), note)),
        }
        records.push(back);
    }
    (notes, records)
}

fn data(own: &PackRecord) -> String {
    let rule = own.manifest.uninstall.as_ref().map(|rule| rule.data).unwrap_or_default();
    let what = match rule {
        DataSince::Keep => "files and databases stay as they are",
        DataSince::Lost => {
            "files and databases return to the backup from before the pack; what was written since is kept beside the backup"
        }
        DataSince::Refuse => {
            "files and databases return to the backup from before the pack; a server where something was written since is not taken back"
        }
    };
    format!("when build {} goes, {what}", own.manifest.to)
}
