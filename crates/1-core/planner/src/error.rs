//! Why there is no plan.

use refit_names::{BuildId, Coded, ErrorClass, HostName, ProductName};
use refit_plan::Excluded;

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Names that the fleet does not have; all of them at once.
    #[error("hosts {} are not in the fleet", list(hosts))]
    UnknownHosts {
        /// The names.
        hosts: Vec<HostName>,
    },
    /// The target is in no catalogue.
    #[error("build `{target}` of product `{product}` is not published")]
    UnknownTarget {
        /// The product.
        product: ProductName,
        /// The build.
        target: BuildId,
    },
    /// Each waits for another.
    #[error("hosts {} wait for each other in a circle", list(hosts))]
    Circle {
        /// The names.
        hosts: Vec<HostName>,
    },
    /// The shape of waves makes no sense.
    #[error("wave shape has {found}, expected {expected}")]
    Shape {
        /// What was found.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Nobody is left.
    #[error(
        "no host can be upgraded to build `{target}` of product `{product}`{}",
        because(excluded)
    )]
    Nobody {
        /// The product.
        product: ProductName,
        /// The build.
        target: BuildId,
        /// Everybody, with the reason.
        excluded: Vec<Excluded>,
    },
}

impl Coded for PlanError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownHosts { .. } => "plan.unknown-hosts",
            Self::UnknownTarget { .. } => "plan.unknown-target",
            Self::Circle { .. } => "plan.circle",
            Self::Shape { .. } => "plan.wave-shape",
            Self::Nobody { .. } => "plan.nobody",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

fn list(hosts: &[HostName]) -> String {
    hosts.iter().map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", ")
}

/// Reasons shown in the message: enough to see the pattern, short enough to read.
const REASONS_SHOWN: usize = 5;

fn because(excluded: &[Excluded]) -> String {
    let shown: Vec<_> = excluded
        .iter()
        .take(REASONS_SHOWN)
        .map(|e| format!("`{}`: {}", e.host, e.because))
        .collect();
    match (shown.is_empty(), excluded.len().saturating_sub(REASONS_SHOWN)) {
        (true, _) => ": no host has the product".to_owned(),
        (false, 0) => format!("; {}", shown.join("; ")),
        (false, more) => format!("; {}; and {more} more", shown.join("; ")),
    }
}
