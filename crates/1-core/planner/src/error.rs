//! Why there is no plan.

use jiff::Timestamp;
use refit_names::{
    BuildId, Coded, ErrorClass, HostName, PersonName, ProductName, RoleName, SiteName, WindowName,
    counted,
};
use refit_packs::catalog::NoRemoval;
use refit_plan::{Excluded, Way};

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// What was asked for contradicts itself or the fleet; everything that is wrong, at once.
    #[error("{}", lines(.0))]
    Faults(Vec<Fault>),
    /// Nobody is left.
    #[error(
        "no host can be {} build `{target}` of product `{product}`{}",
        if way.is_forward() { "upgraded to" } else { "taken back to" },
        because(excluded)
    )]
    Nobody {
        /// Whether they would be upgraded or taken back.
        way: Way,
        /// The product.
        product: ProductName,
        /// The build.
        target: BuildId,
        /// Everybody, with the reason.
        excluded: Vec<Excluded>,
    },
    /// The demands cannot be met together.
    #[error("{demand}; {}", conflict_text(conflict, remarks))]
    DoesNotFit {
        /// What was wanted and what is possible.
        demand: String,
        /// A smallest set of rules that forbid it: without any one of them it fits.
        conflict: Vec<String>,
        /// The arithmetic behind it, a line each.
        remarks: Vec<String>,
        /// When it would end without the demand, if it would.
        earliest: Option<Timestamp>,
    },
}

/// One thing that is wrong with what a plan shall be made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Fault {
    /// Names that the fleet does not have.
    #[error("{} not in the fleet", are(hosts))]
    UnknownHosts {
        /// The names.
        hosts: Vec<HostName>,
    },
    /// The same name more than once.
    #[error("{what} `{name}` stands {found} times, expected once")]
    Duplicate {
        /// Of what.
        what: &'static str,
        /// The name.
        name: String,
        /// How often.
        found: usize,
    },
    /// The target is in no catalogue.
    #[error(
        "build `{target}` of product `{product}` is not published, expected one of {}",
        list(published)
    )]
    UnknownTarget {
        /// The product.
        product: ProductName,
        /// The build.
        target: BuildId,
        /// Those that packs lead to.
        published: Vec<BuildId>,
    },
    /// The product is in no catalogue.
    #[error("repository has no pack of product `{product}`, expected one of {}", list(published))]
    UnknownProduct {
        /// The product.
        product: ProductName,
        /// Those that have packs.
        published: Vec<ProductName>,
    },
    /// Nothing can be taken back to the target.
    #[error(transparent)]
    NoRemoval(NoRemoval),
    /// Each waits for another.
    #[error("hosts {} wait for each other in a circle", list(hosts))]
    Circle {
        /// The names, each after the next.
        hosts: Vec<HostName>,
    },
    /// A host of a lower tier behind one of a higher tier.
    #[error(
        "host `{host}` of tier {tier} comes after `{first}` of tier {first_tier}, expected a tier not above its own"
    )]
    TierOrder {
        /// The host.
        host: HostName,
        /// Its tier.
        tier: u32,
        /// What it waits for.
        first: HostName,
        /// And its tier.
        first_tier: u32,
    },
    /// The shape of waves makes no sense.
    #[error("wave shape has {found}, expected {expected}")]
    Shape {
        /// What was found.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A window that nobody defined.
    #[error("host `{host}` has window `{window}`, which is not defined")]
    UnknownWindow {
        /// Whose.
        host: String,
        /// Which.
        window: WindowName,
    },
    /// All windows of a host stay shut.
    #[error("host `{host}`: {why}")]
    NeverOpens {
        /// Whose.
        host: HostName,
        /// Which windows, and until when they were looked at.
        why: String,
    },
    /// A cluster with a limit that makes no sense for its members.
    #[error("cluster `{cluster}` {found}, expected {expected}")]
    ClusterLimit {
        /// Which.
        cluster: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// An order of members with a name that is none.
    #[error("cluster `{cluster}` has `{host}` in its order, which is not one of its members")]
    UnknownMember {
        /// Which.
        cluster: String,
        /// The name.
        host: HostName,
    },
    /// A site that lets nothing happen.
    #[error("site `{site}` {found}, expected at least 1")]
    SiteLimit {
        /// Which.
        site: SiteName,
        /// What was found.
        found: String,
    },
    /// A person who can never do anything.
    #[error("engineer `{person}` {found}, expected {expected}")]
    NoHours {
        /// Who.
        person: PersonName,
        /// What was found.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Nobody knows a role at a site.
    #[error(
        "nobody looks after role `{role}` at site `{site}` ({}), expected an engineer with that skill and site",
        counted(*hosts, "host")
    )]
    NobodyKnows {
        /// The role.
        role: RoleName,
        /// The site.
        site: SiteName,
        /// How many hosts need one.
        hosts: usize,
    },
    /// Pins of one host that contradict each other, or of a host that does not take part.
    #[error("pin of host `{host}`: {found}")]
    Pin {
        /// Whose.
        host: HostName,
        /// What is wrong.
        found: String,
    },
}

