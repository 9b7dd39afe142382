//! What a host must have before it can take a pack.

use super::facts::{Patterns, SeenFacts};
use refit_names::{BuildId, ByteSize, ProductName, TreePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a host must have before it can take the pack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Operating systems (`linux`); empty means any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub os: BTreeSet<String>,
    /// Whether every host's file system tells names apart that differ only by case or by how letters are composed. Without it such
    /// names are refused: elsewhere one file would overwrite the other.
    #[serde(default, skip_serializing_if = "is_no")]
    pub case_sensitive: bool,
    /// The distribution's own name for itself (`Debian*12*`); empty means any.
    #[serde(default, skip_serializing_if = "Patterns::is_empty")]
    pub os_release: Patterns,
    /// Architectures (`x86_64`); empty means any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub arch: BTreeSet<String>,
    /// Memory of the machine.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub memory: ByteSize,
    /// Free space on the product's volume beyond what Refit computes itself.
    #[serde(default)]
    pub disk: ByteSize,
    /// Space on volumes, each by a folder on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeNeed>,
    /// What the agent must be allowed to do: `root`, or Linux capabilities such as `cap_net_admin`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub privileges: BTreeSet<String>,
    /// Services of the host that must run: systemd units.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<String>,
    /// Other products that must be installed, at one of these builds; an empty list means any build.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub products: BTreeMap<ProductName, BTreeSet<BuildId>>,
}

/// Space that a pack needs on one volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeNeed {
    /// A folder on it: `.` for the product's root, a path below it, or an absolute path.
    pub path: String,
    /// What stays used when the upgrade is done.
    #[serde(default)]
    pub steady: ByteSize,
    /// What is used at the worst moment on the way, the steady part included.
    pub peak: ByteSize,
}

/// A requirement that a host does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// What was looked at.
    pub what: String,
    /// What the pack asks for.
    pub expected: String,
    /// What the host has.
    pub found: String,
}

impl std::fmt::Display for Unmet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: expected {}, found {}", self.what, self.expected, self.found)
    }
}

/// Names of Linux capabilities, each at the place of its number.
const CAPABILITIES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// The number of a Linux capability, if there is one of that name.
#[must_use]
pub fn capability_number(name: &str) -> Option<usize> {
    CAPABILITIES.iter().position(|known| *known == name)
}

impl Requirements {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// All requirements that the facts of a host show to be unmet. What only the host itself can see is not judged here:
    /// volumes, privileges, services.
    #[must_use]
    pub fn unmet(&self, seen: &SeenFacts<'_>) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        let mut judge = |holds: bool, what: &str, expected: String, found: String| {
            if !holds {
                unmet.push(Unmet { what: what.to_owned(), expected, found });
            }
        };
        let listed = |allowed: &BTreeSet<String>| one_of(allowed.iter());
        let allows =
            |allowed: &BTreeSet<String>, found: &str| allowed.is_empty() || allowed.contains(found);
        judge(allows(&self.os, seen.os), "operating system", listed(&self.os), seen.os.to_owned());
        judge(
            self.os_release.is_empty() || self.os_release.matches(seen.os_release),
            "operating system release",
            self.os_release.to_string(),
            seen.os_release.to_owned(),
        );
        let arch = seen.arch.to_owned();
        judge(allows(&self.arch, seen.arch), "architecture", listed(&self.arch), arch);
        judge(
            seen.memory >= self.memory,
            "memory",
            format!("at least {}", self.memory),
            seen.memory.to_string(),
        );
        for (product, builds) in &self.products {
            let found = match seen.products.get(product) {
                Some(Some(build)) => format!("build {build}"),
                _ => "none".to_owned(),
            };
            judge(
                seen.has(product, builds),
                &format!("product {product}"),
                builds_text(builds),
                found,
            );
        }
        unmet
    }
}

fn builds_text(builds: &BTreeSet<BuildId>) -> String {
    if builds.is_empty() {
        "any build".to_owned()
    } else {
        format!("build {}", one_of(builds.iter()))
    }
}

fn one_of(values: impl Iterator<Item = impl ToString>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(" or ")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_no(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_nothing(size: &ByteSize) -> bool {
    size.0 == 0
}

impl VolumeNeed {
    /// Where the folder is when the product's root is at `root`.
    #[must_use]
    pub fn folder(&self, root: &str) -> String {
        match self.path.as_str() {
            "." => root.to_owned(),
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            below => format!("{root}/{below}"),
        }
    }

    /// Whether `path` is one of the three forms.
    pub(super) fn is_lawful_path(&self) -> bool {
        let below = self.path.strip_prefix('/').unwrap_or(&self.path);
        matches!(self.path.as_str(), "." | "/") || TreePath::parse(below).is_ok()
    }
}
