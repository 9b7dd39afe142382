//! From a folder with a `pack.yaml` to a built pack.

use crate::{
    ForgeError,
    delta::{self, OldBuild},
    survey::{inside, read_text},
    tree::{self, BundleWriter},
};
use refit_names::{Digest, TargetName, TreePath};
use refit_packs::{
    manifest::{self, Manifest},
    record::{self, Bundle, PackRecord, RECORD_FORMAT},
    runbook,
};
use std::{fs, path::Path};

/// The manifest's name in a pack's folder.
pub const MANIFEST_FILE: &str = "pack.yaml";
/// Texts are read whole and travel in every record; a mebibyte is a long book chapter.
pub(crate) const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A pack that was built and not written anywhere yet.
#[derive(Debug)]
pub struct BuiltPack {
    record: PackRecord,
    record_json: Vec<u8>,
    bundle: tempfile::NamedTempFile,
}

impl BuiltPack {
    /// All that the pack says.
    #[must_use]
    pub const fn record(&self) -> &PackRecord {
        &self.record
    }

    /// The record's text: what is signed.
    #[must_use]
    pub fn record_json(&self) -> &[u8] {
        &self.record_json
    }

    /// The digest that a plan pins.
    #[must_use]
    pub fn record_digest(&self) -> Digest {
        Digest::of(&self.record_json)
    }

    /// The file with all chunks; it goes when this value goes.
    #[must_use]
    pub fn bundle(&self) -> &Path {
        self.bundle.path()
    }

    /// `NAME-BUILD.refit`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}.refit", self.record.manifest.product, self.record.manifest.to)
    }
}

/// Builds the pack that `folder` describes.
///
/// Shape: the same folder gives the same bytes on every machine; nothing outside `folder` is read.
///
/// # Errors
/// [`ForgeError`] when the manifest, the runbook or a tree is not fit, naming the file.
pub fn build(folder: &Path) -> Result<BuiltPack, ForgeError> {
    build_against(folder, &[])
}

/// As [`build`], with deltas from older builds.
///
/// # Errors
/// As [`build`]; [`ForgeError::NotBefore`] when an older build is of another product or the manifest does not name it in `from`.
pub fn build_against(folder: &Path, old: &[OldBuild]) -> Result<BuiltPack, ForgeError> {
    let manifest = manifest(folder)?;
    for old in old {
        check_before(&manifest, old, folder)?;
    }
    let readme = read_text(&inside(folder, &manifest.readme)?)?;
    let runbook = match &manifest.runbook {
        Some(name) => {
            let path = inside(folder, name)?;
            runbook::parse(&read_text(&path)?)
                .map_err(|source| ForgeError::Runbook { path, source: Box::new(source) })?
        }
        None => runbook::default_for_plain_service(),
    };

    let file = tempfile::NamedTempFile::new().map_err(ForgeError::write(std::env::temp_dir()))?;
    let mut writer = BundleWriter::new(file.as_file(), file.path());
    let root = tree_folder(folder, &manifest.payload)?;
    let payload = tree::pack(&root, &manifest.requirements, &mut writer)?;
    let web = match &manifest.web {
        Some(web) => tree::pack(&tree_folder(folder, web)?, &manifest.requirements, &mut writer)?,
        None => Vec::new(),
    };
    let mut deltas = Vec::new();
    for old in old {
        deltas.push(delta::append(old, &root, &payload, &mut writer)?);
    }
    let (chunks, size, digest) = writer.finish()?;

    let target = target_name(&manifest, "bundle", folder)?;
    let bundle = Bundle { target, size, digest, chunks, deltas };
    let record = PackRecord {
        format: RECORD_FORMAT.to_owned(),
        manifest,
        runbook,
        readme,
        payload,
        web,
        bundle,
    };
    record::validate(&record).map_err(|source| ForgeError::Record {
        path: folder.to_owned(),
        source: Box::new(source),
    })?;
    let record_json = serde_json::to_vec(&record).map_err(|error| ForgeError::UnfitTree {
        path: folder.to_owned(),
        why: error.to_string(),
    })?;
    Ok(BuiltPack { record, record_json, bundle: file })
}

/// Opens the builds that the pack of `folder` can follow and that the repository at `repository` has.
///
/// # Errors
/// As [`build`] for the manifest, as [`crate::repo::older_builds`] for the repository.
pub fn older_in(folder: &Path, repository: &Path) -> Result<Vec<OldBuild>, ForgeError> {
    let manifest = manifest(folder)?;
    crate::repo::older_builds(repository, &manifest.product, &manifest.from)
}

/// The manifest of a pack's folder.
pub(crate) fn manifest(folder: &Path) -> Result<Manifest, ForgeError> {
    let path = folder.join(MANIFEST_FILE);
    manifest::parse(&read_text(&path)?)
        .map_err(|source| ForgeError::Manifest { path, source: Box::new(source) })
}

/// Deltas from a build that the pack does not follow would never be used.
fn check_before(manifest: &Manifest, old: &OldBuild, at: &Path) -> Result<(), ForgeError> {
    if *old.product() == manifest.product && manifest.from.contains(old.build()) {
        return Ok(());
    }
    let from: Vec<String> = manifest.from.iter().map(ToString::to_string).collect();
    Err(ForgeError::NotBefore {
        path: at.to_owned(),
        expected: format!("{} {}", manifest.product, from.join(" or ")),
        found: format!("{} {}", old.product(), old.build()),
    })
}

/// The name in a repository of a part of a pack: `packs/PRODUCT/BUILD/PART`.
pub(crate) fn target_name(
    manifest: &Manifest,
    part: &str,
    at: &Path,
) -> Result<TargetName, ForgeError> {
    TargetName::parse(format!("packs/{}/{}/{part}", manifest.product, manifest.to))
        .map_err(|error| ForgeError::UnfitTree { path: at.to_owned(), why: error.to_string() })
}

/// The record as hosts fetch it, compressed: its name and bytes. What is signed and pinned is the record itself.
pub(crate) fn squeezed(
    record: &TargetName,
    text: &[u8],
    at: &Path,
) -> Result<(TargetName, Vec<u8>), ForgeError> {
    /// Read by every host; its making takes a second for the largest trees.
    const LEVEL: i32 = 15;
    let name = TargetName::parse(format!("{record}.zst"))
        .map_err(|error| ForgeError::UnfitTree { path: at.to_owned(), why: error.to_string() })?;
    Ok((name, zstd::bulk::compress(text, LEVEL).map_err(ForgeError::write(at))?))
}

/// A tree's own folder.
pub(crate) fn tree_folder(
    folder: &Path,
    name: &TreePath,
) -> Result<std::path::PathBuf, ForgeError> {
    let path = inside(folder, name)?;
    if !fs::symlink_metadata(&path).map_err(ForgeError::read(&path))?.is_dir() {
        return Err(ForgeError::UnfitTree { path, why: "expected a folder".to_owned() });
    }
    Ok(path)
}
