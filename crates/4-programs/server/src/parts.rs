//! Which optional parts a campaign installs.

use crate::{
    depot::Stock,
    refusal::{Answer, Refusal},
};
use refit_names::{BuildId, PartName, ProductName};
use refit_packs::{
    manifest::{PartTerms, Terms},
    parts,
};
use refit_protocol::v1::PlanDemands;
use std::collections::{BTreeMap, BTreeSet};

/// The parts that are installed on the way to `target`; a name that no pack of the product has is refused.
pub(crate) fn wanted(
    stock: &Stock,
    product: &ProductName,
    target: &BuildId,
    demands: &PlanDemands,
) -> Answer<BTreeSet<PartName>> {
    // The target's pack comes last: its word about a default counts.
    let packs = stock.catalog.packs.iter().filter(|pack| pack.product == *product);
    let (last, others): (Vec<_>, Vec<_>) = packs.partition(|pack| pack.to == *target);
    let terms = others.into_iter().chain(last).map(|pack| &pack.terms);
    let of = |terms: &'_ Terms| -> BTreeMap<PartName, PartTerms> { terms.parts.clone() };
    let all: Vec<_> = terms.map(of).collect();
    let chosen = parts::choose(all.iter(), &demands.parts, &demands.without_parts);
    let refused = |error: parts::PartError| {
        let (expected, found) = match error {
            parts::PartError::Unknown { part, known } => {
                let names: Vec<String> = known.iter().map(|part| format!("`{part}`")).collect();
                let none = format!("none: packs of {product} have no optional parts");
                (if names.is_empty() { none } else { names.join(", ") }, format!("`{part}`"))
            }
            parts::PartError::Both { part } => {
                ("each part wanted or left out".to_owned(), format!("`{part}` both"))
            }
        };
        Refusal::OutOfRange { field: "parts", expected, found }
    };
    Ok(chosen.map_err(refused)?)
}
