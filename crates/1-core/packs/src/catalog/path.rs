//! The best way from one build to another, and what stands in the way when there is none.

use super::graph::{Chain, Graph, Obstacle};
use super::{Catalog, PackSummary, PathError};
use refit_names::{BuildId, ProductName};
use std::collections::BTreeMap;

/// Floors below floors that are looked behind for the cause.
const FLOORS_MAX: u32 = 8;

/// A build that can be reached, with the packs on the best way.
pub type ReachablePath<'a> = (BuildId, Vec<&'a PackSummary>);

/// A way from one build to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route<'a> {
    /// The packs, in order; never empty.
    pub packs: Vec<&'a PackSummary>,
    /// Why it is this way and not another: edges that were avoided, replaced builds that could not be.
    pub remarks: Vec<String>,
}

impl Catalog {
    /// The best chain of packs from one build to another.
    ///
    /// Shape: never empty; each pack's `from` has the build before it; the last leads to `to`. No edge of it is withdrawn, blocked or
    /// below a floor. Of all such chains it is the one with the fewest superseded builds, then the fewest packs, then the fewest bytes,
    /// then the first by the names of its builds, so that the answer is always the same.
    ///
    /// # Errors
    /// [`PathError`] says what stands in the way and what would work.
    pub fn path(
        &self,
        product: &ProductName,
        from: &BuildId,
        to: &BuildId,
    ) -> Result<Vec<&PackSummary>, PathError> {
        self.route(product, from, to).map(|route| route.packs)
    }

    /// As [`Catalog::path`], with the reasons.
    ///
    /// # Errors
    /// As [`Catalog::path`].
    pub fn route(
        &self,
        product: &ProductName,
        from: &BuildId,
        to: &BuildId,
    ) -> Result<Route<'_>, PathError> {
        let graph = Graph::of(self, product);
        let (from, to) = known(self, &graph, product, from, to)?;
        if from == to {
            return Err(PathError::AlreadyThere { product: product.clone(), build: to.clone() });
        }
        let mut chains = graph.chains(from);
        match chains.remove(to) {
            Some(chain) if chain.cost.obstacles == 0 => {
                let remarks = remarks(&graph, from, to, &chain);
                Ok(Route { packs: chain.packs, remarks })
            }
            Some(chain) => {
                Err(in_the_way(&graph, product, (from, to, FLOORS_MAX), &chain, &chains))
            }
            None => Err(no_edge(&graph, product, from, to, &chains)),
        }
    }

    /// Every build that can be reached from `from`, with the best chain to each, nearest first.
    #[must_use]
    pub fn reachable(&self, product: &ProductName, from: &BuildId) -> Vec<ReachablePath<'_>> {
        let graph = Graph::of(self, product);
        let Some(from) = graph.builds().get(from).copied() else { return Vec::new() };
        let mut paths: Vec<_> = graph
            .chains(from)
            .into_iter()
            .filter(|(_, chain)| chain.cost.obstacles == 0)
            .map(|(to, chain)| (to.clone(), chain.packs))
            .collect();
        paths.sort_by(|a, b| (a.1.len(), &a.0).cmp(&(b.1.len(), &b.0)));
        paths
    }

    /// The build that replaces `build`, when a published pack says so.
    #[must_use]
    pub fn replaced_by(&self, product: &ProductName, build: &BuildId) -> Option<BuildId> {
        Graph::of(self, product).replaced_by(build).cloned()
    }
}

/// Both builds as the catalogue names them.
fn known<'a>(
    catalog: &'a Catalog,
    graph: &Graph<'a>,
    product: &ProductName,
    from: &BuildId,
    to: &BuildId,
) -> Result<(&'a BuildId, &'a BuildId), PathError> {
    let builds = graph.builds();
    if builds.is_empty() {
        let mut known: Vec<_> = catalog.packs.iter().map(|pack| pack.product.clone()).collect();
        known.sort();
        known.dedup();
        return Err(PathError::UnknownProduct { product: product.clone(), known });
    }
    let find = |build: &BuildId| {
        builds.get(build).copied().ok_or_else(|| PathError::UnknownBuild {
            product: product.clone(),
            build: build.clone(),
            known: builds.iter().map(|build| (*build).clone()).collect(),
        })
    };
    Ok((find(from)?, find(to)?))
}

