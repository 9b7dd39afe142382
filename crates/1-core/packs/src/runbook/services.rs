//! Terms of the steps that touch services and the machine.

use super::{Command, Probe};
use refit_names::StepId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Terms of `service.hold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceHold {
    /// systemd units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// Services that commands start and stop, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<StepId, HeldByCommands>,
    /// Whether a unit that this host does not have is passed over; otherwise it is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub if_present: bool,
}

/// A service that commands start and stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldByCommands {
    /// Starts it and returns.
    pub start: Command,
    /// Stops it and returns when it is stopped.
    pub stop: Command,
    /// Exits 0 while it runs, 3 when it is stopped.
    pub status: Command,
}

/// When the machine restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RebootPolicy {
    /// It does not; that one is needed is only said.
    Never,
    /// When something says so: `/run/reboot-required`, a step that ended with 3010, or a newer kernel that is installed.
    IfNeeded,
    /// Each time.
    #[default]
    Always,
}

impl RebootPolicy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub(super) fn is_always(&self) -> bool {
        *self == Self::Always
    }
}

/// Terms of `machine.wait`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineWait {
    /// At least so long, in milliseconds.
    #[serde(default)]
    pub for_ms: u64,
    /// And until this is seen; the step's own time limit is the longest wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Probe>,
}

/// Terms of `cluster.drain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterDrain {
    /// Takes this node out of its cluster's service.
    pub drain: Command,
    /// Puts it back: run at the end of the leg, however it ends, unless `cluster.resume` did.
    pub resume: Command,
    /// How to see that the node is drained.
    pub drained: Probe,
    /// How to see that the node serves again; absent: `drained` fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Probe>,
}
