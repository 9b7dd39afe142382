//! What the signing commands share: whose keys, how sealed, how an error ends, how far the signatures are.

use crate::{CliError, Exit, context::Context, output::table};
use clap::Args;
use jiff::SignedDuration;
use refit_forge::{
    ForgeError,
    key::{Keyring, Passphrase, PublicKey},
    repo::{Rehearsal, StageReport, Visible},
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Keys of one holder.
#[derive(Debug, Args)]
pub(super) struct HolderKeys {
    /// A private key; several times for several keys
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub(super) keys: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) sealed: Sealed,
}

/// What opens keys that a passphrase seals.
#[derive(Debug, Args)]
pub(super) struct Sealed {
    /// File with the passphrase that opens sealed keys
    #[arg(long, env = "REFIT_KEY_PASSPHRASE_FILE", value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
}

impl Sealed {
    pub(super) fn passphrase(&self) -> Result<Option<Passphrase>, CliError> {
        let text = self.passphrase_file.as_deref().map(crate::context::text).transpose()?;
        Ok(text.map(|text| Passphrase::new(&text)))
    }

    /// Every key of a folder.
    pub(super) fn ring(&self, dir: &Path) -> Result<Keyring, CliError> {
        Keyring::open(dir, self.passphrase()?.as_ref()).map_err(refused)
    }
}

impl HolderKeys {
    pub(super) fn ring(&self) -> Result<Keyring, CliError> {
        Keyring::read(&self.keys, self.sealed.passphrase()?.as_ref()).map_err(refused)
    }
}

/// Whether something is only tried.
#[derive(Debug, Args)]
pub(super) struct Trial {
    /// Tries it on a copy that is gone afterwards, and shows what would come of it
    #[arg(long)]
    dry_run: bool,
}

/// Where a command works: the repository, or a copy that is gone afterwards.
pub(super) struct Workplace(PathBuf, Option<Rehearsal>);

impl Trial {
    pub(super) const fn is_dry(&self) -> bool {
        self.dry_run
    }

    pub(super) fn at(&self, dir: &Path) -> Result<Workplace, CliError> {
        if !self.dry_run {
            return Ok(Workplace(dir.to_owned(), None));
        }
        let copy = Rehearsal::of(dir).map_err(refused)?;
        Ok(Workplace(copy.path().to_owned(), Some(copy)))
    }
}

impl Workplace {
    pub(super) fn dir(&self) -> &Path {
        &self.0
    }

    /// Says so when nothing was changed.
    pub(super) fn leave(self, exit: Exit, context: &Context) -> Exit {
        if self.1.is_some() {
            context.output.say("nothing was changed: this was a dry run");
        }
        exit
    }
}

/// A public key: a PEM file or 64 hexadecimal digits.
pub(super) fn public(text: &str) -> Result<PublicKey, CliError> {
    match PublicKey::parse(text) {
        Some(key) => Ok(key),
        None => PublicKey::read(Path::new(text)).map_err(refused),
    }
}

pub(super) fn lasting(time: Duration) -> Result<SignedDuration, CliError> {
    SignedDuration::try_from(time).map_err(|error| CliError::usage(error.to_string()))
}

/// How an error of the forge ends.
pub(super) fn refused(error: ForgeError) -> CliError {
    let exit = match &error {
        ForgeError::BelowThreshold { .. } | ForgeError::Stale { .. } => Some(Exit::Blocked),
        ForgeError::NoDelegation { .. }
        | ForgeError::NothingStaged { .. }
        | ForgeError::NoSuchKey { .. } => Some(Exit::NotFound),
        ForgeError::ForeignKey { .. } | ForgeError::NotDelegated { .. } => Some(Exit::Denied),
        _ => None,
    };
    let mut error = super::super::pack::refused(error);
    error.exit = exit.unwrap_or(error.exit);
    error
}

/// Shows what waits, and says what it still needs.
pub(super) fn show_stage(
    report: &StageReport,
    more: Value,
    context: &Context,
) -> Result<Exit, CliError> {
    let mut data = json!({
        "staged": report.folder, "version": report.version, "signed": report.signed, "needed": report.needed,
    });
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
    context.output.data(&data, |_| {
        let rows = report.needed.iter().map(|needed| {
            [needed.of.clone(), needed.found.to_string(), needed.threshold.to_string()]
        });
        table(["keys of", "signed", "needed"], rows.collect())
    })?;
    let open = report.needed.iter().any(|needed| needed.found < needed.threshold);
    let next = if open { "it waits for signatures" } else { "it can be published" };
    context.output.say(&format!(
        "version {} in {}: {next}",
        report.version,
        report.folder.display()
    ));
    Ok(Exit::Done)
}

/// Shows what clients see now.
pub(super) fn show_visible(visible: Visible, context: &Context) -> Result<Exit, CliError> {
    let Visible { version, expires } = visible;
    context.output.data(&json!({ "version": version, "expires": expires.to_string() }), |_| {
        version.to_string()
    })?;
    context.output.say(&match version {
        0 => "the root is published; clients pin it. Nothing else is published yet".to_owned(),
        _ => format!("metadata version {version}, believed until {expires}"),
    });
    Ok(Exit::Done)
}

/// Asks before something is lost.
pub(super) fn confirm(question: &str, yes: bool, context: &Context) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    let declined = |text: &str| CliError::new("cli.declined", Exit::Failed, text);
    if !context.output.can_ask() {
        return Err(declined("nobody can be asked: give --yes"));
    }
    if context.output.ask(question)? { Ok(()) } else { Err(declined("declined")) }
}
