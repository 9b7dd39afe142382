//! What taking a pack means for a host and for those who use it.

use super::{Manifest, Requirements};
use crate::runbook::Command;
use refit_names::{BuildId, PartName, StepId, SwitchName, TreePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Whether the machine is restarted on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RebootNeed {
    /// Never.
    Never,
    /// Maybe: the host finds out.
    IfNeeded,
    /// In every case.
    Always,
}

/// A feature that the pack switches, told to people before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureSwitch {
    /// Its name.
    pub name: SwitchName,
    /// Its state before the upgrade.
    pub before: String,
    /// Its state after the upgrade.
    pub after: String,
    /// What users notice.
    pub text: String,
}

/// A part of the payload that people may leave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// One line for people.
    pub title: String,
    /// What it is good for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Whether it is installed when nobody says anything.
    #[serde(default = "wanted")]
    pub default: bool,
    /// The files and folders of the payload that belong to it, and to no other part.
    pub paths: BTreeSet<TreePath>,
}

const fn wanted() -> bool {
    true
}

/// A change of a database, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Unique in the pack.
    pub id: StepId,
    /// The database, one of `unit.databases`.
    pub database: String,
    /// What it changes.
    pub about: String,
    /// Whether it may run twice. What may not is never repeated: the unit is restored instead.
    pub repeatable: bool,
    /// The runbook's step that carries it out; absent means its only `database.migrate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
}

/// Whether the build can be removed again after its certificate is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uninstall {
    /// The rule.
    pub allowed: UninstallRule,
    /// Why; needed when it is never allowed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// What becomes of data that was written since.
    #[serde(default, skip_serializing_if = "DataSince::is_lost")]
    pub data: DataSince,
    /// The pack's own way back for data: run with the product stopped, before its files are put back. Needs `data: keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<Command>,
}

/// What becomes of data that was written after a pack was installed, when the pack is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DataSince {
    /// Files and databases return to the moment before the pack; what was written since is put aside and no longer in use.
    #[default]
    Lost,
    /// They stay as they are: the build before reads them, maybe after `down`.
    Keep,
    /// The pack is not removed once something was written.
    Refuse,
}

impl DataSince {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_lost(&self) -> bool {
        *self == Self::Lost
    }
}

/// When a pack can be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UninstallRule {
    /// Never.
    Never,
    /// While no later pack was installed.
    LastPack,
}

/// Which builds may run beside this one in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coexistence {
    /// The other builds; empty means none: all members change together.
    pub with: BTreeSet<BuildId>,
    /// For how long, in milliseconds; absent means without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// What happens beyond that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}

/// The part of a manifest that planners and people need before they fetch anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What a host must have.
    #[serde(default, skip_serializing_if = "Requirements::is_nothing")]
    pub requirements: Requirements,
    /// Whether the machine is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<RebootNeed>,
    /// Features that it switches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<FeatureSwitch>,
    /// Parts that people may leave out, with what happens when nobody says anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<PartName, PartTerms>,
    /// Whether it can be removed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uninstall: Option<Uninstall>,
    /// Which builds may run beside it in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coexistence: Option<Coexistence>,
}

/// A part as a catalogue tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartTerms {
    /// One line for people.
    pub title: String,
    /// Whether it is installed when nobody says anything.
    pub default: bool,
}

impl Terms {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Manifest {
    /// What planners and people need before they fetch anything.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let part = |(name, part): (&PartName, &Part)| {
            (name.clone(), PartTerms { title: part.title.clone(), default: part.default })
        };
        Terms {
            requirements: self.requirements.clone(),
            reboot: self.reboot,
            switches: self.switches.clone(),
            parts: self.parts.iter().map(part).collect(),
            uninstall: self.uninstall.clone(),
            coexistence: self.coexistence.clone(),
        }
    }
}
