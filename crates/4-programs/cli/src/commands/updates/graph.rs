//! `refit updates graph`.

use super::path::refused;
use crate::{CliError, Exit, commands::repo::source::RepositoryAt, context::Context};
use clap::{Args, ValueEnum};
use refit_names::ProductName;
use refit_packs::catalog::PathError;

/// Arguments of `refit updates graph`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit updates graph --product ledger --format cincinnati\n  refit updates graph --product ledger --format dot --repository ./repository | dot -Tsvg > ledger.svg"
)]
pub(super) struct GraphArgs {
    /// The product
    #[arg(long)]
    product: ProductName,
    /// The form
    #[arg(long, value_enum, default_value = "cincinnati")]
    format: Format,
    #[command(flatten)]
    at: RepositoryAt,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// The JSON of the Cincinnati protocol
    Cincinnati,
    /// Our own JSON, with every edge and what stands in its way
    Json,
    /// Graphviz
    Dot,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Cincinnati => "cincinnati",
            Self::Json => "json",
            Self::Dot => "dot",
        }
    }
}

pub(super) async fn run(args: &GraphArgs, context: &Context) -> Result<Exit, CliError> {
    if args.at.repository.is_none() {
        let bytes = context.api()?.update_graph(&args.product, args.format.name()).await?;
        let text = String::from_utf8_lossy(&bytes);
        context.output.text(&text)?;
        return Ok(Exit::Done);
    }
    let opened = args.at.open(context).await?;
    let catalog = opened.repository.catalog().await?;
    let product = &args.product;
    if !catalog.packs.iter().any(|pack| pack.product == *product) {
        let mut known: Vec<_> = catalog.packs.iter().map(|pack| pack.product.clone()).collect();
        known.sort();
        known.dedup();
        return Err(refused(PathError::UnknownProduct { product: product.clone(), known }));
    }
    match args.format {
        Format::Dot => context.output.text(&catalog.graph(product).dot())?,
        Format::Json => context.output.event(&catalog.graph(product))?,
        Format::Cincinnati => context.output.event(&catalog.cincinnati(product))?,
    }
    Ok(Exit::Done)
}
