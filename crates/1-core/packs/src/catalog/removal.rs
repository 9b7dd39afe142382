//! Which packs can be taken back to which build, and why others cannot.

use super::{Catalog, PackSummary, refusal::list};
use crate::manifest::UninstallRule;
use refit_names::{BuildId, ProductName};
use std::collections::BTreeSet;

/// Why nothing can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NoRemoval {
    /// No pack of the product names the build.
    #[error("no pack of product `{product}` names build `{build}`; known builds: {}", list(known))]
    UnknownBuild {
        /// The product.
        product: ProductName,
        /// The build.
        build: BuildId,
        /// Those that packs name.
        known: Vec<BuildId>,
    },
    /// Nothing was installed over the build.
    #[error(
        "no pack of product `{product}` leads from build `{build}`, expected an older build, one of: {}",
        list(older)
    )]
    NotOlder {
        /// The product.
        product: ProductName,
        /// The build.
        build: BuildId,
        /// Those that packs lead from.
        older: Vec<BuildId>,
    },
    /// The build is not one step behind.
    #[error(
        "no pack of product `{product}` leads from build `{to}` to build `{from}`, expected one of: {}",
        list(before)
    )]
    NoPack {
        /// The product.
        product: ProductName,
        /// The build that would go.
        from: BuildId,
        /// The build that would come back.
        to: BuildId,
        /// Those from which packs lead to it.
        before: Vec<BuildId>,
    },
    /// The author does not let it be taken back.
    #[error("build `{build}` of product `{product}` cannot be removed: {because}")]
    Forbidden {
        /// The product.
        product: ProductName,
        /// The build.
        build: BuildId,
        /// What its pack says.
        because: String,
    },
    /// No author lets it be taken back to there.
    #[error("nothing can be taken back to build `{build}` of product `{product}`: {}", packs.join("; "))]
    AllForbidden {
        /// The product.
        product: ProductName,
        /// The build.
        build: BuildId,
        /// What each pack that leads from it says.
        packs: Vec<String>,
    },
}

impl Catalog {
    /// The pack that leads from build `to` to build `from`, when it can be taken back. That it was withdrawn does not matter: that is a
    /// reason to take it back.
    ///
    /// # Errors
    /// [`NoRemoval`] says why not.
    pub fn removal(
        &self,
        product: &ProductName,
        from: &BuildId,
        to: &BuildId,
    ) -> Result<&PackSummary, NoRemoval> {
        let there =
            || self.packs.iter().filter(|pack| pack.product == *product && pack.to == *from);
        let mut packs: Vec<_> = there().filter(|pack| pack.from.contains(to)).collect();
        packs.sort_by(|a, b| (a.size, &a.record).cmp(&(b.size, &b.record)));
        let (product, from, to) = (product.clone(), from.clone(), to.clone());
        let Some(first) = packs.first() else {
            let before: BTreeSet<&BuildId> = there().flat_map(|pack| &pack.from).collect();
            let before = before.into_iter().cloned().collect();
            return Err(NoRemoval::NoPack { product, from, to, before });
        };
        let allowed = packs.iter().find(|pack| forbidden(pack).is_none());
        let because = || forbidden(first).unwrap_or_default();
        allowed.copied().ok_or_else(|| NoRemoval::Forbidden {
            product,
            build: from,
            because: because(),
        })
    }

    /// Whether there is a build that can be taken back to `to` at all.
    ///
    /// # Errors
    /// [`NoRemoval`] says why not.
    pub fn removable(&self, product: &ProductName, to: &BuildId) -> Result<(), NoRemoval> {
        let own = || self.packs.iter().filter(|pack| pack.product == *product);
        let newer: BTreeSet<&BuildId> =
            own().filter(|pack| pack.from.contains(to)).map(|pack| &pack.to).collect();
        let found = newer.iter().map(|from| self.removal(product, from, to));
        let refused: Vec<String> =
            found.map_while(|found| Some(found.err()?.to_string())).collect();
        if refused.len() < newer.len() {
            return Ok(());
        }
        let older: BTreeSet<&BuildId> = own().flat_map(|pack| &pack.from).collect();
        let known: BTreeSet<&BuildId> = own().map(|pack| &pack.to).chain(older.clone()).collect();
        let all = |builds: BTreeSet<&BuildId>| builds.into_iter().cloned().collect();
        let (product, build) = (product.clone(), to.clone());
        Err(if !known.contains(to) {
            NoRemoval::UnknownBuild { product, build, known: all(known) }
        } else if newer.is_empty() {
            NoRemoval::NotOlder { product, build, older: all(older) }
        } else {
            NoRemoval::AllForbidden { product, build, packs: refused }
        })
    }
}

/// What speaks against taking a pack back, by its author's word.
fn forbidden(pack: &PackSummary) -> Option<String> {
    match &pack.terms.uninstall {
        None => Some("its pack promises nothing about removal".to_owned()),
        Some(rule) if rule.allowed == UninstallRule::Never => {
            Some(format!("its pack forbids it: {}", rule.because))
        }
        Some(_) => None,
    }
}
