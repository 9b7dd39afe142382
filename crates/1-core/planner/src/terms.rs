//! What packs ask of hosts, as far as facts show it: known issues, requirements.

use crate::{PlanInput, text};
use refit_inventory::{HostRecord, ObservedFacts};
use refit_names::{BuildId, HostName, PartName};
use refit_packs::{
    catalog::PackSummary,
    manifest::{IssueAction, KnownIssue, RebootNeed, SeenFacts},
};
use std::collections::{BTreeMap, BTreeSet};

/// What people should know: what is said of many hosts stands there once, with all of them.
#[derive(Default)]
pub(crate) struct Warnings {
    plain: Vec<String>,
    of_hosts: BTreeMap<String, Vec<HostName>>,
}

impl Warnings {
    pub(crate) fn extend(&mut self, texts: impl IntoIterator<Item = String>) {
        self.plain.extend(texts);
    }

    fn of(&mut self, host: &HostName, text: String) {
        self.of_hosts.entry(text).or_default().push(host.clone());
    }

    /// As lines, those of hosts last.
    pub(crate) fn lines(self) -> Vec<String> {
        let line = |(text, hosts): (String, Vec<HostName>)| match &hosts[..] {
            [one] => format!("{one}: {text}"),
            _ => format!("{}: {text}", text::hosts(&hosts)),
        };
        self.plain.into_iter().chain(self.of_hosts.into_iter().map(line)).collect()
    }
}

/// Whether a pack may go to a host that would leave the build `from`; otherwise why not.
pub(crate) fn accepts(
    pack: &PackSummary,
    from: &BuildId,
    record: &HostRecord,
    warnings: &mut Warnings,
) -> Result<(), String> {
    let Some(facts) = &record.facts else { return Ok(()) };
    let seen = seen(facts);
    let unmet = pack.terms.requirements.unmet(&seen);
    if !unmet.is_empty() {
        let unmet: Vec<String> = unmet.iter().map(ToString::to_string).collect();
        return Err(format!("build `{}` cannot run on it: {}", pack.to, unmet.join("; ")));
    }
    known_issues(pack, from, record, &seen, warnings)
}

/// Facts as manifests look at them.
#[must_use]
pub fn seen(facts: &ObservedFacts) -> SeenFacts<'_> {
    SeenFacts {
        os: &facts.os,
        os_release: &facts.os_release,
        arch: &facts.arch,
        kernel: &facts.kernel,
        agent_version: &facts.agent_version,
        memory: facts.memory,
        products: facts.products.iter().map(|seen| (&seen.name, seen.build.as_ref())).collect(),
    }
}

fn known_issues(
    pack: &PackSummary,
    from: &BuildId,
    record: &HostRecord,
    seen: &SeenFacts<'_>,
    warnings: &mut Warnings,
) -> Result<(), String> {
    let concerns = |issue: &&KnownIssue| issue.concerns(record.role.as_str(), seen, from);
    for issue in pack.known_issues.iter().filter(concerns) {
        let text = format!("known issue {} of build `{}`: {}", issue.id, pack.to, issue.text);
        match issue.action {
            IssueAction::Hold => return Err(text),
            IssueAction::Warn => warnings.of(&record.name, text),
        }
    }
    Ok(())
}

/// What people should know of the packs that a plan uses: features that change, restarts.
pub(crate) fn remarks(input: &PlanInput, builds: &BTreeSet<&BuildId>) -> Vec<String> {
    let mut remarks = Vec::new();
    for pack in input
        .catalog
        .packs
        .iter()
        .filter(|pack| pack.product == input.product && builds.contains(&pack.to))
    {
        for switch in &pack.terms.switches {
            let (name, before, after) = (&switch.name, &switch.before, &switch.after);
            remarks.push(format!(
                "build `{}` switches {name}: {before} -> {after}. {}",
                pack.to, switch.text
            ));
        }
        let (with, without): (Vec<_>, Vec<_>) =
            pack.terms.parts.keys().partition(|part| input.parts.contains(*part));
        if !pack.terms.parts.is_empty() {
            let names = |parts: Vec<&PartName>| match &parts[..] {
                [] => "none".to_owned(),
                some => some.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", "),
            };
            let (with, without) = (names(with), names(without));
            remarks.push(format!(
                "optional parts of build `{}`: with {with}, without {without}",
                pack.to
            ));
        }
        if pack.terms.reboot == Some(RebootNeed::Always) {
            remarks.push(format!("build `{}` restarts the machine", pack.to));
        }
    }
    remarks
}
