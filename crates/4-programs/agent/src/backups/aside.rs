//! What restores replaced on this host, for the person who looks for room.

use crate::backups::{BackupsError, Room};
use jiff::Timestamp;
use refit_backup::Sealed;
use refit_names::{BuildId, ByteSize, ProductName};
use serde::Serialize;
use std::path::PathBuf;

/// What a restore replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AsideView {
    /// Its name.
    pub(crate) id: String,
    /// Of which product.
    pub(crate) product: ProductName,
    /// The build that ran, or was to run.
    pub(crate) build: BuildId,
    /// When it was replaced.
    pub(crate) since: Timestamp,
    /// Bytes of everything in it.
    pub(crate) size: ByteSize,
    /// Where it lies.
    pub(crate) folder: PathBuf,
}

impl AsideView {
    fn of(sealed: &Sealed) -> Option<Self> {
        let manifest = &sealed.manifest;
        Some(Self {
            id: sealed.folder.file_name()?.to_str()?.to_owned(),
            product: manifest.product.clone(),
            build: manifest.build.clone(),
            since: manifest.taken_at,
            size: manifest.size(),
            folder: sealed.folder.clone(),
        })
    }
}

impl Room<'_> {
    /// What restores of one product, or of all, replaced; oldest first.
    pub(crate) fn aside(
        &self,
        product: Option<&ProductName>,
    ) -> Result<Vec<AsideView>, BackupsError> {
        let wanted = match product {
            Some(product) => vec![self.product(product)?],
            None => self.config.products.iter().collect(),
        };
        let store = self.state.join("backups");
        let all = wanted.iter().flat_map(|known| refit_backup::set_aside(&store, &known.name));
        let mut views: Vec<_> = all.filter_map(|sealed| AsideView::of(&sealed)).collect();
        views.sort_by(|a, b| a.since.cmp(&b.since).then_with(|| a.id.cmp(&b.id)));
        Ok(views)
    }

    /// What a restore replaced, by its name.
    pub(crate) fn find_aside(
        &self,
        product: &ProductName,
        id: &str,
    ) -> Result<AsideView, BackupsError> {
        let found = self.aside(Some(product))?.into_iter().find(|view| view.id == id);
        let none = || BackupsError::NothingAside { id: id.to_owned(), product: product.clone() };
        found.ok_or_else(none)
    }

    /// Throws away what a restore replaced.
    pub(crate) fn discard(&self, view: &AsideView) -> Result<(), BackupsError> {
        let sealed = Sealed::open(&self.state.join("backups"), &view.product, &view.id)?;
        Ok(refit_backup::discard(&sealed)?)
    }
}
