//! `refit-agent preflight PACK`: whether a pack would work on this host, asked at any time, alone, and nothing is changed.

mod pack;

use crate::{config::Config, error::AgentError};
use clap::Args;
use refit_ambient::Clock;
use refit_host::engine::{EngineError, PreflightInput, preflight};
use refit_names::{Coded, ErrorClass, ParameterName, counted};
use refit_packs::{manifest::ManifestError, runbook::RunbookError};
use refit_protocol::preflight::{CheckVerdict, Preflight, PreflightCheck};
use std::{io, path::PathBuf, sync::Arc};

/// Why there is no preflight, or why it says no.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// Nothing has this name.
    #[error(
        "there is no pack `{name}`, expected a folder with pack.yaml, a file, or PRODUCT@BUILD of the repository"
    )]
    NoPack {
        /// What was asked for.
        name: String,
    },
    /// It is something else.
    #[error("{} is no pack: {why}", path.display())]
    NotAPack {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The manifest has faults.
    #[error("{}", path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// All of them.
        #[source]
        source: Box<ManifestError>,
    },
    /// The runbook has faults.
    #[error("{}", path.display())]
    Runbook {
        /// Which file.
        path: PathBuf,
        /// All of them.
        #[source]
        source: Box<RunbookError>,
    },
    /// The host has no such product.
    #[error("product `{product}` is not in the agent's configuration, expected one of {known}")]
    NoProduct {
        /// Which.
        product: String,
        /// What it has.
        known: String,
    },
    /// The product's folder cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The file system refused.
    #[error("failed to read {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It was measured, and the order would end before the first change.
    #[error("in the way of build {to} of `{product}`: {}: {checks}", counted(*count, "check"))]
    Fails {
        /// How many.
        count: usize,
        /// Of which product.
        product: String,
        /// Where the pack leads.
        to: String,
        /// Their names.
        checks: String,
    },
}

impl PreflightError {
    /// The number in the documented list of exit codes.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::NoPack { .. } | Self::NoProduct { .. } => 3,
            Self::Engine(_) | Self::Fails { .. } => 7,
            Self::NotAPack { .. }
            | Self::Manifest { .. }
            | Self::Runbook { .. }
            | Self::Io { .. } => 1,
        }
    }
}

impl Coded for PreflightError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoPack { .. } | Self::NotAPack { .. } => "preflight.no-pack",
            Self::Manifest { source, .. } => source.code(),
            Self::Runbook { source, .. } => source.code(),
            Self::NoProduct { .. } => "runbook.no-product",
            Self::Engine(error) => error.code(),
            Self::Io { .. } => "agent.file-system",
            Self::Fails { .. } => "preflight.failed",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

/// Arguments of `preflight`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit-agent preflight ./ledger-1100\n  refit-agent preflight ledger-1100.refit --no-wait\n  refit-agent --json preflight ledger@1100"
)]
pub struct PreflightArguments {
    /// The pack: a folder with pack.yaml, a single file, or PRODUCT@BUILD of the server's repository.
    pack: String,
    /// A parameter's value; wins over the host's own.
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::rehearse::pair)]
    set: Vec<(ParameterName, String)>,
    /// Look once: do not wait for processes and holders as long as the runbook says.
    #[arg(long)]
    no_wait: bool,
    /// Folder for identity, journal, orders and content; only read.
    #[arg(long, env = "REFIT_STATE", default_value = "/var/lib/refit-agent")]
    state: PathBuf,
    /// The products that this agent looks after.
    #[arg(long, env = "REFIT_AGENT_CONFIG", default_value = "/etc/refit/agent.toml")]
    config: PathBuf,
}

