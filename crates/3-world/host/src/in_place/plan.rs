//! What an exchange changes: decided once, from what the build before owns, what the new one owns, and what lies there now.

use super::{Listing, Node, OWN, SeenBefore, listing::lossless};
use crate::error::StepError;
use refit_packs::{pattern::covers, runbook::InPlace};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Local changes that an error names: enough to see what happened.
const NAMED_MAX: usize = 20;
/// At the end of a new configuration file that lies beside the host's own.
pub(crate) const NEW_BESIDE: &str = ".refit-new";

/// What an exchange changes, parents first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Whose it is: a plan of another order is never carried out.
    pub(crate) of: String,
    pub(crate) changes: Vec<Change>,
    /// Configuration that the host changed and keeps.
    #[serde(with = "paths")]
    pub(crate) kept: Vec<PathBuf>,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    #[serde(with = "lossless")]
    pub(crate) path: PathBuf,
    pub(crate) old: Old,
    pub(crate) new: New,
}

/// What lies there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Old {
    Absent,
    Folder {
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// A file or a link: kept as it is in `old/`.
    Kept,
}

/// What lies there afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum New {
    Absent,
    Folder {
        mode: u32,
    },
    /// The file that stands in `new/` under this path.
    File {
        #[serde(with = "lossless")]
        from: PathBuf,
    },
    Link {
        #[serde(with = "lossless")]
        target: PathBuf,
    },
}

impl Plan {
    /// What is replaced or removed.
    pub(crate) fn replaced(&self) -> impl Iterator<Item = &Path> {
        let replaced = self.changes.iter().filter(|change| match change.old {
            Old::Absent => false,
            Old::Folder { .. } => !change.new.is_folder(),
            Old::Kept => true,
        });
        replaced.map(|change| change.path.as_path())
    }
}

impl Old {
    pub(crate) fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }
}
impl New {
    pub(crate) fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }
}

mod paths {
    use super::{PathBuf, lossless};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct One(#[serde(with = "lossless")] PathBuf);

    pub(super) fn serialize<S: Serializer>(all: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().cloned().map(One))
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        Ok(Vec::<One>::deserialize(from)?.into_iter().map(|one| one.0).collect())
    }
}

/// A path that is not what it ought to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    path: PathBuf,
    expected: String,
    found: String,
}

pub(crate) fn refuse(faults: Vec<Fault>) -> Result<(), StepError> {
    if faults.is_empty() {
        return Ok(());
    }
    let tell = |fault: &Fault| {
        format!("`{}`: expected {}, found {}", fault.path.display(), fault.expected, fault.found)
    };
    let list = faults.iter().take(NAMED_MAX).map(tell).collect::<Vec<_>>().join("; ");
    Err(StepError::LocalChanges { count: faults.len(), list })
}

/// What to go by.
pub(crate) struct Rules<'a> {
    pub(crate) terms: &'a InPlace,
    pub(crate) seen: &'a SeenBefore,
    /// Whose the plan is.
    pub(crate) of: String,
}

pub(crate) fn is_config(terms: &InPlace, path: &Path) -> bool {
    // A pattern is text; a name that is none fits none.
    path.to_str().is_some_and(|text| terms.config.iter().any(|pattern| covers(pattern, text)))
}

