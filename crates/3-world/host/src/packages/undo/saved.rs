//! What one path was, and its copy.

use crate::{
    error::StepError,
    in_place::{lossless, seen},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, FileTimes, Metadata, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Names of attributes together, and one attribute's value: what the kernel allows.
const ATTRIBUTE_BYTES_MAX: usize = 65_536;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Place(#[serde(with = "lossless")] pub(super) PathBuf);

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) of: String,
    pub(super) whole: Vec<Place>,
    /// All paths that packages have or will have, there or not.
    pub(super) files: BTreeSet<Place>,
    pub(super) saved: Vec<Saved>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) path: Place,
    mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Extended attributes: capabilities of programs, access lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(String, Vec<u8>)>,
    pub(super) what: What,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    Folder,
    Link(Place),
    File {
        copy: u64,
        was: Stamp,
    },
    /// Another name of a file that was saved before.
    Twin(Place),
}

/// What tells that a file was not written since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    pub(super) modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(seen: &Metadata) -> Self {
        Self {
            inode: seen.ino(),
            size: seen.size(),
            modified: (seen.mtime(), seen.mtime_nsec()),
            changed: (seen.ctime(), seen.ctime_nsec()),
        }
    }
}

/// Saves path after path.
pub(super) struct Saving<'a> {
    copies: &'a Path,
    before: BTreeMap<&'a Path, (u64, Stamp)>,
    next: u64,
    first_names: BTreeMap<(u64, u64), PathBuf>,
    pub(super) saved: Vec<Saved>,
}

impl<'a> Saving<'a> {
    /// Into `copies`, where what did not change since `before` is already.
    pub(super) fn new(copies: &'a Path, before: &'a Kept) -> Self {
        let files = before.saved.iter().filter_map(|saved| match saved.what {
            What::File { copy, was } => Some((saved.path.0.as_path(), (copy, was))),
            _ => None,
        });
        // Copies of a try that was cut off are not known to any list.
        let on_disk = fs::read_dir(copies).into_iter().flatten().flatten();
        let numbers = on_disk.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
        let next = numbers.max().map_or(0, |last| last + 1);
        let first_names = BTreeMap::new();
        Self { copies, before: files.collect(), next, first_names, saved: vec![] }
    }

    /// Saves one; what is not there, or neither file nor folder nor link, is passed over.
    pub(super) fn one(&mut self, path: &Path) -> Result<(), StepError> {
        let Some(there) = seen(path)? else { return Ok(()) };
        let what = if there.is_dir() {
            What::Folder
        } else if there.is_symlink() {
            What::Link(Place(fs::read_link(path).map_err(StepError::io("read link", path))?))
        } else if there.is_file() {
            self.file(path, &there)?
        } else {
            return Ok(());
        };
        self.saved.push(Saved {
            path: Place(path.to_owned()),
            mode: there.mode() & 0o7777,
            uid: there.uid(),
            gid: there.gid(),
            attributes: if there.is_symlink() { vec![] } else { attributes(path) },
            what,
        });
        Ok(())
    }

    fn file(&mut self, path: &Path, there: &Metadata) -> Result<What, StepError> {
        if there.nlink() > 1 {
            let id = (there.dev(), there.ino());
            if let Some(first) = self.first_names.get(&id) {
                return Ok(What::Twin(Place(first.clone())));
            }
            self.first_names.insert(id, path.to_owned());
        }
        let was = Stamp::of(there);
        if let Some((copy, _)) = self.before.get(path).filter(|(_, before)| *before == was) {
            return Ok(What::File { copy: *copy, was });
        }
        let copy = self.next;
        self.next += 1;
        let kept = self.copies.join(copy.to_string());
        refit_backup::copy_for_now(path, &kept)?;
        Ok(What::File { copy, was })
    }
}

/// Owner, rights and attributes as they were.
pub(super) fn dress(path: &Path, saved: &Saved) -> Result<(), StepError> {
    let there = fs::symlink_metadata(path).map_err(StepError::io("look at", path))?;
    if (there.uid(), there.gid()) != (saved.uid, saved.gid) {
        lchown(path, Some(saved.uid), Some(saved.gid))
            .map_err(StepError::io("give owner to", path))?;
    }
    if there.mode() & 0o7777 != saved.mode {
        fs::set_permissions(path, Permissions::from_mode(saved.mode))
            .map_err(StepError::io("set rights of", path))?;
    }
    let found = attributes(path);
    for (name, value) in saved.attributes.iter().filter(|one| !found.contains(one)) {
        rustix::fs::lsetxattr(path, name.as_str(), value, rustix::fs::XattrFlags::empty())
            .map_err(|error| StepError::io("set attributes of", path)(error.into()))?;
    }
    Ok(())
}

/// Extended attributes; a file system without them has none.
fn attributes(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0_u8; 4096];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names[..]) else { return vec![] };
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let name = String::from_utf8(name.to_vec()).ok()?;
        let mut value = vec![0_u8; ATTRIBUTE_BYTES_MAX];
        let length = rustix::fs::lgetxattr(path, name.as_str(), &mut value[..]).ok()?;
        value.truncate(length);
        Some((name, value))
    };
    names.filter_map(value).collect()
}

pub(super) fn set_time(path: &Path, (seconds, nanos): (i64, i64)) -> Result<(), StepError> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let second = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    let rest = Duration::from_nanos(nanos.unsigned_abs());
    let Some(time) = second.and_then(|second| second.checked_add(rest)) else { return Ok(()) };
    let file = File::open(path).map_err(StepError::io("open", path))?;
    file.set_times(FileTimes::new().set_modified(time)).map_err(StepError::io("set time of", path))
}
