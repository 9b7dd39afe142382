//! `refit updates path`: by the server, or by a repository alone.

use super::{arrow, list};
use crate::{
    CliError, Exit, commands::repo::source::RepositoryAt, context::Context, output::table,
};
use clap::Args;
use refit_names::{BuildId, ByteSize, ProductName};
use refit_packs::{
    catalog::{Catalog, PathError},
    manifest::IssueAction,
};
use refit_protocol::v1::PathView;

/// Arguments of `refit updates path`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit updates path --product ledger --from 1000 --to 1200\n  refit updates path --product ledger --from 1000 --to 1200 --repository ./repository"
)]
pub(super) struct PathArgs {
    /// The product
    #[arg(long)]
    product: ProductName,
    /// The installed build
    #[arg(long)]
    from: BuildId,
    /// The wanted build
    #[arg(long)]
    to: BuildId,
    #[command(flatten)]
    at: RepositoryAt,
}

pub(super) async fn run(args: &PathArgs, context: &Context) -> Result<Exit, CliError> {
    let path = if args.at.repository.is_some() {
        let opened = args.at.open(context).await?;
        let catalog = opened.repository.catalog().await?;
        find(&catalog, args)?
    } else {
        context.api()?.path(&args.product, &args.from, &args.to).await?
    };
    context.output.data(&path, people)?;
    Ok(Exit::Done)
}

fn find(catalog: &Catalog, args: &PathArgs) -> Result<PathView, CliError> {
    let route = catalog.route(&args.product, &args.from, &args.to).map_err(refused)?;
    let to = route.packs.iter().map(|pack| &pack.to);
    Ok(PathView {
        product: args.product.clone(),
        builds: std::iter::once(&args.from).chain(to).cloned().collect(),
        size: ByteSize(route.packs.iter().map(|pack| pack.size.0).sum()),
        packs: route.packs.into_iter().cloned().collect(),
        remarks: route.remarks,
    })
}

/// The same exit codes as with a server.
pub(super) fn refused(error: PathError) -> CliError {
    let unknown =
        matches!(error, PathError::UnknownProduct { .. } | PathError::UnknownBuild { .. });
    let mut error = CliError::from(error);
    error.exit = if unknown { Exit::NotFound } else { Exit::Blocked };
    error
}

fn people(path: &PathView) -> String {
    let rows = path.packs.iter().map(|pack| {
        [
            pack.to.to_string(),
            list::kind(pack.kind).to_owned(),
            pack.size.to_string(),
            pack.record_digest.to_string(),
            pack.title.clone(),
        ]
    });
    let packs = table(["to", "kind", "size", "record", "title"], rows.collect());
    let mut text = format!("{} {}: {}\n\n{packs}", path.product, arrow(&path.builds), path.size);
    for remark in &path.remarks {
        text.push_str(&format!("\n{remark}"));
    }
    for pack in &path.packs {
        for issue in &pack.known_issues {
            let action = match issue.action {
                IssueAction::Hold => "holds",
                IssueAction::Warn => "warns",
            };
            text.push_str(&format!(
                "\nknown issue {} of {} ({action}): {}",
                issue.id, pack.to, issue.text
            ));
        }
    }
    text
}
