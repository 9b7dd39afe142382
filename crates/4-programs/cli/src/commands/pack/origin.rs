//! Where a pack comes from: a file, a folder, a repository, the server.

use super::refused;
use crate::{CliError, Exit, commands::repo, context::Context};
use clap::Args;
use refit_forge::{PackFile, pack, survey::survey};
use refit_names::{BuildId, Digest, ProductName};
use refit_packs::record::PackRecord;
use refit_plan::PackPin;
use refit_repository::{Source, TrustStore, refresh};
use std::{
    fs,
    path::{Path, PathBuf},
};
use url::Url;

/// Which repository is meant by PRODUCT@BUILD; without any, the server's.
#[derive(Debug, Args)]
pub(crate) struct RepoArgs {
    /// A repository's folder or URL, for PRODUCT@BUILD; without it the server is asked
    #[arg(long, value_name = "DIR|URL")]
    repo: Option<String>,
    /// The root that the repository must have; a folder's own first root if none is given
    #[arg(long, value_name = "FILE", requires = "repo")]
    root: Option<PathBuf>,
}

impl RepoArgs {
    pub(super) const fn is_given(&self) -> bool {
        self.repo.is_some()
    }
}

/// A pack's record, wherever it was.
pub(super) struct Pack {
    /// What the person called it.
    pub(super) shown: String,
    pub(super) record: PackRecord,
    pub(super) digest: Digest,
    /// Who signed the file, if it is one.
    pub(super) signer: Option<String>,
}

/// Opens what a person calls a pack: a `.refit` file, a folder with `pack.yaml`, or `PRODUCT@BUILD`.
pub(super) async fn open(name: &str, from: &RepoArgs, context: &Context) -> Result<Pack, CliError> {
    let path = Path::new(name);
    if path.is_dir() {
        return of_folder(path);
    }
    if !path.exists()
        && let Some((product, build)) = published(name)
    {
        return of_repository(&product, &build, from, context).await;
    }
    of_file(path)
}

fn published(name: &str) -> Option<(ProductName, BuildId)> {
    let (product, build) = name.split_once('@')?;
    Some((ProductName::parse(product).ok()?, BuildId::parse(build).ok()?))
}

pub(super) fn of_file(path: &Path) -> Result<Pack, CliError> {
    let file = PackFile::read(path).map_err(refused)?;
    Ok(Pack {
        shown: path.display().to_string(),
        record: file.record().clone(),
        digest: Digest::of(file.record_json()),
        signer: file.signer().map(|signer| signer.to_string()),
    })
}

fn of_folder(folder: &Path) -> Result<Pack, CliError> {
    let found = survey(folder).map_err(refused)?;
    if !found.faults.is_empty() {
        return Err(super::make::unfit(folder, &found));
    }
    let built = pack::build(folder).map_err(refused)?;
    Ok(Pack {
        shown: folder.display().to_string(),
        record: built.record().clone(),
        digest: built.record_digest(),
        signer: None,
    })
}

/// What a repository, or the server, has published.
pub(super) async fn of_repository(
    product: &ProductName,
    build: &BuildId,
    from: &RepoArgs,
    context: &Context,
) -> Result<Pack, CliError> {
    let shown = format!("{product}@{build}");
    let Some(place) = &from.repo else {
        let view = context.api()?.pack(product, build).await?;
        return Ok(Pack { shown, record: view.record, digest: view.digest, signer: None });
    };
    let (base, first_root) = base(place)?;
    let root = from.root.clone().or(first_root).ok_or_else(|| {
        CliError::usage("a repository at a URL needs --root FILE: the root that it must have")
    })?;
    let root = fs::read(&root).map_err(|error| CliError::io("read", root.display(), error))?;
    let join = |folder: &str| base.join(folder).map_err(|error| CliError::usage(error.to_string()));
    let (metadata, targets) = (join("metadata/")?, join("targets/")?);
    let state = tempfile::tempdir().map_err(|error| CliError::io("make", "a folder", error))?;
    let trust = TrustStore::create(state.path(), &root).map_err(repo::refused)?;
    let source = Source { http: repo::http(&metadata, &targets, context)?, metadata, targets };
    let now = context.ambient.clock.now();
    let repository = refresh(&trust, &source, now).await.map_err(repo::refused)?;
    let catalog = repository.catalog().await.map_err(repo::refused)?;
    let summary = catalog.packs.iter().find(|pack| pack.product == *product && pack.to == *build);
    let summary = summary.ok_or_else(|| {
        let text = format!("{place} has no pack that leads {product} to build {build}");
        CliError::new("repository.no-such-target", Exit::NotFound, text)
    })?;
    let pin = PackPin {
        to: summary.to.clone(),
        record: summary.record.clone(),
        digest: summary.record_digest,
        size: summary.size,
    };
    let record = repository.record(&pin).await.map_err(repo::refused)?;
    Ok(Pack { shown, record, digest: summary.record_digest, signer: None })
}

/// The URL of a repository, and the first root of one that is a folder.
fn base(place: &str) -> Result<(Url, Option<PathBuf>), CliError> {
    let wrong = |why: &str| CliError::usage(format!("{place} is no folder and no URL: {why}"));
    let folder = Path::new(place);
    if !folder.is_dir() {
        let place = if place.ends_with('/') { place.to_owned() } else { format!("{place}/") };
        return Url::parse(&place)
            .map(|url| (url, None))
            .map_err(|error| wrong(&error.to_string()));
    }
    let folder = fs::canonicalize(folder).map_err(|error| CliError::io("find", place, error))?;
    let url = Url::from_directory_path(&folder).map_err(|()| wrong("its path is not absolute"))?;
    Ok((url, Some(folder.join("metadata/1.root.json"))))
}
