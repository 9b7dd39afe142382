//! Which orders this host takes. Pure: all that it looks at is an argument.

use crate::{config::Config, orders::Seen};
use refit_names::{
    BuildId, Coded, Digest, ErrorClass, Generation, HostName, ProductName, RolloutName,
};
use refit_packs::record::PackRecord;
use refit_plan::{Leg, Order};
use std::collections::BTreeMap;

/// Why an order is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The order is for another host.
    #[error("order is for host `{expected}`, this is host `{found}`")]
    OtherHost {
        /// Whom it is for.
        expected: HostName,
        /// Who we are.
        found: HostName,
    },
    /// A newer plan of the rollout was accepted before.
    #[error(
        "order of rollout `{rollout}` has generation {found}, generation {newest} was accepted before"
    )]
    OlderGeneration {
        /// The rollout.
        rollout: RolloutName,
        /// The order's.
        found: Generation,
        /// The newest one.
        newest: Generation,
    },
    /// The same generation came with another plan.
    #[error(
        "order of rollout `{rollout}`, generation {generation} has the plan {found}, it was accepted with the plan {expected}"
    )]
    OtherPlan {
        /// The rollout.
        rollout: RolloutName,
        /// The generation.
        generation: Generation,
        /// The plan that was accepted.
        expected: Digest,
        /// The plan that the order has.
        found: Digest,
    },
    /// The order that is stored under this key says something else.
    #[error(
        "order of rollout `{rollout}`, generation {generation} differs from the one that this host stored"
    )]
    ChangedOrder {
        /// The rollout.
        rollout: RolloutName,
        /// The generation.
        generation: Generation,
    },
    /// The host's configuration does not have the product.
    #[error("product `{product}` is not configured on this host; configured: {configured}")]
    UnknownProduct {
        /// The order's.
        product: ProductName,
        /// Those that are known, for people.
        configured: String,
    },
    /// There is nothing to do in it.
    #[error("order has no legs")]
    NoLegs,
    /// A leg does not start where the one before it ends.
    #[error(
        "leg {leg} of the order starts from build {found}, the leg before leads to build {expected}"
    )]
    BrokenPath {
        /// Which leg, from 0.
        leg: usize,
        /// Where the one before ends.
        expected: BuildId,
        /// Where it starts.
        found: BuildId,
    },
    /// A removal stands beside other legs.
    #[error("order removes a pack in one of {legs} legs, expected in its only one")]
    RemovalAmongOthers {
        /// How many it has.
        legs: usize,
    },
    /// The target build is installed.
    #[error("product `{product}` is already at build {build}")]
    AlreadyAtBuild {
        /// The product.
        product: ProductName,
        /// The build.
        build: BuildId,
    },
    /// Another build is installed than the one that the order starts from.
    #[error("order starts from build {expected} of product `{product}`, installed is {}", .found.as_ref().map_or_else(|| "no build".to_owned(), |build| format!("build {build}")))]
    OtherBuild {
        /// The product.
        product: ProductName,
        /// Where the order starts.
        expected: BuildId,
        /// What is installed.
        found: Option<BuildId>,
    },
    /// A build was rolled back here before.
    #[error("build {build} of product `{product}` is quarantined on this host: {because}")]
    Quarantined {
        /// The product.
        product: ProductName,
        /// The build.
        build: BuildId,
        /// Why it was rolled back.
        because: String,
    },
    /// The pack is for another product or other builds than the order says.
    #[error("pack of leg {leg} is {found}, the order says {expected}")]
    OtherPack {
        /// Which leg, from 0.
        leg: usize,
        /// What the order says.
        expected: String,
        /// What the signed record says.
        found: String,
    },
}

impl Coded for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::OtherHost { .. } => "order.other-host",
            Self::OlderGeneration { .. } => "order.older-generation",
            Self::OtherPlan { .. } | Self::ChangedOrder { .. } => "order.other-plan",
            Self::UnknownProduct { .. } => "order.unknown-product",
            Self::NoLegs | Self::BrokenPath { .. } | Self::RemovalAmongOthers { .. } => {
                "order.broken-path"
            }
            Self::AlreadyAtBuild { .. } => "order.already-at-build",
            Self::OtherBuild { .. } => "order.other-build",
            Self::Quarantined { .. } => "order.quarantined-build",
            Self::OtherPack { .. } => "order.other-pack",
        }
    }
    fn class(&self) -> ErrorClass {
        match self {
            Self::Quarantined { .. } | Self::UnknownProduct { .. } => ErrorClass::NeedsOperator,
            _ => ErrorClass::Permanent,
        }
    }
}

