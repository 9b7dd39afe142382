//! Takes over what somebody else installed: notes which files the build owns, and keeps a copy of them as its release.

use super::{Listing, Node, OWN};
use crate::{error::StepError, layout::Layout, product::ProductConfig, unit::ProductLock};
use refit_backup::{clone_or_copy, sync_volume};
use refit_names::BuildId;
use refit_packs::pattern::covers;
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

/// What is taken over.
#[derive(Debug)]
pub struct Adoption<'a> {
    /// The product, as the host's configuration has it.
    pub product: &'a ProductConfig,
    /// The agent's state folder.
    pub state: &'a Path,
    /// The build that lies there.
    pub build: &'a BuildId,
    /// The folder that it lies in.
    pub into: &'a Path,
    /// What lies there and is not the build's: data, logs. Patterns as for `config` of `install.in-place`.
    pub except: &'a [String],
}

impl Adoption<'_> {
    /// What the build would own; changes nothing.
    ///
    /// # Errors
    /// [`StepError`] when something cannot be read.
    pub fn look(&self) -> Result<Listing, StepError> {
        let root = self.product.root.canonicalize();
        let is_root =
            root.is_ok_and(|root| self.into.canonicalize().is_ok_and(|into| into == root));
        Listing::of_tree(self.into, &|path| {
            let text = path.to_string_lossy();
            let of_refit = path.starts_with(OWN)
                || (is_root
                    && ["releases", "current", "current.next"]
                        .iter()
                        .any(|own| path.starts_with(own)));
            of_refit || self.except.iter().any(|pattern| covers(pattern, &text))
        })
    }

    /// Takes it over. Done twice, it looks again.
    ///
    /// # Errors
    /// [`StepError::WrongBuild`] when another build is known to be installed.
    pub fn take(&self) -> Result<Listing, StepError> {
        let _lock = ProductLock::try_take(self.state, &self.product.name)?;
        let layout = Layout::of(self.product);
        if let Some(installed) = layout.installed()?
            && installed != *self.build
        {
            let (expected, found) = (self.build.clone(), installed.to_string());
            return Err(StepError::WrongBuild { expected, found });
        }
        let listing = self.look()?;
        listing.save(self.state, &self.product.name, self.build)?;
        let release = layout.release(self.build);
        let partial = layout.releases().join(format!("{}.partial", self.build));
        for old in [&partial, &release] {
            if old.exists() {
                fs::remove_dir_all(old).map_err(StepError::io("remove", old))?;
            }
        }
        fs::create_dir_all(&partial).map_err(StepError::io("make folder", &partial))?;
        self.copy(&listing, &partial)?;
        sync_volume(&partial)?;
        fs::rename(&partial, &release).map_err(StepError::io("put in place", &release))?;
        refit_backup::sync_folder(&layout.releases())?;
        layout.point_at(self.build)?;
        Ok(listing)
    }

    fn copy(&self, listing: &Listing, to: &Path) -> Result<(), StepError> {
        for (path, node) in &listing.entries {
            let (from, copy) = (self.into.join(path), to.join(path));
            match node {
                Node::Folder { .. } => {
                    fs::create_dir(&copy).map_err(StepError::io("make folder", &copy))?;
                }
                Node::Link { target } => {
                    symlink(target, &copy).map_err(StepError::io("make link", &copy))?;
                }
                Node::File { digest, .. } => {
                    let found = clone_or_copy(&from, &copy)?.1;
                    if found != *digest {
                        let expected = *digest;
                        return Err(StepError::ReleaseChanged { path: from, expected, found });
                    }
                }
            }
        }
        // From the leaves up: a folder without the right to write is closed after its content is there.
        for (path, node) in listing.entries.iter().rev() {
            if let Node::Folder { mode } | Node::File { mode, .. } = node {
                let copy = to.join(path);
                fs::set_permissions(&copy, Permissions::from_mode(*mode))
                    .map_err(StepError::io("set rights of", &copy))?;
            }
        }
        Ok(())
    }
}
