//! What expressions may ask of a host.

use crate::{Expression, ExpressionError, Function, Scalar, Subject, Type, Variable, Vocabulary};
use jiff::Timestamp;
use refit_inventory::{HostRecord, Lifecycle, ObservedProduct, ServiceState};

/// Days, hours and minutes of something that never happened: longer ago than anything that did.
const NEVER: i64 = 999_999;

const CRITICALITY: &[&str] = &["low", "medium", "high", "critical"];
const TIME_CLASSES: [&str; 3] = ["working-hours", "out-of-hours", "weekend"];

/// A host with what is derived of it.
#[derive(Debug, Clone, Copy)]
pub struct HostSubject<'a> {
    /// What is known.
    pub record: &'a HostRecord,
    /// Whether its agent was heard of lately.
    pub reachable: bool,
    /// Its score.
    pub risk: u32,
    /// Stated risks that are open.
    pub open_risks: u32,
    /// Now.
    pub now: Timestamp,
}

/// Hosts that a condition names, in their order.
///
/// # Errors
/// [`ExpressionError`] with the place of what is wrong, or the host without an answer.
pub fn select_hosts(text: &str, hosts: &[HostSubject<'_>]) -> Result<Vec<bool>, ExpressionError> {
    Expression::condition(text, &host_vocabulary())?.holds(hosts)
}

macro_rules! variables {
    ($($name:literal $of:expr, $about:literal;)+) => {
        vec![$(Variable { name: $name, of: $of, about: $about }),+]
    };
}

/// Names that an expression about hosts may use.
#[must_use]
pub fn host_vocabulary() -> Vocabulary {
    let texts = || Type::List(Box::new(Type::Text));
    let variables = variables! {
        "after" texts(), "hosts that it waits for";
        "agent_version" Type::Text, "version of its agent, `\"\"` when it never reported";
        "arch" Type::Text, "architecture, such as `x86_64`";
        "backup_days" Type::Int, "whole days since its newest backup; 999999 when none is known";
        "boot_days" Type::Int, "whole days since it was started; 999999 when that is not known";
        "cluster" Type::Text, "its cluster, `\"\"` without one";
        "criticality" Type::Level(CRITICALITY), "`low` < `medium` < `high` < `critical`";
        "facts_hours" Type::Int, "whole hours since its agent looked; 999999 when it never did";
        "kernel" Type::Text, "release of its kernel";
        "memory_mib" Type::Int, "memory in MiB, 0 when it is not known";
        "name" Type::Text, "its name";
        "open_risks" Type::Int, "stated risks about which nothing was done yet";
        "os" Type::Text, "`linux`, or what was stated";
        "os_release" Type::Text, "name and version of the distribution";
        "owner" Type::Text, "who signs for its application, `\"\"` when nobody is named";
        "products" texts(), "products that were seen or stated";
        "reachable" Type::Bool, "its agent was heard of lately";
        "retired" Type::Bool, "it takes no part any more";
        "risk" Type::Int, "its score, 0 to 100";
        "role" Type::Text, "what it does";
        "seen" Type::Bool, "its agent has reported at least once";
        "seen_minutes" Type::Int, "whole minutes since its agent was heard of; 999999 when it never was";
        "site" Type::Text, "where it stands";
        "tags" texts(), "its tags";
        "tier" Type::Int, "its tier";
        "time_class" Type::Text, "`working-hours`, `out-of-hours`, `weekend`, or `\"\"`";
        "virtualisation" Type::Text, "what it runs in, `none` for a machine of its own, `\"\"` when not known";
        "windows" texts(), "its windows";
    };
    let fields = variables! {
        "backup_days" Type::Int, "whole days since its newest backup; 999999 when none is known";
        "build" Type::Text, "the installed build, `\"\"` when it is not installed";
        "free_mib" Type::Int, "free space on its volume in MiB";
        "installed" Type::Bool, "whether it is installed";
        "quarantined" texts(), "builds that were rolled back here";
        "root" Type::Text, "its folder";
        "services" Type::Text, "`running`, `stopped`, `mixed`, `unknown`; `\"\"` when it is not there";
        "size_mib" Type::Int, "size of release and data in MiB";
    };
    let product = Function {
        name: "product",
        fields,
        about: "what was seen of a product, else what was stated",
    };
    Vocabulary::new(variables, vec![product])
}

impl HostSubject<'_> {
    fn days_since(&self, at: Option<Timestamp>) -> Scalar<'_> {
        self.since(at, 24 * 3600)
    }

    fn since(&self, at: Option<Timestamp>, unit: i64) -> Scalar<'_> {
        let passed = |at: Timestamp| (self.now.as_second() - at.as_second()).max(0) / unit;
        Scalar::Int(at.map_or(NEVER, passed))
    }

    fn backup_at(&self) -> Option<Timestamp> {
        let products = self.record.facts.iter().flat_map(|facts| &facts.products);
        let seen = products.filter_map(|product| product.backup_at).max();
        seen.or_else(|| self.record.stated.as_ref()?.backup_at)
    }

    fn products(&self) -> Vec<&str> {
        let seen = self.record.facts.iter().flat_map(|facts| &facts.products);
        let stated = self.record.stated.iter().flat_map(|stated| stated.products.keys());
        let mut names: Vec<&str> = seen
            .map(|product| product.name.as_str())
            .chain(stated.map(|name| name.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn stated_build(&self, product: &str) -> Option<&str> {
        let stated = self.record.stated.as_ref()?;
        stated
            .products
            .iter()
            .find(|(name, _)| name.as_str() == product)
            .map(|(_, build)| build.as_str())
    }
}

impl Subject for HostSubject<'_> {
    fn name(&self) -> &str {
        self.record.name.as_str()
    }

    fn variable(&self, name: &str) -> Option<Scalar<'_>> {
        let record = self.record;
        let (facts, stated) = (record.facts.as_ref(), record.stated.as_ref());
        let fact = |of: fn(&refit_inventory::ObservedFacts) -> &str| {
            Scalar::Text(facts.map(of).unwrap_or_default())
        };
        Some(match name {
            "name" => Scalar::Text(record.name.as_str()),
            "site" => Scalar::Text(record.site.as_str()),
            "role" => Scalar::Text(record.role.as_str()),
            "owner" => Scalar::Text(record.owner.as_ref().map_or("", |owner| owner.as_str())),
            "criticality" => Scalar::Int(level(CRITICALITY, record.criticality.as_str())),
            "tags" => Scalar::Texts(record.tags.iter().map(String::as_str).collect()),
            "cluster" => Scalar::Text(record.cluster.as_deref().unwrap_or_default()),
            "after" => Scalar::Texts(record.after.iter().map(|name| name.as_str()).collect()),
            "tier" => Scalar::Int(record.tier.into()),
            "windows" => Scalar::Texts(record.windows.iter().map(|name| name.as_str()).collect()),
            "time_class" => {
                Scalar::Text(record.time_class.map_or("", |class| TIME_CLASSES[class as usize]))
            }
            "retired" => Scalar::Bool(record.lifecycle == Lifecycle::Retired),
            "reachable" => Scalar::Bool(self.reachable),
            "seen" => Scalar::Bool(facts.is_some()),
            "risk" => Scalar::Int(self.risk.into()),
            "open_risks" => Scalar::Int(self.open_risks.into()),
            "os" => match (facts, stated.and_then(|stated| stated.os.as_deref())) {
                (None, Some(os)) => Scalar::Text(os),
                _ => fact(|facts| &facts.os),
            },
            "os_release" => match (facts, stated.and_then(|stated| stated.os.as_deref())) {
                (None, Some(os)) => Scalar::Text(os),
                _ => fact(|facts| &facts.os_release),
            },
            "arch" => fact(|facts| &facts.arch),
            "kernel" => fact(|facts| &facts.kernel),
            "agent_version" => fact(|facts| &facts.agent_version),
            "virtualisation" => fact(|facts| facts.virtualisation.as_deref().unwrap_or_default()),
            "memory_mib" => {
                let memory = facts.map(|facts| facts.memory).or_else(|| stated?.memory);
                Scalar::Int(memory.map_or(0, |memory| mib(memory.0)))
            }
            "boot_days" => self
                .days_since(facts.and_then(|facts| facts.booted_at).or_else(|| stated?.booted_at)),
            "backup_days" => self.days_since(self.backup_at()),
            "facts_hours" => self.since(facts.map(|facts| facts.observed_at), 3600),
            "seen_minutes" => self.since(record.last_seen, 60),
            "products" => Scalar::Texts(self.products()),
            _ => return None,
        })
    }

    fn field(&self, function: &str, argument: &str, field: &str) -> Option<Scalar<'_>> {
        if function != "product" {
            return None;
        }
        let seen = self.record.facts.iter().flat_map(|facts| &facts.products);
        let seen: Option<&ObservedProduct> =
            seen.into_iter().find(|product| product.name.as_str() == argument);
        let build = match seen {
            Some(product) => product.build.as_ref().map(|build| build.as_str()),
            None => self.stated_build(argument),
        };
        Some(match field {
            "build" => Scalar::Text(build.unwrap_or_default()),
            "installed" => Scalar::Bool(build.is_some()),
            "root" => Scalar::Text(seen.map(|product| product.root.as_str()).unwrap_or_default()),
            "size_mib" => Scalar::Int(seen.map_or(0, |product| mib(product.size.0))),
            "free_mib" => Scalar::Int(seen.map_or(0, |product| mib(product.free.0))),
            "services" => Scalar::Text(seen.map_or("", |product| services(product.services))),
            "backup_days" => self.days_since(seen.and_then(|product| product.backup_at)),
            "quarantined" => {
                let builds = seen.into_iter().flat_map(|product| product.quarantined.keys());
                Scalar::Texts(builds.map(|build| build.as_str()).collect())
            }
            _ => return None,
        })
    }
}

fn level(words: &[&str], word: &str) -> i64 {
    let at = words.iter().position(|known| *known == word);
    at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
}

fn mib(bytes: u64) -> i64 {
    i64::try_from(bytes >> 20).unwrap_or(i64::MAX)
}

const fn services(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Running => "running",
        ServiceState::Stopped => "stopped",
        ServiceState::Mixed => "mixed",
        ServiceState::Unknown => "unknown",
    }
}
