//! The build graph of one product: published edges, and what stands in the way of each.

use super::{Catalog, PackSummary};
use refit_names::{BuildId, ProductName};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

/// What keeps a host at a build from taking a pack that is published for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Nobody may take it any more.
    Withdrawn {
        /// Why, as its author says.
        reason: String,
    },
    /// This build must not take it.
    Blocked {
        /// Why, as its author says.
        reason: String,
    },
    /// The host must pass another build first.
    BelowFloor {
        /// Which.
        floor: BuildId,
    },
}

/// The packs of one product as edges.
pub(super) struct Graph<'a> {
    /// Sorted by target build, size and record.
    pub(super) packs: Vec<&'a PackSummary>,
    outgoing: BTreeMap<&'a BuildId, Vec<&'a PackSummary>>,
    /// By floor: the builds that have reached it.
    above: BTreeMap<&'a BuildId, BTreeSet<&'a BuildId>>,
    /// Builds that another published pack replaces, with the one that does.
    superseded: BTreeMap<&'a BuildId, &'a BuildId>,
}

/// What a chain costs; the first difference decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Cost {
    pub(super) obstacles: u32,
    pub(super) superseded: u32,
    pub(super) packs: u32,
    pub(super) bytes: u64,
}

/// A chain of packs, from its end; chains share their beginnings.
#[derive(Debug)]
struct Link<'a> {
    pack: &'a PackSummary,
    before: Option<Rc<Link<'a>>>,
}

/// The best known chain to a build.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    pub(super) cost: Cost,
    pub(super) packs: Vec<&'a PackSummary>,
}

struct Waiting<'a> {
    cost: Cost,
    at: &'a BuildId,
    chain: Option<Rc<Link<'a>>>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(catalog: &'a Catalog, product: &ProductName) -> Self {
        let mut packs: Vec<&PackSummary> =
            catalog.packs.iter().filter(|pack| pack.product == *product).collect();
        packs.sort_by(|a, b| (&a.to, a.size, &a.record).cmp(&(&b.to, b.size, &b.record)));
        let mut outgoing: BTreeMap<&BuildId, Vec<&PackSummary>> = BTreeMap::new();
        for pack in &packs {
            for from in pack.from.iter().filter(|from| **from != pack.to) {
                outgoing.entry(from).or_default().push(pack);
            }
        }
        // A release that was itself taken back replaces nothing.
        let superseded = packs
            .iter()
            .filter(|pack| pack.withdrawn.is_none())
            .flat_map(|pack| pack.supersedes.iter().map(|old| (old, &pack.to)))
            .collect();
        let mut graph = Self { packs, outgoing, above: BTreeMap::new(), superseded };
        let floors: BTreeSet<&BuildId> =
            graph.packs.iter().filter_map(|pack| pack.floor.as_ref()).collect();
        graph.above = floors.into_iter().map(|floor| (floor, graph.reached_from(floor))).collect();
        graph
    }

    /// Every build that the product's packs name.
    pub(super) fn builds(&self) -> BTreeSet<&'a BuildId> {
        self.packs.iter().flat_map(|pack| pack.from.iter().chain([&pack.to])).collect()
    }

    /// `start` and all that published edges lead to, whatever stands in the way of them.
    pub(super) fn reached_from(&self, start: &'a BuildId) -> BTreeSet<&'a BuildId> {
        let (mut reached, mut queue) = (BTreeSet::from([start]), vec![start]);
        while let Some(build) = queue.pop() {
            for pack in self.outgoing.get(build).into_iter().flatten() {
                if reached.insert(&pack.to) {
                    queue.push(&pack.to);
                }
            }
        }
        reached
    }

    /// What keeps a host at `build` from taking `pack`.
    pub(super) fn obstacle(&self, build: &BuildId, pack: &PackSummary) -> Option<Obstacle> {
        if let Some(reason) = &pack.withdrawn {
            return Some(Obstacle::Withdrawn { reason: reason.clone() });
        }
        if let Some(reason) = pack.blocked.get(build) {
            return Some(Obstacle::Blocked { reason: reason.clone() });
        }
        let floor = pack.floor.as_ref()?;
        let passed = self.above.get(floor).is_some_and(|above| above.contains(build));
        (!passed).then(|| Obstacle::BelowFloor { floor: floor.clone() })
    }

    /// The build that replaces `build`, if one does.
    pub(super) fn replaced_by(&self, build: &BuildId) -> Option<&'a BuildId> {
        self.superseded.get(build).copied()
    }

    /// The best chain from `from` to every build, over all edges; obstacles cost more than anything else.
    ///
    /// Dijkstra's method on `(cost, names of builds)`: the names make equal costs comparable, so that the answer is always the same.
    pub(super) fn chains(&self, from: &'a BuildId) -> BTreeMap<&'a BuildId, Chain<'a>> {
        let mut best: BTreeMap<&BuildId, Chain<'_>> = BTreeMap::new();
        let mut queue =
            BinaryHeap::from([Waiting { cost: Cost::default(), at: from, chain: None }]);
        while let Some(Waiting { cost, at, chain }) = queue.pop() {
            if (at == from && chain.is_some()) || best.contains_key(at) {
                continue;
            }
            if chain.is_some() {
                best.insert(at, Chain { cost, packs: unrolled(chain.as_deref()) });
            }
            for pack in self.outgoing.get(at).into_iter().flatten().copied() {
                if best.contains_key(&pack.to) {
                    continue;
                }
                let cost = Cost {
                    obstacles: cost.obstacles + u32::from(self.obstacle(at, pack).is_some()),
                    superseded: cost.superseded + u32::from(self.replaced_by(&pack.to).is_some()),
                    packs: cost.packs + 1,
                    bytes: cost.bytes.saturating_add(pack.size.0),
                };
                let chain = Some(Rc::new(Link { pack, before: chain.clone() }));
                queue.push(Waiting { cost, at: &pack.to, chain });
            }
        }
        best
    }

    /// Builds from which `to` can be reached without an obstacle.
    pub(super) fn sources(&self, to: &BuildId) -> BTreeSet<&'a BuildId> {
        let (mut found, mut queue) = (BTreeSet::new(), vec![to]);
        while let Some(build) = queue.pop() {
            for pack in self.packs.iter().filter(|pack| pack.to == *build) {
                for from in &pack.from {
                    if from != to && self.obstacle(from, pack).is_none() && found.insert(from) {
                        queue.push(from);
                    }
                }
            }
        }
        found
    }
}

fn unrolled<'a>(mut link: Option<&Link<'a>>) -> Vec<&'a PackSummary> {
    let mut packs = Vec::new();
    while let Some(here) = link {
        packs.push(here.pack);
        link = here.before.as_deref();
    }
    packs.reverse();
    packs
}

impl Waiting<'_> {
    fn key(&self) -> (Cost, Vec<(&BuildId, &str)>) {
        let packs = unrolled(self.chain.as_deref());
        (self.cost, packs.into_iter().map(|pack| (&pack.to, pack.record.as_str())).collect())
    }
}

// The heap gives the greatest first: the order is turned round. Names are compared only where costs are equal.
impl Ord for Waiting<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.cost.cmp(&self.cost).then_with(|| other.key().cmp(&self.key()))
    }
}

impl PartialOrd for Waiting<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting<'_> {}
