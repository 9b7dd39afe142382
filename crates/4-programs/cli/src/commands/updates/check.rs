//! `refit updates check`.

use super::{arrow, list};
use crate::{CliError, Exit, context::Context, output::moment};
use clap::Args;
use refit_protocol::v1::{CheckReport, RepositoryView, UpdateView};

/// Arguments of `refit updates check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit updates check || [ $? -eq 8 ] && echo \"there is something to plan\"\n\nEnds with 0 when every installed build is the newest, with 8 when updates are available."
)]
pub(super) struct CheckArgs {
    /// Only shows when the repository was and will be looked at
    #[arg(long)]
    status: bool,
}

pub(super) async fn run(args: &CheckArgs, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    if args.status {
        let view = api.repository().await?;
        context.output.data(&view, status)?;
        return Ok(Exit::Done);
    }
    let report = api.check_updates().await?;
    context.output.data(&report, people)?;
    let available = report.updates.iter().any(|update| !update.paths.is_empty());
    Ok(if available { Exit::ChangesPending } else { Exit::Done })
}

fn people(report: &CheckReport) -> String {
    let mut lines = vec![format!(
        "checked at {}: the repository {}",
        report.checked_at,
        if report.changed { "has changed" } else { "has not changed" }
    )];
    if let Some(expires) = report.expires_at {
        lines.push(format!("its metadata are believed until {expires}"));
    }
    match report.new.as_slice() {
        [] => lines.push("nothing new".to_owned()),
        new => {
            lines.push("new:".to_owned());
            lines.extend(new.iter().map(|finding| format!("  {finding}")));
        }
    }
    let with_paths: Vec<UpdateView> =
        report.updates.iter().filter(|update| !update.paths.is_empty()).cloned().collect();
    if with_paths.is_empty() {
        lines.push("no updates are available for what is installed".to_owned());
    } else {
        lines.push(String::new());
        lines.push(list::rows(&with_paths));
    }
    lines.join("\n")
}

fn status(view: &RepositoryView) -> String {
    let when = |at: Option<jiff::Timestamp>| at.map_or_else(|| "never".to_owned(), moment);
    let mut lines = vec![
        format!("repository    {}", view.url),
        format!("refreshed     {}", when(view.refreshed_at)),
        format!("expires       {}", when(view.expires_at)),
    ];
    if let Some(check) = &view.check {
        let span = |ms| crate::span::text(ms);
        lines.push(format!("last check    {}", when(check.last_at)));
        lines.push(format!("next check    {}", when(check.next_at)));
        lines.push(format!(
            "schedule      every {}, and up to {} by chance",
            span(check.every_ms),
            span(check.jitter_ms)
        ));
        if check.failures > 0 {
            let since = when(check.failing_since);
            lines.push(format!("failing       {} times in a row, since {since}", check.failures));
        }
    }
    if let Some(problem) = &view.problem {
        lines.push(format!("problem       {problem}"));
    }
    for pack in &view.absent {
        let from = pack.from.iter().cloned().collect::<Vec<_>>();
        lines.push(format!(
            "not here      {} {} (from {}): not on the medium",
            pack.product,
            pack.to,
            arrow(&from).replace(" → ", ", ")
        ));
    }
    lines.join("\n")
}
