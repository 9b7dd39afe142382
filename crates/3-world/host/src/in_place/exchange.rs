//! The exchange itself: forward and back, each of them any number of times, cut off anywhere.

use super::{
    Places, Plan,
    plan::{Change, New, Old, seen},
};
use crate::error::StepError;
use refit_backup::sync_volume;
use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink},
    path::{Path, PathBuf},
};

/// What an exchange did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exchanged {
    pub(crate) put: usize,
    pub(crate) removed: usize,
    /// Folders that hold what is not the product's.
    pub(crate) folders_kept: usize,
}

/// Exchanges everything that the plan says; durable when it returns.
pub(crate) fn forward(places: &Places, plan: &Plan) -> Result<Exchanged, StepError> {
    for change in &plan.changes {
        keep(places, change)?;
    }
    // The undo set is on the disk before the first change is.
    sync_volume(places.work())?;
    let mut done = Exchanged::default();
    for change in plan.changes.iter().rev() {
        clear_way(places, change, &mut done)?;
    }
    for change in &plan.changes {
        put(places, change, &mut done)?;
    }
    sync_volume(&places.into)?;
    Ok(done)
}

/// The file itself goes into the undo set under a second name: no copy, and whatever holds it keeps it.
fn keep(places: &Places, change: &Change) -> Result<(), StepError> {
    if change.old != Old::Kept {
        return Ok(());
    }
    let (live, kept) = (places.into.join(&change.path), places.old_files().join(&change.path));
    if seen(&kept)?.is_some() {
        return Ok(());
    }
    make_parent(&kept)?;
    fs::hard_link(&live, &kept).map_err(StepError::io("keep for undo", &live))
}

pub(super) fn make_parent(path: &Path) -> Result<(), StepError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))
}

fn gone(path: &Path, removed: io::Result<()>) -> Result<bool, StepError> {
    match removed {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(false)
        }
        Err(error) => Err(StepError::io("remove", path)(error)),
    }
}

/// Removes what the new build does not have, and what cannot be replaced by a rename.
fn clear_way(places: &Places, change: &Change, done: &mut Exchanged) -> Result<(), StepError> {
    let live = places.into.join(&change.path);
    let is_folder = seen(&live)?.is_some_and(|seen| seen.is_dir());
    match (&change.old, &change.new) {
        (Old::Folder { .. }, New::Folder { .. }) | (Old::Absent, _) => {}
        (Old::Folder { .. }, new) if is_folder => match fs::remove_dir(&live) {
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty && *new == New::Absent =>
            {
                done.folders_kept += 1;
            }
            removed => done.removed += usize::from(gone(&live, removed)?),
        },
        (Old::Kept, New::Absent | New::Folder { .. }) if !is_folder => {
            done.removed += usize::from(gone(&live, fs::remove_file(&live))?);
        }
        _ => {}
    }
    Ok(())
}

fn put(places: &Places, change: &Change, done: &mut Exchanged) -> Result<(), StepError> {
    let live = places.into.join(&change.path);
    match &change.new {
        New::Absent => return Ok(()),
        New::Folder { mode } => {
            if seen(&live)?.is_none() {
                fs::create_dir(&live).map_err(StepError::io("make folder", &live))?;
                own_like(&live, &places.new_files().join(&change.path))?;
            }
            let rights = Permissions::from_mode(*mode);
            fs::set_permissions(&live, rights).map_err(StepError::io("set rights of", &live))?;
        }
        New::File { from } => {
            let fresh = places.new_files().join(from);
            match fs::rename(&fresh, &live) {
                Ok(()) => {}
                // Cut off after this one: it is in its place.
                Err(error) if error.kind() == io::ErrorKind::NotFound && seen(&live)?.is_some() => {
                }
                Err(error) => return Err(StepError::io("put in place", &live)(error)),
            }
        }
        New::Link { target } => {
            if !fs::read_link(&live).is_ok_and(|found| found == *target) {
                let fresh = places.work().join("link");
                gone(&fresh, fs::remove_file(&fresh))?;
                symlink(target, &fresh).map_err(StepError::io("make link", &fresh))?;
                own_like(&fresh, &places.new_files())?;
                fs::rename(&fresh, &live).map_err(StepError::io("put in place", &live))?;
            }
        }
    }
    done.put += 1;
    Ok(())
}

