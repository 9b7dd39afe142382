//! `refit rollout plan` and `diff`: making plans, and what a new one changes of an old one.

use super::show;
use crate::{CliError, Exit, context::Context, span};
use clap::Args;
use jiff::{Timestamp, civil, tz::TimeZone};
use refit_client::ApiClient;
use refit_names::{Generation, HostName, RolloutName, WaveName};
use refit_plan::{Change, Pin, PinnedTo};
use refit_protocol::v1::{PlanRequest, PlanView};
use std::time::Duration;

/// Arguments of `refit rollout plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The rollout
    name: RolloutName,
    /// Does it fit? When everything must be finished, such as 2026-12-01 or 2026-12-01T06:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment, conflicts_with = "no_deadline")]
    by: Option<Timestamp>,
    /// There is no deadline any more
    #[arg(long)]
    no_deadline: bool,
    /// This server on this day, or in the opening that holds this moment
    #[arg(long = "pin", value_name = "SERVER=WHEN", value_parser = pin)]
    pins: Vec<Pin>,
    /// This server at any time again
    #[arg(long = "unpin", value_name = "SERVER")]
    unpin: Vec<HostName>,
    /// Freezes do not count; one more person must agree
    #[arg(long, value_name = "REASON", conflicts_with = "no_emergency")]
    emergency: Option<String>,
    /// It is no emergency any more
    #[arg(long)]
    no_emergency: bool,
    /// Time that people need behind each server to validate it
    #[arg(long, value_parser = span::parse)]
    validation: Option<Duration>,
    /// Servers whose build is only stated (a table, no agent yet) are planned too; they are prepared once agents saw the same
    #[arg(long, conflicts_with = "seen")]
    stated: bool,
    /// Only servers whose build an agent saw are planned again
    #[arg(long)]
    seen: bool,
    /// Shows what would be; nothing is kept
    #[arg(long)]
    dry_run: bool,
    /// Shows what the new plan changes of the current one instead of the whole plan
    #[arg(long)]
    diff: bool,
    /// Plans the way back of this wave of the current plan; nothing is kept
    #[arg(long, value_name = "WAVE", conflicts_with_all = ["by", "diff", "dry_run", "pins", "emergency"])]
    rollback: Option<WaveName>,
}

/// Arguments of `refit rollout diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The rollout
    name: RolloutName,
    /// The older plan [default: the one before the current one]
    #[arg(requires = "new")]
    old: Option<u64>,
    /// The newer plan [default: the current one]
    new: Option<u64>,
}

/// A moment, or a day, which means its beginning in UTC.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let day: civil::Date = text.parse().map_err(|_| {
        format!("`{text}` is neither a day (2026-12-01) nor a moment (2026-12-01T06:00:00Z)")
    })?;
    let begins = day.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
    Ok(begins.timestamp())
}

fn pin(text: &str) -> Result<Pin, String> {
    let (host, when) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not SERVER=WHEN"))?;
    let host = host.parse().map_err(|error| format!("`{host}`: {error}"))?;
    let when = match (when.parse::<Timestamp>(), when.parse::<civil::Date>()) {
        (Ok(at), _) => PinnedTo::Opening(at),
        (_, Ok(day)) => PinnedTo::Day(day),
        _ => return Err(format!("`{when}` is neither a day (2026-12-01) nor a moment")),
    };
    Ok(Pin { host, when })
}

impl PlanArgs {
    fn request(&self) -> PlanRequest {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        PlanRequest {
            dry_run: self.dry_run,
            pins: self.pins.clone(),
            unpin: self.unpin.iter().cloned().collect(),
            deadline: self.by,
            no_deadline: self.no_deadline,
            emergency: self.emergency.clone(),
            no_emergency: self.no_emergency,
            validation_ms: self.validation.map(ms),
            stated: (self.stated || self.seen).then_some(self.stated),
        }
    }
}

/// Makes a plan, or plans a way back.
pub(super) async fn run(
    context: &Context,
    api: &ApiClient,
    args: PlanArgs,
) -> Result<Exit, CliError> {
    if let Some(wave) = &args.rollback {
        let plan = api.rollback_plan(&args.name, wave).await?;
        context.output.data(&plan, |plan| plan.describe())?;
        return Ok(if plan.left_out.is_empty() { Exit::Done } else { Exit::Blocked });
    }
    let old = if args.diff { Some(api.plan(&args.name).await?) } else { None };
    let new = api.make_plan_with(&args.name, &args.request()).await?;
    if args.dry_run {
        context.output.say("nothing was kept");
    }
    let Some(old) = old else { return show::plan(context, &new) };
    changes(context, &old, &new)?;
    Ok(if new.findings.is_empty() { Exit::Done } else { Exit::Blocked })
}

/// Compares two plans of a rollout.
pub(super) async fn diff(
    context: &Context,
    api: &ApiClient,
    args: DiffArgs,
) -> Result<Exit, CliError> {
    let (old, new) = match (args.old, args.new) {
        (Some(old), Some(new)) => (old, new),
        _ => match api.plans(&args.name).await?.as_slice() {
            [new, old, ..] => (old.generation.0, new.generation.0),
            [_] => {
                return Err(CliError::usage(
                    "there is one plan only, so nothing to compare it with",
                ));
            }
            [] => return Err(CliError::usage("there is no plan yet: `refit rollout plan`")),
        },
    };
    let old = api.plan_of_generation(&args.name, Generation(old)).await?;
    let new = api.plan_of_generation(&args.name, Generation(new)).await?;
    changes(context, &old, &new)?;
    Ok(Exit::Done)
}

fn changes(context: &Context, old: &PlanView, new: &PlanView) -> Result<(), CliError> {
    let changes = refit_plan::diff(&old.plan, &new.plan);
    let (older, newer) = (old.plan.generation, new.plan.generation);
    context.output.data(&changes, |changes: &Vec<Change>| {
        let head = format!("generation {older} → {newer}: {} changes", changes.len());
        let lines = changes.iter().map(Change::to_string);
        std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_and_moments_are_read() {
        let day = pin("web-1=2026-12-01").unwrap();
        assert_eq!(day.when, PinnedTo::Day("2026-12-01".parse().unwrap()));
        let opening = pin("web-1=2026-12-01T22:00:00Z").unwrap();
        assert_eq!(opening.when, PinnedTo::Opening("2026-12-01T22:00:00Z".parse().unwrap()));
        assert!(pin("web-1").is_err() && pin("web-1=soon").is_err() && moment("soon").is_err());
        assert_eq!(moment("2026-12-01").unwrap(), "2026-12-01T00:00:00Z".parse().unwrap());
    }
}
