//! Sub-stage 3: the agent itself, brought to the version that the packs need.

use super::{Preparation, StageError, blocking};
use crate::agent_release::{self, VERSION, suffices};
use refit_names::{Coded, ErrorClass, TargetName};
use refit_repository::Repository;
use std::{env::consts::ARCH, io, path::PathBuf};

/// Why the agent cannot be brought to the version that a pack needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdaterError {
    /// The repository has no such program.
    #[error(
        "packs need agent {needed}, this is agent {VERSION}, and the repository has no `agent/VERSION/{ARCH}/refit-agent` with a sufficient version"
    )]
    NoneOffered { needed: String },
    /// It was tried and given up.
    #[error("packs need agent {needed}; agent {version} was tried and given up: {because}")]
    GivenUp { needed: String, version: String, because: String },
    /// It is not what it is named after.
    #[error("program of agent {version} is not usable: {because}")]
    Unusable { version: String, because: String },
    /// The file system refused.
    #[error("failed to {action} {}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Coded for UpdaterError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoneOffered { .. } => "agent.too-old",
            Self::GivenUp { .. } | Self::Unusable { .. } => "agent.upgrade-failed",
            Self::Io { .. } => "agent.file-system",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

impl Preparation<'_> {
    pub(super) async fn upgrade_updater(&mut self) -> Result<String, StageError> {
        let records = self.agent.orders.records(self.order)?;
        let needs = records.iter().filter_map(|record| record.manifest.agent_min.as_deref());
        let Some(needed) = needs
            .filter(|needed| !suffices(VERSION, needed))
            .max_by_key(|n| agent_release::numbers(n))
        else {
            return Ok(format!("agent {VERSION}: compatible, nothing to do"));
        };
        self.refuse_given_up(needed)?;
        let repository = self.repository().await?;
        let Some((version, target)) = best(&repository, needed) else {
            return Err(UpdaterError::NoneOffered { needed: needed.to_owned() }.into());
        };
        let folder = self.agent.state.join("agent").join(&version);
        let program = folder.join("refit-agent");
        std::fs::create_dir_all(&folder).map_err(|source| UpdaterError::Io {
            action: "create",
            path: folder.clone(),
            source,
        })?;
        repository.save(&target, &program).await?;
        let (tried, named) = (program.clone(), version.clone());
        blocking(move || agent_release::try_out(&tried, &named))
            .await?
            .map_err(|because| UpdaterError::Unusable { version: version.clone(), because })?;
        // Nothing of an order runs during prepare, so this process may end here; the sub-stage goes on in the new version.
        tracing::info!(version, "starting anew with the newer agent");
        let source = agent_release::select_and_restart(&self.agent.state, &version, &program);
        Err(UpdaterError::Io { action: "start", path: program, source }.into())
    }

    /// A version that was given up is not tried again until the folder `agent` is cleared.
    fn refuse_given_up(&self, needed: &str) -> Result<(), UpdaterError> {
        let path = self.agent.state.join("agent");
        let selected = agent_release::selected(&self.agent.state)
            .map_err(|source| UpdaterError::Io { action: "read", path, source })?;
        match selected {
            Some(agent_release::Selected { version, failed: Some(because), .. })
                if suffices(&version, needed) =>
            {
                Err(UpdaterError::GivenUp { needed: needed.to_owned(), version, because })
            }
            _ => Ok(()),
        }
    }
}

/// The newest program for this machine that suffices.
fn best(repository: &Repository, needed: &str) -> Option<(String, TargetName)> {
    let offered = repository.targets().into_iter().filter_map(|name| {
        let version = version_of(&name)?.to_owned();
        suffices(&version, needed).then_some(())?;
        Some((version, TargetName::parse(name).ok()?))
    });
    offered.max_by_key(|(version, _)| agent_release::numbers(version))
}

/// `agent/VERSION/ARCH/refit-agent` for this machine's architecture.
fn version_of(target: &str) -> Option<&str> {
    match target.split('/').collect::<Vec<_>>()[..] {
        ["agent", version, arch, "refit-agent"] if arch == ARCH => Some(version),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_for_this_machine_count() {
        assert_eq!(version_of(&format!("agent/1.2.0/{ARCH}/refit-agent")), Some("1.2.0"));
        assert_eq!(version_of("agent/1.2.0/other/refit-agent"), None);
        assert_eq!(version_of("packs/1.2.0/x/refit-agent"), None);
    }
}
