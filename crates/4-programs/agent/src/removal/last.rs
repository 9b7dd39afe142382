//! The pack that was installed last, as the orders on this host tell of it, and what removing it means.

use super::RemovalError;
use crate::{orders::OrderStore, run::Agent};
use refit_host::{
    error::StepError,
    journal::{Journal, StepLog as _},
    product::ProductConfig,
    uninstall::{LastPack, Removal},
};
use refit_journal::{EntryBody, OrderOutcome};
use refit_names::ProductName;
use refit_packs::record::PackRecord;
use refit_plan::Order;
use std::path::Path;

/// The order that installed what runs now, with the record of its last leg.
pub(super) struct Last {
    pub(super) order: Order,
    pub(super) record: PackRecord,
}

impl Last {
    /// Of the orders that ended well, the one that ended last.
    pub(super) fn find(
        orders: &OrderStore,
        journal: &Journal,
        product: &ProductName,
    ) -> Result<Self, RemovalError> {
        let mut newest = None;
        for order in orders.all()?.into_iter().filter(|order| order.product == *product) {
            let entries = journal.entries(&order.key)?;
            let ended = entries.iter().rev().find(|entry| {
                matches!(
                    entry.body,
                    EntryBody::Finished { outcome: OrderOutcome::Succeeded { .. } }
                )
            });
            let Some(seq) = ended.map(|entry| entry.seq) else { continue };
            if newest.as_ref().is_none_or(|(before, _)| *before < seq) {
                newest = Some((seq, order));
            }
        }
        let none = || RemovalError::NoLastPack { product: product.clone() };
        let (_, order) = newest.ok_or_else(none)?;
        let record = orders.records(&order)?.pop().ok_or_else(none)?;
        Ok(Self { order, record })
    }

    pub(super) fn pack<'a>(&'a self, product: &'a ProductConfig, state: &'a Path) -> LastPack<'a> {
        LastPack { product, state, order: &self.order, record: &self.record }
    }
}

/// What the removal means that a server's order asks for. Changes nothing.
///
/// # Errors
/// [`RemovalError`] when this host cannot carry it out, or another pack or another way back is meant than the one it has.
pub(crate) fn of_order(agent: &Agent, order: &Order) -> Result<Removal, RemovalError> {
    let product = super::product(&agent.config, &order.product)?;
    let last = Last::find(&agent.orders, &agent.journal, &order.product)?;
    let removal = last.pack(&product, &agent.state).removal()?;
    let (Some(asked), Some(installed)) = (order.removal(), last.order.legs.last()) else {
        return Err(RemovalError::NoLastPack { product: order.product.clone() });
    };
    let cannot = |because: String| {
        let (product, build) = (order.product.clone(), removal.build.clone());
        Err(StepError::CannotUninstall { product, build, because }.into())
    };
    if asked.from != removal.build || asked.pack.to != removal.back_to {
        let (build, back_to) = (&removal.build, &removal.back_to);
        return cannot(format!(
            "here its removal leads from {build} back to {back_to}, the plan says from {} back to {}",
            asked.from, asked.pack.to
        ));
    }
    if asked.pack.digest != installed.pack.digest {
        return cannot(format!(
            "it was installed by the pack with record {}, the plan removes the one with record {}",
            installed.pack.digest, asked.pack.digest
        ));
    }
    Ok(removal)
}
