//! `refit repo withdraw`.

use super::{
    keys::{Sealed, confirm, lasting, refused, show_stage},
    source::RepositoryAt,
};
use crate::{CliError, Exit, context::Context, span};
use clap::Args;
use refit_forge::{
    ForgeError,
    repo::{self, TARGETS, Visible, Withdrawal},
};
use refit_names::{BuildId, ProductName};
use serde_json::json;
use std::{path::PathBuf, time::Duration};

/// Arguments of `refit repo withdraw`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo withdraw ledger 1200 --in ./repository --keys ./keys --reason \"damages indexes\"\n\nA withdrawal is for ever: publish a repaired release as a new build that supersedes this one."
)]
pub(super) struct WithdrawArgs {
    /// The product
    product: ProductName,
    /// The build that the pack leads to
    build: BuildId,
    /// Why: planners, hosts and notifications show it
    #[arg(long)]
    reason: String,
    /// The repository's folder
    #[arg(long = "in", value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The folder with the private keys; without it the change waits for signatures (`refit repo sign`)
    #[arg(long, value_name = "DIR", required_unless_present = "stage")]
    keys: Option<PathBuf>,
    /// Leaves the change for its signers
    #[arg(long, conflicts_with = "keys")]
    stage: bool,
    /// Whose catalogue says it: the operator's own, or a vendor's
    #[arg(long, value_name = "ROLE", default_value = TARGETS)]
    role: String,
    #[command(flatten)]
    sealed: Sealed,
    /// How long what is published is believed, until it is renewed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
    /// Only shows what would be withdrawn
    #[arg(long)]
    dry_run: bool,
    /// Does not ask
    #[arg(long)]
    yes: bool,
}

/// Runs it.
pub(super) async fn run(args: &WithdrawArgs, context: &Context) -> Result<Exit, CliError> {
    let published = published(args, context).await?;
    let pack = published.iter().find(|pack| pack.product == args.product && pack.to == args.build);
    let Some(pack) = pack else {
        let of_product = published.iter().filter(|pack| pack.product == args.product);
        let mut error = refused(ForgeError::UnknownPack {
            product: args.product.clone(),
            build: args.build.clone(),
            known: of_product.map(|pack| pack.to.clone()).collect(),
        });
        error.exit = Exit::NotFound;
        return Err(error);
    };
    let data = json!({
        "product": args.product, "build": args.build, "record": pack.record_digest,
        "reason": args.reason, "withdrawn_before": pack.withdrawn,
    });
    if args.dry_run {
        return shown(args, data, "would be withdrawn", context);
    }
    let from = pack.from.iter().map(BuildId::as_str).collect::<Vec<_>>().join(", ");
    let question = format!(
        "withdraw {} {} (from {from}) for ever? Rollouts with it stop.",
        args.product, args.build
    );
    confirm(&question, args.yes, context)?;
    let what = Withdrawal {
        product: args.product.clone(),
        build: args.build.clone(),
        reason: args.reason.clone(),
        role: args.role.clone(),
        vendors: (args.role == TARGETS).then(|| pack.clone()),
    };
    let (now, expires) = (context.ambient.clock.now(), lasting(args.expires)?);
    let Some(keys) = &args.keys else {
        let report = repo::stage_withdrawal(&args.dir, &what, expires, now).map_err(refused)?;
        return show_stage(&report, data, context);
    };
    let ring = args.sealed.ring(keys)?;
    let Visible { version, expires } =
        repo::withdraw(&args.dir, &ring, &what, expires, now).map_err(refused)?;
    shown(args, data, "is withdrawn", context)?;
    context.output.say(&format!("metadata version {version}, believed until {expires}"));
    Ok(Exit::Done)
}

/// What clients see now, over all who may publish: also what a vendor published can be taken back.
async fn published(
    args: &WithdrawArgs,
    context: &Context,
) -> Result<Vec<refit_packs::catalog::PackSummary>, CliError> {
    let at = RepositoryAt {
        repository: Some(args.dir.display().to_string()),
        root: Some(args.dir.join("metadata/1.root.json")),
        trust: None,
    };
    let opened = at.open(context).await?;
    let catalog = opened.repository.catalog().await.map_err(super::client::refused)?;
    Ok(catalog.packs)
}

fn shown(
    args: &WithdrawArgs,
    data: serde_json::Value,
    what: &str,
    context: &Context,
) -> Result<Exit, CliError> {
    context
        .output
        .data(&data, |_| format!("{} {} {what}: {}", args.product, args.build, args.reason))?;
    Ok(Exit::Done)
}
