//! `refit window freeze`: times in which nothing may be changed.

use super::{confirmed, lines, moment, show};
use crate::{CliError, Exit, context::Context};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use refit_names::{ProductName, RoleName, SiteName, WindowName};
use refit_plan::{Freeze, Scope};

/// Arguments of `refit window freeze`.
#[derive(Debug, Args)]
pub(crate) struct FreezeArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Forbids changes for a time; what has not begun then does not begin
    #[command(
        after_help = "Example:\n  refit window freeze add year-end --from 2026-12-18T00:00 --until 2027-01-05T06:00 --zone Europe/Berlin --reason 'close of the year'"
    )]
    Add(AddArgs),
    /// Lists freezes
    #[command(after_help = "Example:\n  refit window freeze list --json")]
    List,
    /// Ends a freeze
    #[command(after_help = "Example:\n  refit window freeze remove year-end --yes")]
    Remove {
        /// The freeze
        name: WindowName,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Its name
    name: WindowName,
    /// From this moment (2026-12-18T00:00:00Z) or local time in --zone on
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Until just before this moment or local time
    #[arg(long, value_name = "TIME")]
    until: String,
    /// IANA zone of local times
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// Only this site; may be given more than once
    #[arg(long = "site")]
    sites: Vec<SiteName>,
    /// Only hosts of this role; may be given more than once
    #[arg(long = "role")]
    roles: Vec<RoleName>,
    /// Only this product; may be given more than once
    #[arg(long = "product")]
    products: Vec<ProductName>,
}

pub(super) async fn run(args: FreezeArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Add(args) => {
            let (from, until) = ends(&args)?;
            let freeze = Freeze {
                name: args.name.to_string(),
                from,
                until,
                scope: Scope {
                    sites: args.sites.into_iter().collect(),
                    roles: args.roles.into_iter().collect(),
                    products: args.products.into_iter().collect(),
                },
                reason: args.reason,
            };
            let added = context.api()?.add_freeze(&freeze).await.map_err(lines)?;
            context.output.data(&added, |added| show::freezes(std::slice::from_ref(added)))?;
        }
        Verb::List => {
            let freezes = context.api()?.freezes().await?;
            context.output.data(&freezes, |freezes| show::freezes(freezes))?;
        }
        Verb::Remove { name, yes } => {
            confirmed(context, yes, &format!("end freeze {name}?"))?;
            let done = context.api()?.remove_freeze(&name).await?;
            context.output.data(&done, |done| format!("removed {}", done.name))?;
        }
    }
    Ok(Exit::Done)
}

/// Both ends, or what is wrong with both.
fn ends(args: &AddArgs) -> Result<(Timestamp, Timestamp), CliError> {
    match (moment(&args.from, &args.zone), moment(&args.until, &args.zone)) {
        (Ok(from), Ok(until)) => Ok((from, until)),
        (Err(from), Err(until)) if from.text != until.text => {
            Err(CliError::usage("2 faults, nothing was changed".to_owned())
                .with_details(vec![from.text, until.text]))
        }
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    }
}
