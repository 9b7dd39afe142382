//! Files that nothing refers to any more: what earlier publications and interrupted ones left, and the content of withdrawn packs.
//!
//! Kept whatever happens: every root, the metadata that clients see now, each target that these name, and what waits for signatures.
//! Whoever reads while somebody publishes sees the state before: so files stay for a while after nothing names them any more.

use super::{
    TARGETS, Visible,
    catalog::Edit,
    older, place,
    staged::{Staged, staged_folder},
    state::{self, State, lock},
};
use crate::{ForgeError, key::Keyring, repo::online::whole_seconds};
use jiff::{SignedDuration, Timestamp};
use refit_names::ByteSize;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use tough::schema::Targets;

/// A file that nothing refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where it lies, below the repository's folder.
    pub path: PathBuf,
    /// Its length.
    pub size: ByteSize,
    /// Why it may go.
    pub why: String,
}

/// What a repository could give back.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// May go now.
    pub free: Vec<Leftover>,
    /// Nothing refers to them either, but they are young: a client may be reading them.
    pub young: Vec<Leftover>,
}

impl Leftovers {
    /// Bytes that removing them gives back.
    #[must_use]
    pub fn bytes(&self) -> ByteSize {
        ByteSize(self.free.iter().map(|file| file.size.0).sum())
    }
}

/// Finds what nothing refers to; younger files than `age` are told apart.
///
/// # Errors
/// [`ForgeError::BrokenRepository`] when the metadata cannot be believed: then nothing is known to be free.
pub fn leftovers(dir: &Path, age: SignedDuration, now: Timestamp) -> Result<Leftovers, ForgeError> {
    let state = State::read(dir)?;
    let kept = referred(&state)?;
    let mut found = Leftovers::default();
    for (folder, why) in [
        ("metadata", "metadata of an earlier state"),
        ("targets", "no metadata that clients see name it"),
    ] {
        let mut files = Vec::new();
        list(&dir.join(folder), &mut files)?;
        for path in files.into_iter().filter(|path| !kept.contains(path)) {
            let about = fs::symlink_metadata(&path).map_err(ForgeError::read(&path))?;
            let written = about.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
            let is_old = written.is_some_and(|at| now.duration_since(at) >= age);
            let shown = path.strip_prefix(dir).unwrap_or(&path).to_owned();
            let (size, why) = (ByteSize(about.len()), why.to_owned());
            let file = Leftover { path: shown, size, why };
            if is_old { found.free.push(file) } else { found.young.push(file) }
        }
    }
    Ok(found)
}

/// Removes what may go, and folders that are empty then. Looks again first: what somebody published meanwhile stays.
///
/// # Errors
/// As [`leftovers`]; [`ForgeError::Io`].
pub fn clean(dir: &Path, age: SignedDuration, now: Timestamp) -> Result<Leftovers, ForgeError> {
    let _lock = lock(dir)?;
    let found = leftovers(dir, age, now)?;
    remove(dir, &found.free)?;
    Ok(found)
}

fn remove(dir: &Path, files: &[Leftover]) -> Result<(), ForgeError> {
    for file in files {
        let path = dir.join(&file.path);
        fs::remove_file(&path).map_err(ForgeError::write(&path))?;
        let mut above = path.parent();
        // Only empty folders go; the first that is not ends it.
        while let Some(folder) = above
            .filter(|folder| **folder != dir.join("targets") && **folder != dir.join("metadata"))
        {
            if fs::remove_dir(folder).is_err() {
                break;
            }
            above = folder.parent();
        }
    }
    Ok(())
}

/// The content of the operator's own withdrawn packs that is still offered: bundle, product and build of each.
///
/// # Errors
/// [`ForgeError::BrokenRepository`].
pub fn withdrawn_content(dir: &Path) -> Result<Vec<Leftover>, ForgeError> {
    withdrawn_in(&State::read(dir)?)
}

fn withdrawn_in(state: &State) -> Result<Vec<Leftover>, ForgeError> {
    let mut found = Vec::new();
    for (targets, pack) in older::published(state)? {
        let own = state.targets.as_ref().is_some_and(|own| std::ptr::eq(&own.signed, targets));
        let Some(reason) = pack.withdrawn.as_ref().filter(|_| own) else { continue };
        if let Some((name, digest)) = older::bundle_digest(targets, &pack)? {
            let path = place::path_of(&state.targets_dir(), &name, digest);
            let size = fs::metadata(&path).map(|about| about.len()).unwrap_or_default();
            let shown = path.strip_prefix(&state.dir).unwrap_or(&path).to_owned();
            let why = format!("{} {} is withdrawn: {reason}", pack.product, pack.to);
            found.push(Leftover { path: shown, size: ByteSize(size), why });
        }
    }
    Ok(found)
}

/// Publishes metadata that no longer name the content of the operator's own withdrawn packs, and removes that content, however young:
/// whoever asks for this asks for its removal. What the packs say of themselves stays.
///
/// # Errors
/// [`ForgeError::BelowThreshold`], [`ForgeError::BrokenRepository`]: nothing is changed then; [`ForgeError::Io`].
pub fn release_withdrawn(
    dir: &Path,
    keys: &Keyring,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<Visible, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let freed = withdrawn_in(&state)?;
    let mut edit = Edit::begin(&state, TARGETS, super::lasting(expires), now)?;
    for pack in edit.catalog(&state)?.packs.iter().filter(|pack| pack.withdrawn.is_some()) {
        let name = older::bundle_name(pack)?;
        edit.targets_mut().targets.retain(|key, _| key.raw() != name.as_str());
    }
    let visible = edit.publish(&state, keys, whole_seconds(now + expires))?;
    remove(dir, &freed)?;
    Ok(visible)
}

/// Every file that clients or signers may ask for.
fn referred(state: &State) -> Result<BTreeSet<PathBuf>, ForgeError> {
    let metadata = state.dir.join("metadata");
    let mut kept = BTreeSet::new();
    let newest = state.root()?.signed.version.get();
    kept.extend((1..=newest).map(|version| state.root_file(version)));
    kept.insert(metadata.join("timestamp.json"));
    if let Some(timestamp) = &state.timestamp {
        for (name, meta) in &timestamp.signed.meta {
            kept.insert(metadata.join(format!("{}.{name}", meta.version)));
        }
    }
    if let Some(snapshot) = &state.snapshot {
        for (name, meta) in &snapshot.signed.meta {
            kept.insert(metadata.join(format!("{}.{name}", meta.version)));
        }
    }
    let roles = state.delegated.values().chain(&state.targets);
    for targets in roles.map(|role| &role.signed) {
        keep_targets(state, targets, &mut kept)?;
    }
    let waiting = state.dir.join("staged");
    for entry in fs::read_dir(waiting).into_iter().flatten().flatten() {
        let role = entry.file_name().to_string_lossy().into_owned();
        if role == "root" {
            continue;
        }
        if let Some(staged) = Staged::<Targets>::find(&staged_folder(&state.dir, &role))? {
            keep_targets(state, &staged.metadata.signed, &mut kept)?;
        }
    }
    Ok(kept)
}

fn keep_targets(
    state: &State,
    targets: &Targets,
    kept: &mut BTreeSet<PathBuf>,
) -> Result<(), ForgeError> {
    for (key, target) in &targets.targets {
        let name = older::named(key.raw())?;
        let digest = state::digest_of(target, &name)?;
        kept.insert(place::path_of(&state.targets_dir(), &name, digest));
    }
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ForgeError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut entries: Vec<_> =
        entries.collect::<Result<_, _>>().map_err(ForgeError::read(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type().map_err(ForgeError::read(entry.path()))?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
