//! Reading a medium: everything is verified before anything is copied.

use super::{
    LIST_BYTES_MAX, MEDIUM_FILE, MEDIUM_FORMAT, Medium, MediumError, check_space, listed, owner,
    pack_folder,
};
use crate::{MirrorReport, Repository, Source, TrustStore, refresh};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};
use url::Url;

/// What an import works with.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The medium's folder.
    pub medium: PathBuf,
    /// The repository's folder that it is brought into.
    pub into: PathBuf,
    /// The folder that remembers what is trusted.
    pub trust: PathBuf,
    /// The root to pin when nothing is trusted there yet.
    pub root: Option<Vec<u8>>,
    /// For the client's sake; nothing is fetched.
    pub http: reqwest::Client,
}

/// What an import did.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// What was on the medium.
    pub medium: Medium,
    /// What was copied and what was there.
    pub copied: MirrorReport,
}

/// Verifies the whole medium under the pinned root. Changes nothing.
///
/// # Errors
/// [`MediumError::NotAMedium`], [`MediumError::Damaged`] with every fault, and what a refresh refuses: older or expired metadata, too few
/// signatures.
pub async fn verify(options: &ImportOptions, now: Timestamp) -> Result<Medium, MediumError> {
    if options.root.is_none() {
        drop(TrustStore::open(&options.trust)?);
    }
    let dir = options.medium.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let medium = read(&dir)?;
        let faults = faults(&dir, &medium)?;
        Ok::<_, MediumError>((medium, faults))
    });
    let joined = checked.await.map_err(std::io::Error::other);
    let (medium, mut faults) = joined.map_err(MediumError::io("read", &options.medium))??;
    let damaged = |faults| MediumError::Damaged { path: options.medium.clone(), faults };
    if !faults.is_empty() {
        return Err(damaged(faults));
    }
    // Trust moves on only when everything is in its place: a copy is asked.
    let trial = tempfile::tempdir().map_err(MediumError::io("make", Path::new("trial folder")))?;
    copy_folder(&options.trust, trial.path())?;
    let repository = open(options, trial.path(), now).await?;
    faults.extend(foreign(&repository, &medium).await?);
    if faults.is_empty() { Ok(medium) } else { Err(damaged(faults)) }
}

/// Verifies the medium and brings it into the folder: the same files as a mirror over the network has. Goes on with what an interrupted
/// call left.
///
/// # Errors
/// As [`verify`]; [`MediumError::NoSpace`].
pub async fn import(options: &ImportOptions, now: Timestamp) -> Result<ImportReport, MediumError> {
    let medium = verify(options, now).await?;
    let missing = medium.files.iter().filter(|file| {
        let there = fs::symlink_metadata(options.into.join(&file.name));
        !there.is_ok_and(|there| there.is_file() && there.len() == file.size.0)
    });
    check_space(&options.into, missing.map(|file| file.size.0).sum())?;
    fs::create_dir_all(&options.into).map_err(MediumError::io("make", &options.into))?;
    let repository = open(options, &options.trust, now).await?;
    let copied = repository.mirror_present(&options.into).await?;
    Ok(ImportReport { medium, copied })
}

async fn open(
    options: &ImportOptions,
    trust: &Path,
    now: Timestamp,
) -> Result<Repository, MediumError> {
    let store = match (TrustStore::open(trust), &options.root) {
        (Ok(store), None) => store,
        (_, Some(root)) => TrustStore::create(trust, root)?,
        (Err(error), None) => return Err(error.into()),
    };
    let address = |name: &str| {
        let path = fs::canonicalize(&options.medium)
            .map_err(MediumError::io("find", &options.medium))?
            .join(name);
        Url::from_directory_path(&path).map_err(|()| MediumError::NotAMedium {
            path: options.medium.clone(),
            why: "its path has no address".to_owned(),
        })
    };
    let source = Source {
        metadata: address("metadata")?,
        targets: address("targets")?,
        http: options.http.clone(),
    };
    Ok(refresh(&store, &source, now).await?)
}

fn read(dir: &Path) -> Result<Medium, MediumError> {
    let path = dir.join(MEDIUM_FILE);
    let none = |why: String| MediumError::NotAMedium { path: dir.to_owned(), why };
    let file = File::open(&path).map_err(|error| none(format!("{MEDIUM_FILE}: {error}")))?;
    let mut text = Vec::new();
    file.take(LIST_BYTES_MAX + 1).read_to_end(&mut text).map_err(MediumError::io("read", &path))?;
    if text.len() as u64 > LIST_BYTES_MAX {
        return Err(none(format!("{MEDIUM_FILE} is larger than {LIST_BYTES_MAX} bytes")));
    }
    let medium: Medium =
        serde_json::from_slice(&text).map_err(|error| none(format!("{MEDIUM_FILE}: {error}")))?;
    if medium.format != MEDIUM_FORMAT {
        return Err(none(format!("format is `{}`, expected `{MEDIUM_FORMAT}`", medium.format)));
    }
    Ok(medium)
}

/// Holds the list against the folder; a medium has nothing outside of two folders.
fn faults(dir: &Path, medium: &Medium) -> Result<Vec<String>, MediumError> {
    let mut faults =
        listed::faults(dir, &medium.files, MEDIUM_FILE).map_err(MediumError::io("read", dir))?;
    let odd = medium.files.iter().filter(|file| {
        !["metadata/", "targets/"].iter().any(|folder| file.name.starts_with(folder))
    });
    faults.extend(odd.map(|file| format!("{:?}: is not below metadata/ or targets/", file.name)));
    Ok(faults)
}

/// Holds the folder against signed metadata: the list itself proves nothing.
async fn foreign(repository: &Repository, medium: &Medium) -> Result<Vec<String>, MediumError> {
    let named = repository.named().await?;
    let mut faults = Vec::new();
    let mut present = BTreeSet::new();
    for file in &medium.files {
        let Some(place) = file.name.strip_prefix("targets/") else { continue };
        match named.get(place) {
            None => faults.push(format!("{}: no signed metadata name it", file.name)),
            Some(target) if target.length != file.size.0 => faults.push(format!(
                "{}: is not what was signed: expected {} bytes, found {}",
                file.name, target.length, file.size.0
            )),
            Some(target) if !target.sha256.is_empty() && target.sha256 != file.sha256.to_hex() => {
                faults.push(format!(
                    "{}: is not what was signed: expected sha256 {}, found {}",
                    file.name,
                    target.sha256,
                    file.sha256.to_hex()
                ));
            }
            Some(_) => drop(present.insert(place)),
        }
    }
    let folders: BTreeSet<String> = named
        .values()
        .filter(|target| target.name.ends_with("/record.json"))
        .map(|target| pack_folder(&target.name).to_owned())
        .collect();
    // A pack is whole or not there at all.
    let begun: BTreeSet<&str> = named
        .iter()
        .filter(|(place, _)| present.contains(place.as_str()))
        .filter_map(|(_, target)| owner(&target.name, &folders))
        .collect();
    for (place, target) in &named {
        let wanted = owner(&target.name, &folders).is_none_or(|folder| begun.contains(folder));
        if wanted && !present.contains(place.as_str()) {
            faults.push(format!("targets/{place}: is missing, signed metadata name it"));
        }
    }
    Ok(faults)
}

/// Copies what is trusted, so that a trial changes nothing.
fn copy_folder(from: &Path, to: &Path) -> Result<(), MediumError> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(MediumError::io("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            fs::create_dir_all(&target).map_err(MediumError::io("make", &target))?;
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(MediumError::io("copy", &source))?;
        }
    }
    Ok(())
}
