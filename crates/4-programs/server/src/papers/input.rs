//! What documents are made of, from the store and the repository. What is missing there leaves a document shorter.

use super::removal;
use crate::{
    app::App,
    campaign::{self, Campaign},
    planning,
    refusal::Answer,
};
use jiff::tz::TimeZone;
use refit_documents::paper::{
    EngineerNote, HostNote, KnownTrouble, PackNote, PaperInput, RiskLine, RollbackNote,
    RunbookNote, Standing,
};
use refit_inventory::{HostRecord, SiteRecord};
use refit_names::{BuildId, HostName, RoleName, RolloutName, SiteName};
use refit_packs::manifest::{IssueAction, KnownIssue, Manifest};
use refit_packs::record::PackRecord;
use refit_packs::runbook::StepKind;
use refit_plan::{Plan, Way};
use refit_protocol::v1::Right;
use refit_risk::{RiskEntry, RiskStatus};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Everything about the current plan of a rollout, without a rehearsal.
pub(crate) async fn of(app: &App, name: &RolloutName) -> Answer<PaperInput> {
    let row = planning::current(app, name).await?;
    let campaign = campaign::load(app, name).await?.body;
    let hosts = app.store.hosts().await?;
    let sites = app.store.sites().await?;
    let risks = app.store.risk_entries().await?;
    let engineers = app.store.engineers().await?;
    let signed = records(app, &row.plan);
    let (packs, records) = match row.plan.way() {
        Way::Forward => {
            let note = |record: &PackRecord| (record.manifest.to.clone(), pack_note(record));
            (signed.iter().map(note).collect(), signed)
        }
        Way::Removal => removal::of(&signed, &row.plan.target),
    };
    let planned: BTreeSet<&HostName> = row.plan.hosts().map(|(_, host)| &host.host).collect();
    Ok(PaperInput {
        standing: standing(&campaign),
        zone: zone(&row.plan, &sites),
        hosts: hosts
            .iter()
            .filter(|host| planned.contains(&host.name))
            .map(|host| (host.name.clone(), host_note(host)))
            .collect(),
        packs,
        runbooks: runbooks(&row.plan, &records),
        risks: risks.iter().filter(|risk| planned.contains(&risk.host)).map(risk_line).collect(),
        engineers: engineers
            .into_iter()
            .map(|engineer| {
                let skills = engineer.skills.into_iter().collect();
                (engineer.name, EngineerNote { skills, hosts_at_once: engineer.hosts_at_once })
            })
            .collect(),
        parties: parties(&campaign),
        remarks: row.report,
        findings: row.findings,
        ..PaperInput::of_plan(row.plan, row.hash)
    })
}

fn standing(campaign: &Campaign) -> Standing {
    let rollout = &campaign.rollout;
    Standing {
        state: rollout.state().to_string(),
        agreed_by: rollout.agreed_by().iter().cloned().collect(),
        authorised_by: rollout.authorised_by().cloned(),
    }
}

fn parties(campaign: &Campaign) -> Vec<String> {
    let default = || BTreeSet::from([Right::Deployer, Right::ApplicationOwner]);
    let parties = campaign.configuration.as_ref().map_or_else(default, |set| set.parties.clone());
    parties.iter().map(word).collect()
}