/// Decides what is exchanged in `into`. Nothing is changed.
///
/// # Errors
/// [`StepError::LocalChanges`] names every path that somebody changed or that stands in the way.
pub(crate) fn make(
    into: &Path,
    base: &Listing,
    to: &Listing,
    rules: &Rules<'_>,
) -> Result<Plan, StepError> {
    let mut making =
        Making { into, base, to, rules, faults: vec![], changes: BTreeMap::new(), kept: vec![] };
    let volume = fs::metadata(into).map_err(StepError::io("look at", into))?.dev();
    for path in to.entries.keys().filter(|path| path.starts_with(OWN)) {
        making.fault(path, "nothing of a build below `.refit`", "it".to_owned());
    }
    let all: BTreeSet<&PathBuf> = base.entries.keys().chain(to.entries.keys()).collect();
    for path in all {
        making.one(path)?;
        // Exchanged by renaming: what lies on another volume cannot be.
        if let Some(seen) = seen(&into.join(path))?
            && seen.is_dir()
            && seen.dev() != volume
        {
            making.fault(
                path,
                "a folder on the volume of the product",
                "another volume".to_owned(),
            );
        }
    }
    refuse(making.faults)?;
    let changes = making.changes.into_iter().filter_map(|(path, change)| {
        let (old, new) = change?;
        Some(Change { path, old, new })
    });
    Ok(Plan { of: rules.of.clone(), changes: changes.collect(), kept: making.kept })
}

struct Making<'a> {
    into: &'a Path,
    base: &'a Listing,
    to: &'a Listing,
    rules: &'a Rules<'a>,
    faults: Vec<Fault>,
    /// Looked at; none: nothing changes there.
    changes: BTreeMap<PathBuf, Option<(Old, New)>>,
    kept: Vec<PathBuf>,
}

/// What lies at a path; a missing folder above it means nothing.
pub(crate) fn seen(path: &Path) -> Result<Option<Metadata>, StepError> {
    match fs::symlink_metadata(path) {
        Ok(seen) => Ok(Some(seen)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(StepError::io("look at", path)(error)),
    }
}

fn old(seen: Option<&Metadata>) -> Old {
    match seen {
        None => Old::Absent,
        Some(seen) if seen.is_dir() => {
            let mode = seen.permissions().mode() & 0o7777;
            Old::Folder { mode, uid: seen.uid(), gid: seen.gid() }
        }
        Some(_) => Old::Kept,
    }
}

fn new(path: &Path, node: Option<&Node>) -> New {
    match node {
        None => New::Absent,
        Some(Node::Folder { mode }) => New::Folder { mode: *mode },
        Some(Node::File { .. }) => New::File { from: path.to_owned() },
        Some(Node::Link { target }) => New::Link { target: target.clone() },
    }
}

impl Making<'_> {
    fn fault(&mut self, path: &Path, expected: &str, found: String) {
        self.faults.push(Fault { path: path.to_owned(), expected: expected.to_owned(), found });
    }

    fn one(&mut self, path: &Path) -> Result<(), StepError> {
        let live = self.into.join(path);
        let (base, to) = (self.base.entries.get(path), self.to.entries.get(path));
        let there = seen(&live)?;
        if is_config(self.rules.terms, path)
            && !matches!(base.or(to), Some(Node::Folder { .. }))
            && self.keeps_local(path, base, to, there.as_ref())?
        {
            self.changes.insert(path.to_owned(), None);
            return Ok(());
        }
        match (base, &there) {
            // A folder that somebody made already is as good as a new one.
            (None, Some(seen)) if seen.is_dir() && matches!(to, Some(Node::Folder { .. })) => {
                self.changes.insert(path.to_owned(), None);
                return Ok(());
            }
            (None, Some(_)) => {
                let mut same = vec![];
                if let Some(to) = to {
                    compare(&live, path, to, self.rules.seen, &mut same)?;
                }
                if let Some(fault) = same.pop() {
                    self.fault(path, "nothing: the installed build has no such file", fault.found);
                    return Ok(());
                }
            }
            // Gone already, and the new build does not want it.
            (_, None) if to.is_none() => {
                self.changes.insert(path.to_owned(), None);
                return Ok(());
            }
            (None, None) => {}
            (Some(base), _) => {
                let before = self.faults.len();
                compare(&live, path, base, self.rules.seen, &mut self.faults)?;
                if self.faults.len() > before {
                    return Ok(());
                }
            }
        }
        if let (Some(Node::Folder { .. }), Some(Node::File { .. } | Node::Link { .. })) = (base, to)
        {
            self.must_be_own(path)?;
        }
        let changed = if base == to { None } else { Some((old(there.as_ref()), new(path, to))) };
        self.changes.insert(path.to_owned(), changed);
        Ok(())
    }

    /// Whether a configuration file stays as the host has it.
    fn keeps_local(
        &mut self,
        path: &Path,
        base: Option<&Node>,
        to: Option<&Node>,
        there: Option<&Metadata>,
    ) -> Result<bool, StepError> {
        let live = self.into.join(path);
        let is = |node: &Node| -> Result<bool, StepError> {
            let mut faults = vec![];
            compare(&live, path, node, self.rules.seen, &mut faults)?;
            Ok(faults.is_empty())
        };
        let untouched = match base {
            Some(base) => is(base)?,
            None => there.is_none(),
        };
        if untouched {
            return Ok(false);
        }
        self.kept.push(path.to_owned());
        let is_new_already = to.map(is).transpose()?.unwrap_or(true);
        if base != to && !is_new_already && matches!(to, Some(Node::File { .. })) {
            let mut beside = path.as_os_str().to_owned();
            beside.push(NEW_BESIDE);
            let beside = PathBuf::from(beside);
            let there = seen(&self.into.join(&beside))?;
            if there.as_ref().is_some_and(Metadata::is_dir) {
                self.fault(&beside, "a file or nothing", "a folder".to_owned());
            }
            self.changes.insert(beside, Some((old(there.as_ref()), new(path, to))));
        }
        Ok(true)
    }

    /// A folder makes way for a file only when all in it is the product's.
    fn must_be_own(&mut self, folder: &Path) -> Result<(), StepError> {
        let Self { into, base, rules, .. } = *self;
        let foreign =
            |path: &Path| !base.entries.contains_key(path) || is_config(rules.terms, path);
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            let at = into.join(&folder);
            for entry in fs::read_dir(&at).map_err(StepError::io("list", &at))? {
                let path = folder.join(entry.map_err(StepError::io("list", &at))?.file_name());
                if foreign(&path) {
                    self.fault(&path, "nothing: a file takes its folder's place", "it".to_owned());
                } else if into.join(&path).is_dir() && !into.join(&path).is_symlink() {
                    open.push(path);
                }
            }
        }
        Ok(())
    }
}

