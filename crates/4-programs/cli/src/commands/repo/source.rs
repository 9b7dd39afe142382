//! A repository by folder or address, without a server.

use super::client;
use crate::{CliError, context::Context};
use clap::Args;
use refit_repository::{Repository, Source, TrustStore, refresh};
use std::{
    fs,
    path::{Path, PathBuf},
};
use url::Url;

/// Where a repository is, and what is trusted.
#[derive(Debug, Clone, Args)]
pub(crate) struct RepositoryAt {
    /// A repository's folder or address: what holds metadata/ and targets/
    #[arg(long, value_name = "FOLDER|URL")]
    pub(crate) repository: Option<String>,
    /// The root that is trusted; for a folder its own first root by default
    #[arg(long, value_name = "FILE", requires = "repository")]
    pub(crate) root: Option<PathBuf>,
    /// The folder that remembers what was trusted, so that older metadata are refused later
    #[arg(long, value_name = "DIR", requires = "repository")]
    pub(crate) trust: Option<PathBuf>,
}

/// A repository that was read and verified.
pub(crate) struct Opened {
    pub(crate) repository: Repository,
    /// Trust that nobody asked to keep.
    _temporary: Option<tempfile::TempDir>,
}

impl RepositoryAt {
    /// Brings and verifies its metadata.
    pub(crate) async fn open(&self, context: &Context) -> Result<Opened, CliError> {
        let text = self.repository.as_deref().unwrap_or(".");
        let (base, folder) = address(text)?;
        let root = match (&self.root, &folder) {
            (Some(root), _) => Some(read(root)?),
            (None, _) if self.trust.as_deref().is_some_and(|dir| TrustStore::open(dir).is_ok()) => {
                None
            }
            (None, Some(folder)) => {
                let root = folder.join("metadata/1.root.json");
                context.output.say(&format!(
                    "trusting the folder's own {}: give --root for one from another source",
                    root.display()
                ));
                Some(read(&root)?)
            }
            (None, None) => {
                return Err(CliError::usage(
                    "a repository at an address needs --root FILE, or --trust DIR with a root that was pinned",
                ));
            }
        };
        let temporary = match &self.trust {
            Some(_) => None,
            None => Some(
                tempfile::tempdir()
                    .map_err(|error| CliError::io("make", "a temporary folder", error))?,
            ),
        };
        let dir = self.trust.as_deref().or(temporary.as_ref().map(tempfile::TempDir::path));
        let dir = dir.unwrap_or(Path::new("."));
        let trust = match root {
            Some(root) => TrustStore::create(dir, &root),
            None => TrustStore::open(dir),
        };
        let source = source(&base, context)?;
        let repository =
            refresh(&trust.map_err(client::refused)?, &source, context.ambient.clock.now())
                .await
                .map_err(client::refused)?;
        Ok(Opened { repository, _temporary: temporary })
    }
}

/// The parts of a repository below its address.
pub(super) fn source(base: &Url, context: &Context) -> Result<Source, CliError> {
    let part =
        |name: &str| base.join(name).map_err(|error| CliError::usage(format!("`{base}`: {error}")));
    let (metadata, targets) = (part("metadata/")?, part("targets/")?);
    let http = client::http(&metadata, &targets, context)?;
    Ok(Source { metadata, targets, http })
}

/// The address of a folder.
pub(super) fn folder_address(path: &Path) -> Result<Url, CliError> {
    let whole =
        fs::canonicalize(path).map_err(|error| CliError::io("find", path.display(), error))?;
    Url::from_directory_path(&whole)
        .map_err(|()| CliError::usage(format!("`{}` has no address", whole.display())))
}

/// An address, or a folder of this machine.
fn address(text: &str) -> Result<(Url, Option<PathBuf>), CliError> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok((with_slash(url), None)),
        Ok(url) if url.scheme() == "file" => {
            let url = with_slash(url);
            let path = url.to_file_path().map_err(|()| {
                CliError::usage(format!("`{text}` names no folder of this machine"))
            })?;
            Ok((url, Some(path)))
        }
        _ => {
            let path = PathBuf::from(text);
            Ok((folder_address(&path)?, Some(path)))
        }
    }
}

fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(|error| CliError::io("read", path.display(), error))
}
