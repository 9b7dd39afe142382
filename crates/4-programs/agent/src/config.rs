//! `agent.toml`: the products that this host has.

use crate::{backups::BackupConfig, delivery::DeliveryConfig};
use refit_host::product::ProductConfig;
use refit_names::{Coded, ErrorClass, ProductName};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The products, each once.
    #[serde(default, rename = "product")]
    pub products: Vec<ProductConfig>,
    /// Where backups are kept beside the host itself.
    #[serde(default)]
    pub backup: Option<BackupConfig>,
    /// How fast content comes and how much room it may take.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A key is unknown, missing or has a value of the wrong kind.
    #[error("{}, line {line}: {what}", .path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Which key, expected and found.
        what: String,
    },
    /// A product stands twice.
    #[error("{}: product `{product}` stands twice", .path.display())]
    Twice {
        /// Which file.
        path: PathBuf,
        /// Which product.
        product: ProductName,
    },
    /// A path that depends on where the agent was started.
    #[error("{}: root `{}` of product `{product}` is relative, expected an absolute path", .path.display(), .root.display())]
    RelativeRoot {
        /// Which file.
        path: PathBuf,
        /// Which product.
        product: ProductName,
        /// Its root.
        root: PathBuf,
    },
}

impl Coded for ConfigError {
    fn code(&self) -> &'static str {
        "agent.bad-configuration"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Checks the text of the file at `path`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            ConfigError::Syntax { path: path.to_owned(), line, what: error.message().to_owned() }
        })?;
        let mut names = BTreeSet::new();
        for product in &config.products {
            let name = || product.name.clone();
            if !names.insert(&product.name) {
                return Err(ConfigError::Twice { path: path.to_owned(), product: name() });
            }
            if !product.root.is_absolute() {
                let (path, root) = (path.to_owned(), product.root.clone());
                return Err(ConfigError::RelativeRoot { path, product: name(), root });
            }
        }
        Ok(config)
    }

    /// The product of this name.
    #[must_use]
    pub fn product(&self, name: &ProductName) -> Option<&ProductConfig> {
        self.products.iter().find(|product| product.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[[product]]
name = "ledger"
root = "/srv/ledger"
[product.service]
kind = "supervised"
run = ["current/bin/ledger", "serve"]
[product.parameters]
port = "18080"
"#;

    fn fails(text: &str) -> String {
        refit_names::chain(&Config::parse(Path::new("agent.toml"), text).unwrap_err())
    }

    #[test]
    fn product_is_read() {
        let config = Config::parse(Path::new("agent.toml"), GOOD).unwrap();
        assert_eq!(config.products[0].root, Path::new("/srv/ledger"));
    }

    #[test]
    fn unknown_key_is_named_with_file_and_line() {
        let error = fails(&GOOD.replace("root =", "rooot ="));
        assert!(error.starts_with("agent.toml, line 4: ") && error.contains("rooot"), "{error}");
        let error = fails(&format!("interval = 3\n{GOOD}"));
        assert!(error.starts_with("agent.toml, line 1: ") && error.contains("interval"), "{error}");
        let error = fails(&GOOD.replace("run =", "command ="));
        assert!(error.contains("command"), "{error}");
    }

    #[test]
    fn product_twice_and_relative_root_are_refused() {
        assert!(fails(&format!("{GOOD}{GOOD}")).contains("`ledger` stands twice"));
        assert!(fails(&GOOD.replace("/srv/", "srv/")).contains("`srv/ledger` of product `ledger`"));
    }
}