/// Measures; what stands in the way is in the answer.
///
/// # Errors
/// [`AgentError`] when it cannot be measured.
pub(crate) async fn run(
    arguments: PreflightArguments,
    clock: Arc<dyn Clock>,
) -> Result<Preflight, AgentError> {
    let PreflightArguments { pack, set, no_wait, state, config } = arguments;
    let config = Config::load(&config)?;
    let record = pack::open(&pack, &state, &*clock).await?;
    let name = &record.manifest.product;
    let Some(product) = config.product(name).cloned() else {
        let known: Vec<&str> = config.products.iter().map(|p| p.name.as_str()).collect();
        let (product, known) = (name.to_string(), known.join(", "));
        return Err(PreflightError::NoProduct { product, known }.into());
    };
    let others = config.products.iter().filter(|other| other.name != product.name);
    let others = others.map(|other| (other.name.clone(), other.root.clone())).collect();
    let (parameters, wait) = (set.into_iter().collect(), !no_wait);
    let input = PreflightInput { product, record, others, state, parameters, wait, clock };
    let made = tokio::task::spawn_blocking(move || preflight(input)).await;
    let made = made.map_err(|error| AgentError::io("wait for", "the preflight")(error.into()))?;
    Ok(made.map_err(PreflightError::from)?)
}

/// What stands in the way, if anything.
pub(crate) fn verdict(preflight: &Preflight) -> Result<(), PreflightError> {
    let failed: Vec<&str> = preflight.failed().map(|check| check.check.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let (product, to) = (preflight.product.to_string(), preflight.to.to_string());
    Err(PreflightError::Fails { count: failed.len(), product, to, checks: failed.join("; ") })
}

/// Columns of the table, and how wide each may be.
const COLUMNS: [(&str, usize); 5] =
    [("", 8), ("CHECK", 32), ("MEASURED", 40), ("LIMIT", 40), ("REMEDY", 40)];

/// The table for people.
pub(crate) fn text(preflight: &Preflight) -> String {
    let Preflight { product, installed, to, runbook, runbook_version, checks } = preflight;
    let installed = installed.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let mut lines = vec![
        format!(
            "{product}: build {installed} to {to}, runbook {runbook} version {runbook_version}"
        ),
        String::new(),
    ];
    lines.extend(row(&COLUMNS.map(|(name, _)| name.to_owned())));
    lines.extend(checks.iter().flat_map(|check| row(&cells(check))));
    let count = |wanted| checks.iter().filter(|check| check.verdict == wanted).count();
    lines.push(String::new());
    lines.push(format!(
        "{} ok, {} failed, {} advisory, {} to be seen later",
        count(CheckVerdict::Ok),
        count(CheckVerdict::Failed),
        count(CheckVerdict::Advisory),
        count(CheckVerdict::Later)
    ));
    lines.join("\n")
}

fn cells(check: &PreflightCheck) -> [String; 5] {
    let PreflightCheck { check, step: _, verdict, measured, limit, remedy } = check;
    [verdict.name().to_owned(), check.clone(), measured.clone(), limit.clone(), remedy.clone()]
}

/// One row, as many lines as its longest cell needs.
fn row(cells: &[String; 5]) -> Vec<String> {
    let mut columns: Vec<std::vec::IntoIter<String>> = cells
        .iter()
        .zip(COLUMNS)
        .map(|(cell, (_, width))| folded(cell, width).into_iter())
        .collect();
    let mut lines = vec![];
    loop {
        let parts: Vec<Option<String>> = columns.iter_mut().map(Iterator::next).collect();
        if parts.iter().all(Option::is_none) {
            return lines;
        }
        let padded = parts.into_iter().zip(COLUMNS).map(|(part, (_, width))| {
            let part = part.unwrap_or_default();
            let blank = width.saturating_sub(part.chars().count());
            format!("{part}{}", " ".repeat(blank))
        });
        lines.push(padded.collect::<Vec<_>>().join("  ").trim_end().to_owned());
    }
}

/// A text in lines of at most `width`, broken at blanks, or inside of a word that is longer.
fn folded(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if let Some(line) = lines.last_mut()
            && line.chars().count() + 1 + word.len() <= width
        {
            line.push(' ');
            line.extend(&word);
            continue;
        }
        while word.len() > width {
            lines.push(word.drain(..width).collect());
        }
        lines.push(word.into_iter().collect());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cell_goes_on_below_and_nothing_is_lost() {
        assert_eq!(folded("at least 3 GB", 8), ["at least", "3 GB"]);
        assert_eq!(folded("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert!(folded("", 4).is_empty());
        let cells = ["failed", "who holds it", "pid 7", "nobody", "end them"].map(str::to_owned);
        let line = row(&cells).join("\n");
        assert!(line.starts_with("failed    who holds it"), "{line}");
    }
}
