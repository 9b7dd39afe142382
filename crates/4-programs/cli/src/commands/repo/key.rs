//! `refit repo key`: makes and shows keys.

use super::keys::{Sealed, refused};
use crate::{CliError, Exit, context::Context};
use clap::{Args, Subcommand};
use refit_forge::key::{PublicKey, SigningKey};
use serde_json::json;
use std::{fs, path::PathBuf};

/// Arguments of `refit repo key`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo key create root-2.pem --passphrase-file ./secret\n  refit repo key show root-2.pem.pub"
)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes an Ed25519 key: FILE for its holder alone, FILE.pub for everybody
    Create {
        /// The private key's file (PKCS#8); with a passphrase PEM, else DER
        file: PathBuf,
        #[command(flatten)]
        sealed: Sealed,
    },
    /// Shows a key's public half and its id in metadata
    Show {
        /// A private or public key
        file: PathBuf,
        #[command(flatten)]
        sealed: Sealed,
    },
}

/// Runs it.
pub(super) fn run(args: &KeyArgs, context: &Context) -> Result<Exit, CliError> {
    let key = match &args.verb {
        Verb::Create { file, sealed } => {
            let mut name = file.as_os_str().to_owned();
            name.push(".pub");
            let public = PathBuf::from(name);
            let key = match sealed.passphrase()? {
                Some(passphrase) => SigningKey::create_sealed(file, &passphrase),
                None => SigningKey::create(file),
            };
            let key = key.map_err(refused)?.public();
            fs::write(&public, key.to_pem())
                .map_err(|error| CliError::io("write", public.display(), error))?;
            context.output.say(&format!(
                "{} is for its holder alone; {} is public",
                file.display(),
                public.display()
            ));
            key
        }
        Verb::Show { file, sealed } => match PublicKey::read(file) {
            Ok(key) => key,
            Err(_) => SigningKey::read_with(file, sealed.passphrase()?.as_ref())
                .map_err(refused)?
                .public(),
        },
    };
    let id = key.id().map_err(refused)?;
    let data = json!({ "id": id, "public": key.to_string() });
    context.output.data(&data, |_| format!("id      {id}\npublic  {key}"))?;
    Ok(Exit::Done)
}
