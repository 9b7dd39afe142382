//! Decisions of people: each names the plan that it is about.

use super::{Decide, show};
use crate::commands::user::right;
use crate::{CliError, Exit, context::Context};
use clap::Args;
use refit_client::ApiClient;
use refit_names::{Digest, RolloutName};
use refit_plan::Advance;
use refit_protocol::v1::{Configuration, Decision, Reason, Right, RolloutView};

/// A rollout and why something is done to it.
#[derive(Debug, Args)]
pub(crate) struct Because {
    /// The rollout
    pub(super) name: RolloutName,
    /// Why
    #[arg(long)]
    reason: String,
}

impl Because {
    /// As the API wants it.
    pub(super) fn reason(&self) -> Reason {
        Reason { reason: self.reason.clone() }
    }
}

/// Arguments of `refit rollout configure`.
#[derive(Debug, Args)]
pub(crate) struct ConfigureArgs {
    /// The rollout
    name: RolloutName,
    /// Servers that may be down at the same time, at most what the plan says
    #[arg(long)]
    parallel: Option<u32>,
    /// The next wave starts only when someone says so
    #[arg(long, conflicts_with = "automatic")]
    manual: bool,
    /// The next wave starts by itself
    #[arg(long)]
    automatic: bool,
    /// Who must sign each certificate [default: deployer, application-owner]
    #[arg(long = "party", value_parser = right)]
    parties: Vec<Right>,
}

pub(super) async fn configure(
    api: &ApiClient,
    args: ConfigureArgs,
) -> Result<RolloutView, CliError> {
    let default = [Right::Deployer, Right::ApplicationOwner];
    let parties =
        if args.parties.is_empty() { default.into() } else { args.parties.into_iter().collect() };
    let advance = match (args.manual, args.automatic) {
        (true, _) => Some(Advance::Manual),
        (_, true) => Some(Advance::Automatic),
        _ => None,
    };
    Ok(api
        .configure(&args.name, &Configuration { parallel: args.parallel, advance, parties })
        .await?)
}

pub(super) async fn agree(
    context: &Context,
    api: &ApiClient,
    args: Decide,
) -> Result<RolloutView, CliError> {
    let plan = chosen(context, api, &args, "agree to").await?;
    Ok(api.agree(&args.name, &Decision { plan, remark: args.remark }).await?)
}

pub(super) async fn authorise(
    context: &Context,
    api: &ApiClient,
    args: Decide,
) -> Result<RolloutView, CliError> {
    let plan = chosen(context, api, &args, "authorise").await?;
    Ok(api.authorise(&args.name, &Decision { plan, remark: args.remark }).await?)
}

/// The plan that was named, or the current one after it was shown.
async fn chosen(
    context: &Context,
    api: &ApiClient,
    args: &Decide,
    verb: &str,
) -> Result<Digest, CliError> {
    if let Some(plan) = args.plan {
        return Ok(plan);
    }
    let current = api.plan(&args.name).await?;
    context.output.say(&show::plan_text(&current));
    if args.yes {
        return Ok(current.hash);
    }
    if !context.output.can_ask() {
        return Err(CliError::usage(
            "nobody can be asked here: name the plan with --plan HASH, or say --yes",
        ));
    }
    if context.output.ask(&format!("{verb} plan {}?", current.hash))? {
        Ok(current.hash)
    } else {
        Err(CliError::new("cli.declined", Exit::Blocked, "nothing was done: the answer was no"))
    }
}

pub(super) async fn cancel(
    context: &Context,
    api: &ApiClient,
    because: Because,
    yes: bool,
) -> Result<RolloutView, CliError> {
    let question = format!("give up rollout {}?", because.name);
    if !yes && !context.output.can_ask() {
        return Err(CliError::usage("nobody can be asked here: say --yes"));
    }
    if yes || context.output.ask(&question)? {
        return Ok(api.cancel(&because.name, &because.reason()).await?);
    }
    Err(CliError::new("cli.declined", Exit::Blocked, "nothing was done: the answer was no"))
}
