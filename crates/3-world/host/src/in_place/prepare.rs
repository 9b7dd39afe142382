//! What is done for an exchange while the product still runs: the files that differ are laid on the product's own volume, verified,
//! and everything that lies there is read once, so that the window only looks at what changed since.

use super::{
    Listing, Node, Places, Rules,
    listing::{lossless, write_durable},
    make, plan,
};
use crate::{context::Context, error::StepError, parts};
use refit_backup::{clone_or_copy, measure, sync_volume};
use refit_names::{Digest, ProductName};
use refit_packs::runbook::{FileOwner, InPlace};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, lchown},
    path::{Path, PathBuf},
};

/// Digests of files as they were read, with what tells that they were not written since.
#[derive(Debug, Default)]
pub(crate) struct SeenBefore(BTreeMap<PathBuf, Vec<SeenFile>>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SeenFile {
    #[serde(with = "lossless")]
    path: PathBuf,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// None for what will be renamed into place: that changes it.
    changed: Option<(i64, i64)>,
    digest: Digest,
}

impl SeenBefore {
    fn place(state: &Path, product: &ProductName) -> PathBuf {
        state.join("in-place").join(product.as_str()).join("seen.json")
    }

    /// What was read before; nothing when nobody read. It only saves time.
    pub(crate) fn load(state: &Path, product: &ProductName) -> Self {
        let text = fs::read(Self::place(state, product)).unwrap_or_default();
        let all: Vec<SeenFile> = serde_json::from_slice(&text).unwrap_or_default();
        let mut seen = Self::default();
        all.into_iter().for_each(|file| seen.note(file));
        seen
    }

    fn note(&mut self, file: SeenFile) {
        let known = self.0.entry(file.path.clone()).or_default();
        known.retain(|other| other.inode != file.inode);
        known.push(file);
    }

    fn save(&self, state: &Path, product: &ProductName) -> Result<(), StepError> {
        let all: Vec<&SeenFile> = self.0.values().flatten().collect();
        write_durable(&Self::place(state, product), &serde_json::to_vec(&all)?)
    }

    /// The digest of the file at `live`, read again unless it is the one that was read before.
    pub(crate) fn digest(
        &self,
        path: &Path,
        live: &Path,
        seen: &Metadata,
    ) -> Result<Digest, StepError> {
        let same = |known: &&SeenFile| {
            (known.inode, known.size, known.modified)
                == (seen.ino(), seen.size(), (seen.mtime(), seen.mtime_nsec()))
                && known.changed.is_none_or(|at| at == (seen.ctime(), seen.ctime_nsec()))
        };
        match self.0.get(path).and_then(|known| known.iter().find(same)) {
            Some(known) => Ok(known.digest),
            None => Ok(measure(live)?.1),
        }
    }

    fn read(&mut self, into: &Path, listing: &Listing) -> Result<(), StepError> {
        for path in listing.entries.keys() {
            let live = into.join(path);
            if let Some(seen) = plan::seen(&live)?.filter(Metadata::is_file) {
                let digest = self.digest(path, &live, &seen)?;
                let changed = Some((seen.ctime(), seen.ctime_nsec()));
                self.note(seen_file(path, &seen, changed, digest));
            }
        }
        Ok(())
    }
}

fn seen_file(
    path: &Path,
    seen: &Metadata,
    changed: Option<(i64, i64)>,
    digest: Digest,
) -> SeenFile {
    let (inode, size, modified) = (seen.ino(), seen.size(), (seen.mtime(), seen.mtime_nsec()));
    SeenFile { path: path.to_owned(), inode, size, modified, changed, digest }
}

/// What the build before owns: as it was noted when it was installed or adopted, or as its untouched release looks.
pub(crate) fn base(context: &Context<'_>) -> Result<Listing, StepError> {
    let product = &context.product.name;
    match Listing::load(context.state, product, context.from) {
        Err(StepError::NotAdopted { .. }) if context.layout.release(context.from).is_dir() => {
            let listing = Listing::of_tree(&context.layout.release(context.from), &|_| false)?;
            listing.save(context.state, product, context.from)?;
            Ok(listing)
        }
        loaded => loaded,
    }
}

/// Lays the files that differ beside the product's folder. The release itself was staged and verified before.
pub(crate) fn prepare(context: &Context<'_>, terms: &InPlace) -> Result<String, StepError> {
    let places = Places::of(context, terms)?;
    let product = &context.product.name;
    let here = parts::of(context.state, product, context.to);
    let base = base(context)?;
    let to = Listing::of_payload(&context.record.entries_for(&here));
    to.save(context.state, product, context.to)?;
    forget_old(context, &places)?;
    let mut seen = SeenBefore::load(context.state, product);
    let (count, bytes) = lay(context, terms, &places, (&base, &to), &mut seen)?;
    let first = context.layout.installed()?.as_ref() == Some(context.from);
    if first {
        seen.read(&places.into, &base)?;
    }
    seen.save(context.state, product)?;
    sync_volume(places.work())?;
    if first {
        // Told now, days before the window.
        let rules = Rules { terms, seen: &seen, of: String::new() };
        make(&places.into, &base, &to, &rules)?;
    }
    write_durable(&places.staged_mark(), context.key_of_leg().as_bytes())?;
    Ok(format!("; {count} files ({bytes}) that differ lie beside {}", places.into.display()))
}

/// What earlier exchanges kept, but the undo set of the installed build and what this order staged for another leg.
fn forget_old(context: &Context<'_>, places: &Places) -> Result<(), StepError> {
    let own = places.work().parent().unwrap_or(&places.into);
    let mut maker = DirBuilder::new();
    // What lies there may be readable to nobody.
    maker.recursive(true).mode(0o700).create(own).map_err(StepError::io("make folder", own))?;
    let installed = context.layout.installed()?;
    for entry in fs::read_dir(own).map_err(StepError::io("list", own))?.flatten() {
        let name = entry.file_name();
        let is_installed = installed.as_ref().is_some_and(|build| name == build.as_str());
        let mark = fs::read_to_string(entry.path().join("staged")).unwrap_or_default();
        let of_this_order = mark.starts_with(&context.key_of_order());
        if name != context.to.as_str() && (is_installed || of_this_order) {
            continue;
        }
        // What was put aside stays; the mark goes first, for without it nothing else counts.
        for part in ["staged", "plan.json", "link", "new", "old"] {
            remove(&entry.path().join(part))?;
        }
        let _ = fs::remove_dir(entry.path());
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StepError> {
    let removed = match plan::seen(path)? {
        None => return Ok(()),
        Some(seen) if seen.is_dir() => fs::remove_dir_all(path),
        Some(_) => fs::remove_file(path),
    };
    removed.map_err(StepError::io("remove", path))
}

fn lay(
    context: &Context<'_>,
    terms: &InPlace,
    places: &Places,
    (base, to): (&Listing, &Listing),
    seen: &mut SeenBefore,
) -> Result<(usize, refit_names::ByteSize), StepError> {
    let owner = owner(context, terms)?;
    let (release, new) = (context.layout.release(context.to), places.new_files());
    for folder in [&new, &places.old_files()] {
        fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))?;
    }
    give(&new, owner)?;
    let (mut count, mut bytes) = (0, 0);
    for (path, node) in &to.entries {
        let fresh = new.join(path);
        match node {
            Node::Folder { .. } => {
                fs::create_dir_all(&fresh).map_err(StepError::io("make folder", &fresh))?;
                give(&fresh, owner)?;
            }
            Node::File { mode, digest } if base.entries.get(path) != Some(node) => {
                let (size, found) = clone_or_copy(&release.join(path), &fresh)?;
                if found != *digest {
                    let (path, expected) = (release.join(path), *digest);
                    return Err(StepError::ReleaseChanged { path, expected, found });
                }
                give(&fresh, owner)?;
                fs::set_permissions(&fresh, Permissions::from_mode(*mode))
                    .map_err(StepError::io("set rights of", &fresh))?;
                let laid =
                    fs::symlink_metadata(&fresh).map_err(StepError::io("look at", &fresh))?;
                seen.note(seen_file(path, &laid, None, found));
                count += 1;
                bytes += size.0;
            }
            Node::File { .. } | Node::Link { .. } => {}
        }
    }
    Ok((count, refit_names::ByteSize(bytes)))
}

fn owner(context: &Context<'_>, terms: &InPlace) -> Result<Option<(u32, u32)>, StepError> {
    if terms.owner == FileOwner::Agent {
        return Ok(None);
    }
    let user = context.user()?.ok_or_else(|| StepError::BadValue {
        what: "owner of `install.in-place`",
        found: "user".to_owned(),
        expected: "a product with a `user` in agent.toml",
    })?;
    Ok(Some((user.ids.uid, user.ids.gid)))
}

fn give(path: &Path, owner: Option<(u32, u32)>) -> Result<(), StepError> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    match lchown(path, Some(uid), Some(gid)) {
        // Whoever is that user already owns it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_own(uid) => Ok(()),
        given => given.map_err(StepError::io("give owner to", path)),
    }
}

fn is_own(uid: u32) -> bool {
    rustix::process::geteuid().as_raw() == uid
}
