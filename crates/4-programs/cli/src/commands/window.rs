//! `refit window`: when hosts may be changed, and when nothing may.

mod add;
mod feed;
mod freeze;
mod show;

use crate::{CliError, Exit, context::Context};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use refit_client::ClientError;
use refit_names::{PersonName, ProductName, RoleName, RolloutName, SiteName, WindowName};
use refit_protocol::v1::{FeedQuery, OpeningsQuery, OpeningsView};
use std::path::PathBuf;

/// Arguments of `refit window`.
#[derive(Debug, Args)]
pub(crate) struct WindowArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists windows with what they mean and when they open next
    #[command(after_help = "Example:\n  refit window list --json")]
    List,
    /// Adds a window
    #[command(
        after_help = "Example:\n  refit window add weekend-night --zone Europe/Berlin --starts 2026-01-03T22:00 --rule 'FREQ=WEEKLY;BYDAY=SA' --for 6h --class weekend\n\nThe rule is an RRULE of RFC 5545, FREQ DAILY or coarser; without one the window opens once."
    )]
    Add(add::AddArgs),
    /// Says whether a window is open: ends with 0 when it is, with 7 and when it opens next when it is not
    #[command(after_help = "Example:\n  refit window check weekend-night --at 2026-03-29T02:30")]
    Check {
        /// The window
        name: WindowName,
        /// A moment (2026-01-03T21:00:00Z) or a local time in the window's zone (2026-01-03T22:00); now by default
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Shows the next openings, local and in UTC
    #[command(after_help = "Example:\n  refit window next weekend-night -n 5")]
    Next {
        /// The window
        name: WindowName,
        /// How many
        #[arg(short = 'n', long, default_value_t = 5)]
        count: u32,
        /// After this moment or local time; now by default
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Takes windows over from an iCalendar file; all of them or none
    #[command(
        after_help = "Example:\n  refit window import change-calendar.ics --zone Europe/Berlin"
    )]
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
        /// Zone of times that state none
        #[arg(long, default_value = "UTC")]
        zone: String,
        /// Replaces windows of the same name
        #[arg(long)]
        replace: bool,
        /// Judges and keeps nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Prints a calendar: openings and freezes, or what a person or a rollout has to do when
    #[command(after_help = "Example:\n  refit window ics --person engineer > my-nights.ics")]
    Ics {
        /// What this person does
        #[arg(long)]
        person: Option<PersonName>,
        /// What this rollout does
        #[arg(long)]
        rollout: Option<RolloutName>,
    },
    /// Removes a window that no host and no person names
    #[command(after_help = "Example:\n  refit window remove weekend-night --yes")]
    Remove {
        /// The window
        name: WindowName,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
    /// Times in which nothing may be changed
    Freeze(freeze::FreezeArgs),
    /// Addresses from which calendar programs fetch
    Feed(feed::FeedArgs),
}

/// What is to be changed: freezes of only some sites, roles or products count when they cover it.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Counts freezes of this site
    #[arg(long)]
    site: Option<SiteName>,
    /// Counts freezes of this role
    #[arg(long)]
    role: Option<RoleName>,
    /// Counts freezes of this product
    #[arg(long)]
    product: Option<ProductName>,
}

/// Runs it.
pub(crate) async fn run(args: WindowArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::List => {
            let windows = context.api()?.windows().await?;
            context.output.data(&windows, |windows| show::list(windows))?;
        }
        Verb::Add(args) => return add::run(args, context).await,
        Verb::Check { name, at, place } => {
            let asked = asked(context, &name, at, place, 1).await?;
            let open = asked.open.is_some();
            context.output.data(&asked, show::check)?;
            return Ok(if open { Exit::Done } else { Exit::Blocked });
        }
        Verb::Next { name, count, at, place } => {
            let asked = asked(context, &name, at, place, count).await?;
            context.output.data(&asked, show::next)?;
        }
        Verb::Import { file, zone, replace, dry_run } => {
            return add::import(&file, &zone, replace, dry_run, context).await;
        }
        Verb::Ics { person, rollout } => {
            let text = context.api()?.feed(&FeedQuery { person, rollout }).await?;
            context.output.bytes(&text)?;
        }
        Verb::Remove { name, yes } => {
            confirmed(context, yes, &format!("remove window {name}?"))?;
            let done = context.api()?.remove_window(&name).await?;
            context.output.data(&done, |done| format!("removed {}", done.name))?;
        }
        Verb::Freeze(args) => return freeze::run(args, context).await,
        Verb::Feed(args) => return feed::run(args, context).await,
    }
    Ok(Exit::Done)
}

async fn asked(
    context: &Context,
    name: &WindowName,
    at: Option<String>,
    place: PlaceArgs,
    count: u32,
) -> Result<OpeningsView, CliError> {
    let api = context.api()?;
    let PlaceArgs { site, role, product } = place;
    let mut query = OpeningsQuery { at: None, count: Some(count), site, role, product };
    if let Some(text) = at {
        query.at = Some(match text.parse() {
            Ok(moment) => moment,
            // A local time is the window's own.
            Err(_) => moment(&text, &api.openings(name, &query).await?.zone)?,
        });
    }
    Ok(api.openings(name, &query).await?)
}

/// A moment, or a local time in `zone`.
fn moment(text: &str, zone: &str) -> Result<Timestamp, CliError> {
    let wrong = || {
        let expected = "expected a moment 2026-01-03T21:00:00Z or a local time 2026-01-03T22:00";
        CliError::usage(format!("`{text}` is no time, {expected}"))
    };
    let local: jiff::civil::DateTime = match text.parse::<Timestamp>() {
        Ok(moment) => return Ok(moment),
        Err(_) => text.parse().map_err(|_| wrong())?,
    };
    refit_calendar::moment(local, zone)
        .map_err(|error| CliError::usage(refit_names::chain(&error)))?
        .ok_or_else(wrong)
}

fn confirmed(context: &Context, yes: bool, question: &str) -> Result<(), CliError> {
    if yes || (context.output.can_ask() && context.output.ask(question)?) {
        return Ok(());
    }
    let text = format!("not done: {question} (say --yes)");
    Err(CliError::new("cli.declined", Exit::Blocked, text))
}

/// An error of several lines: how many, then a line for each.
fn lines(error: ClientError) -> CliError {
    let mut told = CliError::from(error);
    let lines: Vec<String> = told.text.lines().map(str::to_owned).collect();
    if lines.len() > 1 {
        told.text = format!("{} faults, nothing was changed", lines.len());
        told.details = lines;
    }
    told
}
