//! Fields of a host as texts: what a cell of a CSV file, a variable of another inventory or a person at a terminal gives.

use crate::{Criticality, HostRecord, Lifecycle, Retirement, StatedFacts, did_you_mean};
use jiff::Timestamp;
use refit_names::{BuildId, ByteSize, PersonName, ProductName, TimeClass};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Longest tag or name of a cluster: what still fits a column.
const WORD_CHARS_MAX: usize = 128;
/// Longest reason: a paragraph.
const REASON_CHARS_MAX: usize = 1000;
/// A bare day means its beginning in UTC.
const MIDNIGHT: &str = "T00:00:00Z";

/// Who says it, and when.
#[derive(Debug, Clone)]
pub struct Said {
    /// Who.
    pub by: PersonName,
    /// When.
    pub at: Timestamp,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// A field of a host that people give.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum HostField {
            $($(#[$doc])* $variant,)+
        }

        impl HostField {
            /// All of them, in the order of the columns of an export.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

fields! {
    /// The host's name.
    Name = "name",
    /// Where it stands.
    Site = "site",
    /// What it does.
    Role = "role",
    /// Who signs for its application.
    Owner = "owner",
    /// How much hangs on it.
    Criticality = "criticality",
    /// Marks, separated by blanks.
    Tags = "tags",
    /// Its cluster.
    Cluster = "cluster",
    /// Hosts that go first, separated by blanks.
    After = "after",
    /// Its tier.
    Tier = "tier",
    /// Windows, separated by blanks.
    Windows = "windows",
    /// `working-hours`, `out-of-hours` or `weekend`.
    TimeClass = "time_class",
    /// Why it is retired; empty: it is not.
    Retired = "retired",
    /// Operating system.
    Os = "os",
    /// Memory, such as `16 GiB`.
    Memory = "memory",
    /// When it was started, as a day or an instant.
    Booted = "booted",
    /// When its newest backup was taken.
    Backup = "backup",
    /// `product=build`, separated by blanks.
    Products = "products",
}

impl HostField {
    /// Reads a name; blanks and dashes are as good as underscores.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain = text.trim().to_lowercase().replace([' ', '-'], "_");
        let names = || Self::ALL.iter().map(|field| field.as_str());
        Self::ALL.iter().copied().find(|field| field.as_str() == plain).ok_or_else(|| {
            let meant = did_you_mean(&plain, names());
            let known = names().collect::<Vec<_>>().join(", ");
            format!("`{text}` is not known{meant}; expected some of {known}")
        })
    }
}

impl std::fmt::Display for HostField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl HostRecord {
    /// Sets a field from its text; an empty text sets what a new host has.
    ///
    /// # Errors
    /// A sentence that says what was found and what was expected; nothing is changed then.
    pub fn set_field(&mut self, field: HostField, text: &str, said: &Said) -> Result<(), String> {
        let text = text.trim();
        match field {
            HostField::Name => self.name = parse(text)?,
            HostField::Site => self.site = parse(text)?,
            HostField::Role => self.role = parse(text)?,
            HostField::Owner => self.owner = optional(text, parse)?,
            HostField::Criticality => {
                self.criticality = optional(text, criticality)?.unwrap_or_default();
            }
            HostField::Tags => self.tags = each(text, word)?,
            HostField::Cluster => self.cluster = optional(text, name_of_cluster)?,
            HostField::After => self.after = each(text, parse)?,
            HostField::Tier => self.tier = optional(text, number)?.unwrap_or_default(),
            HostField::Windows => self.windows = each(text, parse)?,
            HostField::TimeClass => self.time_class = optional(text, time_class)?,
            HostField::Retired => self.retire(optional(text, reason)?, said),
            HostField::Os => {
                let os = optional(text, name_of_cluster)?;
                self.state(said, |stated| stated.os = os);
            }
            HostField::Memory => {
                let size = |text: &str| ByteSize::parse(text).map_err(|error| error.to_string());
                let memory = optional(text, size)?;
                self.state(said, |stated| stated.memory = memory);
            }
            HostField::Booted => {
                let at = optional(text, moment)?;
                self.state(said, |stated| stated.booted_at = at);
            }
            HostField::Backup => {
                let at = optional(text, moment)?;
                self.state(said, |stated| stated.backup_at = at);
            }
            HostField::Products => {
                let products = products(text)?;
                self.state(said, |stated| stated.products = products);
            }
        }
        Ok(())
    }

    /// The text of a field, as [`HostRecord::set_field`] reads it.
    #[must_use]
    pub fn field(&self, field: HostField) -> String {
        let stated = self.stated.as_ref();
        let at = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        match field {
            HostField::Name => self.name.to_string(),
            HostField::Site => self.site.to_string(),
            HostField::Role => self.role.to_string(),
            HostField::Owner => self.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
            HostField::Criticality => self.criticality.as_str().to_owned(),
            HostField::Tags => join(&self.tags),
            HostField::Cluster => self.cluster.clone().unwrap_or_default(),
            HostField::After => join(&self.after),
            HostField::Tier => self.tier.to_string(),
            HostField::Windows => join(&self.windows),
            HostField::TimeClass => {
                self.time_class.map(|class| class.to_string()).unwrap_or_default()
            }
            HostField::Retired => self.retired_because().unwrap_or_default().to_owned(),
            HostField::Os => stated.and_then(|facts| facts.os.clone()).unwrap_or_default(),
            HostField::Memory => {
                let memory = stated.and_then(|facts| facts.memory);
                memory.map(|memory| memory.0.to_string()).unwrap_or_default()
            }
            HostField::Booted => at(stated.and_then(|facts| facts.booted_at)),
            HostField::Backup => at(stated.and_then(|facts| facts.backup_at)),
            HostField::Products => {
                let of = |facts: &StatedFacts| {
                    facts
                        .products
                        .iter()
                        .map(|(name, build)| format!("{name}={build}"))
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                stated.map(of).unwrap_or_default()
            }
        }
    }

    /// Takes over one field of another record.
    pub fn copy_field(&mut self, field: HostField, from: &Self) {
        match field {
            HostField::Name => self.name.clone_from(&from.name),
            HostField::Site => self.site.clone_from(&from.site),
            HostField::Role => self.role.clone_from(&from.role),
            HostField::Owner => self.owner.clone_from(&from.owner),
            HostField::Criticality => self.criticality = from.criticality,
            HostField::Tags => self.tags.clone_from(&from.tags),
            HostField::Cluster => self.cluster.clone_from(&from.cluster),
            HostField::After => self.after.clone_from(&from.after),
            HostField::Tier => self.tier = from.tier,
            HostField::Windows => self.windows.clone_from(&from.windows),
            HostField::TimeClass => self.time_class = from.time_class,
            HostField::Retired => {
                self.lifecycle = from.lifecycle;
                self.retired.clone_from(&from.retired);
            }
            HostField::Os
            | HostField::Memory
            | HostField::Booted
            | HostField::Backup
            | HostField::Products => {
                let theirs = from.stated.clone().unwrap_or_default();
                let ours = self.stated.get_or_insert_default();
                match field {
                    HostField::Os => ours.os = theirs.os,
                    HostField::Memory => ours.memory = theirs.memory,
                    HostField::Booted => ours.booted_at = theirs.booted_at,
                    HostField::Backup => ours.backup_at = theirs.backup_at,
                    _ => ours.products = theirs.products,
                }
                if ours.is_empty() {
                    self.stated = None;
                }
            }
        }
    }

    /// Makes what was said before keep its date where the same is said again, and dates the rest.
    pub fn date(&mut self, before: Option<&Self>, said: &Said) {
        let before_retired = before.and_then(|host| host.retired.as_ref());
        if let Some(retired) = &mut self.retired {
            match before_retired.filter(|old| old.reason == retired.reason) {
                Some(old) => *retired = old.clone(),
                None => (retired.by, retired.at) = (said.by.clone(), said.at),
            }
        }
        let before_stated = before.and_then(|host| host.stated.as_ref());
        if let Some(stated) = &mut self.stated {
            match before_stated.filter(|old| old.same_as(stated)) {
                Some(old) => stated.clone_from(old),
                None => (stated.by, stated.at) = (Some(said.by.clone()), Some(said.at)),
            }
        }
    }

    /// Retires it with a reason, or takes it back.
    pub fn retire(&mut self, reason: Option<String>, said: &Said) {
        match reason {
            None => (self.lifecycle, self.retired) = (Lifecycle::Active, None),
            Some(reason) => {
                self.lifecycle = Lifecycle::Retired;
                if self.retired.as_ref().is_none_or(|retired| retired.reason != reason) {
                    let (by, at) = (said.by.clone(), said.at);
                    self.retired = Some(Retirement { reason, by, at });
                }
            }
        }
    }

    /// Why it is retired; none when it is not.
    #[must_use]
    pub fn retired_because(&self) -> Option<&str> {
        match (self.lifecycle, &self.retired) {
            (Lifecycle::Active, _) => None,
            (Lifecycle::Retired, Some(retired)) => Some(&retired.reason),
            (Lifecycle::Retired, None) => Some("no reason given"),
        }
    }

    fn state(&mut self, said: &Said, change: impl FnOnce(&mut StatedFacts)) {
        let mut stated = self.stated.clone().unwrap_or_default();
        change(&mut stated);
        (stated.by, stated.at) = (Some(said.by.clone()), Some(said.at));
        self.stated = (!stated.is_empty()).then_some(stated);
    }
}

impl StatedFacts {
    /// Whether nothing is stated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.same_as(&Self::default())
    }

    fn same_as(&self, other: &Self) -> bool {
        let facts = |one: &Self| Self { at: None, by: None, ..one.clone() };
        facts(self) == facts(other)
    }
}

impl Criticality {
    /// All, the lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

/// Every value of a list, separated by blanks; one that comes twice counts once.
fn each<T: Ord>(
    text: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<BTreeSet<T>, String> {
    text.split_whitespace().map(read).collect()
}

fn join<T: ToString>(values: &BTreeSet<T>) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn one_of<T: Copy>(text: &str, what: &str, known: &[(&'static str, T)]) -> Result<T, String> {
    let plain = text.to_lowercase();
    let found = known.iter().find(|(word, _)| *word == plain).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let meant = did_you_mean(&plain, known.iter().map(|(word, _)| *word));
        let words = known.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        format!("`{text}` is no {what}{meant}; expected one of {words}")
    })
}

fn criticality(text: &str) -> Result<Criticality, String> {
    one_of(text, "criticality", &Criticality::ALL.map(|one| (one.as_str(), one)))
}

fn time_class(text: &str) -> Result<TimeClass, String> {
    let all = [TimeClass::WorkingHours, TimeClass::OutOfHours, TimeClass::Weekend];
    let words = ["working-hours", "out-of-hours", "weekend"];
    let known: Vec<_> = words.into_iter().zip(all).collect();
    one_of(text, "time class", &known)
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number from 0 to {}", u32::MAX))
}

fn limited(text: &str, what: &str, most: usize) -> Result<String, String> {
    let found = text.chars().count();
    if found > most {
        return Err(format!("{what} has {found} characters, expected at most {most}"));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(found) => Err(format!("{what} has the control character {found:?}")),
        None => Ok(text.to_owned()),
    }
}

fn word(text: &str) -> Result<String, String> {
    limited(text, "the tag", WORD_CHARS_MAX)
}

fn name_of_cluster(text: &str) -> Result<String, String> {
    limited(text, "the name", WORD_CHARS_MAX)
}

fn reason(text: &str) -> Result<String, String> {
    limited(text, "the reason", REASON_CHARS_MAX)
}

/// An instant, or a day, which means its beginning in UTC.
fn moment(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == "2026-01-31".len() {
        format!("{text}{MIDNIGHT}")
    } else {
        text.to_owned()
    };
    whole.parse().map_err(|_| format!("`{text}` is neither a day such as 2026-01-31 nor an instant such as 2026-01-31T22:00:00Z"))
}

fn products(text: &str) -> Result<BTreeMap<ProductName, BuildId>, String> {
    let mut products = BTreeMap::new();
    for pair in text.split_whitespace() {
        let Some((name, build)) = pair.split_once('=') else {
            return Err(format!("`{pair}` is not PRODUCT=BUILD"));
        };
        if products.insert(parse::<ProductName>(name)?, parse::<BuildId>(build)?).is_some() {
            return Err(format!("product `{name}` has two builds"));
        }
    }
    Ok(products)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_names::{HostName, RoleName, SiteName};

    fn said() -> Said {
        Said { by: "planner".parse().unwrap(), at: Timestamp::UNIX_EPOCH }
    }

    fn host() -> HostRecord {
        HostRecord::new(
            HostName::parse("web-1").unwrap(),
            SiteName::parse("north").unwrap(),
            RoleName::parse("web").unwrap(),
        )
    }

    #[test]
    fn every_field_reads_what_it_writes() {
        let values = [
            (HostField::Owner, "owner"),
            (HostField::Criticality, "critical"),
            (HostField::Tags, "eu pci"),
            (HostField::Cluster, "web front"),
            (HostField::After, "db-1 db-2"),
            (HostField::Tier, "2"),
            (HostField::Windows, "nightly sunday"),
            (HostField::TimeClass, "out-of-hours"),
            (HostField::Retired, "sold"),
            (HostField::Os, "Windows Server 2003 SP1"),
            (HostField::Memory, "4294967296"),
            (HostField::Booted, "2026-01-31T22:00:00Z"),
            (HostField::Backup, "2026-02-01T00:00:00Z"),
            (HostField::Products, "ledger=1100 portal=7"),
        ];
        let mut record = host();
        for (field, text) in values {
            record.set_field(field, text, &said()).unwrap();
            assert_eq!(record.field(field), text);
            let mut copy = host();
            copy.copy_field(field, &record);
            assert_eq!(copy.field(field), text, "{field} is copied");
            let mut empty = record.clone();
            empty.set_field(field, "", &said()).unwrap();
            assert_eq!(empty.field(field), host().field(field), "{field} is emptied");
        }
    }

    #[test]
    fn fault_says_what_was_meant() {
        let mut record = host();
        let wrong = record.set_field(HostField::Criticality, "hihg", &said()).unwrap_err();
        assert_eq!(
            wrong,
            "`hihg` is no criticality; did you mean `high`?; expected one of low, medium, high, critical"
        );
        assert!(
            HostField::parse("crticality").unwrap_err().contains("did you mean `criticality`?")
        );
        assert!(record.set_field(HostField::Backup, "yesterday", &said()).is_err());
        assert!(record.set_field(HostField::Products, "a=1 a=2", &said()).is_err());
        assert_eq!(record, host(), "nothing was changed");
    }

    #[test]
    fn same_words_keep_the_date_they_were_said() {
        let mut before = host();
        before.set_field(HostField::Os, "Windows", &said()).unwrap();
        before.set_field(HostField::Retired, "sold", &said()).unwrap();
        let later = Said { by: "other".parse().unwrap(), at: Timestamp::MAX };
        let mut again = host();
        again.set_field(HostField::Os, "Windows", &later).unwrap();
        again.set_field(HostField::Retired, "sold", &later).unwrap();
        again.date(Some(&before), &later);
        assert_eq!(again, before);
        again.set_field(HostField::Os, "Linux", &later).unwrap();
        again.date(Some(&before), &later);
        assert_eq!(again.stated.unwrap().at, Some(Timestamp::MAX));
    }
}
