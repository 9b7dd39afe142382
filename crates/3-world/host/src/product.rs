//! A product as the host's own configuration describes it, and the folders that it lives in.

use refit_names::{ParameterName, ProductName};
use refit_packs::manifest::Unit;
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

/// One `[[product]]` of the agent's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductConfig {
    /// Its name, as packs have it.
    pub name: ProductName,
    /// The folder with `releases/`, `current` and the product's data.
    pub root: PathBuf,
    /// The package whose version is the installed build, for products that are made of packages; absent: as `current` says.
    #[serde(default)]
    pub package: Option<String>,
    /// Commands and a supervised service run as this user; absent: as the agent's own.
    #[serde(default)]
    pub user: Option<String>,
    /// What runs it.
    pub service: ServiceConfig,
    /// What is saved and restored together outside an upgrade; absent: as the pack of the installed build says.
    #[serde(default)]
    pub unit: Option<Unit>,
    /// Values of runbook parameters; the order's own values win.
    #[serde(default)]
    pub parameters: BTreeMap<ParameterName, String>,
    /// As `parameters`, but never reported, printed or logged.
    #[serde(default)]
    pub secrets: BTreeMap<ParameterName, String>,
}

/// What runs a product's service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ServiceConfig {
    /// A detached process that the agent starts and finds again after its own restart.
    Supervised {
        /// Program and arguments; a program with a `/` lies below the product's root.
        run: Vec<String>,
    },
    /// Units of systemd.
    Systemd {
        /// Started in this order, stopped in reverse.
        units: Vec<String>,
    },
    /// Commands of the host.
    Commands {
        /// Starts and returns.
        start: Vec<String>,
        /// Stops and returns when it is stopped.
        stop: Vec<String>,
        /// Exits 0 while it runs, 3 when it is stopped.
        status: Vec<String>,
    },
}
