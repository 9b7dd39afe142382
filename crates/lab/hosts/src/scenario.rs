//! What a scenario of the lab is: hosts with a product, packs for it, and what must have become of both.

use crate::{
    control::Control, file_print::FilePrint, lab::Lab, machine::Machine,
    operating_system::OperatingSystem, pair::Pair, tally::Tally, web::Web,
};
use anyhow::{Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// One rehearsal of a runbook on hosts of its own.
pub(crate) trait Scenario: Sync + Send {
    /// How it is chosen on the command line; the folder of its runbook.
    fn name(&self) -> &'static str;
    /// The role of its hosts.
    fn role(&self) -> &'static str;
    /// Its hosts, in the order in which they are switched off.
    fn hosts(&self) -> Vec<&Machine>;
    /// What stands in the rollout: product, builds, shape.
    fn campaign(&self) -> Campaign;
    /// Puts files on the hosts before they boot.
    fn lay_out(&self, lab: &Lab) -> Result<()>;
    /// Makes the product run on the booted hosts, as its packages leave it.
    fn install(&self, lab: &Lab) -> Result<()>;
    /// Puts the packs together; answers with their folders.
    fn packs(&self, lab: &Lab) -> Result<Vec<PathBuf>>;
    /// The configuration of a host's agent; none where no agent runs.
    fn agent(&self, lab: &Lab, host: &Machine) -> Option<String>;
    /// Rows of the fleet's list: name, site, role, owner, criticality, tags, cluster.
    fn fleet(&self) -> &'static str;
    /// What the operator answers to the question of a step, as words for `refit rollout answer`; none where nothing is asked.
    fn answer(&self, _: &Lab, _step: &str) -> Option<Vec<String>> {
        None
    }
    /// What is done once the server knows the hosts and before anything is planned.
    fn arrange(&self, lab: &Lab, control: &Control) -> Result<()>;
    /// Holds what the server says, and what the lab sees, against what must have happened.
    fn check(&self, lab: &Lab, view: &Value, tally: &Tally);
}

/// What a rollout is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Campaign {
    /// The rollout's name.
    pub(crate) rollout: &'static str,
    pub(crate) product: &'static str,
    /// The build that is there before.
    pub(crate) first: &'static str,
    pub(crate) target: &'static str,
    /// More words for `refit rollout create`.
    pub(crate) shape: &'static [&'static str],
}

/// Every scenario of the lab.
pub(crate) fn all(folder: &Path) -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(Web::new(folder)),
        Box::new(FilePrint::new(folder)),
        Box::new(Pair::new(folder)),
        Box::new(OperatingSystem::new(folder)),
    ]
}

/// The places of the scenarios with these names; all of them when none is named.
pub(crate) fn choose(all: &[Box<dyn Scenario>], names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..all.len()).collect());
    }
    let known: Vec<&str> = all.iter().map(|scenario| scenario.name()).collect();
    let place = |name: &String| match known.iter().position(|known| known == name) {
        Some(place) => Ok(place),
        None => bail!("there is no scenario `{name}`: expected one of {}", known.join(", ")),
    };
    names.iter().map(place).collect()
}
