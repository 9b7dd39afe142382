//! Terms of the steps that put a build in its place.

use super::Value;
use refit_names::TreePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Terms of `install.in-place`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InPlace {
    /// The folder that the product lives in: absolute, or below the product's root; `.` is the root itself.
    #[serde(default = "root_itself")]
    pub into: Value,
    /// Configuration, with `*` and `?` in each part of a path; a folder stands for all in it. Where the host changed such a file it
    /// stays, and the new one is put beside it as `FILE.refit-new`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<String>,
    /// Whose files they become.
    #[serde(default, skip_serializing_if = "FileOwner::is_agent")]
    pub owner: FileOwner,
}

fn root_itself() -> Value {
    Value::Text(".".to_owned())
}

/// Whose an installed file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileOwner {
    /// The agent's own user, which is root on a managed host.
    #[default]
    Agent,
    /// The user that the host's configuration names for the product.
    User,
}

impl FileOwner {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_agent(&self) -> bool {
        *self == Self::Agent
    }
}

/// Terms of `install.remove`. The host writes such steps itself, when its last pack is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The order and leg that installed what is removed.
    pub installed_by: String,
    /// How it was installed, when not side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place: Option<InPlace>,
    /// The backup to which files and databases return; absent: they stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// Whether data that is younger than that backup is a reason to stop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refuse_written: bool,
}

/// Terms of `install.packages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// The folder of the payload with the `.deb` files.
    #[serde(default = "debs")]
    pub debs: TreePath,
    /// Whether packages that the host does not have are left out; otherwise all that are carried are installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_installed: bool,
    /// Which of two configuration files stays when the host and the package changed it.
    #[serde(default, skip_serializing_if = "ConfigFiles::is_keep")]
    pub config_files: ConfigFiles,
    /// Whether the packages' own scripts are kept from starting and restarting services.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold_services: bool,
    /// Files and folders that the packages' scripts change beyond `/etc`, dpkg's own records and the packages' files: saved before, put
    /// back with them. Absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Value>,
}

fn debs() -> TreePath {
    TreePath::parse("debs").expect("a literal that is a path")
}

/// Which of two configuration files stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigFiles {
    /// The host's own; the package's lies beside it as `FILE.dpkg-dist`.
    #[default]
    KeepLocal,
    /// The package's; the host's own lies beside it as `FILE.dpkg-old`.
    TakeNew,
}

impl ConfigFiles {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_keep(&self) -> bool {
        *self == Self::KeepLocal
    }
}
