//! What a new rollout is made of.

use crate::{CliError, Exit, span};
use clap::Args;
use refit_client::ApiClient;
use refit_inventory::Lifecycle;
use refit_names::{BuildId, HostName, PartName, Percent, ProductName, RolloutName};
use refit_plan::{Advance, Way};
use refit_protocol::v1::{NewRollout, WaveShape};
use std::time::Duration;

/// Arguments of `refit rollout create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its name
    name: RolloutName,
    /// What is upgraded
    #[arg(long)]
    product: ProductName,
    /// Where to
    #[arg(long)]
    target: BuildId,
    /// Takes servers back to the target, by removing the pack that was installed last (docs/installing.md)
    #[arg(long)]
    remove: bool,
    /// Only these servers; else all that have the product
    #[arg(long = "host")]
    hosts: Vec<HostName>,
    /// Only servers that this expression names now (docs/expressions.md); they are fixed when the rollout is made
    #[arg(long = "where", value_name = "EXPRESSION", conflicts_with = "hosts")]
    filter: Option<String>,
    /// Share of the servers in a wave, in per cent; once per wave [default: 10, 30, the rest]
    #[arg(long = "share", value_name = "PERCENT", value_parser = percent)]
    shares: Vec<Percent>,
    /// Share of a wave that must succeed before the next starts, in per cent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    goal: Option<Percent>,
    /// How long a wave is watched after its last server
    #[arg(long, value_parser = span::parse)]
    soak: Option<Duration>,
    /// When a wave stops waiting
    #[arg(long, value_parser = span::parse)]
    timeout: Option<Duration>,
    /// Servers that may be down at the same time
    #[arg(long)]
    parallel: Option<u32>,
    /// Time that people need behind each server to validate it; a window has to hold it
    #[arg(long, value_parser = span::parse)]
    validation: Option<Duration>,
    /// When everything must be finished, such as 2026-12-01 or 2026-12-01T06:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = super::plan::moment)]
    by: Option<jiff::Timestamp>,
    /// The next wave starts only when someone says so
    #[arg(long)]
    manual: bool,
    /// Failures, over all waves, that are borne before it halts
    #[arg(long, default_value_t = 1)]
    failure_budget: u32,
    /// People other than the author who must agree
    #[arg(long, default_value_t = 1)]
    approvals: u32,
    /// An optional part of the packs that is installed beside those that are by default; once per part
    #[arg(long = "part", value_name = "NAME")]
    parts: Vec<PartName>,
    /// An optional part of the packs that is left out; once per part
    #[arg(long, value_name = "NAME")]
    without: Vec<PartName>,
}

fn percent(text: &str) -> Result<Percent, String> {
    let number: u8 =
        text.parse().map_err(|_| format!("`{text}` is not a whole number from 0 to 100"))?;
    Percent::new(number).map_err(|error| error.to_string())
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl CreateArgs {
    /// Puts the servers that the expression names in its place. None at all is refused: it would mean every server.
    pub(super) async fn choose(mut self, api: &ApiClient) -> Result<Self, CliError> {
        let Some(filter) = self.filter.take() else { return Ok(self) };
        let found = api.hosts_where(Some(&filter)).await?;
        let active = found.into_iter().filter(|host| host.record.lifecycle == Lifecycle::Active);
        self.hosts = active.map(|host| host.record.name).collect();
        if self.hosts.is_empty() {
            let what = format!("no active host is named by `{filter}`, so no rollout was made");
            return Err(CliError::new("fleet.nobody", Exit::NotFound, what));
        }
        Ok(self)
    }

    /// The request, with the server's defaults where nothing was said.
    pub(super) fn into_request(self) -> NewRollout {
        let default = WaveShape::default();
        let waves = WaveShape {
            shares: if self.shares.is_empty() { default.shares } else { self.shares },
            goal: self.goal.unwrap_or(default.goal),
            soak_ms: self.soak.map_or(default.soak_ms, ms),
            timeout_ms: self.timeout.map_or(default.timeout_ms, ms),
            parallel: self.parallel.unwrap_or(default.parallel),
            advance: if self.manual { Advance::Manual } else { default.advance },
        };
        NewRollout {
            name: self.name,
            product: self.product,
            target: self.target,
            way: if self.remove { Way::Removal } else { Way::Forward },
            hosts: self.hosts.into_iter().collect(),
            waves,
            failure_budget: self.failure_budget,
            approvals_needed: self.approvals,
            demands: refit_protocol::v1::PlanDemands {
                validation_ms: self.validation.map_or(0, ms),
                deadline: self.by,
                parts: self.parts.into_iter().collect(),
                without_parts: self.without.into_iter().collect(),
                ..Default::default()
            },
        }
    }
}
