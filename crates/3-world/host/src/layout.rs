//! A product's folder: releases side by side, and one link that says which of them runs.

use crate::{error::StepError, packages::version_of, product::ProductConfig};
use refit_backup::{sync_folder, tree_digest};
use refit_names::{BuildId, ByteSize, Digest};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folders of one product.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    package: Option<String>,
}

impl Layout {
    /// That of the product in `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), package: None }
    }

    /// That of a product as the host's configuration has it: where a package stands for it, its version is the installed build.
    #[must_use]
    pub fn of(product: &ProductConfig) -> Self {
        Self { root: product.root.clone(), package: product.package.clone() }
    }

    /// The product's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where releases lie.
    #[must_use]
    pub fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }

    /// Where the release of `build` lies or will lie.
    #[must_use]
    pub fn release(&self, build: &BuildId) -> PathBuf {
        self.releases().join(build.as_str())
    }

    /// The link to the release that runs.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        self.root.join("current")
    }

    /// The installed build: the version of the package that stands for the product, else the build that the link leads to.
    ///
    /// # Errors
    /// [`StepError::NoLink`] when something else stands in the link's place.
    pub fn installed(&self) -> Result<Option<BuildId>, StepError> {
        match &self.package {
            Some(package) => Ok(version_of(package)?.and_then(|version| build_of(&version))),
            None => self.linked(),
        }
    }

    /// What a build looks like, for backups that name it: its release tree; for a package, which has none, its version.
    ///
    /// # Errors
    /// [`StepError`] when there is a release and it cannot be read.
    pub fn look_of(&self, build: &BuildId) -> Result<Digest, StepError> {
        match &self.package {
            Some(package) => Ok(Digest::of(format!("{package} {build}").as_bytes())),
            None => Ok(tree_digest(&self.release(build))?),
        }
    }

    /// The build that the link leads to; none when there is no link or its release is missing.
    fn linked(&self) -> Result<Option<BuildId>, StepError> {
        let link = self.current();
        let no_link = |found: String| StepError::NoLink { path: link.clone(), found };
        let target = match fs::read_link(&link) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(no_link("no link".to_owned()));
            }
            Err(error) => return Err(StepError::io("read link", &link)(error)),
        };
        let full = self.root.join(&target);
        let inside = full.parent() == Some(self.releases().as_path());
        let build = full.file_name().and_then(|name| BuildId::parse(name.to_str()?).ok());
        match build {
            Some(build) if inside => Ok(full.is_dir().then_some(build)),
            _ => Err(no_link(format!("a link to {}", target.display()))),
        }
    }

    /// Makes the link lead to `build`, in one step that nobody sees half done, durable. Does nothing when it does already.
    ///
    /// # Errors
    /// [`StepError::NotStaged`] when the release is not there.
    pub fn point_at(&self, build: &BuildId) -> Result<(), StepError> {
        let release = self.release(build);
        if !release.is_dir() {
            return Err(StepError::NotStaged { path: release });
        }
        let next = self.root.join("current.next");
        if self.linked()?.as_ref() != Some(build) {
            let link = self.current();
            remove_link(&next)?;
            let target = Path::new("releases").join(build.as_str());
            std::os::unix::fs::symlink(target, &next).map_err(StepError::io("make link", &next))?;
            let there = fs::symlink_metadata(&link).is_ok();
            let flags = if there { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
            renameat_with(CWD, &next, CWD, &link, flags)
                .map_err(|error| StepError::io("exchange link", &link)(error.into()))?;
        }
        // Also when nothing was to be done: a crash may have come between the exchange and this.
        remove_link(&next)?;
        Ok(sync_folder(&self.root)?)
    }

    /// Removes the link: the build before was not brought by a release.
    ///
    /// # Errors
    /// [`StepError::Io`] when the folder refuses.
    pub fn point_nowhere(&self) -> Result<(), StepError> {
        remove_link(&self.current())?;
        Ok(sync_folder(&self.root)?)
    }

    /// Bytes of the release that runs and of everything beside the releases.
    ///
    /// # Errors
    /// [`StepError::Io`] when the folder cannot be listed.
    pub fn size(&self) -> Result<ByteSize, StepError> {
        let releases = self.releases();
        let running = match self.installed()? {
            Some(build) => tree_bytes(&self.release(&build), None)?,
            None => 0,
        };
        Ok(ByteSize(running + tree_bytes(&self.root, Some(&releases))?))
    }
}

/// A package's version as a build: names of builds have neither `:` nor `~`.
fn build_of(version: &str) -> Option<BuildId> {
    BuildId::parse(version.replace([':', '~'], "_")).ok()
}

fn remove_link(path: &Path) -> Result<(), StepError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StepError::io("remove link", path)(error))
        }
        _ => Ok(()),
    }
}

/// Bytes of the files below `top`, without the folder `but`. What vanishes while it is counted counts nothing.
pub(crate) fn tree_bytes(top: &Path, but: Option<&Path>) -> Result<u64, StepError> {
    let (mut bytes, mut open) = (0, vec![top.to_owned()]);
    while let Some(path) = open.pop() {
        if but == Some(path.as_path()) {
            continue;
        }
        let seen = match fs::symlink_metadata(&path) {
            Ok(seen) => seen,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StepError::io("look at", &path)(error)),
        };
        if seen.is_dir() {
            let inside = fs::read_dir(&path).map_err(StepError::io("list", &path))?;
            open.extend(inside.flatten().map(|entry| entry.path()));
        } else if seen.is_file() {
            bytes += seen.len();
        }
    }
    Ok(bytes)
}

/// Free bytes on the volume of `path`, as an ordinary user may use them.
///
/// # Errors
/// [`StepError::Io`] when the volume does not say.
pub fn free_bytes(path: &Path) -> Result<ByteSize, StepError> {
    // The folder may not exist yet; its volume does.
    let near = path.ancestors().find(|folder| folder.exists()).unwrap_or(path);
    let volume = rustix::fs::statvfs(near)
        .map_err(|error| StepError::io("ask the volume of", near)(error.into()))?;
    Ok(ByteSize(volume.f_bavail * volume.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_is_exchanged_and_twice_is_once() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let (old, new) = (BuildId::parse("1").unwrap(), BuildId::parse("2").unwrap());
        assert_eq!(layout.installed().unwrap(), None);
        fs::create_dir_all(layout.release(&old)).unwrap();
        layout.point_at(&old).unwrap();
        assert!(matches!(layout.point_at(&new), Err(StepError::NotStaged { .. })));
        fs::create_dir_all(layout.release(&new)).unwrap();
        // What a crash left.
        std::os::unix::fs::symlink("nowhere", folder.path().join("current.next")).unwrap();
        layout.point_at(&new).unwrap();
        // And what one leaves that comes right after the exchange.
        std::os::unix::fs::symlink("releases/1", folder.path().join("current.next")).unwrap();
        layout.point_at(&new).unwrap();
        assert_eq!(layout.installed().unwrap(), Some(new));
        assert!(!folder.path().join("current.next").is_symlink());
    }

    #[test]
    fn link_that_leads_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        std::os::unix::fs::symlink("/etc", layout.current()).unwrap();
        assert!(matches!(layout.installed(), Err(StepError::NoLink { .. })));
    }
}
