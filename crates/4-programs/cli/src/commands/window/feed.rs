//! `refit window feed`: addresses from which calendar programs fetch.

use super::{confirmed, show};
use crate::{CliError, Exit, context::Context};
use clap::{Args, Subcommand};
use refit_names::{PersonName, RolloutName};
use refit_protocol::v1::{FeedQuery, NewFeed};

/// Arguments of `refit window feed`.
#[derive(Debug, Args)]
pub(crate) struct FeedArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes an address; it is a secret, and is printed once
    #[command(after_help = "Example:\n  refit window feed add --person engineer --about 'phone'")]
    Add {
        /// Shows what this person does
        #[arg(long)]
        person: Option<PersonName>,
        /// Shows what this rollout does
        #[arg(long)]
        rollout: Option<RolloutName>,
        /// What it is for
        #[arg(long, default_value = "")]
        about: String,
    },
    /// Lists feeds, without their secrets
    #[command(after_help = "Example:\n  refit window feed list --json")]
    List,
    /// Revokes a feed: its address answers no more
    #[command(after_help = "Example:\n  refit window feed remove 3f9a41c07e22 --yes")]
    Remove {
        /// Its id
        id: String,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(args: FeedArgs, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    match args.verb {
        Verb::Add { person, rollout, about } => {
            let new = NewFeed { of: FeedQuery { person, rollout }, about };
            let made = api.add_feed(&new).await?;
            context.output.say(&format!("feed {}; its address is shown only now", made.id));
            let server = api.server().as_str().trim_end_matches('/').to_owned();
            context.output.data(&made, |made| format!("{server}{}", made.path))?;
        }
        Verb::List => {
            let feeds = api.feeds().await?;
            context.output.data(&feeds, |feeds| show::feeds(feeds))?;
        }
        Verb::Remove { id, yes } => {
            confirmed(context, yes, &format!("revoke feed {id}?"))?;
            let done = api.remove_feed(&id).await?;
            context.output.data(&done, |done| format!("removed {}", done.name))?;
        }
    }
    Ok(Exit::Done)
}
