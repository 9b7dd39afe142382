//! A folder as it would become a tree, with every entry that could not.

use super::Survey;
use refit_names::TreePath;
use refit_packs::alike::{difference, merged};
use refit_packs::manifest::Requirements;
use refit_packs::record::{ENTRIES_MAX, link_stays};
use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt},
    path::{Path, PathBuf},
};

/// Folders within folders, as for building.
const DEPTH_MAX: usize = 64;
/// Faults of one tree that are told: more say nothing new.
const FAULTS_MAX: usize = 100;

/// What a tree would have.
pub(super) struct Tree {
    /// Its folder's name.
    pub(super) name: String,
    /// By path.
    pub(super) entries: BTreeMap<String, Entry>,
    folded: BTreeMap<String, String>,
    case_sensitive: bool,
    faults: usize,
}

/// One entry.
pub(super) struct Entry {
    pub(super) place: PathBuf,
    pub(super) mode: u32,
    pub(super) size: u64,
    /// Where a link points.
    pub(super) link: Option<String>,
    pub(super) is_file: bool,
}

impl Tree {
    pub(super) fn has(&self, path: &TreePath) -> bool {
        self.entries.contains_key(path.as_str())
    }

    fn is_full(&self) -> bool {
        self.faults >= FAULTS_MAX || self.entries.len() > ENTRIES_MAX
    }
}

pub(super) fn tree(
    root: &Path,
    name: &str,
    requirements: &Requirements,
    survey: &mut Survey,
) -> Tree {
    let (entries, folded) = (BTreeMap::new(), BTreeMap::new());
    let (name_of, case_sensitive) = (name.to_owned(), requirements.case_sensitive);
    let mut tree = Tree { name: name_of, entries, folded, case_sensitive, faults: 0 };
    list(root, "", 0, &mut tree, survey);
    if tree.faults >= FAULTS_MAX {
        survey.fault(
            "pack.unfit-tree",
            name,
            format!("has more than {FAULTS_MAX} faults; the rest is not listed"),
        );
    }
    if tree.entries.len() > ENTRIES_MAX {
        survey.fault("pack.unfit-tree", name, format!("has more than {ENTRIES_MAX} entries"));
    }
    tree
}

fn list(folder: &Path, prefix: &str, depth: usize, tree: &mut Tree, survey: &mut Survey) {
    let fail = |tree: &mut Tree, survey: &mut Survey, path: &str, text: String| {
        tree.faults += 1;
        let file =
            if path.is_empty() { tree.name.clone() } else { format!("{}/{path}", tree.name) };
        survey.fault("pack.unfit-tree", &file, text);
    };
    if depth > DEPTH_MAX {
        return fail(tree, survey, prefix, format!("lies more than {DEPTH_MAX} folders deep"));
    }
    let found = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut found = match found {
        Ok(found) => found,
        Err(error) => return fail(tree, survey, prefix, format!("cannot be read: {error}")),
    };
    found.sort_by_key(fs::DirEntry::file_name);
    for entry in found {
        if tree.is_full() {
            return;
        }
        let shown = shown(entry.file_name().as_bytes());
        let shown = if prefix.is_empty() { shown } else { format!("{prefix}/{shown}") };
        let path = match entry.file_name().into_string() {
            Err(_) => {
                fail(tree, survey, &shown, "its name is not UTF-8".to_owned());
                continue;
            }
            Ok(name) if prefix.is_empty() => name,
            Ok(name) => format!("{prefix}/{name}"),
        };
        if let Err(error) = TreePath::parse(path.as_str()) {
            fail(tree, survey, &shown, error.to_string());
            continue;
        }
        if !tree.case_sensitive
            && let Some(twin) = tree.folded.insert(merged(&path), path.clone())
        {
            fail(tree, survey, &path, difference(&path, &twin));
        }
        let metadata = match fs::symlink_metadata(entry.path()) {
            Ok(metadata) => metadata,
            Err(error) => {
                fail(tree, survey, &path, format!("cannot be read: {error}"));
                continue;
            }
        };
        match look(&path, &entry.path(), &metadata) {
            Ok(looked) => drop(tree.entries.insert(path.clone(), looked)),
            Err(text) => fail(tree, survey, &path, text),
        }
        if metadata.is_dir() {
            list(&entry.path(), &path, depth + 1, tree, survey);
        }
    }
}

/// A name as people can read it, whatever bytes it has.
pub(crate) fn shown(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) => text.escape_debug().to_string(),
        Err(_) => name.escape_ascii().to_string(),
    }
}

fn look(path: &str, place: &Path, metadata: &Metadata) -> Result<Entry, String> {
    let mut link = None;
    if metadata.is_symlink() {
        let target = fs::read_link(place).map_err(|error| format!("cannot be read: {error}"))?;
        let target = target.into_os_string().into_string();
        let target = target.map_err(|_| "its link's target is not UTF-8".to_owned())?;
        if !link_stays(path, &target) {
            return Err(format!("its link to `{target}` leaves the tree"));
        }
        link = Some(target);
    } else if metadata.is_file() {
        fs::File::open(place).map_err(|error| format!("cannot be read: {error}"))?;
    } else if !metadata.is_dir() {
        return Err("it is a device, pipe or socket; expected a file, folder or link".to_owned());
    }
    Ok(Entry {
        place: place.to_owned(),
        mode: metadata.permissions().mode(),
        size: metadata.len(),
        link,
        is_file: metadata.is_file(),
    })
}
