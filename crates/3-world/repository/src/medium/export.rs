//! Writing a medium: the repository's own mirror with a choice of packs, and the list of what is on it.

use super::{
    MEDIUM_FILE, MEDIUM_FORMAT, Medium, MediumError, MediumFile, MediumPack, check_space,
    listed::{measure, walk},
    owner, pack_folder,
};
use crate::{Repository, RepositoryError, trust::write_atomically};
use jiff::Timestamp;
use refit_names::{BuildId, ByteSize, ProductName};
use refit_packs::catalog::{Catalog, PackSummary, PathError};
use std::{collections::BTreeSet, fs, path::Path};

/// Says that a folder is a medium that is not complete.
const UNFINISHED: &str = "medium.unfinished";
/// What the mirror keeps for itself.
const MIRROR_MEMORY: &str = "unnamed.json";

/// Which packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All that were not withdrawn.
    All,
    /// All of a product that were not withdrawn.
    Product(ProductName),
    /// Those on the best path between two builds.
    Path {
        /// The product.
        product: ProductName,
        /// The installed build.
        from: BuildId,
        /// The wanted build.
        to: BuildId,
    },
}

impl Selection {
    fn of<'a>(&self, catalog: &'a Catalog) -> Result<Vec<&'a PackSummary>, PathError> {
        let good = catalog.packs.iter().filter(|pack| pack.withdrawn.is_none());
        match self {
            Self::All => Ok(good.collect()),
            Self::Product(product) => {
                let packs: Vec<_> = good.filter(|pack| pack.product == *product).collect();
                if packs.is_empty() {
                    let mut known: Vec<_> =
                        catalog.packs.iter().map(|pack| pack.product.clone()).collect();
                    known.sort();
                    known.dedup();
                    return Err(PathError::UnknownProduct { product: product.clone(), known });
                }
                Ok(packs)
            }
            Self::Path { product, from, to } => catalog.path(product, from, to),
        }
    }
}

/// Writes the chosen packs with all metadata to `dir`. Goes on with what an interrupted call left.
///
/// # Errors
/// [`MediumError::NotEmpty`], [`MediumError::NoSpace`], [`MediumError::Path`], and what reading the repository can meet.
pub async fn export(
    repository: &Repository,
    dir: &Path,
    selection: &Selection,
    now: Timestamp,
) -> Result<Medium, MediumError> {
    let catalog = repository.catalog().await?;
    let packs = selection.of(&catalog)?;
    let chosen: BTreeSet<&str> =
        packs.iter().map(|pack| pack_folder(pack.record.as_str())).collect();
    let others: BTreeSet<String> = catalog
        .packs
        .iter()
        .map(|pack| pack_folder(pack.record.as_str()).to_owned())
        .filter(|folder| !chosen.contains(folder.as_str()))
        .collect();
    // Catalogues and runbooks are in no pack's folder: they always come along.
    let wanted = move |name: &str| owner(name, &others).is_none();

    prepare(dir)?;
    let named = repository.named().await?;
    let needed = named.iter().filter(|(place, target)| {
        wanted(&target.name) && !has(&dir.join("targets").join(place), target.length)
    });
    check_space(dir, needed.map(|(_, target)| target.length).sum())?;
    let _ = repository.mirror_selected(dir, &wanted).await?;
    let places: BTreeSet<String> = named
        .iter()
        .filter(|(_, target)| wanted(&target.name))
        .map(|(place, _)| format!("targets/{place}"))
        .collect();
    let medium = Medium {
        format: MEDIUM_FORMAT.to_owned(),
        made_at: now,
        expires_at: repository.expires_at(),
        versions: repository.versions(),
        packs: packs.into_iter().map(listed).collect(),
        files: list(dir, &places)?,
    };
    let text = serde_json::to_vec_pretty(&medium)
        .map_err(|error| RepositoryError::malformed(MEDIUM_FILE, error))?;
    write_atomically(&dir.join(MEDIUM_FILE), &text)?;
    remove(&dir.join(UNFINISHED))?;
    Ok(medium)
}

fn has(path: &Path, length: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && there.len() == length)
}

fn listed(pack: &PackSummary) -> MediumPack {
    MediumPack {
        product: pack.product.clone(),
        from: pack.from.clone(),
        to: pack.to.clone(),
        record: pack.record_digest,
    }
}

/// An empty folder, or a medium of before.
fn prepare(dir: &Path) -> Result<(), MediumError> {
    fs::create_dir_all(dir).map_err(MediumError::io("make", dir))?;
    let ours = [MEDIUM_FILE, UNFINISHED].iter().any(|name| dir.join(name).is_file());
    let (files, odd) = walk(dir).map_err(MediumError::io("read", dir))?;
    let empty = files.is_empty() && odd.is_empty();
    if !ours && !empty {
        return Err(MediumError::NotEmpty { path: dir.to_owned() });
    }
    write_atomically(&dir.join(UNFINISHED), b"refit repo export was interrupted: run it again\n")?;
    // From here on the old list would say what is not so.
    remove(&dir.join(MEDIUM_FILE))
}

/// Everything that belongs on the medium, measured; what an older medium left is removed.
fn list(dir: &Path, places: &BTreeSet<String>) -> Result<Vec<MediumFile>, MediumError> {
    let (files, _) = walk(dir).map_err(MediumError::io("read", dir))?;
    let mut listed = Vec::new();
    for name in files {
        let path = dir.join(&name);
        if name == UNFINISHED {
            continue;
        }
        let belongs = name.starts_with("metadata/") || places.contains(&name);
        if !belongs && (name.starts_with("targets/") || name == MIRROR_MEMORY) {
            remove(&path)?;
            continue;
        }
        let (size, sha256) = measure(&path).map_err(MediumError::io("read", &path))?;
        listed.push(MediumFile { name, size: ByteSize(size), sha256 });
    }
    Ok(listed)
}

fn remove(path: &Path) -> Result<(), MediumError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(MediumError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
