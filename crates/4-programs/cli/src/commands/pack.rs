//! `refit pack`: make, check, build, look at, compare and verify service packs.

mod compare;
mod example;
mod import;
mod lint;
mod look;
mod make;
mod origin;
mod shipped;
mod verify;

use crate::{CliError, Exit, context::Context};
use clap::{Args, Subcommand, ValueEnum};
pub(super) use look::schema;
pub(crate) use origin::RepoArgs;
use refit_forge::ForgeError;
use refit_names::ProductName;
use refit_packs::schema::SchemaOf;
use std::path::PathBuf;

/// Arguments of `refit pack`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit pack init ./hello\n  refit pack keygen --out signer.der\n  refit pack lint ./hello\n  refit pack build ./hello --out . --key signer.der\n  refit pack verify hello-1100.refit --key signer.pub.pem\n  refit pack diff hello-1100.refit ./hello\n  refit pack readme hello@1100 --repo ./repository"
)]
pub(crate) struct PackArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Writes a folder with a commented example that builds
    Init(InitArgs),
    /// Makes a key that signs packs: FILE and its public half beside it
    Keygen(KeygenArgs),
    /// Makes a pack's folder from an archive (tar, tar.gz, tar.xz, tar.zst, zip, deb) or a folder, with a manifest to fill in
    Import(import::ImportArgs),
    /// Finds every fault of a pack's folder, and gives advice: exit code 1 with faults, 0 without
    Lint(FolderArgs),
    /// Builds the folder's pack as one file, NAME-BUILD.refit: the same bytes for the same input
    Build(BuildArgs),
    /// Shows what a pack says: manifest, sizes, steps
    Inspect(InspectArgs),
    /// Shows what differs between two packs: manifest, runbook, files
    Diff(DiffArgs),
    /// Proves that every byte is what was built, who signed it, and with --repo that it is what was published
    Verify(VerifyArgs),
    /// Prints a pack's read-me
    Readme(InspectArgs),
    /// Prints a JSON Schema (draft 2020-12)
    Schema(SchemaArgs),
}

#[derive(Debug, Args)]
struct InitArgs {
    /// The folder; must be new or empty
    folder: PathBuf,
    /// The product's name
    #[arg(long, default_value = "hello", value_parser = parse_product)]
    product: ProductName,
    /// Begins with a runbook that Refit ships and has rehearsed (runbooks/README.md), with its programs
    #[arg(long, value_enum)]
    runbook: Option<shipped::Shipped>,
}

#[derive(Debug, Args)]
struct KeygenArgs {
    /// The private key's file (PKCS#8 DER, readable by its owner only); the public key gets the ending .pub.pem
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct BuildArgs {
    /// The folder with pack.yaml
    folder: PathBuf,
    /// The folder for the pack, or the file itself if the name ends in .refit
    #[arg(long, default_value = ".", value_name = "PATH")]
    out: PathBuf,
    /// Older build to make deltas from: its NAME-BUILD.refit or its folder; may be given several times
    #[arg(long, value_name = "PATH")]
    against: Vec<PathBuf>,
    /// Repository folder: deltas are made from every build in `from` that it has
    #[arg(long, value_name = "DIR")]
    against_repository: Option<PathBuf>,
    /// Private key that signs the pack
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Builds and checks, and writes nothing: exit code 8
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct FolderArgs {
    /// The folder with pack.yaml
    folder: PathBuf,
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// The pack: a file, a folder with pack.yaml, or PRODUCT@BUILD for a published one
    pack: String,
    #[command(flatten)]
    from: RepoArgs,
}

#[derive(Debug, Args)]
struct DiffArgs {
    /// The pack before: a file, a folder with pack.yaml, or PRODUCT@BUILD for a published one
    before: String,
    /// The pack after, likewise
    after: String,
    #[command(flatten)]
    from: RepoArgs,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The pack
    file: PathBuf,
    /// Public key (PEM or 64 hexadecimal digits) that must have signed it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    from: RepoArgs,
}

#[derive(Debug, Args)]
struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value = "pack")]
    of: SchemaName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemaName {
    /// pack.yaml
    Pack,
    /// A runbook
    Runbook,
    /// The signed record of a built pack
    Record,
    /// The catalogue of a repository
    Catalog,
}

fn parse_product(text: &str) -> Result<ProductName, String> {
    ProductName::parse(text).map_err(|error| error.to_string())
}

/// Runs it.
pub(crate) async fn run(args: PackArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Init(args) => make::init(&args, context),
        Verb::Keygen(args) => make::keygen(&args, context),
        Verb::Import(args) => import::import(&args, context),
        Verb::Lint(args) => lint::lint(&args, context),
        Verb::Build(args) => make::build(&args, context),
        Verb::Inspect(args) => look::inspect(&args, context).await,
        Verb::Diff(args) => compare::diff(&args, context).await,
        Verb::Verify(args) => verify::verify(&args, context).await,
        Verb::Readme(args) => look::readme(&args, context).await,
        Verb::Schema(args) => look::schema(args.of.into(), context),
    }
}

impl From<SchemaName> for SchemaOf {
    fn from(name: SchemaName) -> Self {
        match name {
            SchemaName::Pack => Self::Pack,
            SchemaName::Runbook => Self::Runbook,
            SchemaName::Record => Self::Record,
            SchemaName::Catalog => Self::Catalog,
        }
    }
}

/// An error about what was signed or built ends with the exit code for that, whatever its code is called; so does a missing file.
pub(super) fn refused(error: ForgeError) -> CliError {
    let exit = match &error {
        error if error.is_verification() => Some(Exit::NotVerified),
        ForgeError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Some(Exit::NotFound)
        }
        _ => None,
    };
    let mut error = CliError::from(error);
    error.exit = exit.unwrap_or(error.exit);
    error
}

/// The runbook of a pack, with what the pack says of its times.
pub(crate) async fn runbook_of(
    pack: &str,
    from: &RepoArgs,
    context: &Context,
) -> Result<(refit_packs::runbook::Runbook, Option<refit_packs::manifest::Estimate>), CliError> {
    let record = origin::open(pack, from, context).await?.record;
    Ok((record.runbook, Some(record.manifest.estimate)))
}

/// Names of the runbooks that Refit ships, and what each is for.
pub(crate) fn shipped_runbooks() -> Vec<(String, String)> {
    shipped::runbooks()
}

/// The text of a runbook that Refit ships.
pub(crate) fn shipped_runbook(name: &str) -> Option<&'static str> {
    shipped::runbook_text(name)
}
