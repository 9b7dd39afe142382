//! `refit updates list`.

use super::arrow;
use crate::{CliError, Exit, context::Context, output::table};
use clap::Args;
use refit_names::{BuildId, ProductName, counted};
use refit_packs::manifest::{IssueAction, PackKind};
use refit_protocol::v1::{UpdatePack, UpdateView};

/// Arguments of `refit updates list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit updates list --refresh\n  refit updates list --product ledger --from 1000 --details"
)]
pub(super) struct ListArgs {
    /// Asks the repository first
    #[arg(long)]
    refresh: bool,
    /// Only this product
    #[arg(long)]
    product: Option<ProductName>,
    /// Only this installed build
    #[arg(long)]
    from: Option<BuildId>,
    /// With read-me and known issues of each pack
    #[arg(long)]
    details: bool,
}

pub(super) async fn run(args: &ListArgs, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    if args.refresh {
        api.refresh_repository().await?;
    }
    let mut updates = api.updates().await?;
    updates.retain(|update| {
        args.product.as_ref().is_none_or(|product| update.product == *product)
            && args.from.as_ref().is_none_or(|from| update.installed == *from)
    });
    context.output.data(
        &updates,
        |updates| {
            if args.details { details(updates) } else { rows(updates) }
        },
    )?;
    Ok(Exit::Done)
}

/// A line for each path.
pub(super) fn rows(updates: &[UpdateView]) -> String {
    let rows = updates.iter().flat_map(|update| {
        let first =
            [update.product.to_string(), update.installed.to_string(), update.servers.to_string()];
        let line = |rest: [String; 5]| {
            let [product, installed, servers] = first.clone();
            let [path, kind, size, title, remark] = rest;
            [product, installed, servers, path, kind, size, title, remark]
        };
        let nothing = || {
            let remark = update.withdrawn.as_ref().map(|why| format!("withdrawn: {why}"));
            let path = "nothing newer is published".to_owned();
            line([path, String::new(), String::new(), String::new(), remark.unwrap_or_default()])
        };
        let lines: Vec<_> = update
            .targets
            .iter()
            .map(|target| {
                let last = target.packs.last();
                line([
                    arrow(&target.builds),
                    last.map(|pack| kind(pack.kind).to_owned()).unwrap_or_default(),
                    target.size.to_string(),
                    last.map(|pack| pack.title.clone()).unwrap_or_default(),
                    remark(update, target),
                ])
            })
            .collect();
        if lines.is_empty() { vec![nothing()] } else { lines }
    });
    table(
        ["product", "installed", "servers", "path", "kind", "size", "title", "remarks"],
        rows.collect(),
    )
}

fn remark(update: &UpdateView, target: &refit_protocol::v1::UpdateTarget) -> String {
    let mut remarks = target.remarks.clone();
    if let Some(why) = &update.withdrawn {
        remarks.push(format!("build {} was withdrawn: {why}", update.installed));
    }
    if let Some(newer) = &target.superseded_by
        && !remarks.iter().any(|remark| remark.contains("superseded"))
    {
        remarks.push(format!("superseded by {newer}"));
    }
    let issues: usize = target.packs.iter().map(|pack| pack.known_issues.len()).sum();
    if issues > 0 {
        remarks.push(counted(issues, "known issue"));
    }
    remarks.join("; ")
}

fn details(updates: &[UpdateView]) -> String {
    let mut text = rows(updates);
    let mut shown = std::collections::BTreeSet::new();
    let packs = updates.iter().flat_map(|update| &update.targets).flat_map(|target| &target.packs);
    for pack in packs {
        if shown.insert(pack.record_digest) {
            text.push_str(&one(pack));
        }
    }
    text
}

fn one(pack: &UpdatePack) -> String {
    let mut text = format!(
        "\n\n{} — {} ({}, {})\nrecord {}\n\n{}",
        pack.to,
        pack.title,
        kind(pack.kind),
        pack.size,
        pack.record_digest,
        pack.readme.trim_end()
    );
    for issue in &pack.known_issues {
        let action = match issue.action {
            IssueAction::Hold => "holds",
            IssueAction::Warn => "warns",
        };
        text.push_str(&format!("\n  known issue {} ({action}): {}", issue.id, issue.text));
    }
    text
}

pub(super) const fn kind(kind: PackKind) -> &'static str {
    match kind {
        PackKind::Minor => "minor",
        PackKind::ServicePack => "service pack",
        PackKind::Feature => "feature",
    }
}
