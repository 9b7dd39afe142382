//! Builds that a repository has already: what deltas can be made against without keeping old pack files.

use super::{
    TARGETS, place,
    state::{self, State, broken},
};
use crate::{ForgeError, OldBuild, PackFile};
use refit_names::{BuildId, Digest, ProductName, TargetName};
use refit_packs::catalog::{CATALOG_TARGET, Catalog, PackSummary};
use std::{collections::BTreeSet, path::Path};
use tough::schema::{Target, Targets};

/// Opens those of `builds` that the repository at `dir` has, also withdrawn ones: hosts may still run them.
///
/// # Errors
/// [`ForgeError::BrokenRepository`], and [`ForgeError::Damaged`] when a file there is not what its metadata say.
pub fn older_builds(
    dir: &Path,
    product: &ProductName,
    builds: &BTreeSet<BuildId>,
) -> Result<Vec<OldBuild>, ForgeError> {
    let state = State::read(dir)?;
    state.root()?;
    let mut found = Vec::new();
    for (targets, pack) in published(&state)? {
        if pack.product == *product && builds.contains(&pack.to) {
            found.push(OldBuild::of_pack(&open(&state, targets, &pack)?)?);
        }
    }
    Ok(found)
}

/// All packs of all catalogues, each with the metadata that name its parts.
pub(super) fn published(state: &State) -> Result<Vec<(&Targets, PackSummary)>, ForgeError> {
    let vendors = state.delegated.iter().map(|(role, metadata)| (role.as_str(), &metadata.signed));
    let own = state.targets.iter().map(|targets| (TARGETS, &targets.signed));
    let mut packs = Vec::new();
    for (role, targets) in own.chain(vendors) {
        let name =
            if role == TARGETS { CATALOG_TARGET.to_owned() } else { super::catalog_target(role) };
        let name = named(&name)?;
        let Some(target) = target_of(targets, &name) else { continue };
        let text = state::read_target(&[&state.targets_dir()], &name, target)?;
        let catalog: Catalog = serde_json::from_slice(&text)
            .map_err(|error| broken(Path::new(name.as_str()), &error.to_string()))?;
        packs.extend(catalog.packs.into_iter().map(|pack| (targets, pack)));
    }
    Ok(packs)
}

fn open(state: &State, targets: &Targets, pack: &PackSummary) -> Result<PackFile, ForgeError> {
    let missing = |name: &TargetName| broken(Path::new(name.as_str()), "no metadata name it");
    let record = target_of(targets, &pack.record).ok_or_else(|| missing(&pack.record))?;
    let text = state::read_target(&[&state.targets_dir()], &pack.record, record)?;
    let bundle = bundle_name(pack)?;
    let digest =
        state::digest_of(target_of(targets, &bundle).ok_or_else(|| missing(&bundle))?, &bundle)?;
    PackFile::of_parts(&place::path_of(&state.targets_dir(), &bundle, digest), text)
}

/// The packs that hosts could come from and that `from` does not make deltas for.
///
/// # Errors
/// As [`older_builds`].
pub fn without_deltas(dir: &Path, pack: &PackFile) -> Result<Vec<BuildId>, ForgeError> {
    let state = State::read(dir)?;
    let record = pack.record();
    let has = |build: &BuildId| record.bundle.deltas.iter().any(|set| set.from == *build);
    let there = published(&state)?.into_iter().map(|(_, there)| there);
    let there = there.filter(|there| there.product == record.manifest.product);
    let there = there.map(|there| there.to);
    Ok(there.filter(|build| record.manifest.from.contains(build) && !has(build)).collect())
}

pub(super) fn target_of<'a>(targets: &'a Targets, name: &TargetName) -> Option<&'a Target> {
    targets.targets.iter().find(|(key, _)| key.raw() == name.as_str()).map(|(_, target)| target)
}

pub(super) fn named(name: &str) -> Result<TargetName, ForgeError> {
    TargetName::parse(name).map_err(|error| ForgeError::Metadata { why: error.to_string() })
}

/// The name of a pack's bundle in a repository.
pub(super) fn bundle_name(pack: &PackSummary) -> Result<TargetName, ForgeError> {
    named(&format!("packs/{}/{}/bundle", pack.product, pack.to))
}

/// Digest of a bundle under metadata, if they name it.
pub(super) fn bundle_digest(
    targets: &Targets,
    pack: &PackSummary,
) -> Result<Option<(TargetName, Digest)>, ForgeError> {
    let name = bundle_name(pack)?;
    let digest = target_of(targets, &name).map(|target| state::digest_of(target, &name));
    Ok(digest.transpose()?.map(|digest| (name, digest)))
}
