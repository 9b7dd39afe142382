//! The one way in: every entry of every kind of archive is judged here before it is written.

use super::{ImportOptions, set_mode};
use crate::{ForgeError, survey::walk::shown};
use refit_names::{ByteSize, TreePath};
use refit_packs::alike::{difference, merged};
use refit_packs::record::{ENTRIES_MAX, link_stays};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Faults that are told: more say nothing new.
const FAULTS_MAX: usize = 100;
/// How many times its own size may come out of an archive: text shrinks to a tenth, logs to a fiftieth.
const RATIO_MAX: u64 = 200;
/// What may come out of the smallest archive.
const RATIO_FLOOR: u64 = 64 << 20;
const COPY_BYTES: usize = 128 << 10;

/// What an entry is.
pub(super) enum Kind<'a> {
    Folder,
    File {
        is_program: bool,
        content: &'a mut dyn Read,
    },
    /// A symbolic link to this target.
    Link(Vec<u8>),
    /// Another name of a file that came before.
    Twin(Vec<u8>),
    /// Something that no tree may have.
    Other(&'static str),
}

/// Where entries go, and what is wrong with them.
pub(super) struct Place {
    archive: PathBuf,
    root: PathBuf,
    strip: usize,
    size_max: u64,
    size: u64,
    is_dir: bool,
    archive_size: u64,
    /// Kinds by path.
    entries: BTreeMap<String, Seen>,
    folded: BTreeMap<String, String>,
    case_sensitive: bool,
    has_twins: bool,
    faults: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Folder,
    File,
    Link,
}

impl Place {
    pub(super) fn new(archive: &Path, root: &Path, options: &ImportOptions) -> Self {
        Self {
            archive: archive.to_owned(),
            root: root.to_owned(),
            strip: options.strip,
            size_max: options.size_max.0,
            size: 0,
            is_dir: archive.is_dir(),
            archive_size: fs::metadata(archive).map(|metadata| metadata.len()).unwrap_or_default(),
            entries: BTreeMap::new(),
            folded: BTreeMap::new(),
            case_sensitive: options.case_sensitive,
            has_twins: false,
            faults: Vec::new(),
        }
    }

    /// A package of a system whose file systems tell upper from lower case.
    pub(super) const fn tell_case(&mut self) {
        self.case_sensitive = true;
    }

    /// Takes one entry, or notes why it cannot be taken.
    pub(super) fn take(&mut self, name: &[u8], kind: Kind<'_>) -> Result<(), ForgeError> {
        let shown = shown(name);
        match self.judge(name, &kind) {
            Ok(Some(path)) => self.write(&path, kind, &shown),
            Ok(None) => Ok(()),
            Err(why) => self.fault(&shown, &why),
        }
    }

    /// Notes what is wrong with the archive as a whole.
    pub(super) fn take_fault(&mut self, what: &str, why: &str) -> Result<(), ForgeError> {
        self.fault(what, why)
    }

    fn fault(&mut self, shown: &str, why: &str) -> Result<(), ForgeError> {
        self.faults.push(format!("`{shown}`: {why}"));
        if self.faults.len() >= FAULTS_MAX {
            self.faults.push("and maybe more: the rest was not looked at".to_owned());
            return Err(self.unfit());
        }
        Ok(())
    }

    fn unfit(&mut self) -> ForgeError {
        ForgeError::Import { path: self.archive.clone(), faults: std::mem::take(&mut self.faults) }
    }

