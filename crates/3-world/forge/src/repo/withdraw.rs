//! Taking a pack back: its entry in the catalogue says why, for ever. Its bytes stay for hosts that are on their way.

use super::{TARGETS, Visible, change_catalog, root::StageReport, stage_catalog};
use crate::{ForgeError, key::Keyring};
use jiff::{SignedDuration, Timestamp};
use refit_names::{BuildId, ProductName};
use refit_packs::catalog::{Catalog, PackSummary};
use std::path::Path;

/// Characters of a reason: it stands in tables, mails and refusals.
const REASON_CHARS_MAX: usize = 500;

/// What is taken back, and why.
#[derive(Debug, Clone)]
pub struct Withdrawal {
    /// The product.
    pub product: ProductName,
    /// The build that the pack leads to.
    pub build: BuildId,
    /// Why: every planner and every host shows it.
    pub reason: String,
    /// The role whose catalogue says it: the operator's own (`targets`), or a vendor's.
    pub role: String,
    /// The entry of a vendor's catalogue, when the operator takes back what is not in the own one.
    pub vendors: Option<PackSummary>,
}

impl Withdrawal {
    /// Of the operator's own pack.
    #[must_use]
    pub fn own(product: ProductName, build: BuildId, reason: String) -> Self {
        Self { product, build, reason, role: TARGETS.to_owned(), vendors: None }
    }
}

/// Withdraws a pack and makes it visible at once.
///
/// # Errors
/// [`ForgeError::UnknownPack`], [`ForgeError::Reason`], [`ForgeError::BelowThreshold`]: nothing is changed then.
pub fn withdraw(
    dir: &Path,
    keys: &Keyring,
    what: &Withdrawal,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<Visible, ForgeError> {
    change_catalog(dir, &what.role, keys, |catalog| mark(catalog, what), expires, now)
}

/// Withdraws a pack as soon as the role's holders signed.
///
/// # Errors
/// [`ForgeError::UnknownPack`], [`ForgeError::Reason`].
pub fn stage_withdrawal(
    dir: &Path,
    what: &Withdrawal,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<StageReport, ForgeError> {
    stage_catalog(dir, &what.role, |catalog| mark(catalog, what), expires, now)
}

fn mark(catalog: &mut Catalog, what: &Withdrawal) -> Result<(), ForgeError> {
    let reason = what.reason.trim();
    let count = reason.chars().count();
    if count == 0 || count > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        return Err(ForgeError::Reason { found: count, limit: REASON_CHARS_MAX });
    }
    let is_it = |pack: &&mut PackSummary| pack.product == what.product && pack.to == what.build;
    if let Some(pack) = catalog.packs.iter_mut().find(is_it) {
        pack.withdrawn = Some(reason.to_owned());
        return Ok(());
    }
    if let Some(vendors) = &what.vendors {
        let withdrawn = Some(reason.to_owned());
        catalog.packs.push(PackSummary { withdrawn, ..vendors.clone() });
        return Ok(());
    }
    let of_product = catalog.packs.iter().filter(|pack| pack.product == what.product);
    Err(ForgeError::UnknownPack {
        product: what.product.clone(),
        build: what.build.clone(),
        known: of_product.map(|pack| pack.to.clone()).collect(),
    })
}
