//! `refit repo export|import`: packs for sites that no network reaches.

use super::{
    client,
    source::{RepositoryAt, folder_address, source},
};
use crate::{CliError, Exit, context::Context, output::table};
use clap::Args;
use refit_names::{BuildId, ByteSize, ProductName, counted};
use refit_repository::medium::{self, ImportOptions, Medium, MediumError, Selection};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Arguments of `refit repo export`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo export /media/usb/refit --repository ./repository --product ledger --from 1000 --to 1200"
)]
pub(super) struct ExportArgs {
    /// The medium's folder: empty, or a medium to go on with
    dir: PathBuf,
    #[command(flatten)]
    at: RepositoryAt,
    /// Only packs of this product
    #[arg(long)]
    product: Option<ProductName>,
    /// Only packs on the path from this build
    #[arg(long, requires_all = ["product", "to"])]
    from: Option<BuildId>,
    /// Only packs on the path to this build
    #[arg(long, requires = "from")]
    to: Option<BuildId>,
}

/// Arguments of `refit repo import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo import /media/usb/refit --into /srv/repository --root root.json\n  refit server --repository-metadata file:///srv/repository/metadata/ --repository-targets file:///srv/repository/targets/ --repository-root root.json …"
)]
pub(super) struct ImportArgs {
    /// The medium's folder
    dir: PathBuf,
    /// A repository's folder, or a server's state (its folder `media` is used, and its root)
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The root that is trusted, at the first time
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Only verifies
    #[arg(long)]
    dry_run: bool,
}

/// How an error of a medium ends.
fn refused(error: MediumError) -> CliError {
    match error {
        MediumError::Repository(error) => client::refused(error),
        MediumError::Path(error) => CliError { exit: Exit::Blocked, ..CliError::from(error) },
        MediumError::NotEmpty { .. } => CliError { exit: Exit::Blocked, ..CliError::from(error) },
        MediumError::NotAMedium { .. } => {
            CliError { exit: Exit::NotVerified, ..CliError::from(error) }
        }
        MediumError::Damaged { path, faults } => CliError::new(
            "medium.damaged",
            Exit::NotVerified,
            format!(
                "medium {} has {}, nothing was copied",
                path.display(),
                counted(faults.len(), "fault")
            ),
        )
        .with_details(faults),
        other => CliError::from(other),
    }
}

pub(super) async fn export(args: &ExportArgs, context: &Context) -> Result<Exit, CliError> {
    if args.at.repository.is_none() {
        return Err(CliError::usage("nothing to export from: give --repository FOLDER|URL"));
    }
    let selection = match (&args.product, &args.from, &args.to) {
        (Some(product), Some(from), Some(to)) => {
            Selection::Path { product: product.clone(), from: from.clone(), to: to.clone() }
        }
        (Some(product), ..) => Selection::Product(product.clone()),
        (None, ..) => Selection::All,
    };
    let opened = args.at.open(context).await?;
    let now = context.ambient.clock.now();
    let medium =
        medium::export(&opened.repository, &args.dir, &selection, now).await.map_err(refused)?;
    context.output.data(&medium, people)?;
    context.output.say(&format!(
        "{} is complete; its metadata are believed until {}",
        args.dir.display(),
        medium.expires_at
    ));
    Ok(Exit::Done)
}

fn people(medium: &Medium) -> String {
    let rows = medium.packs.iter().map(|pack| {
        let from = pack.from.iter().map(BuildId::as_str).collect::<Vec<_>>().join(", ");
        [pack.product.to_string(), from, pack.to.to_string(), pack.record.to_string()]
    });
    let size = ByteSize(medium.files.iter().map(|file| file.size.0).sum());
    format!(
        "{}\n{} files, {size}",
        table(["product", "from", "to", "record"], rows.collect()),
        medium.files.len()
    )
}

pub(super) async fn import(args: &ImportArgs, context: &Context) -> Result<Exit, CliError> {
    let (into, trust) = places(&args.into);
    let root = match &args.root {
        Some(root) => {
            Some(fs::read(root).map_err(|error| CliError::io("read", root.display(), error))?)
        }
        None => None,
    };
    let address = folder_address(&args.dir)?;
    let options = ImportOptions {
        medium: args.dir.clone(),
        into: into.clone(),
        trust,
        root,
        http: source(&address, context)?.http,
    };
    let now = context.ambient.clock.now();
    if args.dry_run {
        let medium = medium::verify(&options, now).await.map_err(refused)?;
        context.output.data(&medium, people)?;
        context.output.say("the medium holds; nothing was copied");
        return Ok(Exit::Done);
    }
    let report = medium::import(&options, now).await.map_err(refused)?;
    let data = json!({
        "into": into, "packs": report.medium.packs, "versions": report.medium.versions,
        "expires_at": report.medium.expires_at, "copied": report.copied,
    });
    context.output.data(&data, |_| people(&report.medium))?;
    context.output.say(&format!(
        "{} targets copied, {} were there already; the repository is {}",
        report.copied.fetched,
        report.copied.kept,
        into.display()
    ));
    Ok(Exit::Done)
}

/// Where a medium goes, and where its trust is remembered.
fn places(into: &Path) -> (PathBuf, PathBuf) {
    let server = into.join("tuf");
    if server.join("pinned.root.json").is_file() {
        return (into.join("media"), server);
    }
    (into.to_owned(), into.join("trust"))
}