/// What an order is compared with.
pub struct Admission<'a> {
    /// Who we are.
    pub host: &'a HostName,
    /// What is configured.
    pub config: &'a Config,
    /// Generations and plans that were accepted before, by rollout.
    pub accepted: &'a BTreeMap<RolloutName, (Generation, Digest)>,
    /// The installed build of the order's product.
    pub installed: Option<&'a BuildId>,
    /// Builds of the order's product that were rolled back here.
    pub quarantined: &'a BTreeMap<BuildId, String>,
}

/// Says whether this host takes `order`.
///
/// # Errors
/// [`Refusal`]: who, which, expected and found.
pub fn admit(order: &Order, with: &Admission<'_>) -> Result<(), Refusal> {
    admit_identity(order, with)?;
    admit_builds(order, with)
}

fn admit_identity(order: &Order, with: &Admission<'_>) -> Result<(), Refusal> {
    if order.host != *with.host {
        return Err(Refusal::OtherHost { expected: order.host.clone(), found: with.host.clone() });
    }
    if let Some((newest, plan)) = with.accepted.get(&order.key.rollout) {
        let (rollout, found) = (order.key.rollout.clone(), order.key.generation);
        if found < *newest {
            return Err(Refusal::OlderGeneration { rollout, found, newest: *newest });
        }
        if found == *newest && order.plan != *plan {
            let (expected, found_plan) = (*plan, order.plan);
            return Err(Refusal::OtherPlan {
                rollout,
                generation: found,
                expected,
                found: found_plan,
            });
        }
    }
    if with.config.product(&order.product).is_none() {
        let names: Vec<&str> = with.config.products.iter().map(|p| p.name.as_str()).collect();
        let configured = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(Refusal::UnknownProduct { product: order.product.clone(), configured });
    }
    Ok(())
}

fn admit_builds(order: &Order, with: &Admission<'_>) -> Result<(), Refusal> {
    let (Some(first), Some(last)) = (order.legs.first(), order.legs.last()) else {
        return Err(Refusal::NoLegs);
    };
    for (leg, pair) in order.legs.windows(2).enumerate() {
        if pair[0].pack.to != pair[1].from {
            let (expected, found) = (pair[0].pack.to.clone(), pair[1].from.clone());
            return Err(Refusal::BrokenPath { leg: leg + 1, expected, found });
        }
    }
    let legs = order.legs.len();
    if legs > 1 && order.legs.iter().any(Leg::is_removal) {
        return Err(Refusal::RemovalAmongOthers { legs });
    }
    let product = || order.product.clone();
    if with.installed == Some(&last.pack.to) {
        return Err(Refusal::AlreadyAtBuild { product: product(), build: last.pack.to.clone() });
    }
    if with.installed != Some(&first.from) {
        let (expected, found) = (first.from.clone(), with.installed.cloned());
        return Err(Refusal::OtherBuild { product: product(), expected, found });
    }
    for leg in &order.legs {
        if let Some(because) = with.quarantined.get(&leg.pack.to) {
            let (build, because) = (leg.pack.to.clone(), because.clone());
            return Err(Refusal::Quarantined { product: product(), build, because });
        }
    }
    Ok(())
}

/// Says whether the signed record of leg `leg` is what the order takes it for.
pub(crate) fn admit_record(order: &Order, leg: usize, record: &PackRecord) -> Result<(), Refusal> {
    let (manifest, planned) = (&record.manifest, &order.legs[leg]);
    let fits = manifest.product == order.product
        && manifest.to == planned.pack.to
        && manifest.from.contains(&planned.from);
    if fits {
        return Ok(());
    }
    let from: Vec<&str> = manifest.from.iter().map(BuildId::as_str).collect();
    Err(Refusal::OtherPack {
        leg,
        expected: format!("{} {} → {}", order.product, planned.from, planned.pack.to),
        found: format!("{} {} → {}", manifest.product, from.join(" or "), manifest.to),
    })
}

/// The shape in which [`Admission`] takes what the order store has.
pub(crate) fn accepted(
    seen: BTreeMap<RolloutName, Seen>,
) -> BTreeMap<RolloutName, (Generation, Digest)> {
    seen.into_iter().map(|(rollout, seen)| (rollout, (seen.generation, seen.plan))).collect()
}

#[cfg(test)]
mod tests;
