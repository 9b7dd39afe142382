//! Where things are.

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The folders of one ledger.
pub(crate) struct Layout {
    root: PathBuf,
}

/// What `ledger.json` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The schema that the database beside it has.
    pub(crate) schema: u32,
    /// In which amounts are counted.
    pub(crate) currency: String,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn from_environment() -> Result<Self> {
        let root = env::var_os("REFIT_ROOT").context("REFIT_ROOT is not set")?;
        let layout = Self::new(Path::new(&root));
        let data = layout.data();
        ensure!(data.is_dir(), "no folder {}", data.display());
        Ok(layout)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }
    pub(crate) fn database(&self) -> PathBuf {
        self.data().join("ledger.db")
    }
    pub(crate) fn closed_flag(&self) -> PathBuf {
        self.root.join("traffic.closed")
    }
    fn settings_file(&self) -> PathBuf {
        self.data().join("ledger.json")
    }

    pub(crate) fn settings(&self) -> Result<Option<Settings>> {
        let path = self.settings_file();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    pub(crate) fn write_settings(&self, settings: &Settings) -> Result<()> {
        let mut json = serde_json::to_vec_pretty(settings)?;
        json.push(b'\n');
        replace(&self.settings_file(), &json)
    }
}

/// Replaces a file so that a power cut leaves the old or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || format!("failed to write {}", path.display());
    let folder = path.parent().with_context(what)?;
    let partial = path.with_extension("partial");
    let mut file = fs::File::create(&partial).with_context(what)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(what)?;
    fs::rename(&partial, path).with_context(what)?;
    sync_folder(folder)
}

/// Makes names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("failed to sync {}", folder.display()))
}

/// A program that stands in a foreign tree would be a mixed installation: it does not start.
pub(crate) fn check_tree(build: &str) -> Result<()> {
    let program = env::current_exe().context("failed to find this program's own file")?;
    let Some(release) = program.parent().and_then(Path::parent) else { return Ok(()) };
    let path = release.join("share/build");
    match fs::read_to_string(&path) {
        Ok(found) if found.trim() == build => Ok(()),
        Ok(found) => {
            bail!("{} says build {}, this program is build {build}", path.display(), found.trim())
        }
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}
