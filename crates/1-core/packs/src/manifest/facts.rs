//! What a manifest says about hosts by what can be seen of them: a small declarative form, no expressions.

use refit_names::{BuildId, ByteSize, ProductName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What is known of a host when a pack is held against it.
#[derive(Debug, Clone)]
pub struct SeenFacts<'a> {
    /// Its operating system (`linux`).
    pub os: &'a str,
    /// The distribution's own name for itself (`Debian GNU/Linux 12 (bookworm)`).
    pub os_release: &'a str,
    /// Its architecture (`x86_64`).
    pub arch: &'a str,
    /// The kernel's release.
    pub kernel: &'a str,
    /// The agent's version.
    pub agent_version: &'a str,
    /// Memory of the machine.
    pub memory: ByteSize,
    /// Installed products; none for one that is looked after and not installed.
    pub products: BTreeMap<&'a ProductName, Option<&'a BuildId>>,
}

/// A trouble that is known for some hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownIssue {
    /// Its identifier.
    pub id: String,
    /// What happens.
    pub text: String,
    /// Whether matching hosts wait or are only warned.
    pub action: IssueAction,
    /// Roles that it concerns; empty means all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<String>,
    /// Facts that a concerned host shows, all of them; absent means any host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<FactPattern>,
}

/// What a known issue does to a matching host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IssueAction {
    /// The host is left out of plans.
    Hold,
    /// The plan says so.
    Warn,
}

impl KnownIssue {
    /// Whether the issue concerns a host of `role` that shows `seen` and would leave the build `from`.
    #[must_use]
    pub fn concerns(&self, role: &str, seen: &SeenFacts<'_>, from: &BuildId) -> bool {
        (self.roles.is_empty() || self.roles.contains(role))
            && self.facts.as_ref().is_none_or(|facts| facts.matches(seen, from))
    }
}

/// Facts that a host shows. A host matches when it shows all that are given; of a list, one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactPattern {
    /// Its operating system (`linux`).
    #[serde(default, skip_serializing_if = "Patterns::is_empty")]
    pub os: Patterns,
    /// The distribution's own name for itself (`Debian*12*`).
    #[serde(default, skip_serializing_if = "Patterns::is_empty")]
    pub os_release: Patterns,
    /// Its architecture (`x86_64`).
    #[serde(default, skip_serializing_if = "Patterns::is_empty")]
    pub arch: Patterns,
    /// The kernel's release (`5.10.*`).
    #[serde(default, skip_serializing_if = "Patterns::is_empty")]
    pub kernel: Patterns,
    /// The agent's version.
    #[serde(default, skip_serializing_if = "Patterns::is_empty")]
    pub agent_version: Patterns,
    /// The build that the pack would find there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub from: BTreeSet<BuildId>,
    /// The machine has this much memory or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_min: Option<ByteSize>,
    /// The machine has this much memory or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<ByteSize>,
    /// Other products that are installed, at one of these builds; an empty list means any build.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub products: BTreeMap<ProductName, BTreeSet<BuildId>>,
}

impl FactPattern {
    /// Whether a host that shows `seen` and would leave the build `from` matches.
    #[must_use]
    pub fn matches(&self, seen: &SeenFacts<'_>, from: &BuildId) -> bool {
        let texts = [
            (&self.os, seen.os),
            (&self.os_release, seen.os_release),
            (&self.arch, seen.arch),
            (&self.kernel, seen.kernel),
            (&self.agent_version, seen.agent_version),
        ];
        texts.iter().all(|(patterns, text)| patterns.is_empty() || patterns.matches(text))
            && (self.from.is_empty() || self.from.contains(from))
            && self.memory_min.is_none_or(|least| seen.memory >= least)
            && self.memory_max.is_none_or(|most| seen.memory <= most)
            && self.products.iter().all(|(name, builds)| seen.has(name, builds))
    }
}

impl SeenFacts<'_> {
    /// Whether `product` is installed at one of `builds`, or at any when the list is empty.
    #[must_use]
    pub fn has(&self, product: &ProductName, builds: &BTreeSet<BuildId>) -> bool {
        match self.products.get(product) {
            Some(Some(build)) => builds.is_empty() || builds.contains(*build),
            _ => false,
        }
    }
}

/// Texts with `*` for any characters and `?` for one. Read from one text or a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "BTreeSet<String>")]
pub struct Patterns(BTreeSet<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(BTreeSet<String>),
}

impl From<OneOrMany> for Patterns {
    fn from(given: OneOrMany) -> Self {
        match given {
            OneOrMany::One(text) => Self([text].into()),
            OneOrMany::Many(texts) => Self(texts),
        }
    }
}

impl From<BTreeSet<String>> for Patterns {
    fn from(texts: BTreeSet<String>) -> Self {
        Self(texts)
    }
}

impl From<Patterns> for BTreeSet<String> {
    fn from(patterns: Patterns) -> Self {
        patterns.0
    }
}

impl Patterns {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them fits `text` from end to end; upper and lower case differ.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| crate::pattern::part_matches(pattern, text))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().cloned().collect::<Vec<_>>().join(" or "))
    }
}

impl JsonSchema for Patterns {
    fn schema_name() -> Cow<'static, str> {
        "Patterns".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
            ],
            "description": "a text with `*` for any characters and `?` for one, or a list of such",
        })
    }
}
