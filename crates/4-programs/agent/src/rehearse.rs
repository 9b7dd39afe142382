//! Dry runs of runbooks: at this host's own command line, and for the server.

use crate::{backups, config::Config, error::AgentError, run::Agent};
use clap::Args;
use refit_ambient::Clock;
use refit_host::engine::{EngineError, RehearsalInput, rehearse};
use refit_journal::Cause;
use refit_names::{Coded, ErrorClass, ParameterName, ProductName};
use refit_packs::runbook::{self, RunbookError};
use refit_protocol::runbook_test::{RunbookTest, RunbookTestDone, RunbookTestRequest};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Why a runbook was not tried.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// It is no runbook.
    #[error(transparent)]
    Runbook(#[from] RunbookError),
    /// The host has no such product.
    #[error("product `{product}` is not in the agent's configuration, expected one of {known}")]
    NoProduct {
        /// Which.
        product: String,
        /// What it has.
        known: String,
    },
    /// The host does not answer, or has nothing installed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was remembered of the product cannot be read.
    #[error(transparent)]
    Backups(#[from] backups::BackupsError),
    /// It was tried, and would fail.
    #[error("runbook `{runbook}` would fail on this host: {steps}")]
    Fails {
        /// Which.
        runbook: String,
        /// The steps that would.
        steps: String,
    },
}

impl RehearsalError {
    /// The number in the documented list of exit codes.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoProduct { .. } => 3,
            Self::Engine(_) | Self::Backups(_) => 7,
            Self::Runbook(_) | Self::Fails { .. } => 1,
        }
    }
}

impl Coded for RehearsalError {
    fn code(&self) -> &'static str {
        match self {
            Self::Runbook(error) => error.code(),
            Self::NoProduct { .. } => "runbook.no-product",
            Self::Engine(error) => error.code(),
            Self::Backups(error) => error.code(),
            Self::Fails { .. } => "runbook.would-fail",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

/// Arguments of `runbook-test`.
#[derive(Debug, Args)]
pub struct RunbookTestArguments {
    /// The runbook.
    file: PathBuf,
    /// For which product; may be left out where the host has one.
    #[arg(long)]
    product: Option<ProductName>,
    /// A parameter's value; wins over the host's own.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(ParameterName, String)>,
    /// Folder for identity, journal, orders and content.
    #[arg(long, env = "REFIT_STATE", default_value = "/var/lib/refit-agent")]
    state: PathBuf,
    /// The products that this agent looks after.
    #[arg(long, env = "REFIT_AGENT_CONFIG", default_value = "/etc/refit/agent.toml")]
    config: PathBuf,
}

pub(crate) fn pair(text: &str) -> Result<(ParameterName, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    Ok((name.parse().map_err(|error| format!("{error}"))?, value.to_owned()))
}

/// Tries a runbook here; the text is printed before a failure is told.
///
/// # Errors
/// [`AgentError`] when it cannot be tried.
pub(crate) fn at_command_line(
    arguments: &RunbookTestArguments,
    clock: Arc<dyn Clock>,
) -> Result<RunbookTest, AgentError> {
    let RunbookTestArguments { file, product, set, state, config } = arguments;
    let text = fs::read_to_string(file).map_err(AgentError::io("read", file))?;
    let config = Config::load(config)?;
    let product = match (product, config.products.as_slice()) {
        (Some(product), _) => product.clone(),
        (None, [only]) => only.name.clone(),
        (None, _) => {
            return Err(no_product("(none was named)", &config).into());
        }
    };
    let set = set.iter().cloned().collect();
    Ok(attempt(&config, state, &product, &text, set, clock)?)
}

fn no_product(product: &str, config: &Config) -> RehearsalError {
    let known: Vec<&str> = config.products.iter().map(|product| product.name.as_str()).collect();
    RehearsalError::NoProduct { product: product.to_owned(), known: known.join(", ") }
}

fn attempt(
    config: &Config,
    state: &Path,
    name: &ProductName,
    text: &str,
    parameters: BTreeMap<ParameterName, String>,
    clock: Arc<dyn Clock>,
) -> Result<RunbookTest, RehearsalError> {
    let runbook = runbook::parse(text)?;
    let product = config.product(name).ok_or_else(|| no_product(name.as_str(), config))?;
    let unit = backups::known_unit(state, product)?.unwrap_or_default();
    let (product, state) = (product.clone(), state.to_owned());
    Ok(rehearse(RehearsalInput { product, unit, state, runbook, parameters, clock })?)
}

/// What would fail, if anything; a dry run that finds nothing is no error.
pub(crate) fn verdict(test: &RunbookTest) -> Result<(), RehearsalError> {
    if test.passes() {
        return Ok(());
    }
    let steps =
        test.failing().map(|step| format!("step `{}`: {}", step.step, step.notes.join("; ")));
    let all: Vec<String> = test.parameters.iter().cloned().chain(steps).collect();
    Err(RehearsalError::Fails { runbook: test.name.to_string(), steps: all.join("; ") })
}

/// Dry runs that the server asked for.
#[derive(Default)]
pub(crate) struct TestDesk {
    known: Mutex<(BTreeSet<u64>, Vec<RunbookTestDone>)>,
}

impl TestDesk {
    /// What ended and is still asked about.
    pub(crate) fn done(&self) -> Vec<RunbookTestDone> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn end(&self, done: RunbookTestDone) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).1.push(done);
    }
}

/// Takes what the server asks for; each number is done once.
pub(crate) fn hear(agent: &Arc<Agent>, asked: Vec<RunbookTestRequest>) {
    let mut known = agent.tests.known.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted: BTreeSet<u64> = asked.iter().map(|request| request.id).collect();
    known.0.retain(|id| wanted.contains(id));
    known.1.retain(|done| wanted.contains(&done.id));
    for request in asked {
        if !known.0.insert(request.id) {
            continue;
        }
        let agent = Arc::clone(agent);
        tokio::task::spawn_blocking(move || {
            tracing::info!(product = %request.product, id = request.id, "a runbook is tried, nothing is changed");
            let RunbookTestRequest { id, product, runbook, parameters } = request;
            let clock = Arc::clone(&agent.ambient.clock);
            let tried = attempt(&agent.config, &agent.state, &product, &runbook, parameters, clock);
            let done = match tried {
                Ok(test) => RunbookTestDone { id, test: Some(test), cause: None },
                Err(error) => RunbookTestDone { id, test: None, cause: Some(Cause::of(&error)) },
            };
            agent.tests.end(done);
            agent.board.news();
        });
    }
}
