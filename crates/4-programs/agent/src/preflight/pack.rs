//! The pack of a preflight: a folder, a single file, or what the repository has published.

use super::PreflightError;
use crate::{control, error::AgentError};
use refit_ambient::Clock;
use refit_client::{ClientError, Identity};
use refit_names::{BuildId, Digest, ProductName, TargetName, TreePath};
use refit_packs::{
    manifest,
    record::{self, Bundle, PackRecord, RECORD_FORMAT},
    runbook::{self, RUNBOOK_BYTES_MAX},
};
use refit_plan::PackPin;
use refit_repository::{Source, TrustStore, refresh};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// How the single file form of a pack begins: this, the record's length (u64, little endian), the record.
const MAGIC: &[u8] = b"REFIT-PACK/1\n";
/// As the maker of packs has it; nothing larger is read into memory.
const RECORD_BYTES_MAX: u64 = 256 << 20;

/// Opens what a person calls a pack. `state` is only read.
pub(super) async fn open(
    name: &str,
    state: &Path,
    clock: &dyn Clock,
) -> Result<PackRecord, AgentError> {
    let path = Path::new(name);
    if path.is_dir() {
        return Ok(of_folder(path)?);
    }
    if path.exists() {
        return Ok(of_file(path)?);
    }
    match published(name) {
        Some((product, build)) => of_repository(&product, &build, state, clock).await,
        None => Err(PreflightError::NoPack { name: name.to_owned() }.into()),
    }
}

/// `PRODUCT@BUILD`, or a target `packs/PRODUCT/BUILD/…`.
fn published(name: &str) -> Option<(ProductName, BuildId)> {
    let (product, build) = match name.strip_prefix("packs/") {
        Some(rest) => {
            let mut parts = rest.split('/');
            (parts.next()?, parts.next()?)
        }
        None => name.split_once('@')?,
    };
    Some((ProductName::parse(product).ok()?, BuildId::parse(build).ok()?))
}

fn read(path: &Path, max: u64) -> Result<String, PreflightError> {
    let failed = |source| PreflightError::Io { path: path.to_owned(), source };
    let mut text = String::new();
    let mut file = File::open(path).map_err(failed)?.take(max + 1);
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Manifest and runbook; what the pack carries is not asked about.
fn of_folder(folder: &Path) -> Result<PackRecord, PreflightError> {
    let path = folder.join("pack.yaml");
    let manifest = manifest::parse(&read(&path, RUNBOOK_BYTES_MAX as u64)?)
        .map_err(|source| PreflightError::Manifest { path, source: Box::new(source) })?;
    let file = |name: &TreePath| -> PathBuf { folder.join(name.as_str()) };
    let runbook = match manifest.runbook.as_ref().map(file) {
        Some(path) => runbook::parse(&read(&path, RUNBOOK_BYTES_MAX as u64)?)
            .map_err(|source| PreflightError::Runbook { path, source: Box::new(source) })?,
        None => runbook::default_for_plain_service(),
    };
    let target = format!("packs/{}/{}/bundle", manifest.product, manifest.to);
    let target = TargetName::parse(target).map_err(|error| PreflightError::NotAPack {
        path: folder.to_owned(),
        why: error.to_string(),
    })?;
    let (size, digest) = (refit_names::ByteSize(0), Digest::ZERO);
    let bundle = Bundle { target, size, digest, chunks: vec![], deltas: vec![] };
    let (format, readme) = (RECORD_FORMAT.to_owned(), String::new());
    Ok(PackRecord { format, manifest, runbook, readme, payload: vec![], web: vec![], bundle })
}

fn of_file(path: &Path) -> Result<PackRecord, PreflightError> {
    let failed = |source| PreflightError::Io { path: path.to_owned(), source };
    let not = |why: String| PreflightError::NotAPack { path: path.to_owned(), why };
    let mut file = File::open(path).map_err(failed)?;
    let mut head = [0; MAGIC.len() + 8];
    file.read_exact(&mut head).map_err(|_| not("it is too short".to_owned()))?;
    let (magic, size) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(not("it does not begin with `REFIT-PACK/1`".to_owned()));
    }
    let size = u64::from_le_bytes(size.try_into().unwrap_or_default());
    if size > RECORD_BYTES_MAX {
        return Err(not(format!("its record has {size} bytes, at most {RECORD_BYTES_MAX}")));
    }
    let mut text = vec![];
    file.take(size).read_to_end(&mut text).map_err(failed)?;
    let record: PackRecord =
        serde_json::from_slice(&text).map_err(|error| not(format!("its record: {error}")))?;
    record::validate(&record).map_err(|error| not(refit_names::chain(&error)))?;
    Ok(record)
}

/// What the server's repository has published, verified under the root that was pinned at enrolment. The trust that the agent
/// keeps is not touched: what this refresh learns goes with it.
async fn of_repository(
    product: &ProductName,
    build: &BuildId,
    state: &Path,
    clock: &dyn Clock,
) -> Result<PackRecord, AgentError> {
    let identity = Identity::load(state).map_err(ClientError::from)?;
    let from = control::over_tls(&identity)?.repository()?;
    let pinned = TrustStore::open(&state.join("tuf"))?.pinned()?;
    let scratch = tempfile::tempdir().map_err(AgentError::io("make", std::env::temp_dir()))?;
    let trust = TrustStore::create(scratch.path(), &pinned)?;
    let source = Source { metadata: from.metadata, targets: from.targets, http: from.http };
    let repository = refresh(&trust, &source, clock.now()).await?;
    let catalog = repository.catalog().await?;
    let summary = catalog.packs.iter().find(|pack| pack.product == *product && pack.to == *build);
    let Some(summary) = summary else {
        return Err(PreflightError::NoPack { name: format!("{product}@{build}") }.into());
    };
    let pin = PackPin {
        to: summary.to.clone(),
        record: summary.record.clone(),
        digest: summary.record_digest,
        size: summary.size,
    };
    Ok(repository.record(&pin).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_has_two_names() {
        for name in ["ledger@1100", "packs/ledger/1100", "packs/ledger/1100/record.json"] {
            let (product, build) = published(name).unwrap();
            assert_eq!((product.as_str(), build.as_str()), ("ledger", "1100"), "{name}");
        }
        assert_eq!(published("ledger"), None);
        assert_eq!(published("packs/ledger"), None);
    }
}
