//! `refit user`: people and service accounts with their rights.

use crate::{CliError, Exit, context::Context, output::table};
use clap::{Args, Subcommand};
use refit_names::PersonName;
use refit_protocol::v1::{NewUser, Right};
use std::collections::BTreeSet;

/// Arguments of `refit user`.
#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes an account; its token is printed once
    #[command(
        after_help = "Example:\n  refit user add change-board --right approver --right auditor > change-board.token"
    )]
    Add {
        /// Name of the person or service
        name: PersonName,
        /// What it may do; may be given more than once
        #[arg(long = "right", required = true, value_parser = right)]
        rights: Vec<Right>,
    },
    /// Lists accounts
    #[command(after_help = "Example:\n  refit user list --json")]
    List,
}

/// Reads a right by the name that it has on the wire, so that there is one list of names.
pub(crate) fn right(text: &str) -> Result<Right, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|error| error.to_string())
}

fn rights_text(rights: &BTreeSet<Right>) -> String {
    rights.iter().map(Right::to_string).collect::<Vec<_>>().join(", ")
}

/// Runs it.
pub(crate) async fn run(args: UserArgs, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    match args.verb {
        Verb::Add { name, rights } => {
            let made =
                api.add_user(&NewUser { name, rights: rights.into_iter().collect() }).await?;
            context.output.say(&format!(
                "account {} may: {}; its token is shown only now",
                made.name,
                rights_text(&made.rights)
            ));
            context.output.data(&made, |made| made.token.clone())?;
        }
        Verb::List => {
            let users = api.users().await?;
            context.output.data(&users, |users| {
                let rows =
                    users.iter().map(|user| [user.name.to_string(), rights_text(&user.rights)]);
                table(["name", "rights"], rows.collect())
            })?;
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_have_the_names_of_the_wire() {
        assert_eq!(right("application-owner"), Ok(Right::ApplicationOwner));
        assert_eq!(Right::ApplicationOwner.to_string(), "application-owner");
        assert!(right("root").unwrap_err().contains("expected one of"));
    }
}