/// Compares what lies at `live` with what ought to; rights aside, which people change for reasons of their own.
pub(crate) fn compare(
    live: &Path,
    path: &Path,
    node: &Node,
    before: &SeenBefore,
    faults: &mut Vec<Fault>,
) -> Result<(), StepError> {
    let mut differs = |expected: String, found: String| {
        faults.push(Fault { path: path.to_owned(), expected, found });
    };
    let expected = match node {
        Node::Folder { .. } => "a folder".to_owned(),
        Node::File { digest, .. } => digest.to_string(),
        Node::Link { target } => format!("a link to `{}`", target.display()),
    };
    let Some(seen) = seen(live)? else {
        differs(expected, "nothing".to_owned());
        return Ok(());
    };
    let kind = if seen.is_dir() {
        "a folder"
    } else if seen.is_symlink() {
        "a link"
    } else if seen.is_file() {
        "a file"
    } else {
        "neither file nor folder nor link"
    };
    match node {
        Node::Folder { .. } if seen.is_dir() => {}
        Node::Link { target } if seen.is_symlink() => {
            let found = fs::read_link(live).map_err(StepError::io("read link", live))?;
            if found != *target {
                differs(expected, format!("a link to `{}`", found.display()));
            }
        }
        Node::File { digest, .. } if seen.is_file() => {
            let found = before.digest(path, live, &seen)?;
            if found != *digest {
                differs(expected, found.to_string());
            }
        }
        _ => differs(expected, kind.to_owned()),
    }
    Ok(())
}
