//! What a pack says.

use super::{
    InspectArgs,
    origin::{self, Pack},
};
use crate::{CliError, Exit, context::Context, output::table};
use refit_names::ByteSize;
use refit_packs::{
    manifest::{FeatureSwitch, IssueAction, KnownIssue, Manifest},
    record::{Bundle, TreeEntry, TreeNode},
    schema::SchemaOf,
};
use serde_json::{Value, json};

/// Shows what a pack says.
pub(super) async fn inspect(args: &InspectArgs, context: &Context) -> Result<Exit, CliError> {
    let pack = origin::open(&args.pack, &args.from, context).await?;
    let record = &pack.record;
    let content = |entries: &[TreeEntry]| -> Value {
        let (files, bytes) = count(entries);
        json!({ "entries": entries.len(), "files": files, "bytes": bytes })
    };
    let deltas = record.bundle.deltas.iter();
    let deltas: Vec<Value> =
        deltas.map(|set| json!({ "from": set.from, "stored": set.stored })).collect();
    let data = json!({
        "manifest": record.manifest,
        "runbook": record.runbook,
        "deltas": deltas,
        "payload": content(&record.payload),
        "web": content(&record.web),
        "bundle": { "target": record.bundle.target, "size": record.bundle.size, "digest": record.bundle.digest, "chunks": record.bundle.chunks.len() },
        "record": pack.digest,
        "signer": pack.signer,
    });
    context.output.data(&data, |_| describe(&pack))?;
    Ok(Exit::Done)
}

/// Prints the read-me.
pub(super) async fn readme(args: &InspectArgs, context: &Context) -> Result<Exit, CliError> {
    let pack = origin::open(&args.pack, &args.from, context).await?;
    let manifest = &pack.record.manifest;
    let data = json!({ "readme": pack.record.readme, "switches": manifest.switches, "known_issues": manifest.known_issues });
    context.output.data(&data, |_| {
        let mut text = pack.record.readme.trim_end().to_owned();
        for (title, lines) in [("Switches", switches(manifest)), ("Known issues", issues(manifest))]
        {
            if !lines.is_empty() {
                text += &format!("\n\n## {title}\n\n- {}", lines.join("\n- "));
            }
        }
        text
    })?;
    Ok(Exit::Done)
}

/// Prints a JSON Schema; it is JSON already.
pub(crate) fn schema(of: SchemaOf, context: &Context) -> Result<Exit, CliError> {
    context.output.text(&of.text())?;
    Ok(Exit::Done)
}

fn switches(manifest: &Manifest) -> Vec<String> {
    let told = |switch: &FeatureSwitch| {
        format!("{}: {} -> {}. {}", switch.name, switch.before, switch.after, switch.text)
    };
    manifest.switches.iter().map(told).collect()
}

fn issues(manifest: &Manifest) -> Vec<String> {
    let told = |issue: &KnownIssue| {
        let action = match issue.action {
            IssueAction::Hold => "holds",
            IssueAction::Warn => "warns",
        };
        let who = match (issue.roles.is_empty(), issue.facts.is_some()) {
            (true, false) => "all hosts".to_owned(),
            (true, true) => "hosts with matching facts".to_owned(),
            (false, facts) => {
                let roles: Vec<&str> = issue.roles.iter().map(String::as_str).collect();
                format!("{}{}", roles.join(", "), if facts { " with matching facts" } else { "" })
            }
        };
        format!("{} ({action} {who}): {}", issue.id, issue.text)
    };
    manifest.known_issues.iter().map(told).collect()
}

fn count(entries: &[TreeEntry]) -> (u64, u64) {
    entries.iter().fold((0, 0), |(files, bytes), entry| match &entry.node {
        TreeNode::File { size, .. } => (files + 1, bytes + size.0),
        _ => (files, bytes),
    })
}

fn describe(pack: &Pack) -> String {
    let (record, manifest) = (&pack.record, &pack.record.manifest);
    let from: Vec<&str> = manifest.from.iter().map(refit_names::BuildId::as_str).collect();
    let (files, bytes) = count(&record.payload);
    let (bundle, runbook) = (&record.bundle, &record.runbook);
    let mut lines = vec![
        format!("{} {} - {}", manifest.product, manifest.to, manifest.title),
        format!("upgrades   {}", from.join(", ")),
        format!("payload    {files} files, {}", ByteSize(bytes)),
        format!("transfer   {} at most, in {} chunks", bundle.size, bundle.chunks.len()),
        format!("deltas     {}", deltas(&record.bundle)),
        format!("web        {} files", count(&record.web).0),
        format!("record     {}", pack.digest),
        format!("signer     {}", pack.signer.as_deref().unwrap_or("none")),
        format!("runbook    {} version {}", runbook.name, runbook.version),
    ];
    lines.extend(terms(manifest));
    let steps = runbook.steps.iter().map(|step| {
        [
            format!("{:?}", step.phase).to_lowercase(),
            step.id.to_string(),
            step.kind.name().to_owned(),
        ]
    });
    format!("{}\n\n{}", lines.join("\n"), table(["phase", "step", "does"], steps.collect()))
}

/// From which builds there are deltas, and what they cost a host at most.
fn deltas(bundle: &Bundle) -> String {
    let sets = bundle.deltas.iter().map(|set| format!("from {}: {}", set.from, set.stored));
    let sets: Vec<String> = sets.collect();
    if sets.is_empty() { "none".to_owned() } else { sets.join(", ") }
}

/// What taking the pack means, a line each.
fn terms(m: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    let mut tell = |word: &str, text: String| lines.push(format!("{word:<10} {text}"));
    m.blocked.iter().for_each(|(build, reason)| tell("blocked", format!("{build}: {reason}")));
    m.components.iter().for_each(|(name, version)| tell("component", format!("{name} {version}")));
    for migration in &m.migrations {
        let again = if migration.repeatable { "may run twice" } else { "never twice" };
        tell(
            "migration",
            format!("{} of {}: {} ({again})", migration.id, migration.database, migration.about),
        );
    }
    for volume in &m.requirements.volumes {
        tell("volume", format!("{}: {} steady, {} peak", volume.path, volume.steady, volume.peak));
    }
    if let Some(reboot) = m.reboot {
        tell("reboot", told(&reboot));
    }
    switches(m).into_iter().for_each(|line| tell("switch", line));
    for (name, part) in &m.parts {
        let default = if part.default { "on" } else { "off" };
        tell("part", format!("{name}: {} (default {default})", part.title));
    }
    if let Some(uninstall) = &m.uninstall {
        let because = Some(&uninstall.because).filter(|text| !text.is_empty());
        let because = because.map_or(String::new(), |text| format!(": {text}"));
        tell("uninstall", format!("{}{because}", told(&uninstall.allowed)));
    }
    if let Some(rule) = &m.coexistence {
        let with: Vec<&str> = rule.with.iter().map(refit_names::BuildId::as_str).collect();
        let with = if with.is_empty() { "nothing".to_owned() } else { with.join(", ") };
        let long = rule.for_ms.map_or(String::new(), |ms| format!(" for {}", span(ms)));
        tell("beside", format!("{with}{long}"));
    }
    issues(m).into_iter().for_each(|line| tell("known", line));
    lines
}

/// The largest unit that tells it without a rest.
fn span(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let whole = units.into_iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{ms} ms"), |(unit, name)| format!("{} {name}", ms / unit))
}

/// A word of the manifest as it is written there.
fn told(word: &impl serde::Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