/// Folders and links belong to whom the staged files belong to.
fn own_like(path: &Path, staged: &Path) -> Result<(), StepError> {
    let Some(like) = seen(staged)? else { return Ok(()) };
    let found = fs::symlink_metadata(path).map_err(StepError::io("look at", path))?;
    if (found.uid(), found.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    lchown(path, Some(like.uid()), Some(like.gid())).map_err(StepError::io("give owner to", path))
}

/// Whether every change of the plan is done.
pub(crate) fn is_as_planned(places: &Places, plan: &Plan) -> Result<(), StepError> {
    for change in &plan.changes {
        let live = places.into.join(&change.path);
        let there = seen(&live)?;
        let kept = seen(&places.old_files().join(&change.path))?;
        let is_old = |there: &Metadata| {
            kept.as_ref().is_some_and(|kept| (kept.dev(), kept.ino()) == (there.dev(), there.ino()))
        };
        let done = match (&change.new, &there) {
            (New::Absent, None) => true,
            // It holds what is not the product's.
            (New::Absent, Some(there)) => there.is_dir() && change.old.is_folder(),
            (New::Folder { .. }, Some(there)) => there.is_dir(),
            (New::File { .. }, Some(there)) => there.is_file() && !is_old(there),
            (New::Link { target }, Some(_)) => {
                fs::read_link(&live).is_ok_and(|found| found == *target)
            }
            (_, None) => false,
        };
        if !done {
            return Err(StepError::NotExchanged { path: live });
        }
    }
    Ok(())
}

/// Puts back everything that the plan says, as it was; durable when it returns.
pub(crate) fn backward(places: &Places, plan: &Plan) -> Result<usize, StepError> {
    for change in plan.changes.iter().rev() {
        take_away(places, change)?;
    }
    let mut back = 0;
    for change in &plan.changes {
        back += usize::from(put_back(places, change)?);
    }
    sync_volume(&places.into)?;
    Ok(back)
}

/// Removes what the exchange brought where the old build has nothing, or something of another kind.
fn take_away(places: &Places, change: &Change) -> Result<(), StepError> {
    let live = places.into.join(&change.path);
    let another_kind = match &change.old {
        Old::Absent => true,
        old => old.is_folder() != change.new.is_folder(),
    };
    let Some(there) = seen(&live)? else { return Ok(()) };
    if change.new == New::Absent || !another_kind || there.is_dir() != change.new.is_folder() {
        return Ok(());
    }
    if !there.is_dir() {
        return gone(&live, fs::remove_file(&live)).map(drop);
    }
    match fs::remove_dir(&live) {
        // What the new build wrote into a folder of its own is nobody's to throw away.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => put_aside(places, change),
        removed => gone(&live, removed).map(drop),
    }
}

fn put_aside(places: &Places, change: &Change) -> Result<(), StepError> {
    let live = places.into.join(&change.path);
    let mut aside = places.left().join(&change.path);
    let mut number = 1;
    while seen(&aside)?.is_some() {
        number += 1;
        let mut name = change.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        aside = places.left().join(PathBuf::from(name));
    }
    make_parent(&aside)?;
    fs::rename(&live, &aside).map_err(StepError::io("put aside", &live))
}

/// Whether something had to be done.
fn put_back(places: &Places, change: &Change) -> Result<bool, StepError> {
    let live = places.into.join(&change.path);
    match &change.old {
        Old::Absent => Ok(false),
        Old::Folder { mode, uid, gid } => {
            let there = seen(&live)?;
            if there.is_none() {
                fs::create_dir(&live).map_err(StepError::io("make folder", &live))?;
            }
            let found = fs::symlink_metadata(&live).map_err(StepError::io("look at", &live))?;
            if (found.uid(), found.gid()) != (*uid, *gid) {
                lchown(&live, Some(*uid), Some(*gid))
                    .map_err(StepError::io("give owner to", &live))?;
            }
            fs::set_permissions(&live, Permissions::from_mode(*mode))
                .map_err(StepError::io("set rights of", &live))?;
            Ok(there.is_none())
        }
        Old::Kept => {
            let kept = places.old_files().join(&change.path);
            // Nothing is exchanged before all is kept: what is not, lies there still.
            let Some(own) = seen(&kept)? else { return Ok(false) };
            let there = seen(&live)?;
            if there.is_some_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())) {
                return Ok(false);
            }
            let fresh = places.work().join("link");
            gone(&fresh, fs::remove_file(&fresh))?;
            fs::hard_link(&kept, &fresh).map_err(StepError::io("put back", &kept))?;
            fs::rename(&fresh, &live).map_err(StepError::io("put back", &live))?;
            Ok(true)
        }
    }
}