/// A word of the wire as text.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// The zone of most of the plan's hosts; UTC where no site says one.
fn zone(plan: &Plan, sites: &[SiteRecord]) -> TimeZone {
    let zones: BTreeMap<&SiteName, &str> =
        sites.iter().map(|site| (&site.name, site.zone.as_str())).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, host) in plan.hosts() {
        if let Some(zone) = zones.get(&host.site) {
            *counts.entry(zone).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.and_then(|(zone, _)| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC)
}

fn host_note(host: &HostRecord) -> HostNote {
    HostNote {
        owner: host.owner.clone(),
        criticality: host.criticality as usize,
        cluster: host.cluster.clone(),
        time_class: host.time_class,
        after: host.after.iter().cloned().collect(),
    }
}

/// The signed records of the plan's packs, as far as the repository's copy has them.
fn records(app: &App, plan: &Plan) -> Vec<PackRecord> {
    let Ok(stock) = app.stock() else { return Vec::new() };
    plan.packs.iter().filter_map(|pin| stock.records.get(&pin.digest)).cloned().collect()
}

pub(super) fn pack_note(record: &PackRecord) -> PackNote {
    let manifest = &record.manifest;
    PackNote {
        title: manifest.title.clone(),
        kind: word(&manifest.kind),
        readme: record.readme.clone(),
        issues: manifest.known_issues.iter().map(trouble).collect(),
        terms: terms(manifest),
    }
}

fn trouble(issue: &KnownIssue) -> KnownTrouble {
    KnownTrouble {
        id: issue.id.clone(),
        text: issue.text.clone(),
        holds: issue.action == IssueAction::Hold,
        roles: issue.roles.iter().cloned().collect(),
    }
}

fn terms(manifest: &Manifest) -> Vec<String> {
    let mut terms = Vec::new();
    if let Some(reboot) = &manifest.reboot {
        terms.push(format!("the machine is restarted: {}", word(reboot).replace('-', " ")));
    }
    let switches = manifest.switches.iter();
    terms.extend(switches.map(|switch| {
        format!("{} goes from {} to {}: {}", switch.name, switch.before, switch.after, switch.text)
    }));
    if !manifest.migrations.is_empty() {
        let names: Vec<String> = manifest.migrations.iter().map(|m| m.id.to_string()).collect();
        terms.push(format!("databases are changed by {}", names.join(", ")));
    }
    terms
}

/// Each procedure once, with the packs that carry it and the roles of the hosts that take them.
fn runbooks(plan: &Plan, records: &[PackRecord]) -> Vec<RunbookNote> {
    let mut roles: BTreeMap<&BuildId, BTreeSet<&RoleName>> = BTreeMap::new();
    for (_, host) in plan.hosts() {
        for leg in &host.legs {
            roles.entry(&leg.pack.to).or_default().insert(&host.role);
        }
    }
    let mut notes: Vec<RunbookNote> = Vec::new();
    for record in records {
        let to = &record.manifest.to;
        let mut note = runbook(record);
        note.roles = roles.get(to).into_iter().flatten().map(|role| (*role).clone()).collect();
        match notes.iter_mut().find(|seen| same(seen, &note)) {
            Some(seen) => {
                seen.builds.push(to.clone());
                seen.roles.extend(note.roles);
                seen.roles.sort();
                seen.roles.dedup();
            }
            None => notes.push(note),
        }
    }
    notes
}

fn same(a: &RunbookNote, b: &RunbookNote) -> bool {
    a.name == b.name && a.steps == b.steps && a.unit == b.unit
}

fn runbook(record: &PackRecord) -> RunbookNote {
    let book = &record.runbook;
    let steps = book.steps.iter();
    let tests = book.steps.iter().filter(|step| matches!(step.kind, StepKind::Test { .. }));
    let unit = &record.manifest.unit;
    let databases = unit.databases.keys().map(|name| format!("database {name}"));
    RunbookNote {
        name: book.name.to_string(),
        builds: vec![record.manifest.to.clone()],
        roles: Vec::new(),
        steps: steps
            .map(|step| (word(&step.phase), step.id.to_string(), step.kind.name().to_owned()))
            .collect(),
        tests: tests.map(|step| step.id.to_string()).collect(),
        unit: unit.data.iter().map(ToString::to_string).chain(databases).collect(),
        rollback: RollbackNote {
            method: word(&book.rollback.method),
            trigger: book.rollback.trigger.clone(),
            deadline_ms: book.rollback.deadline_ms,
            owner: book.rollback.owner.clone(),
            tested: book.rollback.tested.clone(),
        },
    }
}

fn risk_line(risk: &RiskEntry) -> RiskLine {
    let left = match &risk.status {
        RiskStatus::Mitigated { left, .. } => Some((left.likelihood.get(), left.impact.get())),
        RiskStatus::Open | RiskStatus::Accepted { .. } => None,
    };
    RiskLine {
        id: risk.id,
        host: risk.host.clone(),
        text: risk.text.clone(),
        likelihood: risk.exposure.likelihood.get(),
        impact: risk.exposure.impact.get(),
        left,
        mitigation: risk.mitigation.clone(),
        owner: risk.owner.clone(),
        state: risk.status.word().to_owned(),
    }
}
