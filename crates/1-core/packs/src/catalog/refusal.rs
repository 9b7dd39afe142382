//! Why there is no way from one build to another, and what would work.

use super::graph::Obstacle;
use refit_names::{BuildId, Coded, ErrorClass, ProductName};
use serde::Serialize;
use std::fmt;

/// What would work instead.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Advice {
    /// Builds that can be reached from the installed one.
    pub reachable: Vec<BuildId>,
    /// Builds from which the wanted one can be reached.
    pub sources: Vec<BuildId>,
}

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
    /// The wanted build leads to the installed one.
    #[error(
        "build `{to}` of product `{product}` is older than build `{from}`: it leads there by {}; packs lead forward only",
        way(builds)
    )]
    Older {
        /// The product.
        product: ProductName,
        /// The installed build.
        from: BuildId,
        /// The wanted build.
        to: BuildId,
        /// The way from the wanted to the installed build.
        builds: Vec<BuildId>,
    },
    /// The catalogue has no pack of the product.
    #[error("repository has no pack of product `{product}`; it has: {}", list(known))]
    UnknownProduct {
        /// The product.
        product: ProductName,
        /// Those that it has.
        known: Vec<ProductName>,
    },
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
    /// No published packs lead there.
    #[error("no published path of product `{product}` from build `{from}` to `{to}`; {advice}")]
    NoPath {
        /// The product.
        product: ProductName,
        /// The installed build.
        from: BuildId,
        /// The wanted build.
        to: BuildId,
        /// What would work.
        advice: Advice,
    },
    /// The only way has a pack that this build must not take.
    #[error(
        "pack of product `{product}` to build `{to}` is blocked for build `{build}`: {reason}; {advice}"
    )]
    Blocked {
        /// The product.
        product: ProductName,
        /// The build that must not take it.
        build: BuildId,
        /// Where the pack leads.
        to: BuildId,
        /// Why, as its author says.
        reason: String,
        /// What would work.
        advice: Advice,
    },
    /// The only way has a pack that was withdrawn.
    #[error("pack of product `{product}` to build `{to}` was withdrawn: {reason}; {advice}")]
    Withdrawn {
        /// The product.
        product: ProductName,
        /// Where the pack leads.
        to: BuildId,
        /// Why, as its author says.
        reason: String,
        /// What would work.
        advice: Advice,
    },
    /// The only way leaves a floor out.
    #[error(
        "build `{build}` of product `{product}` is below the floor of build `{to}`: it must pass build `{floor}` first, and no path leads there; {advice}"
    )]
    Floor {
        /// The product.
        product: ProductName,
        /// The build that is below.
        build: BuildId,
        /// Where the pack leads.
        to: BuildId,
        /// What must be passed first.
        floor: BuildId,
        /// What would work.
        advice: Advice,
    },
}

impl Coded for PathError {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyThere { .. } => "path.already-there",
            Self::Older { .. } => "path.older",
            Self::UnknownProduct { .. } => "path.unknown-product",
            Self::UnknownBuild { .. } => "path.unknown-build",
            Self::NoPath { .. } => "path.none",
            Self::Blocked { .. } => "path.blocked",
            Self::Withdrawn { .. } => "path.withdrawn",
            Self::Floor { .. } => "path.below-floor",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reachable, sources) = (list(&self.reachable), list(&self.sources));
        write!(
            f,
            "from it can be reached: {reachable}; the wanted one can be reached from: {sources}"
        )
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Withdrawn { reason } => write!(f, "withdrawn: {reason}"),
            Self::Blocked { reason } => write!(f, "blocked: {reason}"),
            Self::BelowFloor { floor } => write!(f, "build {floor} must be passed first"),
        }
    }
}

/// Names that are shown in a message; the rest is counted.
const LISTED_MAX: usize = 20;

pub(super) fn list<T: fmt::Display>(names: &[T]) -> String {
    let shown = names.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>();
    match names.len().saturating_sub(LISTED_MAX) {
        _ if names.is_empty() => "nothing".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn way(builds: &[BuildId]) -> String {
    builds.iter().map(BuildId::as_str).collect::<Vec<_>>().join(" → ")
}
