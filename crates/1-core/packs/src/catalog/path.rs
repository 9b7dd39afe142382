//! Which build can follow which, and the shortest way.

use super::{Catalog, PackSummary};
use refit_names::{BuildId, Coded, ErrorClass, ProductName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Why there is no way from one build to another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The installed build is the wanted one.
    #[error("product `{product}` is already at build `{build}`")]
    AlreadyThere {
        /// The product.
        product: ProductName,
        /// The build.
        build: BuildId,
    },
    /// No published packs lead there.
    #[error(
        "no published path of product `{product}` from build `{from}` to `{to}`; {}",
        advice(reachable, sources)
    )]
    NoPath {
        /// The product.
        product: ProductName,
        /// The installed build.
        from: BuildId,
        /// The wanted build.
        to: BuildId,
        /// Builds that can be reached from the installed one.
        reachable: Vec<BuildId>,
        /// Builds from which the wanted one can be reached.
        sources: Vec<BuildId>,
    },
    /// The only way has a pack that this build must not take.
    #[error("pack of product `{product}` to build `{to}` is blocked for build `{build}`: {reason}")]
    Blocked {
        /// The product.
        product: ProductName,
        /// The build that must not take it.
        build: BuildId,
        /// Where the pack leads.
        to: BuildId,
        /// Why, as its author says.
        reason: String,
    },
    /// The only way has a pack that was withdrawn.
    #[error("pack of product `{product}` to build `{to}` was withdrawn: {reason}")]
    Withdrawn {
        /// The product.
        product: ProductName,
        /// Where the pack leads.
        to: BuildId,
        /// Why, as its author says.
        reason: String,
    },
}

impl Coded for PathError {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyThere { .. } => "path.already-there",
            Self::NoPath { .. } => "path.none",
            Self::Blocked { .. } => "path.blocked",
            Self::Withdrawn { .. } => "path.withdrawn",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

fn advice(reachable: &[BuildId], sources: &[BuildId]) -> String {
    let list = |builds: &[BuildId]| match builds {
        [] => "nothing".to_owned(),
        some => some.iter().map(|build| format!("`{build}`")).collect::<Vec<_>>().join(", "),
    };
    format!(
        "from it can be reached: {}; the wanted one can be reached from: {}",
        list(reachable),
        list(sources)
    )
}

/// A build that can be reached, with the packs on the shortest way.
pub type ReachablePath<'a> = (BuildId, Vec<&'a PackSummary>);

/// Whether an edge may be used.
#[derive(Clone, Copy)]
enum Edges {
    /// Only what a host may take.
    Open,
    /// Withdrawn ones too.
    OrWithdrawn,
    /// Blocked ones too.
    OrBlocked,
    /// Every published one.
    All,
}

impl Catalog {
    /// The shortest chain of packs from one build to another.
    ///
    /// Shape: never empty; each pack's `from` has the build before it; the last leads to `to`. Among equally short
    /// chains the one whose builds come first as text is taken, so that the answer is always the same.
    ///
    /// # Errors
    /// [`PathError`] says what stands in the way and what would work.
    pub fn path(
        &self,
        product: &ProductName,
        from: &BuildId,
        to: &BuildId,
    ) -> Result<Vec<&PackSummary>, PathError> {
        if from == to {
            return Err(PathError::AlreadyThere { product: product.clone(), build: to.clone() });
        }
        let mut open = self.shortest(product, from, Edges::Open);
        if let Some(path) = open.remove(to) {
            return Ok(path);
        }
        // The fewest kinds of obstacles first: what is named must be what really stands in the way.
        for edges in [Edges::OrWithdrawn, Edges::OrBlocked, Edges::All] {
            if let Some(path) = self.shortest(product, from, edges).remove(to)
                && let Some(error) = obstacle(product, from, &path)
            {
                return Err(error);
            }
        }
        Err(PathError::NoPath {
            product: product.clone(),
            from: from.clone(),
            to: to.clone(),
            reachable: open.into_keys().collect(),
            sources: self.sources(product, to),
        })
    }

    /// Every build that can be reached from `from`, with the shortest chain to each, nearest first.
    #[must_use]
    pub fn reachable(&self, product: &ProductName, from: &BuildId) -> Vec<ReachablePath<'_>> {
        let mut paths: Vec<_> = self.shortest(product, from, Edges::Open).into_iter().collect();
        paths.sort_by(|a, b| (a.1.len(), &a.0).cmp(&(b.1.len(), &b.0)));
        paths
    }

    /// Breadth first from `from`; the start itself is not in the result.
    fn shortest(
        &self,
        product: &ProductName,
        from: &BuildId,
        edges: Edges,
    ) -> BTreeMap<BuildId, Vec<&PackSummary>> {
        let mut packs: Vec<&PackSummary> =
            self.packs.iter().filter(|pack| pack.product == *product).collect();
        packs.sort_by(|a, b| (&a.to, a.size, &a.record).cmp(&(&b.to, b.size, &b.record)));
        let mut found: BTreeMap<BuildId, Vec<&PackSummary>> = BTreeMap::new();
        let mut queue = VecDeque::from([(from.clone(), Vec::new())]);
        while let Some((build, path)) = queue.pop_front() {
            for pack in &packs {
                let usable = pack.from.contains(&build) && pack.usable(&build, edges);
                if !usable || pack.to == *from || found.contains_key(&pack.to) {
                    continue;
                }
                let mut longer = path.clone();
                longer.push(*pack);
                found.insert(pack.to.clone(), longer.clone());
                queue.push_back((pack.to.clone(), longer));
            }
        }
        found
    }

    /// Builds from which `to` can be reached.
    fn sources(&self, product: &ProductName, to: &BuildId) -> Vec<BuildId> {
        let starts: BTreeSet<&BuildId> = self
            .packs
            .iter()
            .filter(|pack| pack.product == *product)
            .flat_map(|pack| pack.from.iter())
            .collect();
        let leads = |start: &&BuildId| self.shortest(product, start, Edges::Open).contains_key(to);
        starts.into_iter().filter(|start| *start != to).filter(leads).cloned().collect()
    }
}

impl PackSummary {
    fn usable(&self, build: &BuildId, edges: Edges) -> bool {
        let withdrawn = matches!(edges, Edges::OrWithdrawn | Edges::All);
        let blocked = matches!(edges, Edges::OrBlocked | Edges::All);
        (withdrawn || self.withdrawn.is_none()) && (blocked || !self.blocked.contains_key(build))
    }
}

/// The first pack of the path that may not be used, as an error.
fn obstacle(product: &ProductName, from: &BuildId, path: &[&PackSummary]) -> Option<PathError> {
    let mut build = from;
    for pack in path {
        let (product, to) = (product.clone(), pack.to.clone());
        if let Some(reason) = &pack.withdrawn {
            return Some(PathError::Withdrawn { product, to, reason: reason.clone() });
        }
        if let Some(reason) = pack.blocked.get(build) {
            let (build, reason) = (build.clone(), reason.clone());
            return Some(PathError::Blocked { product, build, to, reason });
        }
        build = &pack.to;
    }
    None
}
