//! What each reason weighs: named numbers with a documented default, changed as a whole, version by version.

use jiff::Timestamp;
use refit_names::PersonName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// No weight is larger: no single reason is worth more than the whole score.
const WEIGHT_MAX: u32 = 100_000;
/// Weights of roles begin with this; the rest is a word of the role's name.
const ROLE: &str = "role.";
/// Longest word of a role.
const ROLE_CHARS_MAX: usize = 64;

/// Name, default, what it is for.
const TABLE: &[(&str, u32, &str)] = &[
    ("backup.days", 7, "days after which a backup is old"),
    ("backup.missing", 12, "no backup is known"),
    ("backup.old", 8, "the newest backup is old"),
    ("boot.days", 180, "days after which a machine may not come up as it is"),
    ("boot.old", 10, "it was not restarted for that long"),
    ("clock.ahead", 10, "its clock is ahead, so what it says of times says little"),
    ("clock.minutes", 5, "minutes that clocks may differ by"),
    ("cluster", 15, "it is a member of a cluster"),
    ("criticality.critical", 40, "the business stands still"),
    ("criticality.high", 25, "users notice at once"),
    ("criticality.low", 0, "a test or spare machine"),
    ("criticality.medium", 10, "most servers"),
    ("data.gib", 20, "GiB from which on the backup decides the downtime"),
    ("data.large", 8, "the product is that large"),
    ("dependencies.each", 2, "each host that it waits for"),
    ("dependencies.most", 6, "all of them together"),
    ("disk.low", 10, "free space is less than twice the product"),
    ("distance.each", 4, "each pack on its way after the first"),
    ("distance.most", 20, "all of them together"),
    ("entry.each", 1, "each point of likelihood times impact that a person stated"),
    ("facts.hours", 24, "hours after which what is known says little about now"),
    ("facts.never", 20, "its agent has never reported"),
    ("facts.old", 5, "what is known is that old"),
    ("hardware.own", 4, "a machine of its own: no snapshot, spare parts take days"),
    ("history.each", 10, "each earlier upgrade that was rolled back or stopped on it"),
    ("history.most", 30, "all of them together"),
    ("issue.hold", 20, "each known issue of a pack on its way that holds hosts like it"),
    ("issue.most", 30, "all known issues together"),
    ("issue.warn", 8, "each known issue of a pack on its way that warns of hosts like it"),
    ("memory.low", 6, "less memory than that"),
    ("memory.mib", 1024, "MiB of memory that an upgrade needs to breathe"),
    ("role.database", 10, "others depend on it"),
    ("role.domain-controller", 20, "nobody can log in without it"),
    ("role.file-print", 5, "users notice"),
    ("role.firewall", 20, "behind it everything is cut off"),
    ("role.mail", 10, "users notice at once"),
    ("services.down", 10, "its services do not run as they should"),
];

/// Weights of the score.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Rises with each change; 0: the ones that Refit comes with.
    pub version: u32,
    /// Who made the last change.
    #[serde(default)]
    pub by: Option<PersonName>,
    /// When.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Values that differ from the defaults, by name.
    #[serde(default)]
    pub set: BTreeMap<String, u32>,
}

/// One weight with what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: u32,
    /// What Refit comes with; none for a role of one's own.
    pub default: Option<u32>,
    /// What it is for.
    pub about: &'static str,
}

/// Why a weight cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    /// There is no such weight.
    #[error("weight `{name}` is not known{meant}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        meant: String,
    },
    /// The value is too large.
    #[error("weight `{name}` is {found}, expected at most {WEIGHT_MAX}")]
    TooLarge {
        /// Which one.
        name: String,
        /// Its value.
        found: u32,
    },
}

impl Weights {
    /// The value of a weight of the table; 0 for a name that is not in it.
    pub(crate) fn get(&self, name: &str) -> u32 {
        self.set.get(name).copied().or_else(|| default_of(name)).unwrap_or(0)
    }

    /// The heaviest word of a role's name, with what it weighs.
    pub(crate) fn of_role(&self, role: &str) -> Option<(String, u32)> {
        let weights = self.all().into_iter().filter(|weight| weight.name.starts_with(ROLE));
        let of_role = weights.filter(|weight| role.contains(&weight.name[ROLE.len()..]));
        of_role.map(|weight| (weight.name, weight.value)).max_by_key(|(_, value)| *value)
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Weight> {
        let known = TABLE.iter().map(|(name, default, about)| Weight {
            name: (*name).to_owned(),
            value: self.get(name),
            default: Some(*default),
            about,
        });
        let own = self.set.iter().filter(|(name, _)| default_of(name).is_none());
        let own = own.map(|(name, value)| Weight {
            name: name.clone(),
            value: *value,
            default: None,
            about: "a role of your own",
        });
        let mut all: Vec<Weight> = known.chain(own).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Sets values, or takes them back to the default, as the next version. All or none.
    ///
    /// # Errors
    /// Every name that is not known and every value that is too large.
    pub fn change(
        &self,
        values: &BTreeMap<String, Option<u32>>,
        (by, at): (&PersonName, Timestamp),
    ) -> Result<Self, Vec<WeightError>> {
        let (mut next, mut errors) = (self.clone(), Vec::new());
        for (name, value) in values {
            if let Some(found) = value.filter(|value| *value > WEIGHT_MAX) {
                errors.push(WeightError::TooLarge { name: name.clone(), found });
            }
            if default_of(name).is_none() && !is_role(name) {
                let known = TABLE.iter().map(|(name, _, _)| *name);
                let meant = refit_inventory::did_you_mean(name, known);
                errors.push(WeightError::Unknown { name: name.clone(), meant });
            }
            match value {
                Some(value) if Some(*value) != default_of(name) => {
                    next.set.insert(name.clone(), *value);
                }
                _ => {
                    next.set.remove(name);
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if next.set != self.set {
            (next.version, next.by, next.at) = (self.version + 1, Some(by.clone()), Some(at));
        }
        Ok(next)
    }
}

fn default_of(name: &str) -> Option<u32> {
    TABLE.iter().find(|(known, _, _)| *known == name).map(|(_, default, _)| *default)
}

/// A role's weight may be added: `role.` and a word as roles are named.
fn is_role(name: &str) -> bool {
    let lawful = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.strip_prefix(ROLE).is_some_and(|word| {
        !word.is_empty() && word.len() <= ROLE_CHARS_MAX && word.chars().all(lawful)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(
        from: &Weights,
        values: &[(&str, Option<u32>)],
    ) -> Result<Weights, Vec<WeightError>> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        from.change(&values, (&"planner".parse().unwrap(), Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn all_wrong_weights_are_named_and_nothing_is_set() {
        let wrong =
            changed(&Weights::default(), &[("bot.days", Some(1)), ("cluster", Some(u32::MAX))]);
        let said: Vec<_> = wrong.unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2);
        assert!(said[0].contains("did you mean `boot.days`?"), "{said:?}");
    }

    #[test]
    fn version_rises_only_when_something_changes() {
        let first = changed(&Weights::default(), &[("cluster", Some(30)), ("role.kiosk", Some(3))])
            .unwrap();
        assert_eq!((first.version, first.get("cluster")), (1, 30));
        assert_eq!(first.of_role("kiosk-north"), Some(("role.kiosk".to_owned(), 3)));
        assert_eq!(changed(&first, &[("cluster", Some(30))]).unwrap().version, 1);
        let back = changed(&first, &[("cluster", None)]).unwrap();
        assert_eq!((back.version, back.get("cluster")), (2, 15));
    }

    #[test]
    fn table_is_sorted_and_names_are_unique() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