/// Why a chain is not shorter, and why it goes through a build that was replaced.
fn remarks(graph: &Graph<'_>, from: &BuildId, to: &BuildId, chain: &Chain<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    let direct = graph.packs.iter().filter(|pack| pack.to == *to && pack.from.contains(from));
    for pack in direct.filter(|_| chain.packs.len() > 1) {
        if let Some(obstacle) = graph.obstacle(from, pack) {
            remarks.push(format!("the direct pack {from} → {to} is not taken: {obstacle}"));
        }
    }
    for pack in &chain.packs {
        if let Some(newer) = graph.replaced_by(&pack.to) {
            let because =
                if pack.to == *to { "it is what was asked for" } else { "there is no other way" };
            remarks.push(format!(
                "build {} is superseded by build {newer} and taken because {because}",
                pack.to
            ));
        }
    }
    remarks
}

/// The first obstacle of a chain, as an error.
fn in_the_way(
    graph: &Graph<'_>,
    product: &ProductName,
    (from, to, depth): (&BuildId, &BuildId, u32),
    chain: &Chain<'_>,
    others: &BTreeMap<&BuildId, Chain<'_>>,
) -> PathError {
    let mut build = from;
    for pack in &chain.packs {
        let (product, pack_to) = (product.clone(), pack.to.clone());
        let Some(obstacle) = graph.obstacle(build, pack) else {
            build = &pack.to;
            continue;
        };
        let advice = advice(graph, to, others);
        return match obstacle {
            Obstacle::Withdrawn { reason } => {
                PathError::Withdrawn { product, to: pack_to, reason, advice }
            }
            Obstacle::Blocked { reason } => {
                let build = build.clone();
                PathError::Blocked { product, build, to: pack_to, reason, advice }
            }
            Obstacle::BelowFloor { floor } => {
                // What keeps the host from its floor is the cause; the floor alone would hide it.
                let to_floor = others.get_key_value(&floor).filter(|_| depth > 0);
                if let Some((at, chain)) = to_floor.filter(|(_, chain)| chain.cost.obstacles > 0) {
                    return in_the_way(graph, &product, (from, at, depth - 1), chain, others);
                }
                let build = build.clone();
                PathError::Floor { product, build, to: pack_to, floor, advice }
            }
        };
    }
    no_edge(graph, product, from, to, others)
}

/// No chain at all, not even over edges that must not be used.
fn no_edge(
    graph: &Graph<'_>,
    product: &ProductName,
    from: &BuildId,
    to: &BuildId,
    others: &BTreeMap<&BuildId, Chain<'_>>,
) -> PathError {
    let (product, from, to) = (product.clone(), from.clone(), to.clone());
    let start = graph.builds().get(&to).copied();
    if let Some(chain) = start.and_then(|start| graph.chains(start).remove(&from)) {
        let back = chain.packs.iter().map(|pack| pack.to.clone());
        let builds = std::iter::once(to.clone()).chain(back).collect();
        return PathError::Older { product, from, to, builds };
    }
    let advice = advice(graph, &to, others);
    PathError::NoPath { product, from, to, advice }
}

fn advice(
    graph: &Graph<'_>,
    to: &BuildId,
    others: &BTreeMap<&BuildId, Chain<'_>>,
) -> super::Advice {
    let reachable = others.iter().filter(|(_, chain)| chain.cost.obstacles == 0);
    super::Advice {
        reachable: reachable.map(|(build, _)| (*build).clone()).collect(),
        sources: graph.sources(to).into_iter().cloned().collect(),
    }
}
