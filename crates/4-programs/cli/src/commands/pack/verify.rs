//! `refit pack verify`: every byte of a file is what was built, by whom, and the same as what is published.

use super::{VerifyArgs, origin, refused};
use crate::{CliError, Exit, context::Context};
use refit_forge::{PackFile, key::PublicKey};
use serde_json::json;

pub(super) async fn verify(args: &VerifyArgs, context: &Context) -> Result<Exit, CliError> {
    let key = args.key.as_deref().map(PublicKey::read).transpose().map_err(refused)?;
    let file = PackFile::read(&args.file).map_err(refused)?;
    let verified = file.verify(key.as_ref()).map_err(refused)?;
    let manifest = &file.record().manifest;
    if args.from.is_given() {
        let published =
            origin::of_repository(&manifest.product, &manifest.to, &args.from, context).await?;
        if published.digest != verified.record {
            let text = format!(
                "{} is not what is published as {}: expected record {}, found {}",
                args.file.display(),
                published.shown,
                published.digest,
                verified.record
            );
            return Err(CliError::new("pack.damaged", Exit::NotVerified, text));
        }
    }
    let signer = verified.signer.map(|signer| signer.to_string());
    let data = json!({
        "file": args.file, "sha256": verified.file.to_hex(), "record": verified.record,
        "bundle": file.record().bundle.digest, "signer": signer, "published": args.from.is_given(),
    });
    context
        .output
        .data(&data, |_| format!("{}  {}", verified.file.to_hex(), args.file.display()))?;
    context.output.say(&match signer {
        Some(signer) if key.is_some() => format!("whole, signed by {signer}"),
        Some(signer) => {
            format!("whole, signed by {signer} (give --key to prove that this is who you think)")
        }
        None => "whole, not signed".to_owned(),
    });
    if args.from.is_given() {
        context.output.say("published with the same record and bundle");
    }
    Ok(Exit::Done)
}
