//! `refit updates`: which updates there are, and the path to them.

use crate::{CliError, Exit, context::Context, output::table};
use clap::{Args, Subcommand};
use refit_names::{BuildId, ProductName};

/// Arguments of `refit updates`.
#[derive(Debug, Args)]
pub(crate) struct UpdatesArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists installed builds with the number of servers and where they can go
    #[command(after_help = "Example:\n  refit updates list --refresh")]
    List {
        /// Asks the repository first
        #[arg(long)]
        refresh: bool,
    },
    /// Shows the shortest published path between two builds
    #[command(after_help = "Example:\n  refit updates path --product ledger --from 1000 --to 1200")]
    Path {
        /// The product
        #[arg(long)]
        product: ProductName,
        /// The installed build
        #[arg(long)]
        from: BuildId,
        /// The wanted build
        #[arg(long)]
        to: BuildId,
    },
}

fn arrow(builds: &[BuildId]) -> String {
    builds.iter().map(BuildId::as_str).collect::<Vec<_>>().join(" → ")
}

/// Runs it.
pub(crate) async fn run(args: UpdatesArgs, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    match args.verb {
        Verb::List { refresh } => {
            if refresh {
                api.refresh_repository().await?;
            }
            let updates = api.updates().await?;
            context.output.data(&updates, |updates| {
                let row =
                    |product: &ProductName, installed: &BuildId, servers: u64, path: String| {
                        [product.to_string(), installed.to_string(), servers.to_string(), path]
                    };
                let rows = updates.iter().flat_map(|update| {
                    let (product, installed) = (&update.product, &update.installed);
                    let paths: Vec<_> = match update.paths.as_slice() {
                        [] => vec!["nothing newer is published".to_owned()],
                        paths => paths.iter().map(|path| arrow(path)).collect(),
                    };
                    paths.into_iter().map(move |path| row(product, installed, update.servers, path))
                });
                table(["product", "installed", "servers", "path"], rows.collect())
            })?;
        }
        Verb::Path { product, from, to } => {
            let path = api.path(&product, &from, &to).await?;
            context.output.data(&path, |path| {
                let rows = path.packs.iter().map(|pack| {
                    [
                        pack.to.to_string(),
                        pack.size.to_string(),
                        pack.record_digest.to_string(),
                        pack.title.clone(),
                    ]
                });
                let packs = table(["to", "size", "record", "title"], rows.collect());
                format!("{} {}: {}\n\n{packs}", path.product, arrow(&path.builds), path.size)
            })?;
        }
    }
    Ok(Exit::Done)
}
