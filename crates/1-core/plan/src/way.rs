//! Which way a leg leads: over a pack, or back over the one that was installed last.

use crate::{Leg, Order, PackPin, Plan};
use refit_names::BuildId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which way a leg or a whole campaign leads. What does not say so leads forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Over packs to a newer build.
    #[default]
    Forward,
    /// Back to the build before, by removing the pack that was installed last.
    Removal,
}

impl Way {
    /// Whether it is the usual one, which is not written down: plans from before there was another keep their hash.
    #[must_use]
    pub fn is_forward(&self) -> bool {
        *self == Self::Forward
    }
}

impl Leg {
    /// Whether it removes a pack.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        self.way == Way::Removal
    }
}

impl Order {
    /// The leg that removes a pack; such an order has no other.
    #[must_use]
    pub fn removal(&self) -> Option<&Leg> {
        self.legs.first().filter(|leg| leg.is_removal())
    }
}

impl Plan {
    /// Which way it leads: a plan never mixes them, so its first leg says it.
    #[must_use]
    pub fn way(&self) -> Way {
        let mut legs = self.hosts().flat_map(|(_, host)| &host.legs);
        legs.next().map_or(Way::Forward, |leg| leg.way)
    }

    /// The builds that it removes, with the pins of their packs.
    #[must_use]
    pub fn removals(&self) -> BTreeMap<&BuildId, &PackPin> {
        if self.way().is_forward() {
            return BTreeMap::new();
        }
        let legs = self.hosts().flat_map(|(_, host)| &host.legs);
        legs.map(|leg| (&leg.from, &leg.pack)).collect()
    }

    /// What it does in a few words: `ledger to 1200`, `removal of ledger 1200, back to 1100`. Looks at every host of a removal.
    #[must_use]
    pub fn goal(&self) -> String {
        let builds: Vec<&str> = self.removals().into_keys().map(BuildId::as_str).collect();
        if builds.is_empty() {
            return format!("{} to {}", self.product, self.target);
        }
        format!("removal of {} {}, back to {}", self.product, builds.join(", "), self.target)
    }
}
