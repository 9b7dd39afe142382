//! `refit pack import`: a foreign archive or a folder becomes a pack's folder.

use super::refused;
use crate::{CliError, Exit, context::Context};
use clap::Args;
use refit_forge::{
    ForgeError,
    import::{Format, ImportOptions, import as bring_in},
};
use refit_names::{BuildId, ByteSize, ProductName};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit pack import ledger-12.tar.gz --out ledger --product ledger --to 1200 --from 1100 --strip 1\n  refit pack lint ledger"
)]
pub(super) struct ImportArgs {
    /// The archive (tar, tar.gz, tar.xz, tar.zst, zip, deb) or folder
    archive: PathBuf,
    /// The pack's folder; must be new
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The product; else as the archive calls it
    #[arg(long)]
    product: Option<ProductName>,
    /// The build that the pack leads to; else as the archive calls it
    #[arg(long, value_name = "BUILD")]
    to: Option<BuildId>,
    /// A build that it upgrades; once per build
    #[arg(long = "from", value_name = "BUILD")]
    from: Vec<BuildId>,
    /// Folders at the beginning of each path that are left out
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    strip: usize,
    /// What may come out of it
    #[arg(long, value_name = "SIZE", default_value = "64 GiB", value_parser = size)]
    size_max: ByteSize,
    /// Take names that differ only by case (Debian packages may always have them)
    #[arg(long)]
    case_sensitive: bool,
}

fn size(text: &str) -> Result<ByteSize, String> {
    ByteSize::parse(text).map_err(|error| error.to_string())
}

pub(super) fn import(args: &ImportArgs, context: &Context) -> Result<Exit, CliError> {
    let options = ImportOptions {
        product: args.product.clone(),
        to: args.to.clone(),
        from: args.from.clone(),
        strip: args.strip,
        size_max: args.size_max,
        case_sensitive: args.case_sensitive,
    };
    let report = bring_in(&args.archive, &args.out, &options).map_err(|error| {
        let details = match &error {
            ForgeError::Import { faults, .. } if faults.len() > 1 => faults.clone(),
            _ => Vec::new(),
        };
        refused(error).with_details(details)
    })?;
    let data = json!({
        "folder": args.out, "format": report.format, "entries": report.entries, "size": report.size,
        "product": report.product, "to": report.to,
    });
    context.output.data(&data, |_| args.out.display().to_string())?;
    if report.format == Format::Deb {
        context
            .output
            .say("the package's own scripts are left behind: put what they do into the runbook");
    }
    context.output.say(&format!(
        "{} entries, {}; fill in {}/pack.yaml, then: refit pack lint {}",
        report.entries,
        report.size,
        args.out.display(),
        args.out.display()
    ));
    Ok(Exit::Done)
}
