//! What runs a product: one trait, three back ends.

mod commands;
mod supervised;
pub(crate) mod systemd;

use crate::{
    command::Run,
    error::StepError,
    product::{ProductConfig, ServiceConfig},
};
use refit_inventory::ServiceState;
use refit_names::ParameterName;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// The services of one product.
pub trait Service: Send + Sync {
    /// Whether they run.
    ///
    /// # Errors
    /// [`StepError`] when that cannot be seen.
    fn state(&self) -> Result<ServiceState, StepError>;
    /// Starts them and lets a boot start them again where it did before; does nothing where they run.
    ///
    /// # Errors
    /// [`StepError`] when they do not run within `limit`.
    fn start(&self, limit: Duration) -> Result<(), StepError>;
    /// Stops them and keeps a boot from starting them; does nothing where they are stopped.
    ///
    /// # Errors
    /// [`StepError`] when they are not stopped within `limit`.
    fn stop(&self, limit: Duration) -> Result<(), StepError>;
    /// Names of systemd units, for logs.
    fn units(&self) -> &[String];
    /// What they said last since they were started, for people; none where the back end cannot know, or they said nothing.
    fn last_words(&self) -> Option<String> {
        None
    }
    /// Whether a process is one of theirs and ends with them; none where the back end cannot say.
    fn owns(&self, pid: i32) -> Option<bool> {
        let _ = pid;
        None
    }
}

/// The back end that the configuration names. `state` is the agent's state folder.
///
/// After a boot the agent starts supervised services with it, but only where no order is begun: a begun order knows better.
#[must_use]
pub fn open(product: &ProductConfig, state: &Path) -> Box<dyn Service> {
    open_with(product, state, &product_values(product))
}

/// As [`open`], with the order's values in the environment of what is started.
pub(crate) fn open_with(
    product: &ProductConfig,
    state: &Path,
    values: &BTreeMap<ParameterName, String>,
) -> Box<dyn Service> {
    let mut environment = parameter_environment(values);
    environment.insert("REFIT_ROOT".to_owned(), product.root.display().to_string());
    environment.insert("REFIT_PRODUCT".to_owned(), product.name.to_string());
    let run = |argv: &[String]| Run {
        argv: argv.to_vec(),
        folder: product.root.clone(),
        below: product.root.clone(),
        environment: environment.clone(),
        user: product.user.clone(),
        secrets: product.secrets.values().cloned().collect(),
    };
    let folder = state.join("services");
    let name = product.name.to_string();
    match &product.service {
        ServiceConfig::Supervised { run: argv } => {
            Box::new(supervised::Supervised::new(name, run(argv), folder))
        }
        ServiceConfig::Systemd { units } => {
            Box::new(systemd::Units::new(name, units.clone(), folder))
        }
        ServiceConfig::Commands { start, stop, status } => {
            Box::new(commands::Commands::new(name, [run(start), run(stop), run(status)]))
        }
    }
}

/// What the host's configuration says, secrets among it.
pub(crate) fn product_values(product: &ProductConfig) -> BTreeMap<ParameterName, String> {
    let mut values = product.parameters.clone();
    values.extend(product.secrets.clone());
    values
}

/// `REFIT_PARAM_NAME` for each value.
pub(crate) fn parameter_environment(
    values: &BTreeMap<ParameterName, String>,
) -> BTreeMap<String, String> {
    let key = |name: &ParameterName| {
        let plain =
            name.as_str().to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        format!("REFIT_PARAM_{plain}")
    };
    values.iter().map(|(name, value)| (key(name), value.clone())).collect()
}

/// The word for people.
pub(crate) const fn state_name(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Running => "running",
        ServiceState::Stopped => "stopped",
        ServiceState::Mixed => "between running and stopped",
        ServiceState::Unknown => "unknown",
    }
}