    /// The path in the tree; none for the archive's own root.
    fn judge(&mut self, name: &[u8], kind: &Kind<'_>) -> Result<Option<String>, String> {
        let name = std::str::from_utf8(name).map_err(|_| "its name is not UTF-8".to_owned())?;
        if name.starts_with('/') {
            return Err("its path is absolute".to_owned());
        }
        // Archivers write `./a` and `folder/`; neither means anything else.
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err("its path leaves the tree".to_owned());
        }
        let Some(parts) = parts.get(self.strip..).filter(|parts| !parts.is_empty()) else {
            return Ok(None);
        };
        let path = TreePath::parse(parts.join("/")).map_err(|error| error.to_string())?;
        let path = path.as_str();
        if let Kind::Other(what) = kind {
            return Err(format!("it is {what}; expected a file, folder or link"));
        }
        if let Kind::Link(target) = kind {
            let target = std::str::from_utf8(target)
                .map_err(|_| "its link's target is not UTF-8".to_owned())?;
            if !link_stays(path, target) {
                return Err(format!("its link to `{}` leaves the tree", target.escape_debug()));
            }
        }
        self.claim(path, kind)?;
        Ok(Some(path.to_owned()))
    }

    /// Notes the path and the folders above it.
    fn claim(&mut self, path: &str, kind: &Kind<'_>) -> Result<(), String> {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        for folder in above {
            match self.entries.get(folder) {
                Some(Seen::Folder) => {}
                Some(Seen::File | Seen::Link) => {
                    return Err(format!("`{folder}` above it is no folder"));
                }
                None => self.note(folder, Seen::Folder)?,
            }
        }
        let seen = match kind {
            Kind::Folder => Seen::Folder,
            Kind::Link(_) => Seen::Link,
            _ => Seen::File,
        };
        match self.entries.get(path) {
            Some(Seen::Folder) if seen == Seen::Folder => Ok(()),
            Some(_) => Err("it is there twice".to_owned()),
            None => self.note(path, seen),
        }
    }

    fn note(&mut self, path: &str, seen: Seen) -> Result<(), String> {
        if self.entries.len() >= ENTRIES_MAX {
            return Err(format!("there are more than {ENTRIES_MAX} entries"));
        }
        if let Some(twin) = self.folded.insert(merged(path), path.to_owned()) {
            if !self.case_sensitive {
                return Err(format!("{}, or --case-sensitive", difference(path, &twin)));
            }
            self.has_twins = true;
        }
        self.entries.insert(path.to_owned(), seen);
        Ok(())
    }

    /// Links go in last, so that nothing is ever written through one.
    fn write(&mut self, path: &str, kind: Kind<'_>, shown: &str) -> Result<(), ForgeError> {
        let to = self.root.join(path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(ForgeError::write(parent))?;
        }
        match kind {
            Kind::Folder => fs::create_dir_all(&to).map_err(ForgeError::write(&to)),
            Kind::File { is_program, content } => self.write_file(&to, is_program, content),
            Kind::Link(target) => {
                let target = String::from_utf8_lossy(&target).into_owned();
                std::os::unix::fs::symlink(target, &to).map_err(ForgeError::write(&to))
            }
            Kind::Twin(other) => self.write_twin(&to, &other, shown),
            Kind::Other(_) => Ok(()),
        }
    }

    fn write_file(
        &mut self,
        to: &Path,
        is_program: bool,
        content: &mut dyn Read,
    ) -> Result<(), ForgeError> {
        let mut file = File::create_new(to).map_err(ForgeError::write(to))?;
        let mut block = vec![0; COPY_BYTES];
        loop {
            let read = match content.read(&mut block) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(self.unreadable(source)),
            };
            self.grow(read as u64)?;
            file.write_all(&block[..read]).map_err(ForgeError::write(to))?;
        }
        set_mode(to, if is_program { 0o755 } else { 0o644 })
    }

    /// An archive that cannot be read further.
    pub(super) fn unreadable(&self, source: io::Error) -> ForgeError {
        ForgeError::Archive { path: self.archive.clone(), source }
    }

    fn grow(&mut self, bytes: u64) -> Result<(), ForgeError> {
        self.size += bytes;
        let by_ratio = self.archive_size.saturating_mul(RATIO_MAX).max(RATIO_FLOOR);
        let limit = if self.is_dir { self.size_max } else { self.size_max.min(by_ratio) };
        if self.size > limit {
            return Err(ForgeError::Bomb {
                path: self.archive.clone(),
                size: ByteSize(self.archive_size),
                limit: ByteSize(limit),
            });
        }
        Ok(())
    }

    fn write_twin(&mut self, to: &Path, other: &[u8], shown: &str) -> Result<(), ForgeError> {
        let other = String::from_utf8_lossy(other).into_owned();
        let parts = other.split('/').filter(|part| !matches!(*part, "" | ".")).skip(self.strip);
        let other = parts.collect::<Vec<_>>().join("/");
        if self.entries.get(&other) != Some(&Seen::File) || self.root.join(&other) == *to {
            return self.fault(
                shown,
                &format!(
                    "it is another name of `{}`, which is no file before it",
                    other.escape_debug()
                ),
            );
        }
        let from = self.root.join(other);
        self.grow(fs::metadata(&from).map_err(ForgeError::read(&from))?.len())?;
        fs::copy(&from, to).map(drop).map_err(ForgeError::write(to))
    }

    /// How many entries and bytes came in, and whether some differ only by case.
    pub(super) fn finish(mut self) -> Result<(usize, ByteSize, bool), ForgeError> {
        if !self.faults.is_empty() {
            return Err(self.unfit());
        }
        if self.entries.is_empty() {
            self.faults.push("nothing is in it".to_owned());
            return Err(self.unfit());
        }
        Ok((self.entries.len(), ByteSize(self.size), self.has_twins))
    }
}
