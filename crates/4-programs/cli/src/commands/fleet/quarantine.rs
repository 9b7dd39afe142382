//! `refit fleet clear-quarantine`: a build that was rolled back on a host may come again.

use crate::{CliError, Exit, context::Context, span};
use clap::Args;
use refit_names::{BuildId, HostName, ProductName};
use refit_protocol::v1::ClearQuarantine;
use std::time::Duration;

/// Between two looks at whether the host has done it.
const LOOK: Duration = Duration::from_millis(200);

/// Arguments of `refit fleet clear-quarantine`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit fleet clear-quarantine web-1 ledger 1200 --reason 'disk was full; has 20 GiB now'"
)]
pub(super) struct ClearArgs {
    /// The host
    host: HostName,
    /// The product
    product: ProductName,
    /// The build; `refit fleet show HOST` lists what is in quarantine, and why
    build: BuildId,
    /// What was done about the cause, for the record
    #[arg(long)]
    reason: String,
    /// How long to wait for the host
    #[arg(long, default_value = "30s", value_parser = span::parse)]
    timeout: Duration,
}

pub(super) async fn clear(args: ClearArgs, context: &Context) -> Result<Exit, CliError> {
    let ClearArgs { host, product, build, reason, timeout } = args;
    let api = context.api()?;
    let asked = ClearQuarantine { product: product.clone(), build: build.clone(), reason };
    let cleared = api.clear_quarantine(&host, &asked).await?;
    if !cleared.reachable {
        let text = format!(
            "agent of host `{host}` was not heard of lately: build {build} comes out of quarantine when it is back, if the server runs until then"
        );
        return Err(CliError::new("fleet.host-away", Exit::Blocked, text));
    }
    let done = async {
        loop {
            let record = api.host(&host).await?.record;
            let seen = record.product(&product);
            if seen.is_none_or(|seen| !seen.quarantined.contains_key(&build)) {
                return Ok::<_, CliError>(());
            }
            context.ambient.clock.sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = done => done?,
        () = context.ambient.clock.sleep(timeout) => {
            let text = format!("host `{host}` has not said within the time that build {build} may come again; it is told so for as long as the server runs");
            return Err(CliError::new("fleet.host-away", Exit::TimedOut, text));
        }
    }
    context.output.data(&cleared, |cleared| {
        format!(
            "{host}: build {build} of {product} may come again; it was kept away because: {}",
            cleared.because
        )
    })?;
    Ok(Exit::Done)
}