impl Coded for PlanError {
    fn code(&self) -> &'static str {
        match self {
            Self::Faults(faults) => match &faults[..] {
                [first, rest @ ..] if rest.iter().all(|fault| fault.code() == first.code()) => {
                    first.code()
                }
                _ => "plan.bad-input",
            },
            Self::Nobody { .. } => "plan.nobody",
            Self::DoesNotFit { .. } => "plan.does-not-fit",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

impl Fault {
    /// The page that explains it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownHosts { .. } => "plan.unknown-hosts",
            Self::Duplicate { .. } => "plan.duplicate",
            Self::UnknownTarget { .. } => "plan.unknown-target",
            Self::UnknownProduct { .. } => "plan.unknown-product",
            Self::NoRemoval(_) => "plan.no-removal",
            Self::Circle { .. } => "plan.circle",
            Self::TierOrder { .. } => "plan.tier-order",
            Self::Shape { .. } => "plan.wave-shape",
            Self::UnknownWindow { .. } => "plan.unknown-window",
            Self::NeverOpens { .. } => "plan.window-never-opens",
            Self::ClusterLimit { .. } | Self::UnknownMember { .. } => "plan.cluster-limit",
            Self::SiteLimit { .. } => "plan.site-limit",
            Self::NoHours { .. } => "plan.no-hours",
            Self::NobodyKnows { .. } => "plan.nobody-knows",
            Self::Pin { .. } => "plan.pin",
        }
    }
}

/// One fault as it is; more as lines, each with its code.
fn lines(faults: &[Fault]) -> String {
    match faults {
        [only] => only.to_string(),
        _ => {
            let each = faults.iter().map(|fault| format!("{}: {fault}", fault.code()));
            let count = format!("{} faults", faults.len());
            std::iter::once(count).chain(each).collect::<Vec<_>>().join("\n")
        }
    }
}

fn are(hosts: &[HostName]) -> String {
    if let [only] = hosts {
        format!("host `{only}` is")
    } else {
        format!("hosts {} are", list(hosts))
    }
}

fn list(names: &[impl std::fmt::Display]) -> String {
    match names {
        [] => "none: there is nothing".to_owned(),
        some => some.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

fn conflict_text(conflict: &[String], remarks: &[String]) -> String {
    let head = if conflict.is_empty() {
        "no rule that could be changed stands in the way".to_owned()
    } else {
        match conflict.len() {
            1 => "without this rule it would fit:".to_owned(),
            many => format!("without any one of these {many} rules it would fit:"),
        }
    };
    let rules = conflict.iter().map(|rule| format!("  - {rule}"));
    std::iter::once(head).chain(rules).chain(remarks.iter().cloned()).collect::<Vec<_>>().join("\n")
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
