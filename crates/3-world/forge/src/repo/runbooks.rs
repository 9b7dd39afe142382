//! Runbooks as targets of their own: `runbooks/NAME/VERSION.yaml`, signed by the keys of the delegation `runbooks`.

use super::{
    catalog::{self, Edit},
    delegation::RUNBOOKS,
    online::{Visible, whole_seconds},
    place,
    root::StageReport,
    state::{State, lock},
};
use crate::{ForgeError, key::Keyring};
use jiff::{SignedDuration, Timestamp};
use refit_names::{ByteSize, Digest, RunbookName, TargetName};
use refit_packs::runbook::{self, RUNBOOK_BYTES_MAX};
use std::{fs, path::Path};

/// A runbook in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRunbook {
    /// Its name.
    pub name: RunbookName,
    /// Its version.
    pub version: u32,
    /// The target.
    pub target: TargetName,
    /// SHA-256 of the file.
    pub digest: Digest,
}

/// Publishes a runbook. The same file again only renews the expiry.
///
/// # Errors
/// [`ForgeError::Runbook`], [`ForgeError::NoDelegation`], [`ForgeError::RunbookPublished`], [`ForgeError::BelowThreshold`].
pub fn publish_runbook(
    dir: &Path,
    file: &Path,
    keys: &Keyring,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<(PublishedRunbook, Visible), ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let mut edit = Edit::begin(&state, RUNBOOKS, super::lasting(expires), now)?;
    let runbook = add(&mut edit, file, &state.targets_dir())?;
    let visible = edit.publish(&state, keys, whole_seconds(now + expires))?;
    Ok((runbook, visible))
}

/// Leaves a runbook for its signers.
///
/// # Errors
/// As [`publish_runbook`].
pub fn stage_runbook(
    dir: &Path,
    file: &Path,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<(PublishedRunbook, StageReport), ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let mut edit = Edit::begin(&state, RUNBOOKS, expires, now)?;
    let folder = edit.staged.targets_dir();
    let runbook = add(&mut edit, file, &folder)?;
    Ok((runbook, edit.finish(&state)?))
}

fn add(edit: &mut Edit, file: &Path, into: &Path) -> Result<PublishedRunbook, ForgeError> {
    let length = fs::metadata(file).map_err(ForgeError::read(file))?.len();
    let limit = ByteSize(RUNBOOK_BYTES_MAX as u64);
    if length > limit.0 {
        let found = ByteSize(length);
        return Err(ForgeError::TooLarge { path: file.to_owned(), found, limit });
    }
    let text = fs::read_to_string(file).map_err(ForgeError::read(file))?;
    let runbook = runbook::parse(&text).map_err(|source| ForgeError::Runbook {
        path: file.to_owned(),
        source: Box::new(source),
    })?;
    let target = TargetName::parse(format!("runbooks/{}/{}.yaml", runbook.name, runbook.version))
        .map_err(|error| ForgeError::Metadata { why: error.to_string() })?;
    let digest = Digest::of(text.as_bytes());
    if let Some(there) = catalog::digest_in(edit, &target)?.filter(|there| *there != digest) {
        return Err(ForgeError::RunbookPublished {
            target,
            expected: Box::new(there),
            found: Box::new(digest),
        });
    }
    let placed = place::bytes(into, &target, text.as_bytes())?;
    edit.add(&target, placed)?;
    Ok(PublishedRunbook { name: runbook.name, version: runbook.version, target, digest })
}
