//! The rules of a plan as things that can be lifted, to find out which of them are in each other's way.

use refit_names::{HostName, SiteName, TimeClass, WindowName};
use refit_plan::Pin;
use std::collections::BTreeSet;
use std::fmt;

/// One rule that a plan keeps and that people could change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// This host at that time.
    Pin(Pin),
    /// Nothing in its scope while it lasts.
    Freeze(String),
    /// Only while it is open.
    Window(WindowName),
    /// Only in such times.
    Class(TimeClass),
    /// Nobody in two places; people's hours.
    People,
    /// Hosts down at the same time, everywhere.
    Parallel(u32),
    /// Hosts down at the same time at one site.
    SiteDown(SiteName, u32),
    /// Content takes its time to a site.
    Bandwidth(SiteName),
    /// Members of a cluster apart, in its order.
    Cluster(String),
    /// A host behind another one.
    After(HostName, HostName),
    /// Tiers one after the other.
    Tiers,
    /// Waves are watched before the next starts.
    Soak(u64),
    /// Lowest risk first: one wave behind the other.
    Waves,
}

/// Rules that do not count for the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relaxed(pub(crate) BTreeSet<Rule>);

impl Relaxed {
    /// Whether a rule is lifted; it is only made when anything is.
    pub(crate) fn has(&self, rule: impl FnOnce() -> Rule) -> bool {
        !self.0.is_empty() && self.0.contains(&rule())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin(pin) => write!(f, "host `{}` is changed on {}", pin.host, pin.when),
            Self::Freeze(name) => write!(f, "freeze `{name}`"),
            Self::Window(name) => write!(f, "window `{name}`: its hosts only while it is open"),
            Self::Class(class) => write!(f, "hosts of time class {class} only in such times"),
            Self::People => f.write_str("people: their hours, skills, sites and hosts at once"),
            Self::Parallel(count) => write!(f, "at most {count} hosts down at once"),
            Self::SiteDown(site, count) => {
                write!(f, "site `{site}`: at most {count} hosts down at once")
            }
            Self::Bandwidth(site) => write!(f, "site `{site}`: content takes its line's time"),
            Self::Cluster(name) => write!(f, "cluster `{name}`: its limit and its order"),
            Self::After(host, first) => write!(f, "host `{host}` comes after `{first}`"),
            Self::Tiers => f.write_str("tiers one after the other"),
            Self::Soak(ms) => write!(f, "each wave is watched for {} min", ms / 60_000),
            Self::Waves => f.write_str("lowest risk first: one wave behind the other"),
        }
    }
}
